// RUN: %python %S/../judge.py %s
//
// LlamaFactory #10794: all ranks die with 2 key-value heads on 4 ranks. verl replicates in this place.
//
// What went wrong: the assertion admits key heads that divide the ranks, and nothing repeats them, so the list of tensors has fewer
// entries than ranks. (Here that does not even parse: an exchange wants a dim that the group divides.) Repeated, the heads are a
// layout of their own: with 2 heads on 6 ranks, head (rank / 3), interleaved, or head (rank mod 2), tiled. The query heads of a rank
// decide which is needed.
//
// The wrong one is right iff there is one key head, or one for each rank.

// repeat_interleave: rank r holds head r / 3.
muster.mesh @node <["sp" = 6]>
func.func @right_interleaved(%k: tensor<5x7x2x11xf32> {muster.layout = #muster.layout<[b, s/sp, g, d]>})
    -> (tensor<5x42x1x11xf32> {muster.layout = #muster.layout<[b, s, g/sp[3:2], d]>}) {
  %k1_to = tensor.empty() : tensor<5x7x2x3x11xf32>
  %k1 = linalg.broadcast ins(%k : tensor<5x7x2x11xf32>) outs(%k1_to : tensor<5x7x2x3x11xf32>) dimensions = [3]
  // view [b, s, K·r, d]
  %k2 = tensor.collapse_shape %k1 [[0], [1], [2, 3], [4]] : tensor<5x7x2x3x11xf32> into tensor<5x7x6x11xf32>
  %k3 = muster.all_to_all %k2 on "sp" split 2 concat 1 : tensor<5x7x6x11xf32> -> tensor<5x42x1x11xf32>
  return %k3 : tensor<5x42x1x11xf32>
}

// -----

// repeat: rank r holds head r mod 2, and says so.
muster.mesh @node <["sp" = 6]>
func.func @right_tiled_declared_so(%k: tensor<5x7x2x11xf32> {muster.layout = #muster.layout<[b, s/sp, g, d]>})
    -> (tensor<5x42x1x11xf32> {muster.layout = #muster.layout<[b, s, g/sp[1:2], d]>}) {
  %k1_to = tensor.empty() : tensor<5x7x3x2x11xf32>
  %k1 = linalg.broadcast ins(%k : tensor<5x7x2x11xf32>) outs(%k1_to : tensor<5x7x3x2x11xf32>) dimensions = [2]
  // view [b, s, r·K, d]
  %k2 = tensor.collapse_shape %k1 [[0], [1], [2, 3], [4]] : tensor<5x7x3x2x11xf32> into tensor<5x7x6x11xf32>
  %k3 = muster.all_to_all %k2 on "sp" split 2 concat 1 : tensor<5x7x6x11xf32> -> tensor<5x42x1x11xf32>
  return %k3 : tensor<5x42x1x11xf32>
}

// -----

// repeat, used as if interleaved.
muster.mesh @node <["sp" = 6]>
func.func @wrong_tiled(%k: tensor<5x7x2x11xf32> {muster.layout = #muster.layout<[b, s/sp, g, d]>})
    -> (tensor<5x42x1x11xf32> {muster.layout = #muster.layout<[b, s, g/sp[3:2], d]>}) {
  %k1_to = tensor.empty() : tensor<5x7x3x2x11xf32>
  %k1 = linalg.broadcast ins(%k : tensor<5x7x2x11xf32>) outs(%k1_to : tensor<5x7x3x2x11xf32>) dimensions = [2]
  // view [b, s, r·K, d]
  %k2 = tensor.collapse_shape %k1 [[0], [1], [2, 3], [4]] : tensor<5x7x3x2x11xf32> into tensor<5x7x6x11xf32>
  %k3 = muster.all_to_all %k2 on "sp" split 2 concat 1 : tensor<5x7x6x11xf32> -> tensor<5x42x1x11xf32>
  return %k3 : tensor<5x42x1x11xf32>
}
