// RUN: %python %S/../judge.py %s
//
// Megatron-DeepSpeed #406 (2024-08): attention per chunk. What the seed bug (DeepSpeed #5664) did in a model, b = 1.
//
// What went wrong: the flash attention path handed over tensors with the batch in front and left gather_idx at 0. The forward exchange
// then gives [p·b, s, h, d], and attention, which takes dim 0 for the batch, sees p short sequences: block-local attention. #5664 made
// the round trip the identity for b = 1 and left this as it was: a test of the round trip passes.
//
// The wrong ones are right iff sp = 1.

// The program without mesh.
func.func @logical(%q: tensor<1x10x6x7xf32>,
    %k: tensor<1x10x6x7xf32>,
    %v: tensor<1x10x6x7xf32>)
    -> tensor<1x10x6x7xf32> {
  // attention without softmax: (q k) v
  // einsum bthe,buhe->bthu
  %scores1_init_to = tensor.empty() : tensor<1x10x6x10xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<1x10x6x10xf32>) -> tensor<1x10x6x10xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, u, e) -> (b, t, h, e)>, affine_map<(b, t, h, u, e) -> (b, u, h, e)>, affine_map<(b, t, h, u, e) -> (b, t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<1x10x6x7xf32>, tensor<1x10x6x7xf32>) outs(%scores1_init : tensor<1x10x6x10xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<1x10x6x10xf32>
  // einsum bthu,buhe->bthe
  %o1_init_to = tensor.empty() : tensor<1x10x6x7xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<1x10x6x7xf32>) -> tensor<1x10x6x7xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, e, u) -> (b, t, h, u)>, affine_map<(b, t, h, e, u) -> (b, u, h, e)>, affine_map<(b, t, h, e, u) -> (b, t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v : tensor<1x10x6x10xf32>, tensor<1x10x6x7xf32>) outs(%o1_init : tensor<1x10x6x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<1x10x6x7xf32>
  return %o2 : tensor<1x10x6x7xf32>
}

// -----

