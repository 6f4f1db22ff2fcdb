// RUN: %python %S/../judge.py %s
//
// vLLM #13686, mended in #13687 (OLMo-2): garbage with grouped-query attention.
//
// What went wrong: the packed projection was split into thirds. With fewer key heads than query heads its parts are unequal, and the
// tail of q is taken for k. The norms of q and k then run over the wrong rows.
//
// The wrong one is right iff q, k and v have as many heads.

// The program without mesh: 24 rows of q, 6 of k, 6 of v; the squared lengths that the norms of q and k divide by.
func.func @logical(%x: tensor<5x7xf32>,
    %qkv: tensor<36x7xf32>)
    -> (tensor<5xf32>, tensor<5xf32>, tensor<5xf32>) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<36x7xf32> -> tensor<5x36xf32>
  %x2 = tensor.extract_slice %x1[0, 0] [5, 24] [1, 1] : tensor<5x36xf32> to tensor<5x24xf32>
  %x3 = tensor.extract_slice %x1[0, 24] [5, 6] [1, 1] : tensor<5x36xf32> to tensor<5x6xf32>
  %x4 = tensor.extract_slice %x1[0, 30] [5, 6] [1, 1] : tensor<5x36xf32> to tensor<5x6xf32>
  // einsum to,to->t
  %length1_init_to = tensor.empty() : tensor<5xf32>
  %length1_init_zero = arith.constant 0.0 : f32
  %length1_init = linalg.fill ins(%length1_init_zero : f32) outs(%length1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length2 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x2, %x2 : tensor<5x24xf32>, tensor<5x24xf32>) outs(%length1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  // einsum to,to->t
  %length3_init_to = tensor.empty() : tensor<5xf32>
  %length3_init_zero = arith.constant 0.0 : f32
  %length3_init = linalg.fill ins(%length3_init_zero : f32) outs(%length3_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length4 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x3, %x3 : tensor<5x6xf32>, tensor<5x6xf32>) outs(%length3_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  // einsum to,to->t
  %length5_init_to = tensor.empty() : tensor<5xf32>
  %length5_init_zero = arith.constant 0.0 : f32
  %length5_init = linalg.fill ins(%length5_init_zero : f32) outs(%length5_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length6 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x4, %x4 : tensor<5x6xf32>, tensor<5x6xf32>) outs(%length5_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  return %length2, %length4, %length6 : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
}

// -----

// Thirds of the rank's rows.
muster.mesh @node <["tp" = 3]>
func.func @wrong_thirds(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<12x7xf32> {muster.layout = #muster.layout<[{q:24/tp | k:6/tp | v:6/tp}, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}, tensor<5xf32> {muster.layout = #muster.layout<[t]>}, tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<12x7xf32> -> tensor<5x12xf32>
  %x2 = tensor.extract_slice %x1[0, 0] [5, 4] [1, 1] : tensor<5x12xf32> to tensor<5x4xf32>
  %x3 = tensor.extract_slice %x1[0, 4] [5, 4] [1, 1] : tensor<5x12xf32> to tensor<5x4xf32>
  %x4 = tensor.extract_slice %x1[0, 8] [5, 4] [1, 1] : tensor<5x12xf32> to tensor<5x4xf32>
  // squared length, over all ranks' heads
  %length1_init_to = tensor.empty() : tensor<5xf32>
  %length1_init_zero = arith.constant 0.0 : f32
  %length1_init = linalg.fill ins(%length1_init_zero : f32) outs(%length1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length2 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x2, %x2 : tensor<5x4xf32>, tensor<5x4xf32>) outs(%length1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %length3 = muster.all_reduce %length2 sum on "tp" : tensor<5xf32>
  // squared length, over all ranks' heads
  %length4_init_to = tensor.empty() : tensor<5xf32>
  %length4_init_zero = arith.constant 0.0 : f32
  %length4_init = linalg.fill ins(%length4_init_zero : f32) outs(%length4_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length5 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x3, %x3 : tensor<5x4xf32>, tensor<5x4xf32>) outs(%length4_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %length6 = muster.all_reduce %length5 sum on "tp" : tensor<5xf32>
  // squared length, over all ranks' heads
  %length7_init_to = tensor.empty() : tensor<5xf32>
  %length7_init_zero = arith.constant 0.0 : f32
  %length7_init = linalg.fill ins(%length7_init_zero : f32) outs(%length7_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length8 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x4, %x4 : tensor<5x4xf32>, tensor<5x4xf32>) outs(%length7_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %length9 = muster.all_reduce %length8 sum on "tp" : tensor<5xf32>
  return %length3, %length6, %length9 : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
}

// -----

// By the sizes of q, k and v.
muster.mesh @node <["tp" = 3]>
func.func @right_segments(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<12x7xf32> {muster.layout = #muster.layout<[{q:24/tp | k:6/tp | v:6/tp}, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}, tensor<5xf32> {muster.layout = #muster.layout<[t]>}, tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<12x7xf32> -> tensor<5x12xf32>
  %x2 = tensor.extract_slice %x1[0, 0] [5, 8] [1, 1] : tensor<5x12xf32> to tensor<5x8xf32>
  %x3 = tensor.extract_slice %x1[0, 8] [5, 2] [1, 1] : tensor<5x12xf32> to tensor<5x2xf32>
  %x4 = tensor.extract_slice %x1[0, 10] [5, 2] [1, 1] : tensor<5x12xf32> to tensor<5x2xf32>
  // squared length, over all ranks' heads
  %length1_init_to = tensor.empty() : tensor<5xf32>
  %length1_init_zero = arith.constant 0.0 : f32
  %length1_init = linalg.fill ins(%length1_init_zero : f32) outs(%length1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length2 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x2, %x2 : tensor<5x8xf32>, tensor<5x8xf32>) outs(%length1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %length3 = muster.all_reduce %length2 sum on "tp" : tensor<5xf32>
  // squared length, over all ranks' heads
  %length4_init_to = tensor.empty() : tensor<5xf32>
  %length4_init_zero = arith.constant 0.0 : f32
  %length4_init = linalg.fill ins(%length4_init_zero : f32) outs(%length4_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length5 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x3, %x3 : tensor<5x2xf32>, tensor<5x2xf32>) outs(%length4_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %length6 = muster.all_reduce %length5 sum on "tp" : tensor<5xf32>
  // squared length, over all ranks' heads
  %length7_init_to = tensor.empty() : tensor<5xf32>
  %length7_init_zero = arith.constant 0.0 : f32
  %length7_init = linalg.fill ins(%length7_init_zero : f32) outs(%length7_init_to : tensor<5xf32>) -> tensor<5xf32>
  %length8 = linalg.generic {indexing_maps = [affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t, o)>, affine_map<(t, o) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%x4, %x4 : tensor<5x2xf32>, tensor<5x2xf32>) outs(%length7_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p1 = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p1 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %length9 = muster.all_reduce %length8 sum on "tp" : tensor<5xf32>
  return %length3, %length6, %length9 : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
}
