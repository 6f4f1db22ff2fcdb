// RUN: %python %S/../judge.py %s
//
// xDiT joint tensors (no issue): the text's queries go through the exchange, the text's keys do not.
//
// Right without a mask by position: the order of query rows does not matter to their own results, every rank gets its rows and the
// whole text back, and the text's queries are merely computed sp times. A checker that demands a contiguous order of queries in the
// middle is wrong here.

// The program without mesh.
func.func @logical(%q: tensor<15x21x11xf32>,
    %k: tensor<15x21x11xf32>,
    %v: tensor<15x21x11xf32>,
    %text_q: tensor<2x21x11xf32>,
    %text_k: tensor<2x21x11xf32>,
    %text_v: tensor<2x21x11xf32>)
    -> (tensor<15x21x11xf32>, tensor<2x21x11xf32>) {
  %k1 = tensor.concat dim(0) %k, %text_k : (tensor<15x21x11xf32>, tensor<2x21x11xf32>) -> tensor<17x21x11xf32>
  %v1 = tensor.concat dim(0) %v, %text_v : (tensor<15x21x11xf32>, tensor<2x21x11xf32>) -> tensor<17x21x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<15x21x17xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<15x21x17xf32>) -> tensor<15x21x17xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k1 : tensor<15x21x11xf32>, tensor<17x21x11xf32>) outs(%scores1_init : tensor<15x21x17xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x21x17xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<15x21x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<15x21x11xf32>) -> tensor<15x21x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v1 : tensor<15x21x17xf32>, tensor<17x21x11xf32>) outs(%o1_init : tensor<15x21x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x21x11xf32>
  // einsum the,uhe->thu
  %scores3_init_to = tensor.empty() : tensor<2x21x17xf32>
  %scores3_init_zero = arith.constant 0.0 : f32
  %scores3_init = linalg.fill ins(%scores3_init_zero : f32) outs(%scores3_init_to : tensor<2x21x17xf32>) -> tensor<2x21x17xf32>
  %scores4 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%text_q, %k1 : tensor<2x21x11xf32>, tensor<17x21x11xf32>) outs(%scores3_init : tensor<2x21x17xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<2x21x17xf32>
  // einsum thu,uhe->the
  %o3_init_to = tensor.empty() : tensor<2x21x11xf32>
  %o3_init_zero = arith.constant 0.0 : f32
  %o3_init = linalg.fill ins(%o3_init_zero : f32) outs(%o3_init_to : tensor<2x21x11xf32>) -> tensor<2x21x11xf32>
  %o4 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores4, %v1 : tensor<2x21x17xf32>, tensor<17x21x11xf32>) outs(%o3_init : tensor<2x21x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<2x21x11xf32>
  return %o2, %o4 : tensor<15x21x11xf32>, tensor<2x21x11xf32>
}

// -----

// Queries with text in every part, keys with text once.
muster.mesh @node <["sp" = 3]>
func.func @right_joint_queries(%q: tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<5x21x11xf32> {muster.layout = #muster.layout<[u/sp, h, d]>},
    %v: tensor<5x21x11xf32> {muster.layout = #muster.layout<[u/sp, h, d]>},
    %text_q: tensor<2x21x11xf32> {muster.layout = #muster.layout<[r, h, d]>},
    %text_k: tensor<2x21x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<2x21x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>}, tensor<2x21x11xf32> {muster.layout = #muster.layout<[r, h, d]>}) {
  // queries: the rank's rows and the whole text, so that the order is q0, text, q1, text, ...
  %q1 = tensor.concat dim(0) %q, %text_q : (tensor<5x21x11xf32>, tensor<2x21x11xf32>) -> tensor<7x21x11xf32>
  %q2 = muster.all_to_all %q1 on "sp" split 1 concat 0 : tensor<7x21x11xf32> -> tensor<21x7x11xf32>
  // keys: the text once, by heads
  %k1 = muster.all_to_all %k on "sp" split 1 concat 0 : tensor<5x21x11xf32> -> tensor<15x7x11xf32>
  %v1 = muster.all_to_all %v on "sp" split 1 concat 0 : tensor<5x21x11xf32> -> tensor<15x7x11xf32>
  %text_k1 = muster.slice %text_k on "sp" dim 1 : tensor<2x21x11xf32> -> tensor<2x7x11xf32>
  %text_v1 = muster.slice %text_v on "sp" dim 1 : tensor<2x21x11xf32> -> tensor<2x7x11xf32>
  %k2 = tensor.concat dim(0) %k1, %text_k1 : (tensor<15x7x11xf32>, tensor<2x7x11xf32>) -> tensor<17x7x11xf32>
  %v2 = tensor.concat dim(0) %v1, %text_v1 : (tensor<15x7x11xf32>, tensor<2x7x11xf32>) -> tensor<17x7x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<21x7x17xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<21x7x17xf32>) -> tensor<21x7x17xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q2, %k2 : tensor<21x7x11xf32>, tensor<17x7x11xf32>) outs(%scores1_init : tensor<21x7x17xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<21x7x17xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<21x7x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<21x7x11xf32>) -> tensor<21x7x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v2 : tensor<21x7x17xf32>, tensor<17x7x11xf32>) outs(%o1_init : tensor<21x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<21x7x11xf32>
  %o3 = muster.all_to_all %o2 on "sp" split 0 concat 1 : tensor<21x7x11xf32> -> tensor<7x21x11xf32>
  %o4 = tensor.extract_slice %o3[0, 0, 0] [5, 21, 11] [1, 1, 1] : tensor<7x21x11xf32> to tensor<5x21x11xf32>
  %o5 = tensor.extract_slice %o3[5, 0, 0] [2, 21, 11] [1, 1, 1] : tensor<7x21x11xf32> to tensor<2x21x11xf32>
  return %o4, %o5 : tensor<5x21x11xf32>, tensor<2x21x11xf32>
}