// With T(0,1): the round trip is wrong, too.
muster.mesh @node <["sp" = 2]>
func.func @wrong_before_5664(%q: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %k: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %v: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b·s, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  %q2 = tensor.collapse_shape %q1 [[0, 1], [2], [3], [4]] : tensor<1x5x2x3x7xf32> into tensor<5x2x3x7xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %q3_to = tensor.empty() : tensor<2x5x3x7xf32>
  %q3 = linalg.transpose ins(%q2 : tensor<5x2x3x7xf32>) outs(%q3_to : tensor<2x5x3x7xf32>) permutation = [1, 0, 2, 3]
  %q4 = muster.exchange %q3 on "sp" : tensor<2x5x3x7xf32>
  // view [p·b, s, h, d]
  // view [b·s, p, h, d]
  %k1 = tensor.expand_shape %k [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  %k2 = tensor.collapse_shape %k1 [[0, 1], [2], [3], [4]] : tensor<1x5x2x3x7xf32> into tensor<5x2x3x7xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %k3_to = tensor.empty() : tensor<2x5x3x7xf32>
  %k3 = linalg.transpose ins(%k2 : tensor<5x2x3x7xf32>) outs(%k3_to : tensor<2x5x3x7xf32>) permutation = [1, 0, 2, 3]
  %k4 = muster.exchange %k3 on "sp" : tensor<2x5x3x7xf32>
  // view [p·b, s, h, d]
  // view [b·s, p, h, d]
  %v1 = tensor.expand_shape %v [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  %v2 = tensor.collapse_shape %v1 [[0, 1], [2], [3], [4]] : tensor<1x5x2x3x7xf32> into tensor<5x2x3x7xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %v3_to = tensor.empty() : tensor<2x5x3x7xf32>
  %v3 = linalg.transpose ins(%v2 : tensor<5x2x3x7xf32>) outs(%v3_to : tensor<2x5x3x7xf32>) permutation = [1, 0, 2, 3]
  %v4 = muster.exchange %v3 on "sp" : tensor<2x5x3x7xf32>
  // view [p·b, s, h, d]
  // flash attention takes dim 0 for the batch: p sequences of length s
  // attention without softmax: (q k) v
  // einsum bthe,buhe->bthu
  %scores1_init_to = tensor.empty() : tensor<2x5x3x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<2x5x3x5xf32>) -> tensor<2x5x3x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, u, e) -> (b, t, h, e)>, affine_map<(b, t, h, u, e) -> (b, u, h, e)>, affine_map<(b, t, h, u, e) -> (b, t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q4, %k4 : tensor<2x5x3x7xf32>, tensor<2x5x3x7xf32>) outs(%scores1_init : tensor<2x5x3x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<2x5x3x5xf32>
  // einsum bthu,buhe->bthe
  %o1_init_to = tensor.empty() : tensor<2x5x3x7xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<2x5x3x7xf32>) -> tensor<2x5x3x7xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, e, u) -> (b, t, h, u)>, affine_map<(b, t, h, e, u) -> (b, u, h, e)>, affine_map<(b, t, h, e, u) -> (b, t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v4 : tensor<2x5x3x5xf32>, tensor<2x5x3x7xf32>) outs(%o1_init : tensor<2x5x3x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<2x5x3x7xf32>
  // view [p, b, s, h, d]
  %o3 = tensor.expand_shape %o2 [[0], [1, 2], [3], [4]] output_shape [2, 1, 5, 3, 7] : tensor<2x5x3x7xf32> into tensor<2x1x5x3x7xf32>
  %o4 = muster.exchange %o3 on "sp" : tensor<2x1x5x3x7xf32>
  // transpose (0, 1): [b, p, s, h, d]
  %o5_to = tensor.empty() : tensor<1x2x5x3x7xf32>
  %o5 = linalg.transpose ins(%o4 : tensor<2x1x5x3x7xf32>) outs(%o5_to : tensor<1x2x5x3x7xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, s, H, d]
  %o6 = tensor.collapse_shape %o5 [[0], [1, 2, 3], [4]] : tensor<1x2x5x3x7xf32> into tensor<1x30x7xf32>
  %o7 = tensor.expand_shape %o6 [[0], [1, 2], [3]] output_shape [1, 5, 6, 7] : tensor<1x30x7xf32> into tensor<1x5x6x7xf32>
  return %o7 : tensor<1x5x6x7xf32>
}

// -----

