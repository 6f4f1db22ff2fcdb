// RUN: %python %S/../judge.py %s
//
// DeepSpeed #4695 (2023-11), deepspeed/sequence/layer.py: the list of tensors of #4198 becomes one `all_to_all_single`.
//
// What went wrong: the exchange needs the sending digit in front and leaves the source rank in front. With the sequence in front the
// forward chain is right. With the batch in front the source rank is left outside the batch, and the view [b, p·s, h, d] cuts through
// it. The inverse is in deepspeed-5664-m1-m2.mlir.
//
// The wrong one is right iff b = 1 or sp = 1.

// Sequence in front.
muster.mesh @node <["sp" = 3]>
func.func @right_forward_sequence_first(%x: tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    -> (tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>}) {
  // view [s·b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<5x2x3x7x11xf32> into tensor<10x3x7x11xf32>
  // transpose (0, 1): [p, s·b, h, d]
  %x3_to = tensor.empty() : tensor<3x10x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x3x7x11xf32>) outs(%x3_to : tensor<3x10x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x7x11xf32>
  // view [S, b, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<3x10x7x11xf32> into tensor<3x5x2x7x11xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  return %x6 : tensor<15x2x7x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_forward_sequence_first_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // view [s·b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%s_local, %b, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [p, s·b, h, d]
  %s_local_b = arith.muli %s_local, %b : index
  %x3_to = tensor.empty(%sp, %s_local_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?xf32>
  // view [S, b, h, d]
  %x5 = tensor.expand_shape %x4 [[0], [1, 2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x6 : tensor<?x?x?x?xf32>
}

// -----

// Batch in front: issue #5808.
muster.mesh @node <["sp" = 3]>
func.func @wrong_forward_batch_first(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 3, 7, 11] : tensor<2x5x21x11xf32> into tensor<2x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x10x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x3x7x11xf32>) outs(%x3_to : tensor<3x10x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x7x11xf32>
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3]] : tensor<3x10x7x11xf32> into tensor<30x7x11xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1], [2], [3]] output_shape [2, 15, 7, 11] : tensor<30x7x11xf32> into tensor<2x15x7x11xf32>
  return %x6 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_forward_batch_first_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %s = muster.size <s>
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %s_local_b = arith.muli %s_local, %b : index
  %x3_to = tensor.empty(%sp, %s_local_b, %h_local, %d) : tensor<?x?x?x?xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<?x?x?x?xf32>) outs(%x3_to : tensor<?x?x?x?xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<?x?x?x?xf32>
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3]] : tensor<?x?x?x?xf32> into tensor<?x?x?xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1], [2], [3]] output_shape [%b, %s, %h_local, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x6 : tensor<?x?x?x?xf32>
}

// -----

// The same text with b = 1.
muster.mesh @node <["sp" = 3]>
func.func @right_forward_by_luck(%x: tensor<1x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<1x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // view [b·s, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [1, 5, 3, 7, 11] : tensor<1x5x21x11xf32> into tensor<1x5x3x7x11xf32>
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2], [3], [4]] : tensor<1x5x3x7x11xf32> into tensor<5x3x7x11xf32>
  // transpose (0, 1): [p, b·s, h, d]
  %x3_to = tensor.empty() : tensor<3x5x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<5x3x7x11xf32>) outs(%x3_to : tensor<3x5x7x11xf32>) permutation = [1, 0, 2, 3]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x5x7x11xf32>
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3]] : tensor<3x5x7x11xf32> into tensor<15x7x11xf32>
  %x6 = tensor.expand_shape %x5 [[0, 1], [2], [3]] output_shape [1, 15, 7, 11] : tensor<15x7x11xf32> into tensor<1x15x7x11xf32>
  return %x6 : tensor<1x15x7x11xf32>
}

// -----

// Batch in front, mended as in #5823.
muster.mesh @node <["sp" = 3]>
func.func @right_forward_batch_first(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
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
  return %x5 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_forward_batch_first_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
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
  return %x5 : tensor<?x?x?x?xf32>
}
