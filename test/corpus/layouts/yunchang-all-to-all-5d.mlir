// RUN: %python %S/../judge.py %s
//
// yunchang (long-context-attention, no issue), `all_to_all_5D`: q, k and v packed on a dim of their own, one exchange for three.
//
// Right for all sizes; needs as many key-value heads as query heads. The wrong program views [b, S, 3, h, d] where two transpositions
// are needed; it is a slip that no shape check sees and that is not in the project.
//
// The wrong one is right iff b = 1.

// T(0,2), then T(1,2).
muster.mesh @node <["sp" = 3]>
func.func @right_packed(%qkv: tensor<2x5x3x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, t, h, d]>})
    -> (tensor<2x15x3x7x11xf32> {muster.layout = #muster.layout<[b, s, t, h/sp, d]>}) {
  // view [b, s, 3, p, h, d]
  %qkv1 = tensor.expand_shape %qkv [[0], [1], [2], [3, 4], [5]] output_shape [2, 5, 3, 3, 7, 11] : tensor<2x5x3x21x11xf32> into tensor<2x5x3x3x7x11xf32>
  // transpose (0, 3): [p, s, 3, b, h, d]
  %qkv2_to = tensor.empty() : tensor<3x5x3x2x7x11xf32>
  %qkv2 = linalg.transpose ins(%qkv1 : tensor<2x5x3x3x7x11xf32>) outs(%qkv2_to : tensor<3x5x3x2x7x11xf32>) permutation = [3, 1, 2, 0, 4, 5]
  %qkv3 = muster.exchange %qkv2 on "sp" : tensor<3x5x3x2x7x11xf32>
  // view [S, 3, b, h, d]
  %qkv4 = tensor.collapse_shape %qkv3 [[0, 1], [2], [3], [4], [5]] : tensor<3x5x3x2x7x11xf32> into tensor<15x3x2x7x11xf32>
  // transpose (0, 2): [b, 3, S, h, d]
  %qkv5_to = tensor.empty() : tensor<2x3x15x7x11xf32>
  %qkv5 = linalg.transpose ins(%qkv4 : tensor<15x3x2x7x11xf32>) outs(%qkv5_to : tensor<2x3x15x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // transpose (1, 2): [b, S, 3, h, d]
  %qkv6_to = tensor.empty() : tensor<2x15x3x7x11xf32>
  %qkv6 = linalg.transpose ins(%qkv5 : tensor<2x3x15x7x11xf32>) outs(%qkv6_to : tensor<2x15x3x7x11xf32>) permutation = [0, 2, 1, 3, 4]
  return %qkv6 : tensor<2x15x3x7x11xf32>
}

// -----

// The same with symbols. Sizes: t = 3.
muster.mesh @node <["sp" = ?]>
func.func @right_packed_for_all_sizes(%qkv: tensor<?x?x3x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, t, h, d]>})
    -> (tensor<?x?x3x?x?xf32> {muster.layout = #muster.layout<[b, s, t, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %s = muster.size <s>
  // view [b, s, 3, p, h, d]
  %qkv1 = tensor.expand_shape %qkv [[0], [1], [2], [3, 4], [5]] output_shape [%b, %s_local, 3, %sp, %h_local, %d] : tensor<?x?x3x?x?xf32> into tensor<?x?x3x?x?x?xf32>
  // transpose (0, 3): [p, s, 3, b, h, d]
  %qkv2_to = tensor.empty(%sp, %s_local, %b, %h_local, %d) : tensor<?x?x3x?x?x?xf32>
  %qkv2 = linalg.transpose ins(%qkv1 : tensor<?x?x3x?x?x?xf32>) outs(%qkv2_to : tensor<?x?x3x?x?x?xf32>) permutation = [3, 1, 2, 0, 4, 5]
  %qkv3 = muster.exchange %qkv2 on "sp" : tensor<?x?x3x?x?x?xf32>
  // view [S, 3, b, h, d]
  %qkv4 = tensor.collapse_shape %qkv3 [[0, 1], [2], [3], [4], [5]] : tensor<?x?x3x?x?x?xf32> into tensor<?x3x?x?x?xf32>
  // transpose (0, 2): [b, 3, S, h, d]
  %qkv5_to = tensor.empty(%b, %s, %h_local, %d) : tensor<?x3x?x?x?xf32>
  %qkv5 = linalg.transpose ins(%qkv4 : tensor<?x3x?x?x?xf32>) outs(%qkv5_to : tensor<?x3x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  // transpose (1, 2): [b, S, 3, h, d]
  %qkv6_to = tensor.empty(%b, %s, %h_local, %d) : tensor<?x?x3x?x?xf32>
  %qkv6 = linalg.transpose ins(%qkv5 : tensor<?x3x?x?x?xf32>) outs(%qkv6_to : tensor<?x?x3x?x?xf32>) permutation = [0, 2, 1, 3, 4]
  return %qkv6 : tensor<?x?x3x?x?xf32>
}

// -----

// A view in place of the transpositions.
muster.mesh @node <["sp" = 3]>
func.func @wrong_packed_view(%qkv: tensor<2x5x3x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, t, h, d]>})
    -> (tensor<2x15x3x7x11xf32> {muster.layout = #muster.layout<[b, s, t, h/sp, d]>}) {
  // view [b, s, 3, p, h, d]
  %qkv1 = tensor.expand_shape %qkv [[0], [1], [2], [3, 4], [5]] output_shape [2, 5, 3, 3, 7, 11] : tensor<2x5x3x21x11xf32> into tensor<2x5x3x3x7x11xf32>
  // transpose (0, 3): [p, s, 3, b, h, d]
  %qkv2_to = tensor.empty() : tensor<3x5x3x2x7x11xf32>
  %qkv2 = linalg.transpose ins(%qkv1 : tensor<2x5x3x3x7x11xf32>) outs(%qkv2_to : tensor<3x5x3x2x7x11xf32>) permutation = [3, 1, 2, 0, 4, 5]
  %qkv3 = muster.exchange %qkv2 on "sp" : tensor<3x5x3x2x7x11xf32>
  // view [S, 3, b, h, d]
  %qkv4 = tensor.collapse_shape %qkv3 [[0, 1], [2], [3], [4], [5]] : tensor<3x5x3x2x7x11xf32> into tensor<15x3x2x7x11xf32>
  // view [b, S, 3, h, d]
  %qkv5 = tensor.collapse_shape %qkv4 [[0, 1, 2], [3], [4]] : tensor<15x3x2x7x11xf32> into tensor<90x7x11xf32>
  %qkv6 = tensor.expand_shape %qkv5 [[0, 1, 2], [3], [4]] output_shape [2, 15, 3, 7, 11] : tensor<90x7x11xf32> into tensor<2x15x3x7x11xf32>
  return %qkv6 : tensor<2x15x3x7x11xf32>
}

// -----

// The same with symbols. Sizes: t = 3. Right iff b = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_packed_view_for_all_sizes(%qkv: tensor<?x?x3x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, t, h, d]>})
    -> (tensor<?x?x3x?x?xf32> {muster.layout = #muster.layout<[b, s, t, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %s = muster.size <s>
  // view [b, s, 3, p, h, d]
  %qkv1 = tensor.expand_shape %qkv [[0], [1], [2], [3, 4], [5]] output_shape [%b, %s_local, 3, %sp, %h_local, %d] : tensor<?x?x3x?x?xf32> into tensor<?x?x3x?x?x?xf32>
  // transpose (0, 3): [p, s, 3, b, h, d]
  %qkv2_to = tensor.empty(%sp, %s_local, %b, %h_local, %d) : tensor<?x?x3x?x?x?xf32>
  %qkv2 = linalg.transpose ins(%qkv1 : tensor<?x?x3x?x?x?xf32>) outs(%qkv2_to : tensor<?x?x3x?x?x?xf32>) permutation = [3, 1, 2, 0, 4, 5]
  %qkv3 = muster.exchange %qkv2 on "sp" : tensor<?x?x3x?x?x?xf32>
  // view [S, 3, b, h, d]
  %qkv4 = tensor.collapse_shape %qkv3 [[0, 1], [2], [3], [4], [5]] : tensor<?x?x3x?x?x?xf32> into tensor<?x3x?x?x?xf32>
  // view [b, S, 3, h, d]
  %qkv5 = tensor.collapse_shape %qkv4 [[0, 1, 2], [3], [4]] : tensor<?x3x?x?x?xf32> into tensor<?x?x?xf32>
  %qkv6 = tensor.expand_shape %qkv5 [[0, 1, 2], [3], [4]] output_shape [%b, %s, 3, %h_local, %d] : tensor<?x?x?xf32> into tensor<?x?x3x?x?xf32>
  return %qkv6 : tensor<?x?x3x?x?xf32>
}
