// RUN: %python %S/../judge.py %s
//
// DeepSpeed #5664 (2024-06), deepspeed/sequence/layer.py, `single_all_to_all`: the modes that the report does not show.
//
// What went wrong: the fix exchanged one transposition for another. With the sequence in front (M1) both are right for b = 1 only.
// With the batch in front and gather_idx 1 (M2) the old one was right and the new one is a regression, wrong even on one rank: the
// view drops the batch dim, so that T(0,2) of [p, s, h, d] moves the heads.
//
// The wrong ones are right iff what stands at each symbolic program holds. deepspeed-5664.mlir has the table.

// M1, T(0,1).
muster.mesh @node <["sp" = 3]>
func.func @wrong_m1_before(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x2x7x11xf32>
  // transpose (0, 1): [s, p, b, h, d]
  %x3_to = tensor.empty() : tensor<5x3x2x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x2x7x11xf32>) outs(%x3_to : tensor<5x3x2x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1, 2, 3], [4]] : tensor<5x3x2x7x11xf32> into tensor<5x42x11xf32>
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3]] output_shape [5, 2, 21, 11] : tensor<5x42x11xf32> into tensor<5x2x21x11xf32>
  return %x5 : tensor<5x2x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_m1_before_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
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
  // transpose (0, 1): [s, p, b, h, d]
  %x3_to = tensor.empty(%s_local, %sp, %b, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1, 2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3]] output_shape [%s_local, %b, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// The same text with b = 1.
muster.mesh @node <["sp" = 3]>
func.func @right_m1_before_by_luck(%x: tensor<15x1x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<5x1x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 1, 7, 11] : tensor<15x1x7x11xf32> into tensor<3x5x1x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x1x7x11xf32>
  // transpose (0, 1): [s, p, b, h, d]
  %x3_to = tensor.empty() : tensor<5x3x1x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x1x7x11xf32>) outs(%x3_to : tensor<5x3x1x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0], [1, 2, 3], [4]] : tensor<5x3x1x7x11xf32> into tensor<5x21x11xf32>
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3]] output_shape [5, 1, 21, 11] : tensor<5x21x11xf32> into tensor<5x1x21x11xf32>
  return %x5 : tensor<5x1x21x11xf32>
}

// -----

// M1, T(0,2): the fix.
muster.mesh @node <["sp" = 3]>
func.func @wrong_m1_after(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %x1 = tensor.expand_shape %x [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x2 = muster.exchange %x1 on "sp" : tensor<3x5x2x7x11xf32>
  // transpose (0, 2): [b, s, p, h, d]
  %x3_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<3x5x2x7x11xf32>) outs(%x3_to : tensor<2x5x3x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x21x11xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3]] output_shape [5, 2, 21, 11] : tensor<10x21x11xf32> into tensor<5x2x21x11xf32>
  return %x5 : tensor<5x2x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_m1_after_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
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
  // transpose (0, 2): [b, s, p, h, d]
  %x3_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  // view [s, b, H, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3]] output_shape [%s_local, %b, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// M1 mended.
muster.mesh @node <["sp" = 3]>
func.func @right_m1(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
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
func.func @right_m1_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
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

// -----

// M2 before the fix, at the only b that does not raise.
muster.mesh @node <["sp" = 3]>
func.func @right_m2_before(%x: tensor<1x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<1x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [p, s, h, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3]] : tensor<1x15x7x11xf32> into tensor<15x7x11xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1], [2], [3]] output_shape [3, 5, 7, 11] : tensor<15x7x11xf32> into tensor<3x5x7x11xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<3x5x7x11xf32>
  // transpose (0, 1): [s, p, h, d]
  %x4_to = tensor.empty() : tensor<5x3x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x5x7x11xf32>) outs(%x4_to : tensor<5x3x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [1, s, H, d]
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3], [4]] output_shape [1, 5, 3, 7, 11] : tensor<5x3x7x11xf32> into tensor<1x5x3x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0], [1], [2, 3], [4]] : tensor<1x5x3x7x11xf32> into tensor<1x5x21x11xf32>
  return %x6 : tensor<1x5x21x11xf32>
}

// -----

// The same with symbols. Sizes: b = 1.
muster.mesh @node <["sp" = ?]>
func.func @right_m2_before_for_all_sizes(%x: tensor<1x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<1x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // view [p, s, h, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3]] : tensor<1x?x?x?xf32> into tensor<?x?x?xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1], [2], [3]] output_shape [%sp, %s_local, %h_local, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?xf32>
  // transpose (0, 1): [s, p, h, d]
  %x4_to = tensor.empty(%s_local, %sp, %h_local, %d) : tensor<?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  // view [1, s, H, d]
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3], [4]] output_shape [1, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<1x?x?x?x?xf32>
  %x6 = tensor.collapse_shape %x5 [[0], [1], [2, 3], [4]] : tensor<1x?x?x?x?xf32> into tensor<1x?x?x?xf32>
  return %x6 : tensor<1x?x?x?xf32>
}

// -----

// M2 after the fix.
muster.mesh @node <["sp" = 3]>
func.func @wrong_m2_after(%x: tensor<1x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<1x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [p, s, h, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3]] : tensor<1x15x7x11xf32> into tensor<15x7x11xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1], [2], [3]] output_shape [3, 5, 7, 11] : tensor<15x7x11xf32> into tensor<3x5x7x11xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<3x5x7x11xf32>
  // transpose (0, 2): [h, s, p, d]
  %x4_to = tensor.empty() : tensor<7x5x3x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x5x7x11xf32>) outs(%x4_to : tensor<7x5x3x11xf32>) permutation = [2, 1, 0, 3]
  // view [1, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1, 2], [3]] : tensor<7x5x3x11xf32> into tensor<105x11xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1, 2], [3]] output_shape [1, 5, 21, 11] : tensor<105x11xf32> into tensor<1x5x21x11xf32>
  return %x6 : tensor<1x5x21x11xf32>
}

// -----

// The same with symbols. Sizes: b = 1. Right iff h/sp = 1 or sp = 1 and s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_m2_after_for_all_sizes(%x: tensor<1x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<1x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [p, s, h, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3]] : tensor<1x?x?x?xf32> into tensor<?x?x?xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1], [2], [3]] output_shape [%sp, %s_local, %h_local, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?xf32>
  // transpose (0, 2): [h, s, p, d]
  %x4_to = tensor.empty(%h_local, %s_local, %sp, %d) : tensor<?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?xf32>) permutation = [2, 1, 0, 3]
  // view [1, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1, 2], [3]] : tensor<?x?x?x?xf32> into tensor<?x?xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1, 2], [3]] output_shape [1, %s_local, %h, %d] : tensor<?x?xf32> into tensor<1x?x?x?xf32>
  return %x6 : tensor<1x?x?x?xf32>
}

// -----

// M2 mended, for every b.
muster.mesh @node <["sp" = 3]>
func.func @right_m2(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b, p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<2x15x7x11xf32> into tensor<2x3x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x3x5x7x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %x4_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x5x7x11xf32>) outs(%x4_to : tensor<2x5x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<2x5x21x11xf32>
  return %x5 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_m2_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // view [b, p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %x4_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}
