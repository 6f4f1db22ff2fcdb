// RUN: %python %S/../judge.py %s
//
// SGLang #33327 (mended in #33353): mean error 15/255 in diffusion with ring degree above 1.
//
// What went wrong: whether the text is sharded was decided by the Ulysses size alone. In the ring the replicated text then rotates as
// if it were sharded, and its keys count once for each ring rank.
//
// The wrong one is right iff ring = 1.

// The program without mesh: every text key counts once.
func.func @logical(%q: tensor<30x6x11xf32>,
    %k: tensor<30x6x11xf32>,
    %v: tensor<30x6x11xf32>,
    %text_k: tensor<7x6x11xf32>,
    %text_v: tensor<7x6x11xf32>)
    -> tensor<30x6x11xf32> {
  %k1 = tensor.concat dim(0) %k, %text_k : (tensor<30x6x11xf32>, tensor<7x6x11xf32>) -> tensor<37x6x11xf32>
  %v1 = tensor.concat dim(0) %v, %text_v : (tensor<30x6x11xf32>, tensor<7x6x11xf32>) -> tensor<37x6x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<30x6x37xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<30x6x37xf32>) -> tensor<30x6x37xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k1 : tensor<30x6x11xf32>, tensor<37x6x11xf32>) outs(%scores1_init : tensor<30x6x37xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<30x6x37xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<30x6x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<30x6x11xf32>) -> tensor<30x6x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v1 : tensor<30x6x37xf32>, tensor<37x6x11xf32>) outs(%o1_init : tensor<30x6x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<30x6x11xf32>
  return %o2 : tensor<30x6x11xf32>
}

// -----

// Text concatenated before the ring.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @wrong_text_rotates(%q: tensor<5x6x11xf32> {muster.layout = #muster.layout<[s/(ring,ul), h, d]>},
    %k: tensor<5x6x11xf32> {muster.layout = #muster.layout<[u/(ring,ul), h, d]>},
    %v: tensor<5x6x11xf32> {muster.layout = #muster.layout<[u/(ring,ul), h, d]>},
    %text_k: tensor<7x6x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<7x6x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x6x11xf32> {muster.layout = #muster.layout<[s/(ring,ul), h, d]>}) {
  // Ulysses
  %q1 = muster.all_to_all %q on "ul" split 1 concat 0 : tensor<5x6x11xf32> -> tensor<15x2x11xf32>
  %k1 = muster.all_to_all %k on "ul" split 1 concat 0 : tensor<5x6x11xf32> -> tensor<15x2x11xf32>
  %v1 = muster.all_to_all %v on "ul" split 1 concat 0 : tensor<5x6x11xf32> -> tensor<15x2x11xf32>
  %text_k1 = muster.slice %text_k on "ul" dim 1 : tensor<7x6x11xf32> -> tensor<7x2x11xf32>
  %text_v1 = muster.slice %text_v on "ul" dim 1 : tensor<7x6x11xf32> -> tensor<7x2x11xf32>
  %k2 = tensor.concat dim(0) %k1, %text_k1 : (tensor<15x2x11xf32>, tensor<7x2x11xf32>) -> tensor<22x2x11xf32>
  %v2 = tensor.concat dim(0) %v1, %text_v1 : (tensor<15x2x11xf32>, tensor<7x2x11xf32>) -> tensor<22x2x11xf32>
  // ring, as one gather: the text rotates as if it were sharded
  %k3 = muster.all_gather %k2 on "ring" dim 0 : tensor<22x2x11xf32> -> tensor<44x2x11xf32>
  %v3 = muster.all_gather %v2 on "ring" dim 0 : tensor<22x2x11xf32> -> tensor<44x2x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<15x2x44xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<15x2x44xf32>) -> tensor<15x2x44xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k3 : tensor<15x2x11xf32>, tensor<44x2x11xf32>) outs(%scores1_init : tensor<15x2x44xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x2x44xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<15x2x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<15x2x11xf32>) -> tensor<15x2x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v3 : tensor<15x2x44xf32>, tensor<44x2x11xf32>) outs(%o1_init : tensor<15x2x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x2x11xf32>
  %o3 = muster.all_to_all %o2 on "ul" split 0 concat 1 : tensor<15x2x11xf32> -> tensor<5x6x11xf32>
  return %o3 : tensor<5x6x11xf32>
}

// -----

// Text concatenated behind the ring.
muster.mesh @node <["ring" = 2, "ul" = 3]>
func.func @right_text_once(%q: tensor<5x6x11xf32> {muster.layout = #muster.layout<[s/(ring,ul), h, d]>},
    %k: tensor<5x6x11xf32> {muster.layout = #muster.layout<[u/(ring,ul), h, d]>},
    %v: tensor<5x6x11xf32> {muster.layout = #muster.layout<[u/(ring,ul), h, d]>},
    %text_k: tensor<7x6x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<7x6x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x6x11xf32> {muster.layout = #muster.layout<[s/(ring,ul), h, d]>}) {
  // Ulysses
  %q1 = muster.all_to_all %q on "ul" split 1 concat 0 : tensor<5x6x11xf32> -> tensor<15x2x11xf32>
  %k1 = muster.all_to_all %k on "ul" split 1 concat 0 : tensor<5x6x11xf32> -> tensor<15x2x11xf32>
  %v1 = muster.all_to_all %v on "ul" split 1 concat 0 : tensor<5x6x11xf32> -> tensor<15x2x11xf32>
  %text_k1 = muster.slice %text_k on "ul" dim 1 : tensor<7x6x11xf32> -> tensor<7x2x11xf32>
  %text_v1 = muster.slice %text_v on "ul" dim 1 : tensor<7x6x11xf32> -> tensor<7x2x11xf32>
  // ring, as one gather: image keys only
  %k2 = muster.all_gather %k1 on "ring" dim 0 : tensor<15x2x11xf32> -> tensor<30x2x11xf32>
  %v2 = muster.all_gather %v1 on "ring" dim 0 : tensor<15x2x11xf32> -> tensor<30x2x11xf32>
  %k3 = tensor.concat dim(0) %k2, %text_k1 : (tensor<30x2x11xf32>, tensor<7x2x11xf32>) -> tensor<37x2x11xf32>
  %v3 = tensor.concat dim(0) %v2, %text_v1 : (tensor<30x2x11xf32>, tensor<7x2x11xf32>) -> tensor<37x2x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<15x2x37xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<15x2x37xf32>) -> tensor<15x2x37xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k3 : tensor<15x2x11xf32>, tensor<37x2x11xf32>) outs(%scores1_init : tensor<15x2x37xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x2x37xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<15x2x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<15x2x11xf32>) -> tensor<15x2x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v3 : tensor<15x2x37xf32>, tensor<37x2x11xf32>) outs(%o1_init : tensor<15x2x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x2x11xf32>
  %o3 = muster.all_to_all %o2 on "ul" split 0 concat 1 : tensor<15x2x11xf32> -> tensor<5x6x11xf32>
  return %o3 : tensor<5x6x11xf32>
}
