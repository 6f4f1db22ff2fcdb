// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Constants and what nothing has written.

muster.mesh @node <["tp" = 3]>
func.func @negative_constant_as_parts() -> (tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>}) {
  %c = arith.constant dense<1.0> : tensor<4xf32>
  // expected-error @+1 {{E1105 result is declared as the ranks' parts of a sum, but is one number that each rank would add}}
  return %c : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @zeros_as_parts() -> (tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>},
                                tensor<4xf32> {muster.layout = #muster.layout<[u], partial(max: tp)>}) {
  %c = arith.constant dense<0.0> : tensor<4xf32>
  %d = arith.constant dense<1.0> : tensor<4xf32>
  return %c, %d : tensor<4xf32>, tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_constant_redistributed_from_parts(%x: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %c = arith.constant dense<1.0> : tensor<4xf32>
  // expected-error @+1 {{E1105 adds up a number that is the same on every rank}}
  %r = muster.redistribute %c from <[t], partial(sum: tp)> to <[t]> : tensor<4xf32> -> tensor<4xf32>
  %z = arith.addf %x, %r : tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_unwritten_result() -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{E1104 result has elements that nothing has written}}
  return %e : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_unwritten_operand(%x: tensor<4xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{E1106 reads elements that nothing has written}}
  %z = arith.addf %x, %e : tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_sum_from_unwritten(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i]>},
                                       %w: tensor<7x5xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %e = tensor.empty() : tensor<2x5xf32>
  // expected-error @+1 {{E1106 reads elements that nothing has written}}
  %z = linalg.matmul ins(%x, %w : tensor<2x7xf32>, tensor<7x5xf32>) outs(%e : tensor<2x5xf32>) -> tensor<2x5xf32>
  return %z : tensor<2x5xf32>
}

// -----

// Parts of two products, one accumulated on the other.
muster.mesh @node <["tp" = 3]>
func.func @parts_accumulated(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>},
                             %w: tensor<7x5xf32> {muster.layout = #muster.layout<[i/tp, o]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %zero = arith.constant dense<0.0> : tensor<2x5xf32>
  %a = linalg.matmul ins(%x, %w : tensor<2x7xf32>, tensor<7x5xf32>) outs(%zero : tensor<2x5xf32>) -> tensor<2x5xf32>
  %b = linalg.matmul ins(%x, %w : tensor<2x7xf32>, tensor<7x5xf32>) outs(%a : tensor<2x5xf32>) -> tensor<2x5xf32>
  %z = muster.all_reduce %b sum on "tp" : tensor<2x5xf32>
  return %z : tensor<2x5xf32>
}

// -----

// A bias as the start of a sharded sum counts once per rank.
muster.mesh @node <["tp" = 3]>
func.func @negative_bias_as_start_of_parts(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>},
                                           %w: tensor<7x5xf32> {muster.layout = #muster.layout<[i/tp, o]>},
                                           %bias: tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  // expected-error @+1 {{E1105 adds a value that is still to be reduced over 'tp' to one that is not: the latter would count once per rank}}
  %b = linalg.matmul ins(%x, %w : tensor<2x7xf32>, tensor<7x5xf32>) outs(%bias : tensor<2x5xf32>) -> tensor<2x5xf32>
  %z = muster.all_reduce %b sum on "tp" : tensor<2x5xf32>
  return %z : tensor<2x5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
func.func @negative_ones_as_start_of_parts(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>},
                                           %w: tensor<7x5xf32> {muster.layout = #muster.layout<[i/tp, o]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %one = arith.constant dense<1.0> : tensor<2x5xf32>
  // expected-error @+1 {{E1105 operand 0 is still to be reduced over 'tp'}}
  %b = linalg.matmul ins(%x, %w : tensor<2x7xf32>, tensor<7x5xf32>) outs(%one : tensor<2x5xf32>) -> tensor<2x5xf32>
  %z = muster.all_reduce %b sum on "tp" : tensor<2x5xf32>
  return %z : tensor<2x5xf32>
}

// -----

// A recurrence is no sum that ranks may share.
#id = affine_map<(t, i) -> (t, i)>
#row = affine_map<(t, i) -> (t)>
muster.mesh @node <["tp" = 3]>
func.func @negative_recurrence_over_shards(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t, i/tp]>})
    -> (tensor<2xf32> {muster.layout = #muster.layout<[t]>}) {
  %zero = arith.constant dense<0.0> : tensor<2xf32>
  // expected-error @+1 {{E1106 'd1' is needed whole on every rank but is spread over 'tp'}}
  %b = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<2x7xf32>) outs(%zero : tensor<2xf32>) {
  ^bb0(%in: f32, %sum: f32):
    %p = arith.mulf %sum, %in : f32
    %s = arith.addf %sum, %p : f32
    linalg.yield %s : f32
  } -> tensor<2xf32>
  %z = muster.all_reduce %b sum on "tp" : tensor<2xf32>
  return %z : tensor<2xf32>
}