// With T(0,2): the round trip is the identity, attention is still block-local.
muster.mesh @node <["sp" = 2]>
func.func @wrong_after_5664(%q: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %k: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %v: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b·s, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  %q2 = tensor.collapse_shape %q1 [[0, 1], [2], [3], [4]] : tensor<1x5x2x3x7xf32> into tensor<5x2x3x7xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %q3_to = tensor.empty() : tensor<2x5x3x7xf32>
  %q3 = linalg.transpose ins(%q2 : tensor<5x2x3x7xf32>) outs(%q3_to : tensor<2x5x3x7xf32>) permutation = [1, 0, 2, 3]
  %q4 = muster.exchange %q3 on "sp" : tensor<2x5x3x7xf32>
  // view [p·b, s, h, d]
  // view [b·s, p, h, d]
  %k1 = tensor.expand_shape %k [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  %k2 = tensor.collapse_shape %k1 [[0, 1], [2], [3], [4]] : tensor<1x5x2x3x7xf32> into tensor<5x2x3x7xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %k3_to = tensor.empty() : tensor<2x5x3x7xf32>
  %k3 = linalg.transpose ins(%k2 : tensor<5x2x3x7xf32>) outs(%k3_to : tensor<2x5x3x7xf32>) permutation = [1, 0, 2, 3]
  %k4 = muster.exchange %k3 on "sp" : tensor<2x5x3x7xf32>
  // view [p·b, s, h, d]
  // view [b·s, p, h, d]
  %v1 = tensor.expand_shape %v [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  %v2 = tensor.collapse_shape %v1 [[0, 1], [2], [3], [4]] : tensor<1x5x2x3x7xf32> into tensor<5x2x3x7xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %v3_to = tensor.empty() : tensor<2x5x3x7xf32>
  %v3 = linalg.transpose ins(%v2 : tensor<5x2x3x7xf32>) outs(%v3_to : tensor<2x5x3x7xf32>) permutation = [1, 0, 2, 3]
  %v4 = muster.exchange %v3 on "sp" : tensor<2x5x3x7xf32>
  // view [p·b, s, h, d]
  // flash attention takes dim 0 for the batch: p sequences of length s
  // attention without softmax: (q k) v
  // einsum bthe,buhe->bthu
  %scores1_init_to = tensor.empty() : tensor<2x5x3x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<2x5x3x5xf32>) -> tensor<2x5x3x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, u, e) -> (b, t, h, e)>, affine_map<(b, t, h, u, e) -> (b, u, h, e)>, affine_map<(b, t, h, u, e) -> (b, t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q4, %k4 : tensor<2x5x3x7xf32>, tensor<2x5x3x7xf32>) outs(%scores1_init : tensor<2x5x3x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<2x5x3x5xf32>
  // einsum bthu,buhe->bthe
  %o1_init_to = tensor.empty() : tensor<2x5x3x7xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<2x5x3x7xf32>) -> tensor<2x5x3x7xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, e, u) -> (b, t, h, u)>, affine_map<(b, t, h, e, u) -> (b, u, h, e)>, affine_map<(b, t, h, e, u) -> (b, t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v4 : tensor<2x5x3x5xf32>, tensor<2x5x3x7xf32>) outs(%o1_init : tensor<2x5x3x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<2x5x3x7xf32>
  // view [p, b, s, h, d]
  %o3 = tensor.expand_shape %o2 [[0], [1, 2], [3], [4]] output_shape [2, 1, 5, 3, 7] : tensor<2x5x3x7xf32> into tensor<2x1x5x3x7xf32>
  %o4 = muster.exchange %o3 on "sp" : tensor<2x1x5x3x7xf32>
  // transpose (0, 2): [s, b, p, h, d]
  %o5_to = tensor.empty() : tensor<5x1x2x3x7xf32>
  %o5 = linalg.transpose ins(%o4 : tensor<2x1x5x3x7xf32>) outs(%o5_to : tensor<5x1x2x3x7xf32>) permutation = [2, 1, 0, 3, 4]
  // view [b, s, H, d]
  %o6 = tensor.expand_shape %o5 [[0, 1], [2], [3], [4], [5]] output_shape [1, 5, 1, 2, 3, 7] : tensor<5x1x2x3x7xf32> into tensor<1x5x1x2x3x7xf32>
  %o7 = tensor.collapse_shape %o6 [[0], [1], [2, 3, 4], [5]] : tensor<1x5x1x2x3x7xf32> into tensor<1x5x6x7xf32>
  return %o7 : tensor<1x5x6x7xf32>
}

// -----

