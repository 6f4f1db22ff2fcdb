// RUN: %python %S/../judge.py %s
//
// DeepSpeed #7268, `UlyssesSPAttentionHF`: sequence in front, key-value heads repeated when there are fewer than ranks.
//
// Right for all divisible sizes, with repeat_interleave: rank r then holds key head r / (ranks a head), which is the head of its query
// heads' group. repeat (tile) has the same shape and pairs query heads with other groups: with 32 query heads, 4 key heads and 8
// ranks, rank 1 pairs q4 with k1. That program is a slip of other projects and not in this one.
//
// The wrong one is right iff there is one key head, or one for each rank.

// The program without mesh: query head j meets key head j / (heads a group).
func.func @logical(%q: tensor<12x5x42x11xf32>,
    %k: tensor<12x5x2x11xf32>)
    -> tensor<12x12x5x42xf32> {
  // view [p·s, b, K, r·h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [12, 5, 2, 21, 11] : tensor<12x5x42x11xf32> into tensor<12x5x2x21x11xf32>
  // einsum tbgme,ubge->tubgm
  %scores1_init_to = tensor.empty() : tensor<12x12x5x2x21xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<12x12x5x2x21xf32>) -> tensor<12x12x5x2x21xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, b, g, m, e) -> (t, b, g, m, e)>, affine_map<(t, u, b, g, m, e) -> (u, b, g, e)>, affine_map<(t, u, b, g, m, e) -> (t, u, b, g, m)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k : tensor<12x5x2x21x11xf32>, tensor<12x5x2x11xf32>) outs(%scores1_init : tensor<12x12x5x2x21xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<12x12x5x2x21xf32>
  // view [p·s, p·s, b, p·h]
  %scores3 = tensor.collapse_shape %scores2 [[0], [1], [2], [3, 4]] : tensor<12x12x5x2x21xf32> into tensor<12x12x5x42xf32>
  return %scores3 : tensor<12x12x5x42xf32>
}

// -----

// Two key heads for six ranks, interleaved.
muster.mesh @node <["sp" = 6]>
func.func @right_interleaved(%q: tensor<2x5x42x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>},
    %k: tensor<2x5x2x11xf32> {muster.layout = #muster.layout<[u/sp, b, g, d]>})
    -> (tensor<12x12x5x7xf32> {muster.layout = #muster.layout<[s, u, b, h/sp]>}) {
  // view [s, b, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [2, 5, 6, 7, 11] : tensor<2x5x42x11xf32> into tensor<2x5x6x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %q2_to = tensor.empty() : tensor<6x2x5x7x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<2x5x6x7x11xf32>) outs(%q2_to : tensor<6x2x5x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %q3 = muster.exchange %q2 on "sp" : tensor<6x2x5x7x11xf32>
  // view [p·s, b, h, d]
  %q4 = tensor.collapse_shape %q3 [[0, 1], [2], [3], [4]] : tensor<6x2x5x7x11xf32> into tensor<12x5x7x11xf32>
  // repeat_interleave: k0 k0 k0 k1 k1 k1
  %k1_to = tensor.empty() : tensor<2x5x2x3x11xf32>
  %k1 = linalg.broadcast ins(%k : tensor<2x5x2x11xf32>) outs(%k1_to : tensor<2x5x2x3x11xf32>) dimensions = [3]
  // view [s, b, K·r, d]
  %k2 = tensor.collapse_shape %k1 [[0], [1], [2, 3], [4]] : tensor<2x5x2x3x11xf32> into tensor<2x5x6x11xf32>
  // permute (2, 0, 1, 3): [K·r, s, b, d]
  %k3_to = tensor.empty() : tensor<6x2x5x11xf32>
  %k3 = linalg.transpose ins(%k2 : tensor<2x5x6x11xf32>) outs(%k3_to : tensor<6x2x5x11xf32>) permutation = [2, 0, 1, 3]
  %k4 = muster.exchange %k3 on "sp" : tensor<6x2x5x11xf32>
  // view [p·s, b, d]
  %k5 = tensor.collapse_shape %k4 [[0, 1], [2], [3]] : tensor<6x2x5x11xf32> into tensor<12x5x11xf32>
  // einsum tbhe,ube->tubh
  %scores1_init_to = tensor.empty() : tensor<12x12x5x7xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<12x12x5x7xf32>) -> tensor<12x12x5x7xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, b, h, e) -> (t, b, h, e)>, affine_map<(t, u, b, h, e) -> (u, b, e)>, affine_map<(t, u, b, h, e) -> (t, u, b, h)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q4, %k5 : tensor<12x5x7x11xf32>, tensor<12x5x11xf32>) outs(%scores1_init : tensor<12x12x5x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<12x12x5x7xf32>
  return %scores2 : tensor<12x12x5x7xf32>
}

// -----

