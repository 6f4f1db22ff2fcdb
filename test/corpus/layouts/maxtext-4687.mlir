// RUN: %python %S/../judge.py %s
//
// MaxText #4687 (TPU): `lax.all_to_all(split_axis=1, concat_axis=2, tiled=True)` on [b, H, s, d], the axes exchanged on the way back.
//
// Right: with tiled=True, as in StableHLO, the parts are concatenated in the order of the group. With tiled=False a new axis stands
// where concat_axis says, and the caller merges it; on the wrong side of the sequence the merge interleaves tokens. That program is a
// slip and not in the project.
//
// The wrong one is right iff sp = 1 or s/sp = 1.

// Sequence to heads.
muster.mesh @node <["sp" = 3]>
func.func @right_tiled(%x: tensor<2x21x5x11xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    -> (tensor<2x7x15x11xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>}) {
  %x1 = muster.all_to_all %x on "sp" split 1 concat 2 : tensor<2x21x5x11xf32> -> tensor<2x7x15x11xf32>
  return %x1 : tensor<2x7x15x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_tiled_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %x1 = muster.all_to_all %x on "sp" split 1 concat 2 : tensor<?x?x?x?xf32> -> tensor<?x?x?x?xf32>
  return %x1 : tensor<?x?x?x?xf32>
}

// -----

// Heads to sequence.
muster.mesh @node <["sp" = 3]>
func.func @right_tiled_back(%x: tensor<2x7x15x11xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>})
    -> (tensor<2x21x5x11xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>}) {
  %x1 = muster.all_to_all %x on "sp" split 2 concat 1 : tensor<2x7x15x11xf32> -> tensor<2x21x5x11xf32>
  return %x1 : tensor<2x21x5x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_tiled_back_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %x1 = muster.all_to_all %x on "sp" split 2 concat 1 : tensor<?x?x?x?xf32> -> tensor<?x?x?x?xf32>
  return %x1 : tensor<?x?x?x?xf32>
}

// -----

// tiled=False, the new axis before the sequence.
muster.mesh @node <["sp" = 3]>
func.func @right_untiled(%x: tensor<2x21x5x11xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    -> (tensor<2x7x15x11xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>}) {
  // tiled=False: the split axis goes, an axis of the sources comes
  // view [b, p, h, s, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 7, 5, 11] : tensor<2x21x5x11xf32> into tensor<2x3x7x5x11xf32>
  // permute (1, 0, 2, 3, 4): [p, b, h, s, d]
  %x2_to = tensor.empty() : tensor<3x2x7x5x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x3x7x5x11xf32>) outs(%x2_to : tensor<3x2x7x5x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x7x5x11xf32>
  // permute (1, 2, 0, 3, 4): [b, h, p, s, d]
  %x4_to = tensor.empty() : tensor<2x7x3x5x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x7x5x11xf32>) outs(%x4_to : tensor<2x7x3x5x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, h, S, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<2x7x3x5x11xf32> into tensor<2x7x15x11xf32>
  return %x5 : tensor<2x7x15x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_untiled_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %s_local = muster.size <s/sp>
  %d = muster.size <d>
  // tiled=False: the split axis goes, an axis of the sources comes
  // view [b, p, h, s, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %h_local, %s_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [p, b, h, s, d]
  %x2_to = tensor.empty(%sp, %b, %h_local, %s_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [b, h, p, s, d]
  %x4_to = tensor.empty(%b, %h_local, %sp, %s_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, h, S, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// tiled=False, the new axis behind the sequence.
muster.mesh @node <["sp" = 3]>
func.func @wrong_untiled(%x: tensor<2x21x5x11xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    -> (tensor<2x7x15x11xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>}) {
  // tiled=False: the split axis goes, an axis of the sources comes
  // view [b, p, h, s, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 7, 5, 11] : tensor<2x21x5x11xf32> into tensor<2x3x7x5x11xf32>
  // permute (1, 0, 2, 3, 4): [p, b, h, s, d]
  %x2_to = tensor.empty() : tensor<3x2x7x5x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x3x7x5x11xf32>) outs(%x2_to : tensor<3x2x7x5x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x7x5x11xf32>
  // permute (1, 2, 3, 0, 4): [b, h, s, p, d]
  %x4_to = tensor.empty() : tensor<2x7x5x3x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x7x5x11xf32>) outs(%x4_to : tensor<2x7x5x3x11xf32>) permutation = [1, 2, 3, 0, 4]
  // view [b, h, S, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<2x7x5x3x11xf32> into tensor<2x7x15x11xf32>
  return %x5 : tensor<2x7x15x11xf32>
}

// -----

// The same with symbols. Right iff sp = 1 or s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_untiled_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h, s/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, h/sp, s, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %s_local = muster.size <s/sp>
  %d = muster.size <d>
  // tiled=False: the split axis goes, an axis of the sources comes
  // view [b, p, h, s, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %h_local, %s_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [p, b, h, s, d]
  %x2_to = tensor.empty(%sp, %b, %h_local, %s_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 3, 0, 4): [b, h, s, p, d]
  %x4_to = tensor.empty(%b, %h_local, %s_local, %sp, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 3, 0, 4]
  // view [b, h, S, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}
