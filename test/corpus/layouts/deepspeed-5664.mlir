// RUN: %python %S/../judge.py %s
//
// DeepSpeed #5664 (2024-06), deepspeed/sequence/layer.py, `single_all_to_all`: models did not converge.
//
// What went wrong: after the output's exchange a tensor lies as [p, b, s, h, d], p the head groups. T(0,1) (from #4695) puts the head
// group in front of the sequence, and the reshape to [b, s, p·h, d] glues the last rows of one head group to the first of the next.
// The only check is the number of elements, and all 120 permutations pass it. The fix, T(0,2), is right for b = 1 only; the
// permutation that is right for all sizes is (1, 2, 0, 3, 4).
//
// The function is called in three ways: M1, sequence in front (sbhd, gather_idx 0); M2, batch in front (bshd, gather_idx 1); M3, batch
// in front with the default gather_idx 0, which is where the reported shape came from.
//
//   inverse, or round trip (M3)   T(0,1), #4695                       T(0,2), #5664
//   M1                            right iff b = 1 or sp = 1           right iff b = 1 or s/sp = 1
//   M2 (b = 1 or it raises)       right                               right iff h/sp = 1 or sp = s/sp = 1
//   M3                            right iff sp = 1 or s/sp = 1        right iff b = 1 or s/sp = 1; forward wrong

// The report's shape, [4, 1, 8192, 4, 128] after the exchange, with s = 8 and d = 3: all 4 ranks, b = 1.
muster.mesh @node <["sp" = 4]>
func.func @wrong_reported_shape(%x: tensor<1x8x16x3xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<1x8x16x3xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [1, 8, 4, 4, 3] : tensor<1x8x16x3xf32> into tensor<1x8x4x4x3xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<1x8x4x4x3xf32> into tensor<8x4x4x3xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<4x8x4x3xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<8x4x4x3xf32>) outs(%x3_to : tensor<4x8x4x3xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<4x8x4x3xf32>
  // view [p·b, s, h, d]
  // inverse
  // view [p, b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [4, 1, 8, 4, 3] : tensor<4x8x4x3xf32> into tensor<4x1x8x4x3xf32>
  %x6 = muster.exchange %x5 on "sp" : tensor<4x1x8x4x3xf32>
  // transpose (0, 1): [b, p, s, h, d]
  %x7_to = tensor.empty() : tensor<1x4x8x4x3xf32>
  %x7 = linalg.transpose ins(%x6 : tensor<4x1x8x4x3xf32>) outs(%x7_to : tensor<1x4x8x4x3xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, s, H, d]
  %x8 = tensor.collapse_shape %x7 [[0], [1, 2, 3], [4]] : tensor<1x4x8x4x3xf32> into tensor<1x128x3xf32>
  %x9 = tensor.expand_shape %x8 [[0], [1, 2], [3]] output_shape [1, 8, 16, 3] : tensor<1x128x3xf32> into tensor<1x8x16x3xf32>
  return %x9 : tensor<1x8x16x3xf32>
}

// -----

