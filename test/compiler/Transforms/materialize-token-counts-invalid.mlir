// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-materialize-token-counts --muster-verify-counts

muster.mesh @mesh <["dp" = 2, "ep" = 3]>
// expected-note @+1 {{counted first here: argument 0, dim 0}}
func.func @axes(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
                // expected-error @+1 {{E1204 expected all rows of tokens @step to be divided by the same axes but got other ones in dim 0 of argument 1}}
                %y: tensor<?xi32> {muster.layout = #muster.layout<[t/ep : tokens @step]>}) attributes {muster.mesh = @mesh} {
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
// expected-note @+1 {{counted first here}}
func.func @names(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
                 // expected-error @+1 {{E1206 expected one name for the dims of tokens @step but got 'u' in dim 0 of argument 1 and 't'}}
                 %y: tensor<?xi32> {muster.layout = #muster.layout<[u/dp : tokens @step]>}) attributes {muster.mesh = @mesh} {
  return
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @nothing_to_count(%x: tensor<?xi32> {muster.layout = #muster.layout<[t]>}) -> tensor<?xi32> attributes {muster.mesh = @mesh} {
  // expected-error @+1 {{E1201 moves rows of tokens @step, which no argument of the function has}}
  %own = muster.redistribute %x from <[t]> to <[t/dp : tokens @step]> : tensor<?xi32> -> tensor<?xi32>
  return %own : tensor<?xi32>
}

// -----

// A graph that counts is not mended: what was forgotten is found.
muster.mesh @mesh <["dp" = 2]>
func.func @forgotten(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> (tensor<?xi32>, index)
    attributes {muster.mesh = @mesh} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xi32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  %total = muster.total %c : !muster.counts<[dp], tokens, @step>
  // expected-error @+1 {{E1201 moves rows of tokens @step without counts}}
  %all = muster.redistribute %x from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  return %all, %total : tensor<?xi32>, index
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @first_row_of_nothing(%x: tensor<?xi32> {muster.layout = #muster.layout<[t]>}) -> index attributes {muster.mesh = @mesh} {
  // expected-error @+1 {{E1201 names rows of tokens @step, which no argument of the function has}}
  %f = muster.first_row of <[t/dp : tokens @step]>
  return %f : index
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @first_row_beside_counts(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>},
    %c: !muster.counts<[dp], tokens, @step>) -> index attributes {muster.mesh = @mesh} {
  // expected-error @+1 {{E1201 names rows of tokens @step, which the function counts itself: expected muster.own_offset of their counts}}
  %f = muster.first_row of <[t/dp : tokens @step]>
  return %f : index
}

// -----

// What a called function moves, and its caller has no rows of.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?xi32>) -> tensor<?xi32> {
  // expected-error @+1 {{E1201 moves rows of tokens @step, which no argument of the caller has: there is nothing to count them by}}
  %all = muster.redistribute %x from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  return %all : tensor<?xi32>
}
func.func @step(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @other]>}) -> tensor<?xi32> {
  // expected-note @+1 {{in this call}}
  %y = func.call @layer(%x) : (tensor<?xi32>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}

// -----

// A caller that counts by hand is not mended.
muster.mesh @mesh <["dp" = 2]>
func.func private @layer(%x: tensor<?xi32>) -> tensor<?xi32> {
  // expected-error @+1 {{E1201 moves rows of tokens @step, which the caller counts itself: expected their counts as an argument of the call}}
  %all = muster.redistribute %x from <[t/dp : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  return %all : tensor<?xi32>
}
func.func @step(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> tensor<?xi32> {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?xi32>
  %n = muster.local_count %t : !muster.counts<[], tokens, @step>
  %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
  // expected-note @+1 {{in this call}}
  %y = func.call @layer(%x) : (tensor<?xi32>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}

// -----

muster.mesh @mesh <["dp" = 2, "ep" = 2]>
func.func private @layer(%x: tensor<?xi32>) -> tensor<?xi32> {
  // expected-error @+1 {{E1204 moves rows of tokens @step, which the caller divides by other axes}}
  %all = muster.redistribute %x from <[t/ep : tokens @step]> to <[t]> : tensor<?xi32> -> tensor<?xi32>
  return %all : tensor<?xi32>
}
func.func @step(%x: tensor<?xi32> {muster.layout = #muster.layout<[t/dp : tokens @step]>}) -> tensor<?xi32> {
  // expected-note @+1 {{in this call}}
  %y = func.call @layer(%x) : (tensor<?xi32>) -> tensor<?xi32>
  return %y : tensor<?xi32>
}
