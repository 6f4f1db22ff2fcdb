// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-verify-layouts
//
// Counts that functions get from their callers (compiler/Analysis/InferCounts.cpp): in each call they are what that call
// gives, whatever other calls gave.

// One layer, called twice, with the counts of one exchange.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func private @two_layers(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  %y = func.call @layer(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %z = func.call @layer(%y, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %z : tensor<?x6xf32>
}
// expected-remark @+1 {{assumed: argument 1 is the same on every rank}}
func.func @right(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, %p: i1)
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %y = scf.for %i = %c0 to %c3 step %c1 iter_args(%v = %x) -> tensor<?x6xf32> {
    %w = scf.if %p -> tensor<?x6xf32> {
      %a = func.call @two_layers(%v, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
      scf.yield %a : tensor<?x6xf32>
    } else {
      scf.yield %v : tensor<?x6xf32>
    }
    scf.yield %w : tensor<?x6xf32>
  }
  %z = func.call @layer(%y, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %z : tensor<?x6xf32>
}

// -----

// A function that counts, called once: what it returns counts what it was given.
muster.mesh @mesh <["dp" = 2]>
func.func private @count(%x: tensor<?x6xf32>) -> !muster.counts<[dp], tokens, @step> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  return %c : !muster.counts<[dp], tokens, @step>
}
func.func @counted_elsewhere(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c = func.call @count(%x) : (tensor<?x6xf32>) -> !muster.counts<[dp], tokens, @step>
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// Called for other rows as well, its counts are not known apart: what counts @other says nothing of @step.
muster.mesh @mesh <["dp" = 2]>
func.func private @count(%x: tensor<?x6xf32>) -> !muster.counts<[dp], tokens, @step> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  return %c : !muster.counts<[dp], tokens, @step>
}
func.func @negative_counted_twice(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                                  %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %d = func.call @count(%y) : (tensor<?x6xf32>) -> !muster.counts<[dp], tokens, @step>
  %c = func.call @count(%x) : (tensor<?x6xf32>) -> !muster.counts<[dp], tokens, @step>
  // expected-error @+2 {{E1108 cannot be proved: where these counts come from is not known}}
  // expected-note @+1 {{}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%d : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}

// -----

// The second call gives counts of other rows: the layer that was right for the first is not taken for it.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  // expected-error @+2 {{E1108 cannot be proved: the counts are of the size of a dim of other rows}}
  // expected-note @+1 {{}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  %s = muster.slice %g on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func @negative_other_counts_in_second_call(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                                                %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %u = tensor.dim %y, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %m = muster.local_count %u : !muster.counts<[], tokens, @step>
  %c, %d = muster.exchange_counts %n, %m : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step>
  %a = func.call @layer(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @layer(%a, %d) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}

// -----

// Two counts in one call, in the other order.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>, %d: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  // expected-error @+2 {{E1108 cannot be proved: the counts are of the size of a dim of other rows}}
  // expected-note @+1 {{}}
  %s = muster.slice %g on "dp" dim 0 counts(%d : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %s : tensor<?x6xf32>
}
func.func @negative_swapped(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                            %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  %u = tensor.dim %y, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %m = muster.local_count %u : !muster.counts<[], tokens, @step>
  %c, %d = muster.exchange_counts %n, %m : !muster.counts<[], tokens, @step>, !muster.counts<[], tokens, @step>
      -> !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step>
  %a = func.call @layer(%x, %c, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @layer(%a, %c, %d) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %b : tensor<?x6xf32>
}

// -----

// Rows of another batch in the second call.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  // expected-error @+1 {{E1202 moves tokens of batch @other by counts of batch @step}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
func.func @negative_other_rows(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                               // expected-note @+1 {{tokens of batch @other are declared here}}
                               %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[u, i]>}) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xf32>
  // expected-note @+1 {{tokens of batch @step on [dp] are counted here}}
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %a = func.call @layer(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  %b = func.call @layer(%y, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %a, %b : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// The layer counts %y and hands the counts on: the function inside was right when %y was %x, and is looked at again when it is not.
muster.mesh @mesh <["dp" = 2]>
func.func private @gather(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  // expected-error @+2 {{E1108 cannot be proved: the counts are of the size of a dim of other rows}}
  // expected-note @+1 {{}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
func.func private @layer(%x: tensor<?x6xf32>, %y: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %y, %c0 : tensor<?x6xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %g = func.call @gather(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
func.func @negative_counts_of_a_call(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                                     %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}, tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %a = func.call @layer(%x, %x) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  %b = func.call @layer(%x, %y) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %a, %b : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Counts that a loop makes, of what it carries: in the second turn %b is %y.
muster.mesh @mesh <["dp" = 2]>
func.func private @gather(%x: tensor<?x6xf32>, %c: !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32> {
  // expected-error @+2 {{E1108 cannot be proved: the counts are of the size of a}}
  // expected-note @+1 {{}}
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x6xf32> -> tensor<?x6xf32>
  return %g : tensor<?x6xf32>
}
func.func @negative_counts_of_a_turn(%x: tensor<?x6xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>},
                                     %y: tensor<?x6xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>})
    -> (tensor<?x6xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %g0 = tensor.empty(%c0) : tensor<?x6xf32>
  %r, %s = scf.for %i = %c0 to %c3 step %c1 iter_args(%b = %x, %g = %g0) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
    %t = tensor.dim %b, %c0 : tensor<?x6xf32>
    %n = muster.local_count %t : !muster.counts<[], tokens, @step>
    %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
    %h = func.call @gather(%x, %c) : (tensor<?x6xf32>, !muster.counts<[dp], tokens, @step>) -> tensor<?x6xf32>
    scf.yield %y, %h : tensor<?x6xf32>, tensor<?x6xf32>
  }
  return %s : tensor<?x6xf32>
}

// -----

// Own offsets and padded counts as arguments.
muster.mesh @mesh <["sp" = 2]>
func.func private @asked(%x: tensor<?x8xf32>, %rows: tensor<?xi32>, %first: index) -> tensor<?x8xf32> {
  %y = nn.gather_rows %x[%rows] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %z = muster.all_reduce %y sum on "sp" : tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}
func.func private @padded(%x: tensor<?x8xf32>, %c: !muster.counts<[sp], tokens, @step>, %p: !muster.counts<[sp], padded, @step>) -> tensor<?x8xf32> {
  %z = arith.constant 0.0 : f32
  %a = muster.pad %x dim 0 counts(%c : !muster.counts<[sp], tokens, @step>) to(%p : !muster.counts<[sp], padded, @step>) fill(%z : f32) : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}
func.func private @live(%x: tensor<?x8xf32>, %p: !muster.counts<[sp], padded, @step>, %c: !muster.counts<[sp], tokens, @step>) -> tensor<?x8xf32> {
  %a = muster.unpad %x dim 0 counts(%p : !muster.counts<[sp], padded, @step>) to(%c : !muster.counts<[sp], tokens, @step>) : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}
func.func @helpers(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>})
    -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}, tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>}) {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[sp], tokens, @step>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @step> -> !muster.offsets<[sp], tokens, @step>
  %f = muster.own_offset %o : !muster.offsets<[sp], tokens, @step>
  %y = func.call @asked(%x, %rows, %f) : (tensor<?x8xf32>, tensor<?xi32>, index) -> tensor<?x8xf32>
  %p = muster.pad_counts %c align 4 mode sum : (!muster.counts<[sp], tokens, @step>) -> !muster.counts<[sp], padded, @step>
  %a = func.call @padded(%x, %c, %p) : (tensor<?x8xf32>, !muster.counts<[sp], tokens, @step>, !muster.counts<[sp], padded, @step>) -> tensor<?x8xf32>
  %b = func.call @live(%a, %p, %c) : (tensor<?x8xf32>, !muster.counts<[sp], padded, @step>, !muster.counts<[sp], tokens, @step>) -> tensor<?x8xf32>
  return %y, %b : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// The first row of other rows, in the second call.
muster.mesh @mesh <["sp" = 2]>
func.func private @asked(%x: tensor<?x8xf32>, %rows: tensor<?xi32>, %first: index) -> tensor<?x8xf32> {
  // expected-error @+1 {{E1202 moves tokens of batch @step by counts of batch @other}}
  %y = nn.gather_rows %x[%rows] first %first : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %z = muster.all_reduce %y sum on "sp" : tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}
// expected-note @+1 {{tokens of batch @step are declared here}}
func.func @negative_first_row_of_others(%x: tensor<?x8xf32> {muster.layout = #muster.layout<[t/sp : tokens @step, i]>},
    %w: tensor<?x8xf32> {muster.layout = #muster.layout<[u/sp : tokens @other, i]>},
    %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>})
    -> (tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}, tensor<?x8xf32> {muster.layout = #muster.layout<[r, i]>}) {
  %f = muster.first_row of <[t/sp : tokens @step]>
  %c0 = arith.constant 0 : index
  %u = tensor.dim %w, %c0 : tensor<?x8xf32>
  %n = muster.local_count %u : !muster.counts<[], tokens, @other>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @other> -> !muster.counts<[sp], tokens, @other>
  %o = muster.offsets %c : !muster.counts<[sp], tokens, @other> -> !muster.offsets<[sp], tokens, @other>
  %g = muster.own_offset %o : !muster.offsets<[sp], tokens, @other>
  %y = func.call @asked(%x, %rows, %f) : (tensor<?x8xf32>, tensor<?xi32>, index) -> tensor<?x8xf32>
  %z = func.call @asked(%x, %rows, %g) : (tensor<?x8xf32>, tensor<?xi32>, index) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
