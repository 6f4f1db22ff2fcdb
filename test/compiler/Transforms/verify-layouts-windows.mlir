// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Convolutions: windows along a dim that every rank has whole.

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @channels(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d/tp]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[k, d/tp]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[s, d/tp]>}) {
  %v1 = arith.constant dense<0.0> : tensor<2x4xf32>
  %v2 = tensor.concat dim(0) %v1, %a0 : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<8x4xf32>
  %v3 = arith.constant dense<0.0> : tensor<6x4xf32>
  %v4 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v2, %a1 : tensor<8x4xf32>, tensor<3x4xf32>) outs(%v3 : tensor<6x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<6x4xf32>
  return %v4 : tensor<6x4xf32>
}

// -----

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @gathered_rows(%a0: tensor<5x4xf32> {muster.layout = #muster.layout<[s/sp, d/tp]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[k, d/tp]>})
    -> (tensor<15x4xf32> {muster.layout = #muster.layout<[s, d/tp]>}) {
  %v1 = muster.all_gather %a0 on "sp" dim 0 : tensor<5x4xf32> -> tensor<15x4xf32>
  %v2 = arith.constant dense<0.0> : tensor<2x4xf32>
  %v3 = tensor.concat dim(0) %v2, %v1 : (tensor<2x4xf32>, tensor<15x4xf32>) -> tensor<17x4xf32>
  %v4 = arith.constant dense<0.0> : tensor<15x4xf32>
  %v5 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v3, %a1 : tensor<17x4xf32>, tensor<3x4xf32>) outs(%v4 : tensor<15x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<15x4xf32>
  return %v5 : tensor<15x4xf32>
}

// -----

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @negative_rows_of_each_rank(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[s/sp, d/tp]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[k, d/tp]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[s/sp, d/tp]>}) {
  %v1 = arith.constant dense<0.0> : tensor<2x4xf32>
  %v2 = tensor.concat dim(0) %v1, %a0 : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<8x4xf32>
  %v3 = arith.constant dense<0.0> : tensor<6x4xf32>
  // expected-error @+2 {{E1106 windows overlap along a dim of which each rank has its part only: [[(2 : 1 @padding)] | [(3 : 6 @s, sp)(6 : 1 @s)]]}}
  // expected-note @+1 {{a dim that every rank has whole and in the order of one rank, where windows go along it}}
  %v4 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v2, %a1 : tensor<8x4xf32>, tensor<3x4xf32>) outs(%v3 : tensor<6x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<6x4xf32>
  return %v4 : tensor<6x4xf32>
}

// -----

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @negative_channels_of_others(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d/tp]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[k, e]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[s, d/tp]>}) {
  %v1 = arith.constant dense<0.0> : tensor<2x4xf32>
  %v2 = tensor.concat dim(0) %v1, %a0 : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<8x4xf32>
  %v3 = arith.constant dense<0.0> : tensor<6x4xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd1': over all ranks one side has 8 positions, the other 4: [(2 : 4 @d, tp)(4 : 1 @d)] and [(4 : 1 @e)]}}
  %v4 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v2, %a1 : tensor<8x4xf32>, tensor<3x4xf32>) outs(%v3 : tensor<6x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<6x4xf32>
  return %v4 : tensor<6x4xf32>
}

