// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Branches, loops and calls.

// Zeros become parts of a sum in the first iteration.
muster.mesh @node <["tp" = 3]>
func.func @sum_over_a_loop(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>},
                           %w: tensor<7x5xf32> {muster.layout = #muster.layout<[i/tp, o]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zeros = arith.constant dense<0.0> : tensor<2x5xf32>
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %sum = scf.for %i = %zero to %four step %one iter_args(%a = %zeros) -> tensor<2x5xf32> {
    %b = linalg.matmul ins(%x, %w : tensor<2x7xf32>, tensor<7x5xf32>) outs(%a : tensor<2x5xf32>) -> tensor<2x5xf32>
    scf.yield %b : tensor<2x5xf32>
  }
  %z = muster.all_reduce %sum sum on "tp" : tensor<2x5xf32>
  return %z : tensor<2x5xf32>
}

// -----

// Ones would be a part on each rank, if there is no iteration.
muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 1 is the same on every rank}}
func.func @negative_ones_over_a_loop(%x: tensor<5xf32> {muster.layout = #muster.layout<[o], partial(sum: tp)>}, %often: index)
    -> (tensor<5xf32> {muster.layout = #muster.layout<[o]>}) {
  %ones = arith.constant dense<1.0> : tensor<5xf32>
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  // expected-error @+2 {{E1108 cannot be proved: carried value 0 enters the loop as a constant and leaves an iteration as}}
  // expected-note @+1 {{what would settle it: both with one layout}}
  %sum = scf.for %i = %zero to %often step %one iter_args(%a = %ones) -> tensor<5xf32> {
    scf.yield %x : tensor<5xf32>
  }
  %z = muster.all_reduce %sum sum on "tp" : tensor<5xf32>
  return %z : tensor<5xf32>
}

// -----

// After four iterations each is where it was.
muster.mesh @node <["tp" = 3]>
func.func @loop_swaps_and_swaps_back(%x: tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>},
                                     %y: tensor<5xf32> {muster.layout = #muster.layout<[p]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %r:2 = scf.for %i = %zero to %four step %one iter_args(%a = %x, %b = %y) -> (tensor<5xf32>, tensor<5xf32>) {
    scf.yield %b, %a : tensor<5xf32>, tensor<5xf32>
  }
  return %r#0 : tensor<5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_loop_swaps(%x: tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>},
                               %y: tensor<5xf32> {muster.layout = #muster.layout<[p]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %three = arith.constant 3 : index
  // expected-note @+1 {{dim 0 holds [(5 : 1 @p)], declared [(3 : 5 @o, tp)(5 : 1 @o)]}}
  %r:2 = scf.for %i = %zero to %three step %one iter_args(%a = %x, %b = %y) -> (tensor<5xf32>, tensor<5xf32>) {
    scf.yield %b, %a : tensor<5xf32>, tensor<5xf32>
  }
  // expected-error @+1 {{E1104 result holds the wrong elements: expected layout [o/tp]}}
  return %r#0 : tensor<5xf32>
}

// -----

// No number of iterations is known, and so none is followed.
muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 2 is the same on every rank}}
func.func @negative_loop_swaps_so_often(%x: tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>},
                                        %y: tensor<5xf32> {muster.layout = #muster.layout<[p]>}, %often: index)
    -> (tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  // expected-error @+1 {{E1106 carried value 0 enters the loop as [(3 : 5 @o, tp)(5 : 1 @o)] and leaves an iteration as [(5 : 1 @p)]}}
  %r:2 = scf.for %i = %zero to %often step %one iter_args(%a = %x, %b = %y) -> (tensor<5xf32>, tensor<5xf32>) {
    scf.yield %b, %a : tensor<5xf32>, tensor<5xf32>
  }
  return %r#0 : tensor<5xf32>
}

// -----

// More iterations than are followed.
muster.mesh @node <["tp" = 3]>
func.func @negative_loop_of_many_iterations(%x: tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>},
                                            %y: tensor<5xf32> {muster.layout = #muster.layout<[p]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[o/tp]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %many = arith.constant 66 : index
  // expected-error @+1 {{E1106 carried value 0 enters the loop as}}
  %r:2 = scf.for %i = %zero to %many step %one iter_args(%a = %x, %b = %y) -> (tensor<5xf32>, tensor<5xf32>) {
    scf.yield %b, %a : tensor<5xf32>, tensor<5xf32>
  }
  return %r#0 : tensor<5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 1 is the same on every rank}}
func.func @negative_branch_of_ones(%y: tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>}, %p: i1)
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>}) {
  %ones = arith.constant dense<1.0> : tensor<4xf32>
  // expected-error @+2 {{E1108 cannot be proved: the branches give result 0 different layouts: a constant and}}
  // expected-note @+1 {{what would settle it: both with one layout}}
  %r = scf.if %p -> tensor<4xf32> {
    scf.yield %ones : tensor<4xf32>
  } else {
    scf.yield %y : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// -----

// Both branches wait for a reshape that restores what this one cuts, but they hold different things.
muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 2 is the same on every rank}}
func.func @negative_branches_that_wait(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[a/tp, b]>},
                                       %y: tensor<4x5xf32> {muster.layout = #muster.layout<[c, d/tp]>}, %p: i1)
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[a/tp, b]>}) {
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<4x5xf32> into tensor<20xf32>
  %g = tensor.expand_shape %f [[0, 1]] output_shape [10, 2] : tensor<20xf32> into tensor<10x2xf32>
  %h = tensor.collapse_shape %y [[0, 1]] : tensor<4x5xf32> into tensor<20xf32>
  %i = tensor.expand_shape %h [[0, 1]] output_shape [10, 2] : tensor<20xf32> into tensor<10x2xf32>
  // expected-error @+2 {{E1108 cannot be proved: the branches give result 0 different layouts}}
  // expected-note @+1 {{what would settle it: both with one layout}}
  %r = scf.if %p -> tensor<10x2xf32> {
    scf.yield %g : tensor<10x2xf32>
  } else {
    scf.yield %i : tensor<10x2xf32>
  }
  %s = tensor.collapse_shape %r [[0, 1]] : tensor<10x2xf32> into tensor<20xf32>
  %t = tensor.expand_shape %s [[0, 1]] output_shape [4, 5] : tensor<20xf32> into tensor<4x5xf32>
  return %t : tensor<4x5xf32>
}

