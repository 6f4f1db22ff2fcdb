// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Reductions that are written by hand: parts of a sum that are gathered or exchanged, and added up where they lie; and
// sums over elements in any order.

muster.mesh @node <["sp" = 4]>
// The ranks hold s in another order than one rank does, and only add it up.
func.func @sum_in_any_order(%a0: tensor<3x8x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[h/sp, d]>}) {
  %v1 = tensor.expand_shape %a0 [[0], [1, 2], [3]] output_shape [3, 4, 2, 5] : tensor<3x8x5xf32> into tensor<3x4x2x5xf32>
  %v2 = tensor.empty() : tensor<4x3x2x5xf32>
  %v3 = linalg.transpose ins(%v1 : tensor<3x4x2x5xf32>) outs(%v2 : tensor<4x3x2x5xf32>) permutation = [1, 0, 2, 3]
  %v4 = muster.exchange %v3 on "sp" : tensor<4x3x2x5xf32>
  %v5 = tensor.empty() : tensor<3x4x2x5xf32>
  %v6 = linalg.transpose ins(%v4 : tensor<4x3x2x5xf32>) outs(%v5 : tensor<3x4x2x5xf32>) permutation = [1, 0, 2, 3]
  %v7 = tensor.collapse_shape %v6 [[0, 1], [2], [3]] : tensor<3x4x2x5xf32> into tensor<12x2x5xf32>
  %v8 = tensor.empty() : tensor<2x5xf32>
  %c8 = arith.constant 0.0 : f32
  %v9 = linalg.fill ins(%c8 : f32) outs(%v8 : tensor<2x5xf32>) -> tensor<2x5xf32>
  %v10 = linalg.generic {indexing_maps = [affine_map<(ih, id, is) -> (is, ih, id)>, affine_map<(ih, id, is) -> (ih, id)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v7 : tensor<12x2x5xf32>) outs(%v9 : tensor<2x5xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<2x5xf32>
  return %v10 : tensor<2x5xf32>
}

// -----

muster.mesh @node <["sp" = 4]>
// But here each element of s has a weight.
func.func @negative_weights_in_order(%a0: tensor<3x8x5xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %a1: tensor<12xf32> {muster.layout = #muster.layout<[s]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[h/sp, d]>}) {
  %v1 = tensor.expand_shape %a0 [[0], [1, 2], [3]] output_shape [3, 4, 2, 5] : tensor<3x8x5xf32> into tensor<3x4x2x5xf32>
  %v2 = tensor.empty() : tensor<4x3x2x5xf32>
  %v3 = linalg.transpose ins(%v1 : tensor<3x4x2x5xf32>) outs(%v2 : tensor<4x3x2x5xf32>) permutation = [1, 0, 2, 3]
  %v4 = muster.exchange %v3 on "sp" : tensor<4x3x2x5xf32>
  %v5 = tensor.empty() : tensor<3x4x2x5xf32>
  %v6 = linalg.transpose ins(%v4 : tensor<4x3x2x5xf32>) outs(%v5 : tensor<3x4x2x5xf32>) permutation = [1, 0, 2, 3]
  %v7 = tensor.collapse_shape %v6 [[0, 1], [2], [3]] : tensor<3x4x2x5xf32> into tensor<12x2x5xf32>
  %v8 = tensor.empty() : tensor<2x5xf32>
  %c8 = arith.constant 0.0 : f32
  %v9 = linalg.fill ins(%c8 : f32) outs(%v8 : tensor<2x5xf32>) -> tensor<2x5xf32>
  // expected-error @below {{E1106 operands do not agree along 'd2': in [(3 : 1 @s)(4 : 3 @s)] the digit (4 : 3 @s) is not followed by the rest of 's'}}
  %v10 = linalg.generic {indexing_maps = [affine_map<(ih, id, is) -> (is, ih, id)>, affine_map<(ih, id, is) -> (is)>, affine_map<(ih, id, is) -> (ih, id)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v7, %a1 : tensor<12x2x5xf32>, tensor<12xf32>) outs(%v9 : tensor<2x5xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<2x5xf32>
  return %v10 : tensor<2x5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// An all_reduce written as an all_gather of the parts and a sum over them.
func.func @all_gather_and_sum(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on "tp" dim 0 : tensor<1x6x9xf32> -> tensor<3x6x9xf32>
  %v4 = tensor.empty() : tensor<6x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<6x9xf32>) -> tensor<6x9xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3 : tensor<3x6x9xf32>) outs(%v5 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v6 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// A reduce_scatter written as an all_to_all and a sum.
func.func @all_to_all_and_sum(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<2x9xf32> {muster.layout = #muster.layout<[t/tp, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_to_all %v2 on "tp" split 1 concat 0 : tensor<1x6x9xf32> -> tensor<3x2x9xf32>
  %v4 = tensor.empty() : tensor<2x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<2x9xf32>) -> tensor<2x9xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3 : tensor<3x2x9xf32>) outs(%v5 : tensor<2x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<2x9xf32>
  return %v6 : tensor<2x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// Parts behind the rows: [t, (part o)].
func.func @parts_behind(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = muster.all_gather %v1 on "tp" dim 1 : tensor<6x9xf32> -> tensor<6x27xf32>
  %v3 = tensor.expand_shape %v2 [[0], [1, 2]] output_shape [6, 3, 9] : tensor<6x27xf32> into tensor<6x3x9xf32>
  %v4 = tensor.empty() : tensor<6x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<6x9xf32>) -> tensor<6x9xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (it, ip, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3 : tensor<6x3x9xf32>) outs(%v5 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v6 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// The same, read as [t, (o part)].
func.func @negative_parts_read_as_minor(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = muster.all_gather %v1 on "tp" dim 1 : tensor<6x9xf32> -> tensor<6x27xf32>
  %v3 = tensor.expand_shape %v2 [[0], [1, 2]] output_shape [6, 9, 3] : tensor<6x27xf32> into tensor<6x9x3xf32>
  %v4 = tensor.empty() : tensor<6x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<6x9xf32>) -> tensor<6x9xf32>
  // expected-error @below {{E1106 consumes 3 of the 9 positions of 'o', a dim that the result declares}}
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (it, io, ip)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3 : tensor<6x9x3xf32>) outs(%v5 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v6 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// What is linear carries the parts.
func.func @parts_through_linear(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>},
    %a2: tensor<5x9xf32> {muster.layout = #muster.layout<[o2, o]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[t, o2]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on "tp" dim 0 : tensor<1x6x9xf32> -> tensor<3x6x9xf32>
  %v4 = tensor.empty() : tensor<3x6x5xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<3x6x5xf32>) -> tensor<3x6x5xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(ip, it, iq, io) -> (ip, it, io)>, affine_map<(ip, it, iq, io) -> (iq, io)>, affine_map<(ip, it, iq, io) -> (ip, it, iq)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%v3, %a2 : tensor<3x6x9xf32>, tensor<5x9xf32>) outs(%v5 : tensor<3x6x5xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<3x6x5xf32>
  %v7 = tensor.empty() : tensor<6x5xf32>
  %c7 = arith.constant 0.0 : f32
  %v8 = linalg.fill ins(%c7 : f32) outs(%v7 : tensor<6x5xf32>) -> tensor<6x5xf32>
  %v9 = linalg.generic {indexing_maps = [affine_map<(it, iq, ip) -> (ip, it, iq)>, affine_map<(it, iq, ip) -> (it, iq)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v6 : tensor<3x6x5xf32>) outs(%v8 : tensor<6x5xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x5xf32>
  return %v9 : tensor<6x5xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// The greatest of the ranks' greatest.
func.func @all_gather_and_max(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>}) {
  %v1 = tensor.empty() : tensor<5xf32>
  %c1 = arith.constant 0xFF800000 : f32
  %v2 = linalg.fill ins(%c1 : f32) outs(%v1 : tensor<5xf32>) -> tensor<5xf32>
  %v3 = linalg.generic {indexing_maps = [affine_map<(it, iv) -> (it, iv)>, affine_map<(it, iv) -> (it)>], iterator_types = ["parallel", "reduction"]} ins(%a0 : tensor<5x7xf32>) outs(%v2 : tensor<5xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.maximumf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<5xf32>
  %v4 = tensor.expand_shape %v3 [[0, 1]] output_shape [5, 1] : tensor<5xf32> into tensor<5x1xf32>
  %v5 = muster.all_gather %v4 on "tp" dim 1 : tensor<5x1xf32> -> tensor<5x3xf32>
  %v6 = tensor.empty() : tensor<5xf32>
  %c6 = arith.constant 0xFF800000 : f32
  %v7 = linalg.fill ins(%c6 : f32) outs(%v6 : tensor<5xf32>) -> tensor<5xf32>
  %v8 = linalg.generic {indexing_maps = [affine_map<(it, ik) -> (it, ik)>, affine_map<(it, ik) -> (it)>], iterator_types = ["parallel", "reduction"]} ins(%v5 : tensor<5x3xf32>) outs(%v7 : tensor<5xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.maximumf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<5xf32>
  %v9 = tensor.empty() : tensor<5x7xf32>
  %v10 = linalg.generic {indexing_maps = [affine_map<(it, iv) -> (it, iv)>, affine_map<(it, iv) -> (it)>, affine_map<(it, iv) -> (it, iv)>], iterator_types = ["parallel", "parallel"]} ins(%a0, %v8 : tensor<5x7xf32>, tensor<5xf32>) outs(%v9 : tensor<5x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.subf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<5x7xf32>
  return %v10 : tensor<5x7xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// Their sum is none.
func.func @negative_sum_of_maxima(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>}) {
  %v1 = tensor.empty() : tensor<5xf32>
  %c1 = arith.constant 0xFF800000 : f32
  %v2 = linalg.fill ins(%c1 : f32) outs(%v1 : tensor<5xf32>) -> tensor<5xf32>
  %v3 = linalg.generic {indexing_maps = [affine_map<(it, iv) -> (it, iv)>, affine_map<(it, iv) -> (it)>], iterator_types = ["parallel", "reduction"]} ins(%a0 : tensor<5x7xf32>) outs(%v2 : tensor<5xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.maximumf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<5xf32>
  %v4 = tensor.expand_shape %v3 [[0, 1]] output_shape [5, 1] : tensor<5xf32> into tensor<5x1xf32>
  %v5 = muster.all_gather %v4 on "tp" dim 1 : tensor<5x1xf32> -> tensor<5x3xf32>
  %v6 = tensor.empty() : tensor<5xf32>
  %c6 = arith.constant 0.0 : f32
  %v7 = linalg.fill ins(%c6 : f32) outs(%v6 : tensor<5xf32>) -> tensor<5xf32>
  // expected-error @below {{E1105 the parts of a reduction over 'tp' in operand 0 are still to be reduced}}
  %v8 = linalg.generic {indexing_maps = [affine_map<(it, ik) -> (it, ik)>, affine_map<(it, ik) -> (it)>], iterator_types = ["parallel", "reduction"]} ins(%v5 : tensor<5x3xf32>) outs(%v7 : tensor<5xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<5xf32>
  %v9 = tensor.empty() : tensor<5x7xf32>
  %v10 = linalg.generic {indexing_maps = [affine_map<(it, iv) -> (it, iv)>, affine_map<(it, iv) -> (it)>, affine_map<(it, iv) -> (it, iv)>], iterator_types = ["parallel", "parallel"]} ins(%a0, %v8 : tensor<5x7xf32>, tensor<5xf32>) outs(%v9 : tensor<5x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.subf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<5x7xf32>
  return %v10 : tensor<5x7xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// Not linear: the parts are no values.
func.func @negative_exp_of_parts(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on "tp" dim 0 : tensor<1x6x9xf32> -> tensor<3x6x9xf32>
  %v4 = tensor.empty() : tensor<3x6x9xf32>
  // expected-error @below {{E1105 the parts of a reduction over 'tp' in operand 0 are still to be reduced}}
  %v5 = linalg.generic {indexing_maps = [affine_map<(ip, it, io) -> (ip, it, io)>, affine_map<(ip, it, io) -> (ip, it, io)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%v3 : tensor<3x6x9xf32>) outs(%v4 : tensor<3x6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<3x6x9xf32>
  %v6 = tensor.empty() : tensor<6x9xf32>
  %c6 = arith.constant 0.0 : f32
  %v7 = linalg.fill ins(%c6 : f32) outs(%v6 : tensor<6x9xf32>) -> tensor<6x9xf32>
  %v8 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v5 : tensor<3x6x9xf32>) outs(%v7 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v8 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// A sum of products of parts is no product of sums.
func.func @negative_parts_times_parts(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on "tp" dim 0 : tensor<1x6x9xf32> -> tensor<3x6x9xf32>
  %v4 = tensor.empty() : tensor<6x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<6x9xf32>) -> tensor<6x9xf32>
  // expected-error @below {{E1105 the parts of a reduction over 'tp' in operand 0 meet those in operand 1}}
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3, %v3 : tensor<3x6x9xf32>, tensor<3x6x9xf32>) outs(%v5 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v6 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// A full value added to each part counts once per rank.
func.func @negative_bias_on_each_part(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>},
    %a2: tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on "tp" dim 0 : tensor<1x6x9xf32> -> tensor<3x6x9xf32>
  %v4 = tensor.empty() : tensor<3x6x9xf32>
  // expected-error @below {{E1105 adds a value that is still to be reduced over 'tp' to one that is not: the latter would count once per rank}}
  %v5 = linalg.generic {indexing_maps = [affine_map<(ip, it, io) -> (ip, it, io)>, affine_map<(ip, it, io) -> (it, io)>, affine_map<(ip, it, io) -> (ip, it, io)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%v3, %a2 : tensor<3x6x9xf32>, tensor<6x9xf32>) outs(%v4 : tensor<3x6x9xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.addf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<3x6x9xf32>
  %v6 = tensor.empty() : tensor<6x9xf32>
  %c6 = arith.constant 0.0 : f32
  %v7 = linalg.fill ins(%c6 : f32) outs(%v6 : tensor<6x9xf32>) -> tensor<6x9xf32>
  %v8 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v5 : tensor<3x6x9xf32>) outs(%v7 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v8 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["tp" = 3]>
// Nobody adds them up.
func.func @negative_parts_returned(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/tp]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/tp]>})
    -> (tensor<18x9xf32> {muster.layout = #muster.layout<[t2, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = muster.all_gather %v1 on "tp" dim 0 : tensor<6x9xf32> -> tensor<18x9xf32>
  // expected-error @below {{E1105 result is not reduced as declared: the value is parts of a sum over 'tp' side by side, still to be added up}}
  return %v2 : tensor<18x9xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
// Parts over two axes in one dim.
func.func @parts_over_two_axes(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/(a, b)]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/(a, b)]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on ["b", "a"] dim 0 : tensor<1x6x9xf32> -> tensor<6x6x9xf32>
  %v4 = tensor.empty() : tensor<6x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<6x9xf32>) -> tensor<6x9xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3 : tensor<6x6x9xf32>) outs(%v5 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v6 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
// Only one of two axes is gathered and added up.
func.func @negative_one_axis_left(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/(a, b)]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/(a, b)]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_gather %v2 on "a" dim 0 : tensor<1x6x9xf32> -> tensor<2x6x9xf32>
  %v4 = tensor.empty() : tensor<6x9xf32>
  %c4 = arith.constant 0.0 : f32
  %v5 = linalg.fill ins(%c4 : f32) outs(%v4 : tensor<6x9xf32>) -> tensor<6x9xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v3 : tensor<2x6x9xf32>) outs(%v5 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  // expected-error @below {{E1105 result is not reduced as declared: the value is still to be reduced over 'b', declared fully reduced}}
  return %v6 : tensor<6x9xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
// Over a the sum was taken before: gathered, it counts twice.
func.func @negative_gathered_again(%a0: tensor<6x4xf32> {muster.layout = #muster.layout<[t, i/(a, b)]>},
    %a1: tensor<9x4xf32> {muster.layout = #muster.layout<[o, i/(a, b)]>})
    -> (tensor<6x9xf32> {muster.layout = #muster.layout<[t, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %v2 = tensor.expand_shape %v1 [[0, 1], [2]] output_shape [1, 6, 9] : tensor<6x9xf32> into tensor<1x6x9xf32>
  %v3 = muster.all_reduce %v2 sum on "a" : tensor<1x6x9xf32>
  %v4 = muster.all_gather %v3 on ["a", "b"] dim 0 : tensor<1x6x9xf32> -> tensor<6x6x9xf32>
  %v5 = tensor.empty() : tensor<6x9xf32>
  %c5 = arith.constant 0.0 : f32
  %v6 = linalg.fill ins(%c5 : f32) outs(%v5 : tensor<6x9xf32>) -> tensor<6x9xf32>
  // expected-error @below {{E1106 the rows of [(2 copies)(3 : 1 @parts over b)] are duplicates}}
  %v7 = linalg.generic {indexing_maps = [affine_map<(it, io, ip) -> (ip, it, io)>, affine_map<(it, io, ip) -> (it, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v4 : tensor<6x6x9xf32>) outs(%v6 : tensor<6x9xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<6x9xf32>
  return %v7 : tensor<6x9xf32>
}
