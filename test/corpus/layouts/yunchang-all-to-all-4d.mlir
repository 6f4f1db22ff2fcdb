// RUN: %python %S/../judge.py %s
//
// yunchang (long-context-attention, no issue), `all_to_all_4D`, copied into vLLM-Omni: right for all sizes in both directions.
//
// The inverse brings the heads to the front first, so that the source rank and the rank's heads are neighbours after the exchange. The
// wrong program forgets that step; it is a slip that no shape check sees and that is not in the project.
//
// The wrong one is right iff at least two of b, s/sp and h/sp are 1: on one rank it is wrong too.

// Forward.
muster.mesh @node <["sp" = 3]>
func.func @right_forward(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // view [b, s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  // transpose (0, 2): [p, s, b, h, d]
  %x2_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x5x3x7x11xf32>) outs(%x2_to : tensor<3x5x2x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x5x2x7x11xf32>
  // view [S, b, h, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  // transpose (0, 1): [b, S, h, d]
  %x5_to = tensor.empty() : tensor<2x15x7x11xf32>
  %x5 = linalg.transpose ins(%x4 : tensor<15x2x7x11xf32>) outs(%x5_to : tensor<2x15x7x11xf32>) permutation = [1, 0, 2, 3]
  return %x5 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_forward_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %s = muster.size <s>
  // view [b, s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // transpose (0, 2): [p, s, b, h, d]
  %x2_to = tensor.empty(%sp, %s_local, %b, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // view [S, b, h, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [b, S, h, d]
  %x5_to = tensor.empty(%b, %s, %h_local, %d) : tensor<?x?x?x?xf32>
  %x5 = linalg.transpose ins(%x4 : tensor<?x?x?x?xf32>) outs(%x5_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// Inverse: T(0,3), then T(0,1).
muster.mesh @node <["sp" = 3]>
func.func @right_inverse(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b, p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<2x15x7x11xf32> into tensor<2x3x5x7x11xf32>
  // transpose (0, 3): [h, p, s, b, d]
  %x2_to = tensor.empty() : tensor<7x3x5x2x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x3x5x7x11xf32>) outs(%x2_to : tensor<7x3x5x2x11xf32>) permutation = [3, 1, 2, 0, 4]
  // transpose (0, 1): [p, h, s, b, d]
  %x3_to = tensor.empty() : tensor<3x7x5x2x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<7x3x5x2x11xf32>) outs(%x3_to : tensor<3x7x5x2x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x7x5x2x11xf32>
  // view [H, s, b, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<3x7x5x2x11xf32> into tensor<21x5x2x11xf32>
  // transpose (0, 2): [b, s, H, d]
  %x6_to = tensor.empty() : tensor<2x5x21x11xf32>
  %x6 = linalg.transpose ins(%x5 : tensor<21x5x2x11xf32>) outs(%x6_to : tensor<2x5x21x11xf32>) permutation = [2, 1, 0, 3]
  return %x6 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_inverse_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [b, p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // transpose (0, 3): [h, p, s, b, d]
  %x2_to = tensor.empty(%h_local, %sp, %s_local, %b, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [3, 1, 2, 0, 4]
  // transpose (0, 1): [p, h, s, b, d]
  %x3_to = tensor.empty(%sp, %h_local, %s_local, %b, %d) : tensor<?x?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?x?xf32>
  // view [H, s, b, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 2): [b, s, H, d]
  %x6_to = tensor.empty(%b, %s_local, %h, %d) : tensor<?x?x?x?xf32>
  %x6 = linalg.transpose ins(%x5 : tensor<?x?x?x?xf32>) outs(%x6_to : tensor<?x?x?x?xf32>) permutation = [2, 1, 0, 3]
  return %x6 : tensor<?x?x?x?xf32>
}

// -----

// T(0,3) forgotten.
muster.mesh @node <["sp" = 3]>
func.func @wrong_inverse_heads_stay(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b, p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<2x15x7x11xf32> into tensor<2x3x5x7x11xf32>
  // transpose (0, 1): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x3x5x7x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x5x7x11xf32>
  // view [H, s, b, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1, 2, 3], [4]] : tensor<3x2x5x7x11xf32> into tensor<210x11xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1, 2], [3]] output_shape [21, 5, 2, 11] : tensor<210x11xf32> into tensor<21x5x2x11xf32>
  // transpose (0, 2): [b, s, H, d]
  %x6_to = tensor.empty() : tensor<2x5x21x11xf32>
  %x6 = linalg.transpose ins(%x5 : tensor<21x5x2x11xf32>) outs(%x6_to : tensor<2x5x21x11xf32>) permutation = [2, 1, 0, 3]
  return %x6 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 and s/sp = 1 or b = 1 and h/sp = 1 or h/sp = 1 and s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_inverse_heads_stay_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [b, p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // transpose (0, 1): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // view [H, s, b, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1, 2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1, 2], [3]] output_shape [%h, %s_local, %b, %d] : tensor<?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 2): [b, s, H, d]
  %x6_to = tensor.empty(%b, %s_local, %h, %d) : tensor<?x?x?x?xf32>
  %x6 = linalg.transpose ins(%x5 : tensor<?x?x?x?xf32>) outs(%x6_to : tensor<?x?x?x?xf32>) permutation = [2, 1, 0, 3]
  return %x6 : tensor<?x?x?x?xf32>
}