// Tiled.
muster.mesh @node <["sp" = 6]>
func.func @wrong_tiled(%q: tensor<2x5x42x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>},
    %k: tensor<2x5x2x11xf32> {muster.layout = #muster.layout<[u/sp, b, g, d]>})
    -> (tensor<12x12x5x7xf32> {muster.layout = #muster.layout<[s, u, b, h/sp]>}) {
  // view [s, b, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [2, 5, 6, 7, 11] : tensor<2x5x42x11xf32> into tensor<2x5x6x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %q2_to = tensor.empty() : tensor<6x2x5x7x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<2x5x6x7x11xf32>) outs(%q2_to : tensor<6x2x5x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %q3 = muster.exchange %q2 on "sp" : tensor<6x2x5x7x11xf32>
  // view [p·s, b, h, d]
  %q4 = tensor.collapse_shape %q3 [[0, 1], [2], [3], [4]] : tensor<6x2x5x7x11xf32> into tensor<12x5x7x11xf32>
  // repeat: k0 k1 k0 k1 k0 k1
  %k1_to = tensor.empty() : tensor<2x5x3x2x11xf32>
  %k1 = linalg.broadcast ins(%k : tensor<2x5x2x11xf32>) outs(%k1_to : tensor<2x5x3x2x11xf32>) dimensions = [2]
  // view [s, b, r·K, d]
  %k2 = tensor.collapse_shape %k1 [[0], [1], [2, 3], [4]] : tensor<2x5x3x2x11xf32> into tensor<2x5x6x11xf32>
  // permute (2, 0, 1, 3): [r·K, s, b, d]
  %k3_to = tensor.empty() : tensor<6x2x5x11xf32>
  %k3 = linalg.transpose ins(%k2 : tensor<2x5x6x11xf32>) outs(%k3_to : tensor<6x2x5x11xf32>) permutation = [2, 0, 1, 3]
  %k4 = muster.exchange %k3 on "sp" : tensor<6x2x5x11xf32>
  // view [p·s, b, d]
  %k5 = tensor.collapse_shape %k4 [[0, 1], [2], [3]] : tensor<6x2x5x11xf32> into tensor<12x5x11xf32>
  // einsum tbhe,ube->tubh
  %scores1_init_to = tensor.empty() : tensor<12x12x5x7xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<12x12x5x7xf32>) -> tensor<12x12x5x7xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, b, h, e) -> (t, b, h, e)>, affine_map<(t, u, b, h, e) -> (u, b, e)>, affine_map<(t, u, b, h, e) -> (t, u, b, h)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q4, %k5 : tensor<12x5x7x11xf32>, tensor<12x5x11xf32>) outs(%scores1_init : tensor<12x12x5x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<12x12x5x7xf32>
  return %scores2 : tensor<12x12x5x7xf32>
}

// -----

// The same with query heads named by their group, so that both sides of a pair have the name.
muster.mesh @node <["sp" = 6]>
func.func @right_heads_named_by_group(%q: tensor<2x5x42x11xf32> {muster.layout = #muster.layout<[s/sp, b, (g m), d]>},
    %k: tensor<2x5x2x11xf32> {muster.layout = #muster.layout<[u/sp, b, g, d]>})
    -> (tensor<12x12x5x7xf32> {muster.layout = #muster.layout<[s, u, b, (g/sp[3:2] m/sp[1:3])]>}) {
  // view [s, b, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [2, 5, 6, 7, 11] : tensor<2x5x42x11xf32> into tensor<2x5x6x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %q2_to = tensor.empty() : tensor<6x2x5x7x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<2x5x6x7x11xf32>) outs(%q2_to : tensor<6x2x5x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %q3 = muster.exchange %q2 on "sp" : tensor<6x2x5x7x11xf32>
  // view [p·s, b, h, d]
  %q4 = tensor.collapse_shape %q3 [[0, 1], [2], [3], [4]] : tensor<6x2x5x7x11xf32> into tensor<12x5x7x11xf32>
  // repeat_interleave: k0 k0 k0 k1 k1 k1
  %k1_to = tensor.empty() : tensor<2x5x2x3x11xf32>
  %k1 = linalg.broadcast ins(%k : tensor<2x5x2x11xf32>) outs(%k1_to : tensor<2x5x2x3x11xf32>) dimensions = [3]
  // view [s, b, K·r, d]
  %k2 = tensor.collapse_shape %k1 [[0], [1], [2, 3], [4]] : tensor<2x5x2x3x11xf32> into tensor<2x5x6x11xf32>
  // permute (2, 0, 1, 3): [K·r, s, b, d]
  %k3_to = tensor.empty() : tensor<6x2x5x11xf32>
  %k3 = linalg.transpose ins(%k2 : tensor<2x5x6x11xf32>) outs(%k3_to : tensor<6x2x5x11xf32>) permutation = [2, 0, 1, 3]
  %k4 = muster.exchange %k3 on "sp" : tensor<6x2x5x11xf32>
  // view [p·s, b, d]
  %k5 = tensor.collapse_shape %k4 [[0, 1], [2], [3]] : tensor<6x2x5x11xf32> into tensor<12x5x11xf32>
  // einsum tbhe,ube->tubh
  %scores1_init_to = tensor.empty() : tensor<12x12x5x7xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<12x12x5x7xf32>) -> tensor<12x12x5x7xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, b, h, e) -> (t, b, h, e)>, affine_map<(t, u, b, h, e) -> (u, b, e)>, affine_map<(t, u, b, h, e) -> (t, u, b, h)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q4, %k5 : tensor<12x5x7x11xf32>, tensor<12x5x11xf32>) outs(%scores1_init : tensor<12x12x5x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<12x12x5x7xf32>
  return %scores2 : tensor<12x12x5x7xf32>
}
