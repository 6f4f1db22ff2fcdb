// RUN: %python %S/../judge.py %s
//
// SGLang `_usp_input_all_to_all` and `_usp_output_all_to_all` (no issue), batch in front: right for all sizes, in its fused kernel
// too.
//
// Heads (sequence on the way back) come to the front whole, the exchange cuts them, and one permutation sorts [p, h, b, s, d]. The
// wrong program leaves the source rank inside the sequence; it is a slip that no shape check sees and that is not in the project.
//
// The wrong one is right iff s/sp = 1 or sp = 1.

// Sequence to heads.
muster.mesh @node <["sp" = 3]>
func.func @right_input(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // permute (2, 0, 1, 3): [H, b, s, d]
  %x1_to = tensor.empty() : tensor<21x2x5x11xf32>
  %x1 = linalg.transpose ins(%x : tensor<2x5x21x11xf32>) outs(%x1_to : tensor<21x2x5x11xf32>) permutation = [2, 0, 1, 3]
  %x2 = muster.exchange %x1 on "sp" : tensor<21x2x5x11xf32>
  // view [p, h, b, s, d]
  %x3 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [3, 7, 2, 5, 11] : tensor<21x2x5x11xf32> into tensor<3x7x2x5x11xf32>
  // permute (2, 0, 3, 1, 4): [b, p, s, h, d]
  %x4_to = tensor.empty() : tensor<2x3x5x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x7x2x5x11xf32>) outs(%x4_to : tensor<2x3x5x7x11xf32>) permutation = [2, 0, 3, 1, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<2x3x5x7x11xf32> into tensor<2x15x7x11xf32>
  return %x5 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_input_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %h = muster.size <h>
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %d = muster.size <d>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  // permute (2, 0, 1, 3): [H, b, s, d]
  %x1_to = tensor.empty(%h, %b, %s_local, %d) : tensor<?x?x?x?xf32>
  %x1 = linalg.transpose ins(%x : tensor<?x?x?x?xf32>) outs(%x1_to : tensor<?x?x?x?xf32>) permutation = [2, 0, 1, 3]
  %x2 = muster.exchange %x1 on "sp" : tensor<?x?x?x?xf32>
  // view [p, h, b, s, d]
  %x3 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [%sp, %h_local, %b, %s_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (2, 0, 3, 1, 4): [b, p, s, h, d]
  %x4_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [2, 0, 3, 1, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// Heads to sequence.
muster.mesh @node <["sp" = 3]>
func.func @right_output(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // permute (1, 0, 2, 3): [S, b, h, d]
  %x1_to = tensor.empty() : tensor<15x2x7x11xf32>
  %x1 = linalg.transpose ins(%x : tensor<2x15x7x11xf32>) outs(%x1_to : tensor<15x2x7x11xf32>) permutation = [1, 0, 2, 3]
  %x2 = muster.exchange %x1 on "sp" : tensor<15x2x7x11xf32>
  // view [p, s, b, h, d]
  %x3 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  // permute (2, 1, 0, 3, 4): [b, s, p, h, d]
  %x4_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x5x2x7x11xf32>) outs(%x4_to : tensor<2x5x3x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // view [b, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<2x5x21x11xf32>
  return %x5 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_output_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %s = muster.size <s>
  %b = muster.size <b>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  // permute (1, 0, 2, 3): [S, b, h, d]
  %x1_to = tensor.empty(%s, %b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x1 = linalg.transpose ins(%x : tensor<?x?x?x?xf32>) outs(%x1_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x2 = muster.exchange %x1 on "sp" : tensor<?x?x?x?xf32>
  // view [p, s, b, h, d]
  %x3 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (2, 1, 0, 3, 4): [b, s, p, h, d]
  %x4_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  // view [b, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// (2, 3, 0, 1, 4) for (2, 0, 3, 1, 4).
muster.mesh @node <["sp" = 3]>
func.func @wrong_input_rank_inside(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // permute (2, 0, 1, 3): [H, b, s, d]
  %x1_to = tensor.empty() : tensor<21x2x5x11xf32>
  %x1 = linalg.transpose ins(%x : tensor<2x5x21x11xf32>) outs(%x1_to : tensor<21x2x5x11xf32>) permutation = [2, 0, 1, 3]
  %x2 = muster.exchange %x1 on "sp" : tensor<21x2x5x11xf32>
  // view [p, h, b, s, d]
  %x3 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [3, 7, 2, 5, 11] : tensor<21x2x5x11xf32> into tensor<3x7x2x5x11xf32>
  // permute (2, 3, 0, 1, 4): [b, s, p, h, d]
  %x4_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x7x2x5x11xf32>) outs(%x4_to : tensor<2x5x3x7x11xf32>) permutation = [2, 3, 0, 1, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<2x5x3x7x11xf32> into tensor<2x15x7x11xf32>
  return %x5 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols. Right iff s/sp = 1 or sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_input_rank_inside_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %h = muster.size <h>
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %d = muster.size <d>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  // permute (2, 0, 1, 3): [H, b, s, d]
  %x1_to = tensor.empty(%h, %b, %s_local, %d) : tensor<?x?x?x?xf32>
  %x1 = linalg.transpose ins(%x : tensor<?x?x?x?xf32>) outs(%x1_to : tensor<?x?x?x?xf32>) permutation = [2, 0, 1, 3]
  %x2 = muster.exchange %x1 on "sp" : tensor<?x?x?x?xf32>
  // view [p, h, b, s, d]
  %x3 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [%sp, %h_local, %b, %s_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (2, 3, 0, 1, 4): [b, s, p, h, d]
  %x4_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [2, 3, 0, 1, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}