// M3 before the fix.
muster.mesh @node <["sp" = 3]>
func.func @wrong_m3_before(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x10x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x3x7x11xf32>) outs(%x3_to : tensor<3x10x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x7x11xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<3x10x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x2x5x7x11xf32> into tensor<6x5x7x11xf32>
  // inverse
  // view [p, b, s, h, d]
  %x7 = tensor.expand_shape %x6 [[0, 1], [2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<6x5x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  // transpose (0, 1): [b, p, s, h, d]
  %x9_to = tensor.empty() : tensor<2x3x5x7x11xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<3x2x5x7x11xf32>) outs(%x9_to : tensor<2x3x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1, 2, 3], [4]] : tensor<2x3x5x7x11xf32> into tensor<2x105x11xf32>
  %x11 = tensor.expand_shape %x10 [[0], [1, 2], [3]] output_shape [2, 5, 21, 11] : tensor<2x105x11xf32> into tensor<2x5x21x11xf32>
  return %x11 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols. Right iff sp = 1 or s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_m3_before_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %s_local_b = arith.muli %s_local, %b : index
  %x3_to = tensor.empty(%sp, %s_local_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // inverse
  // view [p, b, s, h, d]
  %x7 = tensor.expand_shape %x6 [[0, 1], [2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<?x?x?x?x?xf32>
  // transpose (0, 1): [b, p, s, h, d]
  %x9_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<?x?x?x?x?xf32>) outs(%x9_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1, 2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %x11 = tensor.expand_shape %x10 [[0], [1, 2], [3]] output_shape [%b, %s_local, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x11 : tensor<?x?x?x?xf32>
}

// -----

// M3 after the fix: right for the batch of 1 that was tested.
muster.mesh @node <["sp" = 3]>
func.func @wrong_m3_after(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x10x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x3x7x11xf32>) outs(%x3_to : tensor<3x10x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x7x11xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<3x10x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x2x5x7x11xf32> into tensor<6x5x7x11xf32>
  // inverse
  // view [p, b, s, h, d]
  %x7 = tensor.expand_shape %x6 [[0, 1], [2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<6x5x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  // transpose (0, 2): [s, b, p, h, d]
  %x9_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<3x2x5x7x11xf32>) outs(%x9_to : tensor<5x2x3x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0, 1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<10x21x11xf32>
  %x11 = tensor.expand_shape %x10 [[0, 1], [2], [3]] output_shape [2, 5, 21, 11] : tensor<10x21x11xf32> into tensor<2x5x21x11xf32>
  return %x11 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_m3_after_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %s_local_b = arith.muli %s_local, %b : index
  %x3_to = tensor.empty(%sp, %s_local_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // inverse
  // view [p, b, s, h, d]
  %x7 = tensor.expand_shape %x6 [[0, 1], [2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<?x?x?x?x?xf32>
  // transpose (0, 2): [s, b, p, h, d]
  %x9_to = tensor.empty(%s_local, %b, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<?x?x?x?x?xf32>) outs(%x9_to : tensor<?x?x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0, 1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %x11 = tensor.expand_shape %x10 [[0, 1], [2], [3]] output_shape [%b, %s_local, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x11 : tensor<?x?x?x?xf32>
}

// -----

// The same text with b = 1.
muster.mesh @node <["sp" = 3]>
func.func @right_m3_after_by_luck(%x: tensor<1x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<1x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [1, 5, 3, 7, 11] : tensor<1x5x21x11xf32> into tensor<1x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<1x5x3x7x11xf32> into tensor<5x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x5x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<5x3x7x11xf32>) outs(%x3_to : tensor<3x5x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x5x7x11xf32>
  // view [p·b, s, h, d]
  // inverse
  // view [p, b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [3, 1, 5, 7, 11] : tensor<3x5x7x11xf32> into tensor<3x1x5x7x11xf32>
  %x6 = muster.exchange %x5 on "sp" : tensor<3x1x5x7x11xf32>
  // transpose (0, 2): [s, b, p, h, d]
  %x7_to = tensor.empty() : tensor<5x1x3x7x11xf32>
  %x7 = linalg.transpose ins(%x6 : tensor<3x1x5x7x11xf32>) outs(%x7_to : tensor<5x1x3x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // view [b, s, H, d]
  %x8 = tensor.expand_shape %x7 [[0, 1], [2], [3], [4], [5]] output_shape [1, 5, 1, 3, 7, 11] : tensor<5x1x3x7x11xf32> into tensor<1x5x1x3x7x11xf32>
  %x9 = tensor.collapse_shape %x8 [[0], [1], [2, 3, 4], [5]] : tensor<1x5x1x3x7x11xf32> into tensor<1x5x21x11xf32>
  return %x9 : tensor<1x5x21x11xf32>
}

// -----

// M3, the forward exchange alone, which no fix of the inverse mends: [p·b, s, h, d] is not [b, p·s, h, d], so attention sees p·b short
// sequences.
muster.mesh @node <["sp" = 3]>
func.func @wrong_m3_forward(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<6x5x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x10x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x3x7x11xf32>) outs(%x3_to : tensor<3x10x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x7x11xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<3x10x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x2x5x7x11xf32> into tensor<6x5x7x11xf32>
  return %x6 : tensor<6x5x7x11xf32>
}

// -----

// The same with symbols. Right iff sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_m3_forward_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %s_local_b = arith.muli %s_local, %b : index
  %x3_to = tensor.empty(%sp, %s_local_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x6 : tensor<?x?x?x?xf32>
}

// -----

// M3 mended: the round trip alone. Forward and inverse are each other's inverses, and the middle is still not head-sharded.
muster.mesh @node <["sp" = 3]>
func.func @right_m3_round_trip(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x10x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x3x7x11xf32>) outs(%x3_to : tensor<3x10x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x7x11xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<3x10x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x2x5x7x11xf32> into tensor<6x5x7x11xf32>
  // inverse
  // view [p, b, s, h, d]
  %x7 = tensor.expand_shape %x6 [[0, 1], [2], [3], [4]] output_shape [3, 2, 5, 7, 11] : tensor<6x5x7x11xf32> into tensor<3x2x5x7x11xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %x9_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<3x2x5x7x11xf32>) outs(%x9_to : tensor<2x5x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<2x5x21x11xf32>
  return %x10 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_m3_round_trip_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // forward
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %s_local_b = arith.muli %s_local, %b : index
  %x3_to = tensor.empty(%sp, %s_local_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?xf32>
  // view [p·b, s, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // inverse
  // view [p, b, s, h, d]
  %x7 = tensor.expand_shape %x6 [[0, 1], [2], [3], [4]] output_shape [%sp, %b, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %x9_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<?x?x?x?x?xf32>) outs(%x9_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x10 : tensor<?x?x?x?xf32>
}

// -----

// Both directions mended, batch in front.
muster.mesh @node <["sp" = 3]>
func.func @right_round_trip(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // forward
  // view [b, s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x5x3x7x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty() : tensor<2x3x5x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x5x7x11xf32>) outs(%x4_to : tensor<2x3x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<2x3x5x7x11xf32> into tensor<2x15x7x11xf32>
  // inverse
  // view [b, p, s, h, d]
  %x6 = tensor.expand_shape %x5 [[0], [1, 2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<2x15x7x11xf32> into tensor<2x3x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %x7_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x7 = linalg.transpose ins(%x6 : tensor<2x3x5x7x11xf32>) outs(%x7_to : tensor<3x2x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %x9_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<3x2x5x7x11xf32>) outs(%x9_to : tensor<2x5x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<2x5x21x11xf32>
  return %x10 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_round_trip_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // forward
  // view [b, s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (2, 0, 1, 3, 4): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // inverse
  // view [b, p, s, h, d]
  %x6 = tensor.expand_shape %x5 [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %x7_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x7 = linalg.transpose ins(%x6 : tensor<?x?x?x?x?xf32>) outs(%x7_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x8 = muster.exchange %x7 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [b, s, p, h, d]
  %x9_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<?x?x?x?x?xf32>) outs(%x9_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x10 : tensor<?x?x?x?xf32>
}
