// RUN: %python %S/../judge.py %s
//
// Which rank owns which key-value head (yunchang's asynchronous layer, DeepSpeed #8291 and #8316, and others): one head map for q, k,
// v and output that keeps a group on one rank.
//
// What goes wrong: heads dealt round-robin (r, r + p, ...) are a legal shard for as many key heads as query heads. With groups they
// are not: local query head j belongs to the group of global head r + p·j, and is paired with local key head j / G.
//
// The wrong ones are right iff sp = 1, the first also iff G = 1.

// The program without mesh.
func.func @logical(%q: tensor<21x30x11xf32>,
    %k: tensor<21x6x11xf32>)
    -> tensor<21x21x30xf32> {
  // view [p·s, p·g, m, d]
  %q1 = tensor.expand_shape %q [[0], [1, 2], [3]] output_shape [21, 6, 5, 11] : tensor<21x30x11xf32> into tensor<21x6x5x11xf32>
  // einsum tkme,uke->tukm
  %scores1_init_to = tensor.empty() : tensor<21x21x6x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<21x21x6x5xf32>) -> tensor<21x21x6x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, k, m, e) -> (t, k, m, e)>, affine_map<(t, u, k, m, e) -> (u, k, e)>, affine_map<(t, u, k, m, e) -> (t, u, k, m)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k : tensor<21x6x5x11xf32>, tensor<21x6x11xf32>) outs(%scores1_init : tensor<21x21x6x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<21x21x6x5xf32>
  // view [p·s, p·s, p·g·m]
  %scores3 = tensor.collapse_shape %scores2 [[0], [1], [2, 3]] : tensor<21x21x6x5xf32> into tensor<21x21x30xf32>
  return %scores3 : tensor<21x21x30xf32>
}

// -----

// 30 query heads, 6 key heads, 3 ranks: contiguous.
muster.mesh @node <["sp" = 3]>
func.func @right_contiguous(%q: tensor<7x30x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<7x6x11xf32> {muster.layout = #muster.layout<[u/sp, k, d]>})
    -> (tensor<21x21x10xf32> {muster.layout = #muster.layout<[s, u, h/sp]>}) {
  // view [s, p, g·m, d]
  %q1 = tensor.expand_shape %q [[0], [1, 2], [3]] output_shape [7, 3, 10, 11] : tensor<7x30x11xf32> into tensor<7x3x10x11xf32>
  // permute (1, 0, 2, 3): [p, s, g·m, d]
  %q2_to = tensor.empty() : tensor<3x7x10x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<7x3x10x11xf32>) outs(%q2_to : tensor<3x7x10x11xf32>) permutation = [1, 0, 2, 3]
  %q3 = muster.exchange %q2 on "sp" : tensor<3x7x10x11xf32>
  // view [p·s, g·m, d]
  %q4 = tensor.collapse_shape %q3 [[0, 1], [2], [3]] : tensor<3x7x10x11xf32> into tensor<21x10x11xf32>
  // view [s, p, g, d]
  %k1 = tensor.expand_shape %k [[0], [1, 2], [3]] output_shape [7, 3, 2, 11] : tensor<7x6x11xf32> into tensor<7x3x2x11xf32>
  // permute (1, 0, 2, 3): [p, s, g, d]
  %k2_to = tensor.empty() : tensor<3x7x2x11xf32>
  %k2 = linalg.transpose ins(%k1 : tensor<7x3x2x11xf32>) outs(%k2_to : tensor<3x7x2x11xf32>) permutation = [1, 0, 2, 3]
  %k3 = muster.exchange %k2 on "sp" : tensor<3x7x2x11xf32>
  // view [p·s, g, d]
  %k4 = tensor.collapse_shape %k3 [[0, 1], [2], [3]] : tensor<3x7x2x11xf32> into tensor<21x2x11xf32>
  // local query head j meets local key head j / 5
  // view [p·s, g, m, d]
  %q5 = tensor.expand_shape %q4 [[0], [1, 2], [3]] output_shape [21, 2, 5, 11] : tensor<21x10x11xf32> into tensor<21x2x5x11xf32>
  // einsum tkme,uke->tukm
  %scores1_init_to = tensor.empty() : tensor<21x21x2x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<21x21x2x5xf32>) -> tensor<21x21x2x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, k, m, e) -> (t, k, m, e)>, affine_map<(t, u, k, m, e) -> (u, k, e)>, affine_map<(t, u, k, m, e) -> (t, u, k, m)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q5, %k4 : tensor<21x2x5x11xf32>, tensor<21x2x11xf32>) outs(%scores1_init : tensor<21x21x2x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<21x21x2x5xf32>
  // view [p·s, p·s, g·m]
  %scores3 = tensor.collapse_shape %scores2 [[0], [1], [2, 3]] : tensor<21x21x2x5xf32> into tensor<21x21x10xf32>
  return %scores3 : tensor<21x21x10xf32>
}

// -----