// -----

// A claim in a region that is not looked into.
muster.mesh @node <["tp" = 3]>
// expected-remark @+1 {{assumed: argument 1 is the same on every rank}}
func.func @negative_claim_in_a_while_loop(%x: tensor<4xf32> {muster.layout = #muster.layout<[t]>}, %p: i1)
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported operation 'scf.while'}}
  // expected-note @+1 {{what would settle it}}
  scf.while : () -> () {
    scf.condition(%p)
  } do {
    %claim = muster.assert_layout %x : tensor<4xf32> layout <[u/tp]>
    scf.yield
  }
  return %x : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func private @jump(%x: tensor<4xf32>) -> tensor<4xf32> {
  cf.br ^next
^next:
  return %x : tensor<4xf32>
}
func.func @negative_call_of_blocks(%x: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  // expected-error @+2 {{E1108 cannot be proved: unsupported control flow between blocks of @jump}}
  // expected-note @+1 {{what would settle it: scf.if and scf.for instead}}
  %z = func.call @jump(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// One function, called with a value, with its part of a sum, and again: judged for each.
muster.mesh @node <["tp" = 3]>
func.func private @twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %z = arith.addf %x, %x : tensor<4xf32>
  return %z : tensor<4xf32>
}
func.func @negative_calls_of_different_operands(%x: tensor<4xf32> {muster.layout = #muster.layout<[t]>},
                                                %y: tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}, tensor<4xf32> {muster.layout = #muster.layout<[t]>},
        tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %a = func.call @twice(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = func.call @twice(%y) : (tensor<4xf32>) -> tensor<4xf32>
  %c = func.call @twice(%a) : (tensor<4xf32>) -> tensor<4xf32>
  // expected-error @+1 {{E1105 result 1 is not reduced as declared: the value is still to be reduced over 'tp', declared fully reduced}}
  return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
