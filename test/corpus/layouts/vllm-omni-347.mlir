// RUN: %python %S/../judge.py %s
//
// vLLM-Omni #347, mended in #377 (see also #5121, #7437): image quality falls as sequence parallelism grows.
//
// What went wrong: the text is replicated, the image is sharded over the sequence. Concatenated on each rank and sent through the
// exchange, the text is gathered as if each rank had a part of it: every text key appears sp times among the keys.
//
// The wrong one is right iff sp = 1.

// The program without mesh: every text key counts once.
func.func @logical(%q: tensor<15x21x11xf32>,
    %k: tensor<15x21x11xf32>,
    %v: tensor<15x21x11xf32>,
    %text_k: tensor<2x21x11xf32>,
    %text_v: tensor<2x21x11xf32>)
    -> tensor<15x21x11xf32> {
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
  return %o2 : tensor<15x21x11xf32>
}

// -----

// Concatenated before the exchange.
muster.mesh @node <["sp" = 3]>
func.func @wrong_text_gathered(%q: tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<5x21x11xf32> {muster.layout = #muster.layout<[u/sp, h, d]>},
    %v: tensor<5x21x11xf32> {muster.layout = #muster.layout<[u/sp, h, d]>},
    %text_k: tensor<2x21x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<2x21x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>}) {
  // text and image go through the exchange together
  %k1 = tensor.concat dim(0) %k, %text_k : (tensor<5x21x11xf32>, tensor<2x21x11xf32>) -> tensor<7x21x11xf32>
  %v1 = tensor.concat dim(0) %v, %text_v : (tensor<5x21x11xf32>, tensor<2x21x11xf32>) -> tensor<7x21x11xf32>
  %k2 = muster.all_to_all %k1 on "sp" split 1 concat 0 : tensor<7x21x11xf32> -> tensor<21x7x11xf32>
  %v2 = muster.all_to_all %v1 on "sp" split 1 concat 0 : tensor<7x21x11xf32> -> tensor<21x7x11xf32>
  %q1 = muster.all_to_all %q on "sp" split 1 concat 0 : tensor<5x21x11xf32> -> tensor<15x7x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<15x7x21xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<15x7x21xf32>) -> tensor<15x7x21xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k2 : tensor<15x7x11xf32>, tensor<21x7x11xf32>) outs(%scores1_init : tensor<15x7x21xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x7x21xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<15x7x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<15x7x11xf32>) -> tensor<15x7x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v2 : tensor<15x7x21xf32>, tensor<21x7x11xf32>) outs(%o1_init : tensor<15x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x7x11xf32>
  %o3 = muster.all_to_all %o2 on "sp" split 0 concat 1 : tensor<15x7x11xf32> -> tensor<5x21x11xf32>
  return %o3 : tensor<5x21x11xf32>
}

// -----

// The text cut by heads, concatenated after the exchange.
muster.mesh @node <["sp" = 3]>
func.func @right_text_sliced(%q: tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<5x21x11xf32> {muster.layout = #muster.layout<[u/sp, h, d]>},
    %v: tensor<5x21x11xf32> {muster.layout = #muster.layout<[u/sp, h, d]>},
    %text_k: tensor<2x21x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<2x21x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x21x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>}) {
  %k1 = muster.all_to_all %k on "sp" split 1 concat 0 : tensor<5x21x11xf32> -> tensor<15x7x11xf32>
  %v1 = muster.all_to_all %v on "sp" split 1 concat 0 : tensor<5x21x11xf32> -> tensor<15x7x11xf32>
  // every rank has the whole text: it keeps its heads
  %text_k1 = muster.slice %text_k on "sp" dim 1 : tensor<2x21x11xf32> -> tensor<2x7x11xf32>
  %text_v1 = muster.slice %text_v on "sp" dim 1 : tensor<2x21x11xf32> -> tensor<2x7x11xf32>
  %k2 = tensor.concat dim(0) %k1, %text_k1 : (tensor<15x7x11xf32>, tensor<2x7x11xf32>) -> tensor<17x7x11xf32>
  %v2 = tensor.concat dim(0) %v1, %text_v1 : (tensor<15x7x11xf32>, tensor<2x7x11xf32>) -> tensor<17x7x11xf32>
  %q1 = muster.all_to_all %q on "sp" split 1 concat 0 : tensor<5x21x11xf32> -> tensor<15x7x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<15x7x17xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<15x7x17xf32>) -> tensor<15x7x17xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k2 : tensor<15x7x11xf32>, tensor<17x7x11xf32>) outs(%scores1_init : tensor<15x7x17xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x7x17xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<15x7x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<15x7x11xf32>) -> tensor<15x7x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v2 : tensor<15x7x17xf32>, tensor<17x7x11xf32>) outs(%o1_init : tensor<15x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x7x11xf32>
  %o3 = muster.all_to_all %o2 on "sp" split 0 concat 1 : tensor<15x7x11xf32> -> tensor<5x21x11xf32>
  return %o3 : tensor<5x21x11xf32>
}
