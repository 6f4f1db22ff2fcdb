// RUN: %python %S/../judge.py %s
//
// Megatron-LM #7452 (2026-09): a batch of silent errors found by typing values; this one makes the loss too large by log(tp).
//
// What went wrong: logits that had been gathered were handed to the vocabulary-parallel cross entropy, which sums over its shard and
// then over the ranks: every word counts tp times.
//
// The wrong one is right iff tp = 1.

// The program without mesh: log of the sum of exponentials, the part of the loss that counts all words.
func.func @logical(%x: tensor<5x7xf32>,
    %w: tensor<33x7xf32>)
    -> tensor<5xf32> {
  %x1 = nn.matmul %x, %w : tensor<5x7xf32>, tensor<33x7xf32> -> tensor<5x33xf32>
  %e1_to = tensor.empty() : tensor<5x33xf32>
  %e1 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t, v)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1 : tensor<5x33xf32>) outs(%e1_to : tensor<5x33xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %e = math.exp %in0 : f32
    linalg.yield %e : f32
  } -> tensor<5x33xf32>
  // sum of exponentials
  %total1_init_to = tensor.empty() : tensor<5xf32>
  %total1_init_zero = arith.constant 0.0 : f32
  %total1_init = linalg.fill ins(%total1_init_zero : f32) outs(%total1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %total2 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%e1 : tensor<5x33xf32>) outs(%total1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %acc: f32):
    %sum = arith.addf %acc, %in0 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %loss1_to = tensor.empty() : tensor<5xf32>
  %loss1 = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%total2 : tensor<5xf32>) outs(%loss1_to : tensor<5xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %l = math.log %in0 : f32
    linalg.yield %l : f32
  } -> tensor<5xf32>
  return %loss1 : tensor<5xf32>
}

// -----

// Gathered logits, summed over the ranks.
muster.mesh @node <["tp" = 3]>
func.func @wrong_gathered_logits(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %w: tensor<11x7xf32> {muster.layout = #muster.layout<[v/tp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x7xf32>, tensor<11x7xf32> -> tensor<5x11xf32>
  %x2 = muster.all_gather %x1 on "tp" dim 1 : tensor<5x11xf32> -> tensor<5x33xf32>
  %e1_to = tensor.empty() : tensor<5x33xf32>
  %e1 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t, v)>], iterator_types = ["parallel", "parallel"]}
      ins(%x2 : tensor<5x33xf32>) outs(%e1_to : tensor<5x33xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %e = math.exp %in0 : f32
    linalg.yield %e : f32
  } -> tensor<5x33xf32>
  // sum of exponentials
  %total1_init_to = tensor.empty() : tensor<5xf32>
  %total1_init_zero = arith.constant 0.0 : f32
  %total1_init = linalg.fill ins(%total1_init_zero : f32) outs(%total1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %total2 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%e1 : tensor<5x33xf32>) outs(%total1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %acc: f32):
    %sum = arith.addf %acc, %in0 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %total3 = muster.all_reduce %total2 sum on "tp" : tensor<5xf32>
  %loss1_to = tensor.empty() : tensor<5xf32>
  %loss1 = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%total3 : tensor<5xf32>) outs(%loss1_to : tensor<5xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %l = math.log %in0 : f32
    linalg.yield %l : f32
  } -> tensor<5xf32>
  return %loss1 : tensor<5xf32>
}

// -----