// gather_idx 1 and a right chain.
muster.mesh @node <["sp" = 2]>
func.func @right_whole_sequence(%q: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %k: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %v: tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<1x5x6x7xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b, s, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  // permute (2, 0, 1, 3, 4): [p, b, s, h, d]
  %q2_to = tensor.empty() : tensor<2x1x5x3x7xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<1x5x2x3x7xf32>) outs(%q2_to : tensor<2x1x5x3x7xf32>) permutation = [2, 0, 1, 3, 4]
  %q3 = muster.exchange %q2 on "sp" : tensor<2x1x5x3x7xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %q4_to = tensor.empty() : tensor<1x2x5x3x7xf32>
  %q4 = linalg.transpose ins(%q3 : tensor<2x1x5x3x7xf32>) outs(%q4_to : tensor<1x2x5x3x7xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %q5 = tensor.collapse_shape %q4 [[0], [1, 2], [3], [4]] : tensor<1x2x5x3x7xf32> into tensor<1x10x3x7xf32>
  // view [b, s, p, h, d]
  %k1 = tensor.expand_shape %k [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  // permute (2, 0, 1, 3, 4): [p, b, s, h, d]
  %k2_to = tensor.empty() : tensor<2x1x5x3x7xf32>
  %k2 = linalg.transpose ins(%k1 : tensor<1x5x2x3x7xf32>) outs(%k2_to : tensor<2x1x5x3x7xf32>) permutation = [2, 0, 1, 3, 4]
  %k3 = muster.exchange %k2 on "sp" : tensor<2x1x5x3x7xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %k4_to = tensor.empty() : tensor<1x2x5x3x7xf32>
  %k4 = linalg.transpose ins(%k3 : tensor<2x1x5x3x7xf32>) outs(%k4_to : tensor<1x2x5x3x7xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %k5 = tensor.collapse_shape %k4 [[0], [1, 2], [3], [4]] : tensor<1x2x5x3x7xf32> into tensor<1x10x3x7xf32>
  // view [b, s, p, h, d]
  %v1 = tensor.expand_shape %v [[0], [1], [2, 3], [4]] output_shape [1, 5, 2, 3, 7] : tensor<1x5x6x7xf32> into tensor<1x5x2x3x7xf32>
  // permute (2, 0, 1, 3, 4): [p, b, s, h, d]
  %v2_to = tensor.empty() : tensor<2x1x5x3x7xf32>
  %v2 = linalg.transpose ins(%v1 : tensor<1x5x2x3x7xf32>) outs(%v2_to : tensor<2x1x5x3x7xf32>) permutation = [2, 0, 1, 3, 4]
  %v3 = muster.exchange %v2 on "sp" : tensor<2x1x5x3x7xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %v4_to = tensor.empty() : tensor<1x2x5x3x7xf32>
  %v4 = linalg.transpose ins(%v3 : tensor<2x1x5x3x7xf32>) outs(%v4_to : tensor<1x2x5x3x7xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %v5 = tensor.collapse_shape %v4 [[0], [1, 2], [3], [4]] : tensor<1x2x5x3x7xf32> into tensor<1x10x3x7xf32>
  // attention without softmax: (q k) v
  // einsum bthe,buhe->bthu
  %scores1_init_to = tensor.empty() : tensor<1x10x3x10xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<1x10x3x10xf32>) -> tensor<1x10x3x10xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, u, e) -> (b, t, h, e)>, affine_map<(b, t, h, u, e) -> (b, u, h, e)>, affine_map<(b, t, h, u, e) -> (b, t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q5, %k5 : tensor<1x10x3x7xf32>, tensor<1x10x3x7xf32>) outs(%scores1_init : tensor<1x10x3x10xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<1x10x3x10xf32>
  // einsum bthu,buhe->bthe
  %o1_init_to = tensor.empty() : tensor<1x10x3x7xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<1x10x3x7xf32>) -> tensor<1x10x3x7xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(b, t, h, e, u) -> (b, t, h, u)>, affine_map<(b, t, h, e, u) -> (b, u, h, e)>, affine_map<(b, t, h, e, u) -> (b, t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v5 : tensor<1x10x3x10xf32>, tensor<1x10x3x7xf32>) outs(%o1_init : tensor<1x10x3x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<1x10x3x7xf32>
  // view [b, p, s, h, d]
  %o3 = tensor.expand_shape %o2 [[0], [1, 2], [3], [4]] output_shape [1, 2, 5, 3, 7] : tensor<1x10x3x7xf32> into tensor<1x2x5x3x7xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %o4_to = tensor.empty() : tensor<2x1x5x3x7xf32>
  %o4 = linalg.transpose ins(%o3 : tensor<1x2x5x3x7xf32>) outs(%o4_to : tensor<2x1x5x3x7xf32>) permutation = [1, 0, 2, 3, 4]
  %o5 = muster.exchange %o4 on "sp" : tensor<2x1x5x3x7xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %o6_to = tensor.empty() : tensor<1x5x2x3x7xf32>
  %o6 = linalg.transpose ins(%o5 : tensor<2x1x5x3x7xf32>) outs(%o6_to : tensor<1x5x2x3x7xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %o7 = tensor.collapse_shape %o6 [[0], [1], [2, 3], [4]] : tensor<1x5x2x3x7xf32> into tensor<1x5x6x7xf32>
  return %o7 : tensor<1x5x6x7xf32>
}
