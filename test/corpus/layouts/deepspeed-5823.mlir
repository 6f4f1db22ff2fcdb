// RUN: %python %S/../judge.py %s
//
// DeepSpeed #5823 (2024-08), deepspeed/sequence/layer.py: an explicit `batch_dim_idx`, after #5808 (wrong for b > 1).
//
// Right for all sizes in both directions and both orders of dims. The new positional argument then broke callers: Megatron-DeepSpeed
// #433 and optimum-habana #1725 had to follow, and one call still passes the mask in its place, so that the batch-first chain meets a
// sequence-first tensor. The element counts agree there too.
//
// The wrong one is right iff sp = 1 or s/sp = 1.

// bshd, forward.
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

// -----

// bshd, inverse.
muster.mesh @node <["sp" = 3]>
func.func @right_inverse_batch_first(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
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
func.func @right_inverse_batch_first_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
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

// -----

// sbhd, forward.
muster.mesh @node <["sp" = 3]>
func.func @right_forward_sequence_first(%x: tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    -> (tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>}) {
  // view [s, b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x2_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<5x2x3x7x11xf32>) outs(%x2_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x5x2x7x11xf32>
  // view [S, b, h, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  return %x4 : tensor<15x2x7x11xf32>
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
  // view [s, b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%s_local, %b, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x2_to = tensor.empty(%sp, %s_local, %b, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // view [S, b, h, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x4 : tensor<?x?x?x?xf32>
}

// -----

// sbhd, inverse.
muster.mesh @node <["sp" = 3]>
func.func @right_inverse_sequence_first(%x: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
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
func.func @right_inverse_sequence_first_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
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

// The batch-first chain, its result cut as the caller expects it, on a sequence-first tensor.
muster.mesh @node <["sp" = 3]>
func.func @wrong_dim_taken_for_batch(%x: tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    -> (tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>}) {
  // the mask stands where batch_dim_idx was expected: dim 0 is taken for the batch
  // view [s, b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x2_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<5x2x3x7x11xf32>) outs(%x2_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x5x2x7x11xf32>
  // permute (1, 0, 2, 3, 4): [s, p, b, h, d]
  %x4_to = tensor.empty() : tensor<5x3x2x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x5x2x7x11xf32>) outs(%x4_to : tensor<5x3x2x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [S, b, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<5x3x2x7x11xf32> into tensor<15x2x7x11xf32>
  return %x5 : tensor<15x2x7x11xf32>
}

// -----

// The same with symbols. Right iff s/sp = 1 or sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_dim_taken_for_batch_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %sp = muster.size <sp>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // the mask stands where batch_dim_idx was expected: dim 0 is taken for the batch
  // view [s, b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%s_local, %b, %sp, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x2_to = tensor.empty(%sp, %s_local, %b, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [s, p, b, h, d]
  %x4_to = tensor.empty(%s_local, %sp, %b, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [S, b, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}