// Both dealt round-robin.
muster.mesh @node <["sp" = 3]>
func.func @wrong_strided(%q: tensor<7x30x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<7x6x11xf32> {muster.layout = #muster.layout<[u/sp, k, d]>})
    -> (tensor<21x21x10xf32> {muster.layout = #muster.layout<[s, u, h/sp stripe]>}) {
  // heads r, r + p, r + 2p, ...
  // view [s, g·m, p, d]
  %q1 = tensor.expand_shape %q [[0], [1, 2], [3]] output_shape [7, 10, 3, 11] : tensor<7x30x11xf32> into tensor<7x10x3x11xf32>
  // permute (2, 0, 1, 3): [p, s, g·m, d]
  %q2_to = tensor.empty() : tensor<3x7x10x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<7x10x3x11xf32>) outs(%q2_to : tensor<3x7x10x11xf32>) permutation = [2, 0, 1, 3]
  %q3 = muster.exchange %q2 on "sp" : tensor<3x7x10x11xf32>
  // view [p·s, g·m, d]
  %q4 = tensor.collapse_shape %q3 [[0, 1], [2], [3]] : tensor<3x7x10x11xf32> into tensor<21x10x11xf32>
  // heads r, r + p, r + 2p, ...
  // view [s, g, p, d]
  %k1 = tensor.expand_shape %k [[0], [1, 2], [3]] output_shape [7, 2, 3, 11] : tensor<7x6x11xf32> into tensor<7x2x3x11xf32>
  // permute (2, 0, 1, 3): [p, s, g, d]
  %k2_to = tensor.empty() : tensor<3x7x2x11xf32>
  %k2 = linalg.transpose ins(%k1 : tensor<7x2x3x11xf32>) outs(%k2_to : tensor<3x7x2x11xf32>) permutation = [2, 0, 1, 3]
  %k3 = muster.exchange %k2 on "sp" : tensor<3x7x2x11xf32>
  // view [p·s, g, d]
  %k4 = tensor.collapse_shape %k3 [[0, 1], [2], [3]] : tensor<3x7x2x11xf32> into tensor<21x2x11xf32>
  // local query head j meets local key head j / 5
  // view [p·s, g, m, d]
  %q5 = tensor.expand_shape %q4 [[0], [1, 2], [3]] output_shape [21, 2, 5, 11] : tensor<21x10x11xf32> into tensor<21x2x5x11xf32>
  // einsum tkme,uke->tukm
  %scores1_init_to = tensor.empty() : tensor<21x21x2x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<21x21x2x5xf32>) -> tensor<21x21x2x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, k, m, e) -> (t, k, m, e)>, affine_map<(t, u, k, m, e) -> (u, k, e)>, affine_map<(t, u, k, m, e) -> (t, u, k, m)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q5, %k4 : tensor<21x2x5x11xf32>, tensor<21x2x11xf32>) outs(%scores1_init : tensor<21x21x2x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<21x21x2x5xf32>
  // view [p·s, p·s, g·m]
  %scores3 = tensor.collapse_shape %scores2 [[0], [1], [2, 3]] : tensor<21x21x2x5xf32> into tensor<21x21x10xf32>
  return %scores3 : tensor<21x21x10xf32>
}

// -----

// Query heads dealt round-robin, key heads contiguous.
muster.mesh @node <["sp" = 3]>
func.func @wrong_mixed(%q: tensor<7x30x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<7x6x11xf32> {muster.layout = #muster.layout<[u/sp, k, d]>})
    -> (tensor<21x21x10xf32> {muster.layout = #muster.layout<[s, u, h/sp stripe]>}) {
  // heads r, r + p, r + 2p, ...
  // view [s, g·m, p, d]
  %q1 = tensor.expand_shape %q [[0], [1, 2], [3]] output_shape [7, 10, 3, 11] : tensor<7x30x11xf32> into tensor<7x10x3x11xf32>
  // permute (2, 0, 1, 3): [p, s, g·m, d]
  %q2_to = tensor.empty() : tensor<3x7x10x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<7x10x3x11xf32>) outs(%q2_to : tensor<3x7x10x11xf32>) permutation = [2, 0, 1, 3]
  %q3 = muster.exchange %q2 on "sp" : tensor<3x7x10x11xf32>
  // view [p·s, g·m, d]
  %q4 = tensor.collapse_shape %q3 [[0, 1], [2], [3]] : tensor<3x7x10x11xf32> into tensor<21x10x11xf32>
  // view [s, p, g, d]
  %k1 = tensor.expand_shape %k [[0], [1, 2], [3]] output_shape [7, 3, 2, 11] : tensor<7x6x11xf32> into tensor<7x3x2x11xf32>
  // permute (1, 0, 2, 3): [p, s, g, d]
  %k2_to = tensor.empty() : tensor<3x7x2x11xf32>
  %k2 = linalg.transpose ins(%k1 : tensor<7x3x2x11xf32>) outs(%k2_to : tensor<3x7x2x11xf32>) permutation = [1, 0, 2, 3]
  %k3 = muster.exchange %k2 on "sp" : tensor<3x7x2x11xf32>
  // view [p·s, g, d]
  %k4 = tensor.collapse_shape %k3 [[0, 1], [2], [3]] : tensor<3x7x2x11xf32> into tensor<21x2x11xf32>
  // local query head j meets local key head j / 5
  // view [p·s, g, m, d]
  %q5 = tensor.expand_shape %q4 [[0], [1, 2], [3]] output_shape [21, 2, 5, 11] : tensor<21x10x11xf32> into tensor<21x2x5x11xf32>
  // einsum tkme,uke->tukm
  %scores1_init_to = tensor.empty() : tensor<21x21x2x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<21x21x2x5xf32>) -> tensor<21x21x2x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, u, k, m, e) -> (t, k, m, e)>, affine_map<(t, u, k, m, e) -> (u, k, e)>, affine_map<(t, u, k, m, e) -> (t, u, k, m)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q5, %k4 : tensor<21x2x5x11xf32>, tensor<21x2x11xf32>) outs(%scores1_init : tensor<21x21x2x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<21x21x2x5xf32>
  // view [p·s, p·s, g·m]
  %scores3 = tensor.collapse_shape %scores2 [[0], [1], [2, 3]] : tensor<21x21x2x5xf32> into tensor<21x21x10xf32>
  return %scores3 : tensor<21x21x10xf32>
}