// The rank's logits, summed over the ranks.
muster.mesh @node <["tp" = 3]>
func.func @right_sharded_logits(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %w: tensor<11x7xf32> {muster.layout = #muster.layout<[v/tp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x7xf32>, tensor<11x7xf32> -> tensor<5x11xf32>
  %e1_to = tensor.empty() : tensor<5x11xf32>
  %e1 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t, v)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1 : tensor<5x11xf32>) outs(%e1_to : tensor<5x11xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %e = math.exp %in0 : f32
    linalg.yield %e : f32
  } -> tensor<5x11xf32>
  // sum of exponentials
  %total1_init_to = tensor.empty() : tensor<5xf32>
  %total1_init_zero = arith.constant 0.0 : f32
  %total1_init = linalg.fill ins(%total1_init_zero : f32) outs(%total1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %total2 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%e1 : tensor<5x11xf32>) outs(%total1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %acc: f32):
    %sum = arith.addf %acc, %in0 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %total3 = muster.all_reduce %total2 sum on "tp" : tensor<5xf32>
  %loss1_to = tensor.empty() : tensor<5xf32>
  %loss1 = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%total3 : tensor<5xf32>) outs(%loss1_to : tensor<5xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %l = math.log %in0 : f32
    linalg.yield %l : f32
  } -> tensor<5xf32>
  return %loss1 : tensor<5xf32>
}

// -----

// Gathered logits, no sum over the ranks.
muster.mesh @node <["tp" = 3]>
func.func @right_gathered_no_reduce(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %w: tensor<11x7xf32> {muster.layout = #muster.layout<[v/tp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x7xf32>, tensor<11x7xf32> -> tensor<5x11xf32>
  %x2 = muster.all_gather %x1 on "tp" dim 1 : tensor<5x11xf32> -> tensor<5x33xf32>
  %e1_to = tensor.empty() : tensor<5x33xf32>
  %e1 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t, v)>], iterator_types = ["parallel", "parallel"]}
      ins(%x2 : tensor<5x33xf32>) outs(%e1_to : tensor<5x33xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %e = math.exp %in0 : f32
    linalg.yield %e : f32
  } -> tensor<5x33xf32>
  // sum of exponentials
  %total1_init_to = tensor.empty() : tensor<5xf32>
  %total1_init_zero = arith.constant 0.0 : f32
  %total1_init = linalg.fill ins(%total1_init_zero : f32) outs(%total1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %total2 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%e1 : tensor<5x33xf32>) outs(%total1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %acc: f32):
    %sum = arith.addf %acc, %in0 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %loss1_to = tensor.empty() : tensor<5xf32>
  %loss1 = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%total2 : tensor<5xf32>) outs(%loss1_to : tensor<5xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %l = math.log %in0 : f32
    linalg.yield %l : f32
  } -> tensor<5xf32>
  return %loss1 : tensor<5xf32>
}

// -----

// The other way to be wrong: the rank's words alone.
muster.mesh @node <["tp" = 3]>
func.func @wrong_not_reduced(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %w: tensor<11x7xf32> {muster.layout = #muster.layout<[v/tp, i]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x7xf32>, tensor<11x7xf32> -> tensor<5x11xf32>
  %e1_to = tensor.empty() : tensor<5x11xf32>
  %e1 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t, v)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1 : tensor<5x11xf32>) outs(%e1_to : tensor<5x11xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %e = math.exp %in0 : f32
    linalg.yield %e : f32
  } -> tensor<5x11xf32>
  // sum of exponentials
  %total1_init_to = tensor.empty() : tensor<5xf32>
  %total1_init_zero = arith.constant 0.0 : f32
  %total1_init = linalg.fill ins(%total1_init_zero : f32) outs(%total1_init_to : tensor<5xf32>) -> tensor<5xf32>
  %total2 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>], iterator_types = ["parallel", "reduction"]}
      ins(%e1 : tensor<5x11xf32>) outs(%total1_init : tensor<5xf32>) {
  ^bb0(%in0: f32, %acc: f32):
    %sum = arith.addf %acc, %in0 : f32
    linalg.yield %sum : f32
  } -> tensor<5xf32>
  %loss1_to = tensor.empty() : tensor<5xf32>
  %loss1 = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%total2 : tensor<5xf32>) outs(%loss1_to : tensor<5xf32>) {
  ^bb0(%in0: f32, %unused: f32):
    %l = math.log %in0 : f32
    linalg.yield %l : f32
  } -> tensor<5xf32>
  return %loss1 : tensor<5xf32>
}
