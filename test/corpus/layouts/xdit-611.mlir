// RUN: %python %S/../judge.py %s
//
// xDiT #611: artifacts with a ring of 4 and joint tensors of strategy "rear".
//
// What went wrong: the text was concatenated at ring step 0 and not at the last step. Each key block must contribute exactly once, and
// in its place. (Modelled here: the block that carries the text goes around the ring, so that the text counts at every step. Sums
// stand for the merging of partial attention.)
//
// The wrong one is right iff ring = 1.

// The program without mesh: every text key counts once.
func.func @logical(%q: tensor<15x7x11xf32>,
    %k: tensor<15x7x11xf32>,
    %v: tensor<15x7x11xf32>,
    %text_k: tensor<2x7x11xf32>,
    %text_v: tensor<2x7x11xf32>)
    -> tensor<15x7x11xf32> {
  %k1 = tensor.concat dim(0) %k, %text_k : (tensor<15x7x11xf32>, tensor<2x7x11xf32>) -> tensor<17x7x11xf32>
  %v1 = tensor.concat dim(0) %v, %text_v : (tensor<15x7x11xf32>, tensor<2x7x11xf32>) -> tensor<17x7x11xf32>
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<15x7x17xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<15x7x17xf32>) -> tensor<15x7x17xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k1 : tensor<15x7x11xf32>, tensor<17x7x11xf32>) outs(%scores1_init : tensor<15x7x17xf32>) {
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
      ins(%scores2, %v1 : tensor<15x7x17xf32>, tensor<17x7x11xf32>) outs(%o1_init : tensor<15x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<15x7x11xf32>
  return %o2 : tensor<15x7x11xf32>
}

// -----

// Text at step 0.
muster.mesh @node <["ring" = 3]>
func.func @wrong_text_at_step_0(%q: tensor<5x7x11xf32> {muster.layout = #muster.layout<[s/ring, h, d]>},
    %k: tensor<5x7x11xf32> {muster.layout = #muster.layout<[u/ring, h, d]>},
    %v: tensor<5x7x11xf32> {muster.layout = #muster.layout<[u/ring, h, d]>},
    %text_k: tensor<2x7x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<2x7x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x7x11xf32> {muster.layout = #muster.layout<[s/ring, h, d]>}) {
  // step 0 puts the text behind the rank's block, and the ring carries both on
  %k1 = tensor.concat dim(0) %k, %text_k : (tensor<5x7x11xf32>, tensor<2x7x11xf32>) -> tensor<7x7x11xf32>
  %v1 = tensor.concat dim(0) %v, %text_v : (tensor<5x7x11xf32>, tensor<2x7x11xf32>) -> tensor<7x7x11xf32>
  // step 0
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<5x7x7xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<5x7x7xf32>) -> tensor<5x7x7xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k1 : tensor<5x7x11xf32>, tensor<7x7x11xf32>) outs(%scores1_init : tensor<5x7x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x7xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<5x7x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<5x7x11xf32>) -> tensor<5x7x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v1 : tensor<5x7x7xf32>, tensor<7x7x11xf32>) outs(%o1_init : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x11xf32>
  %k2 = muster.permute %k1 sources [2, 0, 1] on "ring" : tensor<7x7x11xf32>
  %v2 = muster.permute %v1 sources [2, 0, 1] on "ring" : tensor<7x7x11xf32>
  // step 1
  // einsum the,uhe->thu
  %scores3_init_to = tensor.empty() : tensor<5x7x7xf32>
  %scores3_init_zero = arith.constant 0.0 : f32
  %scores3_init = linalg.fill ins(%scores3_init_zero : f32) outs(%scores3_init_to : tensor<5x7x7xf32>) -> tensor<5x7x7xf32>
  %scores4 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k2 : tensor<5x7x11xf32>, tensor<7x7x11xf32>) outs(%scores3_init : tensor<5x7x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x7xf32>
  // einsum thu,uhe->the
  %o3_init_to = tensor.empty() : tensor<5x7x11xf32>
  %o3_init_zero = arith.constant 0.0 : f32
  %o3_init = linalg.fill ins(%o3_init_zero : f32) outs(%o3_init_to : tensor<5x7x11xf32>) -> tensor<5x7x11xf32>
  %o4 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores4, %v2 : tensor<5x7x7xf32>, tensor<7x7x11xf32>) outs(%o3_init : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x11xf32>
  %sum1_to = tensor.empty() : tensor<5x7x11xf32>
  %sum1 = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%o2, %o4 : tensor<5x7x11xf32>, tensor<5x7x11xf32>) outs(%sum1_to : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %s = arith.addf %in0, %in1 : f32
    linalg.yield %s : f32
  } -> tensor<5x7x11xf32>
  %k3 = muster.permute %k2 sources [2, 0, 1] on "ring" : tensor<7x7x11xf32>
  %v3 = muster.permute %v2 sources [2, 0, 1] on "ring" : tensor<7x7x11xf32>
  // step 2
  // einsum the,uhe->thu
  %scores5_init_to = tensor.empty() : tensor<5x7x7xf32>
  %scores5_init_zero = arith.constant 0.0 : f32
  %scores5_init = linalg.fill ins(%scores5_init_zero : f32) outs(%scores5_init_to : tensor<5x7x7xf32>) -> tensor<5x7x7xf32>
  %scores6 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k3 : tensor<5x7x11xf32>, tensor<7x7x11xf32>) outs(%scores5_init : tensor<5x7x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x7xf32>
  // einsum thu,uhe->the
  %o5_init_to = tensor.empty() : tensor<5x7x11xf32>
  %o5_init_zero = arith.constant 0.0 : f32
  %o5_init = linalg.fill ins(%o5_init_zero : f32) outs(%o5_init_to : tensor<5x7x11xf32>) -> tensor<5x7x11xf32>
  %o6 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores6, %v3 : tensor<5x7x7xf32>, tensor<7x7x11xf32>) outs(%o5_init : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x11xf32>
  %sum2_to = tensor.empty() : tensor<5x7x11xf32>
  %sum2 = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%sum1, %o6 : tensor<5x7x11xf32>, tensor<5x7x11xf32>) outs(%sum2_to : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %s = arith.addf %in0, %in1 : f32
    linalg.yield %s : f32
  } -> tensor<5x7x11xf32>
  return %sum2 : tensor<5x7x11xf32>
}

// -----

// Text at the last step.
muster.mesh @node <["ring" = 3]>
func.func @right_text_at_last_step(%q: tensor<5x7x11xf32> {muster.layout = #muster.layout<[s/ring, h, d]>},
    %k: tensor<5x7x11xf32> {muster.layout = #muster.layout<[u/ring, h, d]>},
    %v: tensor<5x7x11xf32> {muster.layout = #muster.layout<[u/ring, h, d]>},
    %text_k: tensor<2x7x11xf32> {muster.layout = #muster.layout<[t, h, d]>},
    %text_v: tensor<2x7x11xf32> {muster.layout = #muster.layout<[t, h, d]>})
    -> (tensor<5x7x11xf32> {muster.layout = #muster.layout<[s/ring, h, d]>}) {
  // step 0
  // einsum the,uhe->thu
  %scores1_init_to = tensor.empty() : tensor<5x7x5xf32>
  %scores1_init_zero = arith.constant 0.0 : f32
  %scores1_init = linalg.fill ins(%scores1_init_zero : f32) outs(%scores1_init_to : tensor<5x7x5xf32>) -> tensor<5x7x5xf32>
  %scores2 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<5x7x11xf32>, tensor<5x7x11xf32>) outs(%scores1_init : tensor<5x7x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x5xf32>
  // einsum thu,uhe->the
  %o1_init_to = tensor.empty() : tensor<5x7x11xf32>
  %o1_init_zero = arith.constant 0.0 : f32
  %o1_init = linalg.fill ins(%o1_init_zero : f32) outs(%o1_init_to : tensor<5x7x11xf32>) -> tensor<5x7x11xf32>
  %o2 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores2, %v : tensor<5x7x5xf32>, tensor<5x7x11xf32>) outs(%o1_init : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x11xf32>
  %k1 = muster.permute %k sources [2, 0, 1] on "ring" : tensor<5x7x11xf32>
  %v1 = muster.permute %v sources [2, 0, 1] on "ring" : tensor<5x7x11xf32>
  // step 1
  // einsum the,uhe->thu
  %scores3_init_to = tensor.empty() : tensor<5x7x5xf32>
  %scores3_init_zero = arith.constant 0.0 : f32
  %scores3_init = linalg.fill ins(%scores3_init_zero : f32) outs(%scores3_init_to : tensor<5x7x5xf32>) -> tensor<5x7x5xf32>
  %scores4 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k1 : tensor<5x7x11xf32>, tensor<5x7x11xf32>) outs(%scores3_init : tensor<5x7x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x5xf32>
  // einsum thu,uhe->the
  %o3_init_to = tensor.empty() : tensor<5x7x11xf32>
  %o3_init_zero = arith.constant 0.0 : f32
  %o3_init = linalg.fill ins(%o3_init_zero : f32) outs(%o3_init_to : tensor<5x7x11xf32>) -> tensor<5x7x11xf32>
  %o4 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores4, %v1 : tensor<5x7x5xf32>, tensor<5x7x11xf32>) outs(%o3_init : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x11xf32>
  %sum1_to = tensor.empty() : tensor<5x7x11xf32>
  %sum1 = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%o2, %o4 : tensor<5x7x11xf32>, tensor<5x7x11xf32>) outs(%sum1_to : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %s = arith.addf %in0, %in1 : f32
    linalg.yield %s : f32
  } -> tensor<5x7x11xf32>
  %k2 = muster.permute %k1 sources [2, 0, 1] on "ring" : tensor<5x7x11xf32>
  %v2 = muster.permute %v1 sources [2, 0, 1] on "ring" : tensor<5x7x11xf32>
  // step 2
  // the text joins the last block
  %k3 = tensor.concat dim(0) %k2, %text_k : (tensor<5x7x11xf32>, tensor<2x7x11xf32>) -> tensor<7x7x11xf32>
  %v3 = tensor.concat dim(0) %v2, %text_v : (tensor<5x7x11xf32>, tensor<2x7x11xf32>) -> tensor<7x7x11xf32>
  // einsum the,uhe->thu
  %scores5_init_to = tensor.empty() : tensor<5x7x7xf32>
  %scores5_init_zero = arith.constant 0.0 : f32
  %scores5_init = linalg.fill ins(%scores5_init_zero : f32) outs(%scores5_init_to : tensor<5x7x7xf32>) -> tensor<5x7x7xf32>
  %scores6 = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, h, u)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k3 : tensor<5x7x11xf32>, tensor<7x7x11xf32>) outs(%scores5_init : tensor<5x7x7xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x7xf32>
  // einsum thu,uhe->the
  %o5_init_to = tensor.empty() : tensor<5x7x11xf32>
  %o5_init_zero = arith.constant 0.0 : f32
  %o5_init = linalg.fill ins(%o5_init_zero : f32) outs(%o5_init_to : tensor<5x7x11xf32>) -> tensor<5x7x11xf32>
  %o6 = linalg.generic {indexing_maps = [affine_map<(t, h, e, u) -> (t, h, u)>, affine_map<(t, h, e, u) -> (u, h, e)>, affine_map<(t, h, e, u) -> (t, h, e)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%scores6, %v3 : tensor<5x7x7xf32>, tensor<7x7x11xf32>) outs(%o5_init : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x11xf32>
  %sum2_to = tensor.empty() : tensor<5x7x11xf32>
  %sum2 = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%sum1, %o6 : tensor<5x7x11xf32>, tensor<5x7x11xf32>) outs(%sum2_to : tensor<5x7x11xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %s = arith.addf %in0, %in1 : f32
    linalg.yield %s : f32
  } -> tensor<5x7x11xf32>
  return %sum2 : tensor<5x7x11xf32>
}
