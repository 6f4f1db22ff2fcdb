// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Slices with a step: of rows that are spread they take what one rank takes, where the step divides each rank's part.

muster.mesh @node <["sp" = 2]>
func.func @every_second_row(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[u/sp, d]>}) {
  %v1 = tensor.extract_slice %a0[1, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  return %v1 : tensor<3x5xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @every_third_row_gathered(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<4x5xf32> {muster.layout = #muster.layout<[u, d]>}) {
  %v1 = tensor.extract_slice %a0[1, 0] [2, 5] [3, 1] : tensor<6x5xf32> to tensor<2x5xf32>
  %v2 = muster.all_gather %v1 on "sp" dim 0 : tensor<2x5xf32> -> tensor<4x5xf32>
  return %v2 : tensor<4x5xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @apart_and_together(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) {
  %v1 = tensor.extract_slice %a0[0, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v2 = tensor.expand_shape %v1 [[0], [1, 2]] output_shape [3, 1, 5] : tensor<3x5xf32> into tensor<3x1x5xf32>
  %v3 = tensor.extract_slice %a0[1, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v4 = tensor.expand_shape %v3 [[0], [1, 2]] output_shape [3, 1, 5] : tensor<3x5xf32> into tensor<3x1x5xf32>
  %v5 = tensor.concat dim(1) %v2, %v4 : (tensor<3x1x5xf32>, tensor<3x1x5xf32>) -> tensor<3x2x5xf32>
  %v6 = tensor.collapse_shape %v5 [[0, 1], [2]] : tensor<3x2x5xf32> into tensor<6x5xf32>
  return %v6 : tensor<6x5xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @negative_together_the_other_way(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) {
  %v1 = tensor.extract_slice %a0[0, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v2 = tensor.expand_shape %v1 [[0], [1, 2]] output_shape [3, 1, 5] : tensor<3x5xf32> into tensor<3x1x5xf32>
  %v3 = tensor.extract_slice %a0[1, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v4 = tensor.expand_shape %v3 [[0], [1, 2]] output_shape [3, 1, 5] : tensor<3x5xf32> into tensor<3x1x5xf32>
  %v5 = tensor.concat dim(1) %v4, %v2 : (tensor<3x1x5xf32>, tensor<3x1x5xf32>) -> tensor<3x2x5xf32>
  // expected-note @+1 {{the maps part here: a dim of parts side by side is needed as one}}
  %v6 = tensor.collapse_shape %v5 [[0, 1], [2]] : tensor<3x2x5xf32> into tensor<6x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, d]}}
  // expected-note @+1 {{rank (sp=0), local index [0, 0]: wanted logical [0, 0] of [s, d], got [1, 0]}}
  return %v6 : tensor<6x5xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @negative_one_behind_the_other(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) {
  %v1 = tensor.extract_slice %a0[0, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v2 = tensor.extract_slice %a0[1, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  // expected-note @+1 {{dim 0 holds [(2 : 1 @s)(2 : 6 @s, sp)(3 : 2 @s)], declared [(2 : 6 @s, sp)(6 : 1 @s)]}}
  %v3 = tensor.concat dim(0) %v1, %v2 : (tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<6x5xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [s/sp, d]}}
  // expected-note @+1 {{rank (sp=0), local index [1, 0]: wanted logical [1, 0] of [s, d], got [2, 0]}}
  return %v3 : tensor<6x5xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @contracted(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[u/sp, o]>})
    -> (tensor<5x4xf32> {muster.layout = #muster.layout<[d, o]>}) {
  %v1 = tensor.extract_slice %a0[0, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v2 = tensor.empty() : tensor<5x4xf32>
  %c2 = arith.constant 0.0 : f32
  %v3 = linalg.fill ins(%c2 : f32) outs(%v2 : tensor<5x4xf32>) -> tensor<5x4xf32>
  %v4 = linalg.generic {indexing_maps = [affine_map<(id, io, iu) -> (iu, id)>, affine_map<(id, io, iu) -> (iu, io)>, affine_map<(id, io, iu) -> (id, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v1, %a1 : tensor<3x5xf32>, tensor<3x4xf32>) outs(%v3 : tensor<5x4xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<5x4xf32>
  %v5 = muster.all_reduce %v4 sum on "sp" : tensor<5x4xf32>
  return %v5 : tensor<5x4xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @negative_contracted_with_rows_of_the_front(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s/sp, d]>},
    %a1: tensor<3x4xf32> {muster.layout = #muster.layout<[u, o]>})
    -> (tensor<5x4xf32> {muster.layout = #muster.layout<[d, o]>}) {
  %v1 = tensor.extract_slice %a0[0, 0] [3, 5] [2, 1] : tensor<6x5xf32> to tensor<3x5xf32>
  %v2 = tensor.empty() : tensor<5x4xf32>
  %c2 = arith.constant 0.0 : f32
  %v3 = linalg.fill ins(%c2 : f32) outs(%v2 : tensor<5x4xf32>) -> tensor<5x4xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd2': over all ranks one side has 6 positions, the other 3: [(2 : 3 @s[0, +1) of each 2, sp)(3 : 1 @s[0, +1) of each 2)] and [(3 : 1 @u)]}}
  %v4 = linalg.generic {indexing_maps = [affine_map<(id, io, iu) -> (iu, id)>, affine_map<(id, io, iu) -> (iu, io)>, affine_map<(id, io, iu) -> (id, io)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%v1, %a1 : tensor<3x5xf32>, tensor<3x4xf32>) outs(%v3 : tensor<5x4xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    %r = arith.addf %m1, %o : f32
    linalg.yield %r : f32
  } -> tensor<5x4xf32>
  %v5 = muster.all_reduce %v4 sum on "sp" : tensor<5x4xf32>
  return %v5 : tensor<5x4xf32>
}

// -----

muster.mesh @node <["sp" = 2]>
func.func @step_across_ranks(%a0: tensor<5x5xf32> {muster.layout = #muster.layout<[s/sp, d]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[u/sp, d]>}) {
  // expected-note @+1 {{dim 0 holds [(2 : 3 @s[0, +3) by 2 of each 5, sp)(3 : 1 @s[0, +3) by 2 of each 5)], declared [(2 : 3 @u, sp)(3 : 1 @u)]}}
  %v1 = tensor.extract_slice %a0[0, 0] [3, 5] [2, 1] : tensor<5x5xf32> to tensor<3x5xf32>
  // expected-error @+2 {{E1108 cannot be proved: result holds the wrong elements: expected layout [u/sp, d]}}
  // expected-note @+1 {{what would settle it: that these positions are meant to meet (slices of the same offset, or dims of other names)}}
  return %v1 : tensor<3x5xf32>
}
