// RUN: %python %S/../judge.py %s
//
// DeepSpeed #5366 (2024-04, closed), deepspeed/sequence/layer.py: "replace p by -1 in the first view".
//
// What went wrong: for b > 1 the view [p, s, h, d] of the inverse raised. With -1 it takes b·p in front and is silently wrong: the
// exchange sends batches instead of sequence parts.
//
// The wrong one is right iff b = 1 or sp = 1 and s/sp = 1.

// The proposal.
muster.mesh @node <["sp" = 3]>
func.func @wrong_minus_one(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b·p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<2x15x7x11xf32> into tensor<2x3x5x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<2x3x5x7x11xf32> into tensor<6x5x7x11xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<6x5x7x11xf32>
  // transpose (0, 1): [s, b·p, h, d]
  %x4_to = tensor.empty() : tensor<5x6x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<6x5x7x11xf32>) outs(%x4_to : tensor<5x6x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [b, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1, 2], [3]] : tensor<5x6x7x11xf32> into tensor<210x11xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1, 2], [3]] output_shape [2, 5, 21, 11] : tensor<210x11xf32> into tensor<2x5x21x11xf32>
  return %x6 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or sp = 1 and s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_minus_one_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [b·p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?xf32>
  // transpose (0, 1): [s, b·p, h, d]
  %sp_b = arith.muli %sp, %b : index
  %x4_to = tensor.empty(%s_local, %sp_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  // view [b, s, H, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1, 2], [3]] : tensor<?x?x?x?xf32> into tensor<?x?xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1, 2], [3]] output_shape [%b, %s_local, %h, %d] : tensor<?x?xf32> into tensor<?x?x?x?xf32>
  return %x6 : tensor<?x?x?x?xf32>
}

// -----

// The same text with b = 1.
muster.mesh @node <["sp" = 3]>
func.func @right_minus_one_by_luck(%x: tensor<1x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<1x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b·p, s, h, d]
  %x1 = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [1, 3, 5, 7, 11] : tensor<1x15x7x11xf32> into tensor<1x3x5x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<1x3x5x7x11xf32> into tensor<3x5x7x11xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<3x5x7x11xf32>
  // transpose (0, 1): [s, b·p, h, d]
  %x4_to = tensor.empty() : tensor<5x3x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x5x7x11xf32>) outs(%x4_to : tensor<5x3x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [b, s, H, d]
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3], [4]] output_shape [1, 5, 3, 7, 11] : tensor<5x3x7x11xf32> into tensor<1x5x3x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0], [1], [2, 3], [4]] : tensor<1x5x3x7x11xf32> into tensor<1x5x21x11xf32>
  return %x6 : tensor<1x5x21x11xf32>
}

// -----

// The batch dim kept, as in #5823.
muster.mesh @node <["sp" = 3]>
func.func @right_batch_kept(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
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
func.func @right_batch_kept_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
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
