// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Places from quotients and remainders of coordinates, which name parts of axes.

muster.mesh @node <["tp" = 4]>
func.func @quotient(%a0: tensor<7x4x5xf32> {muster.layout = #muster.layout<[u, g, d]>})
    -> (tensor<7x2x5xf32> {muster.layout = #muster.layout<[u, g/tp[2:2], d]>}) {
  %rank = muster.coordinate "tp"
  %two = arith.constant 2 : index
  %pair = arith.divui %rank, %two : index
  %first = arith.muli %pair, %two : index
  %v1 = tensor.extract_slice %a0[0, %first, 0] [7, 2, 5] [1, 1, 1] : tensor<7x4x5xf32> to tensor<7x2x5xf32>
  return %v1 : tensor<7x2x5xf32>
}

// -----

muster.mesh @node <["tp" = 4]>
func.func @remainder(%a0: tensor<7x4x5xf32> {muster.layout = #muster.layout<[u, g, d]>})
    -> (tensor<7x2x5xf32> {muster.layout = #muster.layout<[u, g/tp[1:2], d]>}) {
  %rank = muster.coordinate "tp"
  %two = arith.constant 2 : index
  %pair = arith.remui %rank, %two : index
  %first = arith.muli %pair, %two : index
  %v1 = tensor.extract_slice %a0[0, %first, 0] [7, 2, 5] [1, 1, 1] : tensor<7x4x5xf32> to tensor<7x2x5xf32>
  return %v1 : tensor<7x2x5xf32>
}

// -----

muster.mesh @node <["tp" = 4]>
func.func @negative_remainder(%a0: tensor<7x4x5xf32> {muster.layout = #muster.layout<[u, g, d]>})
    -> (tensor<7x2x5xf32> {muster.layout = #muster.layout<[u, g/tp[2:2], d]>}) {
  %rank = muster.coordinate "tp"
  %two = arith.constant 2 : index
  %pair = arith.remui %rank, %two : index
  %first = arith.muli %pair, %two : index
  // expected-note @+1 {{dim 1 holds [(2 : 2 @g, tp[1:2])(2 : 1 @g)], declared [(2 : 2 @g, tp[2:2])(2 : 1 @g)]}}
  %v1 = tensor.extract_slice %a0[0, %first, 0] [7, 2, 5] [1, 1, 1] : tensor<7x4x5xf32> to tensor<7x2x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [u, g/tp[2:2], d]}}
  // expected-note @+1 {{rank (tp=2), local index [0, 0, 0]: wanted logical [0, 2, 0] of [u, g, d], got [0, 0, 0]}}
  return %v1 : tensor<7x2x5xf32>
}

// -----

muster.mesh @node <["tp" = 4]>
func.func @heads_of_the_group(%a0: tensor<3x1x2x5xf32> {muster.layout = #muster.layout<[s, g/tp[2:2], m/tp[1:2], d]>},
    %a1: tensor<7x2x5xf32> {muster.layout = #muster.layout<[u, g, d]>})
    -> (tensor<3x1x2x7xf32> {muster.layout = #muster.layout<[s, g/tp[2:2], m/tp[1:2], u]>}) {
  %rank = muster.coordinate "tp"
  %two = arith.constant 2 : index
  %group = arith.divui %rank, %two : index
  %v1 = tensor.extract_slice %a1[0, %group, 0] [7, 1, 5] [1, 1, 1] : tensor<7x2x5xf32> to tensor<7x1x5xf32>
  %v2 = tensor.empty() : tensor<3x1x2x7xf32>
  %c2 = arith.constant 0.0 : f32
  %v3 = linalg.fill ins(%c2 : f32) outs(%v2 : tensor<3x1x2x7xf32>) -> tensor<3x1x2x7xf32>
  %v4 = linalg.generic {indexing_maps = [affine_map<(is, ig, im, iu, id) -> (is, ig, im, id)>, affine_map<(is, ig, im, iu, id) -> (iu, ig, id)>, affine_map<(is, ig, im, iu, id) -> (is, ig, im, iu)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%a0, %v1 : tensor<3x1x2x5xf32>, tensor<7x1x5xf32>) outs(%v3 : tensor<3x1x2x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<3x1x2x7xf32>
  return %v4 : tensor<3x1x2x7xf32>
}

// -----

muster.mesh @node <["tp" = 4]>
func.func @negative_heads_of_another_group(%a0: tensor<3x1x2x5xf32> {muster.layout = #muster.layout<[s, g/tp[2:2], m/tp[1:2], d]>},
    %a1: tensor<7x2x5xf32> {muster.layout = #muster.layout<[u, g, d]>})
    -> (tensor<3x1x2x7xf32> {muster.layout = #muster.layout<[s, g/tp[2:2], m/tp[1:2], u]>}) {
  %rank = muster.coordinate "tp"
  %two = arith.constant 2 : index
  %group = arith.remui %rank, %two : index
  %v1 = tensor.extract_slice %a1[0, %group, 0] [7, 1, 5] [1, 1, 1] : tensor<7x2x5xf32> to tensor<7x1x5xf32>
  %v2 = tensor.empty() : tensor<3x1x2x7xf32>
  %c2 = arith.constant 0.0 : f32
  %v3 = linalg.fill ins(%c2 : f32) outs(%v2 : tensor<3x1x2x7xf32>) -> tensor<3x1x2x7xf32>
  // expected-error @+2 {{E1106 operands do not agree along 'd1': the same index names different positions: [(2 : 1 @g, tp[2:2])] and [(2 : 1 @g, tp[1:2])]}}
  // expected-note @+1 {{on one rank the reshape that takes away the dim of 'g', of one element here, joins all of it with the dims beside it; keep that dim if each part of 'g' is meant for itself}}
  %v4 = linalg.generic {indexing_maps = [affine_map<(is, ig, im, iu, id) -> (is, ig, im, id)>, affine_map<(is, ig, im, iu, id) -> (iu, ig, id)>, affine_map<(is, ig, im, iu, id) -> (is, ig, im, iu)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%a0, %v1 : tensor<3x1x2x5xf32>, tensor<7x1x5xf32>) outs(%v3 : tensor<3x1x2x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<3x1x2x7xf32>
  return %v4 : tensor<3x1x2x7xf32>
}
