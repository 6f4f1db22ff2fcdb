// RUN: %python %S/../judge.py %s
//
// DeepSpeed #8317 (2026-08), deepspeed/sequence/layer.py: mends what the refactoring #6750 ("missing view") broke.
//
// What went wrong: the sequence-first inverse got the view of its batch-first sibling, [b, s, p·h, d] for [s, b, p·h, d]. The number
// of elements is the same. A caller that checks the shape raises; one that flattens rows goes on with transposed tokens.
//
// The wrong ones are right iff b = 1 or s/sp = 1, and the first, by its shape, iff b = s/sp = 1.

// As it was: the result has another shape than its layout.
muster.mesh @node <["sp" = 3]>
func.func @wrong_sibling_shape(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x2x7x11xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x2x7x11xf32>) outs(%x3_to : tensor<5x2x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<10x21x11xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3]] output_shape [2, 5, 21, 11] : tensor<10x21x11xf32> into tensor<2x5x21x11xf32>
  return %x5 : tensor<2x5x21x11xf32>
}

// -----

// The same chain where the shape is what is wanted and the elements are not.
muster.mesh @node <["sp" = 3]>
func.func @wrong_sibling_shape_used(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x2x7x11xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x2x7x11xf32>) outs(%x3_to : tensor<5x2x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<10x21x11xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3]] output_shape [2, 5, 21, 11] : tensor<10x21x11xf32> into tensor<2x5x21x11xf32>
  // the caller asks for the batch in front and gets what it asked for, by shape
  return %x5 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_sibling_shape_used_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty(%s_local, %b, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3]] output_shape [%b, %s_local, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  // the caller asks for the batch in front and gets what it asked for, by shape
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// The right view, and the transposition that the caller wanted.
muster.mesh @node <["sp" = 3]>
func.func @right_view_then_transpose(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x2x7x11xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x2x7x11xf32>) outs(%x3_to : tensor<5x2x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<5x2x21x11xf32>
  // transpose (0, 1): [b, s, H, d]
  %x5_to = tensor.empty() : tensor<2x5x21x11xf32>
  %x5 = linalg.transpose ins(%x4 : tensor<5x2x21x11xf32>) outs(%x5_to : tensor<2x5x21x11xf32>) permutation = [1, 0, 2, 3]
  return %x5 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_view_then_transpose_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty(%s_local, %b, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [b, s, H, d]
  %x5_to = tensor.empty(%b, %s_local, %h, %d) : tensor<?x?x?x?xf32>
  %x5 = linalg.transpose ins(%x4 : tensor<?x?x?x?xf32>) outs(%x5_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// The right view.
muster.mesh @node <["sp" = 3]>
func.func @right_sequence_first(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x2x7x11xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x2x7x11xf32>) outs(%x3_to : tensor<5x2x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<5x2x21x11xf32>
  return %x4 : tensor<5x2x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_sequence_first_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %x3_to = tensor.empty(%s_local, %b, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x4 : tensor<?x?x?x?xf32>
}