// -----

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["a" = 2, "b" = 3]>
func.func @negative_rows_in_another_order(%a0: tensor<5x4xf32> {muster.layout = #muster.layout<[s/(a, b), d]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[k, d]>})
    -> (tensor<28x4xf32> {muster.layout = #muster.layout<[r, d]>}) {
  %v1 = muster.all_gather %a0 on ["b", "a"] dim 0 : tensor<5x4xf32> -> tensor<30x4xf32>
  %v2 = arith.constant dense<0.0> : tensor<28x4xf32>
  // expected-error @+2 {{E1106 windows overlap along a dim that is in another order than on one rank: [(3 : 5 @s)(2 : 15 @s)(5 : 1 @s)]}}
  // expected-note @+1 {{a dim that every rank has whole and in the order of one rank, where windows go along it}}
  %v3 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v1, %a1 : tensor<30x4xf32>, tensor<3x4xf32>) outs(%v2 : tensor<28x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<28x4xf32>
  return %v3 : tensor<28x4xf32>
}

// -----

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["tp" = 3]>
func.func @negative_taps_of_each_rank(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>},
    %a1: tensor<2x4xf32> {muster.layout = #muster.layout<[k/tp, d]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[s, d]>}) {
  %v1 = arith.constant dense<0.0> : tensor<1x4xf32>
  %v2 = tensor.concat dim(0) %v1, %a0 : (tensor<1x4xf32>, tensor<6x4xf32>) -> tensor<7x4xf32>
  %v3 = arith.constant dense<0.0> : tensor<6x4xf32>
  // expected-error @+2 {{E1108 cannot be proved: windows along dim 0 of [(3 : 2 @k, tp)(2 : 1 @k)] [(4 : 1 @d)], which is not whole}}
  // expected-note @+1 {{what would settle it: a dim that every rank has whole and in the order of one rank, where windows go along it}}
  %v4 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v2, %a1 : tensor<7x4xf32>, tensor<2x4xf32>) outs(%v3 : tensor<6x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<6x4xf32>
  %v5 = muster.all_reduce %v4 sum on "tp" : tensor<6x4xf32>
  return %v5 : tensor<6x4xf32>
}

// -----

#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["sp" = 3, "tp" = 2]>
func.func @rows_transposed_first(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[s, d/tp]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[k, d/tp]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[r, d/tp]>}) {
  %v1 = tensor.expand_shape %a0 [[0, 1], [2]] output_shape [2, 3, 4] : tensor<6x4xf32> into tensor<2x3x4xf32>
  %v2 = tensor.empty() : tensor<3x2x4xf32>
  %v3 = linalg.transpose ins(%v1 : tensor<2x3x4xf32>) outs(%v2 : tensor<3x2x4xf32>) permutation = [1, 0, 2]
  %v4 = tensor.collapse_shape %v3 [[0, 1], [2]] : tensor<3x2x4xf32> into tensor<6x4xf32>
  %v5 = arith.constant dense<0.0> : tensor<2x4xf32>
  %v6 = tensor.concat dim(0) %v5, %v4 : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<8x4xf32>
  %v7 = arith.constant dense<0.0> : tensor<6x4xf32>
  %v8 = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%v6, %a1 : tensor<8x4xf32>, tensor<3x4xf32>) outs(%v7 : tensor<6x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<6x4xf32>
  return %v8 : tensor<6x4xf32>
}

// -----

// One tap a rank: the dim of one element is a shard, and each rank would take the same row with its own tap.
#window = affine_map<(s, d, k) -> (s + k, d)>
#taps = affine_map<(s, d, k) -> (k, d)>
#rows = affine_map<(s, d, k) -> (s, d)>
muster.mesh @node <["tp" = 3]>
func.func @negative_one_tap_of_each_rank(%x: tensor<8x4xf32> {muster.layout = #muster.layout<[s, d]>},
    %w: tensor<1x4xf32> {muster.layout = #muster.layout<[k/tp, d]>})
    -> (tensor<6x4xf32> {muster.layout = #muster.layout<[o, d]>}) {
  %rows = tensor.extract_slice %x[0, 0] [6, 4] [1, 1] : tensor<8x4xf32> to tensor<6x4xf32>
  %zero = arith.constant dense<0.0> : tensor<6x4xf32>
  // expected-error @+2 {{E1108 cannot be proved: windows along dim 0 of [] [(4 : 1 @d)] float(3 : 1 @k, tp), which is not whole}}
  // expected-note @+1 {{what would settle it: a dim that every rank has whole and in the order of one rank, where windows go along it}}
  %parts = linalg.generic {indexing_maps = [#window, #taps, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%rows, %w : tensor<6x4xf32>, tensor<1x4xf32>) outs(%zero : tensor<6x4xf32>) {
  ^bb0(%e: f32, %t: f32, %sum: f32):
    %m = arith.mulf %e, %t : f32
    %r = arith.addf %m, %sum : f32
    linalg.yield %r : f32
  } -> tensor<6x4xf32>
  %y = muster.all_reduce %parts sum on "tp" : tensor<6x4xf32>
  return %y : tensor<6x4xf32>
}