// -----

// Windows walk positions that no iterator alone names; every rank has all of them.
#window = affine_map<(t, i) -> (t + i)>
#tap = affine_map<(t, i) -> (i)>
#out = affine_map<(t, i) -> (t)>
muster.mesh @node <["tp" = 3]>
func.func @convolution(%x: tensor<6xf32> {muster.layout = #muster.layout<[s]>},
                                %w: tensor<3xf32> {muster.layout = #muster.layout<[i]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %b = linalg.generic {indexing_maps = [#window, #tap, #out], iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<6xf32>, tensor<3xf32>) outs(%zero : tensor<4xf32>) {
  ^bb0(%in: f32, %by: f32, %sum: f32):
    %p = arith.mulf %by, %in : f32
    %s = arith.addf %sum, %p : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// -----

// A mean whose divisor is a sum of ones: over the rows of this rank, or of all?
#rows = affine_map<(t, i) -> (t, i)>
#sums = affine_map<(t, i) -> (i)>
muster.mesh @node <["dp" = 2]>
func.func @unknown_count_of_ones(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/dp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %ones = arith.constant dense<1.0> : tensor<4x5xf32>
  %s = linalg.generic {indexing_maps = [#rows, #sums], iterator_types = ["reduction", "parallel"]} ins(%x : tensor<4x5xf32>) outs(%zero : tensor<5xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  // expected-error @+2 {{E1108 cannot be proved: adds up as many constants as a dim has that nothing else has: on one rank it may be longer}}
  // expected-note @+1 {{what would settle it: how many one rank adds up: a number of the text, or a sum along a dim of an argument}}
  %n = linalg.generic {indexing_maps = [#rows, #sums], iterator_types = ["reduction", "parallel"]} ins(%ones : tensor<4x5xf32>) outs(%zero : tensor<5xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %S = muster.all_reduce %s sum on "dp" : tensor<5xf32>
  %N = muster.all_reduce %n sum on "dp" : tensor<5xf32>
  %y = arith.divf %S, %N : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// The same with the ones beside the rows that are added up: proved.
#rows = affine_map<(t, i) -> (t, i)>
#sums = affine_map<(t, i) -> (i)>
muster.mesh @node <["dp" = 2]>
func.func @positive_weighted_rows(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[t/dp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[i]>}) {
  %zero = arith.constant dense<0.0> : tensor<5xf32>
  %half = arith.constant dense<0.5> : tensor<4x5xf32>
  %s = linalg.generic {indexing_maps = [#rows, #rows, #sums], iterator_types = ["reduction", "parallel"]} ins(%x, %half : tensor<4x5xf32>, tensor<4x5xf32>) outs(%zero : tensor<5xf32>) {
  ^bb0(%a: f32, %w: f32, %b: f32):
    %p = arith.mulf %a, %w : f32
    %c = arith.addf %p, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %S = muster.all_reduce %s sum on "dp" : tensor<5xf32>
  return %S : tensor<5xf32>
}
