// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Of rows that are padded, unpadded, split or joined nothing is proved: their layouts are not known.
muster.mesh @node <["dp" = 2]>
func.func @padded_and_unpadded(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %c: !muster.counts<[dp], tokens, @step>, %g: !muster.counts<[dp], padded, @step>,
    %a: !muster.counts<[dp], tokens, @step.a>, %b: !muster.counts<[dp], tokens, @step.b>)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'muster.pad'}}
  // expected-note @+1 {{what it computes}}
  %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x6xf32>
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'muster.unpad'}}
  // expected-note @+1 {{what it computes}}
  %u = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @unpadded_alone(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %c: !muster.counts<[dp], tokens, @step>, %g: !muster.counts<[dp], padded, @step>,
    %a: !muster.counts<[dp], tokens, @step.a>, %b: !muster.counts<[dp], tokens, @step.b>)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'muster.unpad'}}
  // expected-note @+1 {{what it computes}}
  %u = muster.unpad %x dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %u : tensor<?x6xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @split_and_joined(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %c: !muster.counts<[dp], tokens, @step>, %g: !muster.counts<[dp], padded, @step>,
    %a: !muster.counts<[dp], tokens, @step.a>, %b: !muster.counts<[dp], tokens, @step.b>)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'muster.split_rows'}}
  // expected-note @+1 {{what it computes}}
  %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>) : tensor<?x6xf32>
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'muster.join_rows'}}
  // expected-note @+1 {{what it computes}}
  %j = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %j : tensor<?x6xf32>
}

// -----

muster.mesh @node <["dp" = 2]>
func.func @joined_alone(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
    %c: !muster.counts<[dp], tokens, @step>, %g: !muster.counts<[dp], padded, @step>,
    %a: !muster.counts<[dp], tokens, @step.a>, %b: !muster.counts<[dp], tokens, @step.b>)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'muster.join_rows'}}
  // expected-note @+1 {{what it computes}}
  %j = muster.join_rows %x, %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
      to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32>
  return %j : tensor<?x6xf32>
}
