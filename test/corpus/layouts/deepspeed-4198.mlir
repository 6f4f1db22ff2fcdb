// RUN: %python %S/../judge.py %s
//
// DeepSpeed #4198 (2023-08), deepspeed/sequence/layer.py: the first form, a list of tensors.
//
// Always right: the parts of one dim go out, and what comes in is concatenated along another. Even with the wrong gather_idx (M3 of
// deepspeed-5664.mlir) the round trip is the identity for all sizes, because both directions are wrong alike. verl, InternEvo and
// LlamaFactory use the same form. The wrong program is a slip that no shape check sees and that is not in the project.
//
// The wrong one is right iff b = 1 or sp = 1.

// Sequence to heads, as the list is written.
muster.mesh @node <["sp" = 3]>
func.func @right_forward_list(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // torch.tensor_split(x, 3, dim 2)
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x5x21x11xf32> to tensor<2x5x7x11xf32>
  %x2 = tensor.extract_slice %x[0, 0, 7, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x5x21x11xf32> to tensor<2x5x7x11xf32>
  %x3 = tensor.extract_slice %x[0, 0, 14, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x5x21x11xf32> to tensor<2x5x7x11xf32>
  // dist.all_to_all(list): part i goes to rank i
  %x4 = tensor.expand_shape %x1 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x5 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x6 = tensor.expand_shape %x3 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x7 = tensor.concat dim(0) %x4, %x5, %x6 : (tensor<1x2x5x7x11xf32>, tensor<1x2x5x7x11xf32>, tensor<1x2x5x7x11xf32>) -> tensor<3x2x5x7x11xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  %x9 = tensor.extract_slice %x8[0, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x10 = tensor.collapse_shape %x9 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  %x11 = tensor.extract_slice %x8[1, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x12 = tensor.collapse_shape %x11 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  %x13 = tensor.extract_slice %x8[2, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x14 = tensor.collapse_shape %x13 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  // torch.cat(list, dim 1)
  %x15 = tensor.concat dim(1) %x10, %x12, %x14 : (tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>) -> tensor<2x15x7x11xf32>
  return %x15 : tensor<2x15x7x11xf32>
}

// -----

// Heads to sequence.
muster.mesh @node <["sp" = 3]>
func.func @right_inverse_list(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // torch.tensor_split(x, 3, dim 1)
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x15x7x11xf32> to tensor<2x5x7x11xf32>
  %x2 = tensor.extract_slice %x[0, 5, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x15x7x11xf32> to tensor<2x5x7x11xf32>
  %x3 = tensor.extract_slice %x[0, 10, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x15x7x11xf32> to tensor<2x5x7x11xf32>
  // dist.all_to_all(list): part i goes to rank i
  %x4 = tensor.expand_shape %x1 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x5 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x6 = tensor.expand_shape %x3 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x7 = tensor.concat dim(0) %x4, %x5, %x6 : (tensor<1x2x5x7x11xf32>, tensor<1x2x5x7x11xf32>, tensor<1x2x5x7x11xf32>) -> tensor<3x2x5x7x11xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  %x9 = tensor.extract_slice %x8[0, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x10 = tensor.collapse_shape %x9 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  %x11 = tensor.extract_slice %x8[1, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x12 = tensor.collapse_shape %x11 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  %x13 = tensor.extract_slice %x8[2, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x14 = tensor.collapse_shape %x13 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  // torch.cat(list, dim 2)
  %x15 = tensor.concat dim(2) %x10, %x12, %x14 : (tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>) -> tensor<2x5x21x11xf32>
  return %x15 : tensor<2x5x21x11xf32>
}

// -----

// The parts concatenated along dim 0 and sorted afterwards.
muster.mesh @node <["sp" = 3]>
func.func @wrong_inverse_list(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // the heads' parts are concatenated in front of the batch and taken for groups inside it
  // torch.tensor_split(x, 3, dim 1)
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x15x7x11xf32> to tensor<2x5x7x11xf32>
  %x2 = tensor.extract_slice %x[0, 5, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x15x7x11xf32> to tensor<2x5x7x11xf32>
  %x3 = tensor.extract_slice %x[0, 10, 0, 0] [2, 5, 7, 11] [1, 1, 1, 1] : tensor<2x15x7x11xf32> to tensor<2x5x7x11xf32>
  // dist.all_to_all(list): part i goes to rank i
  %x4 = tensor.expand_shape %x1 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x5 = tensor.expand_shape %x2 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x6 = tensor.expand_shape %x3 [[0, 1], [2], [3], [4]] output_shape [1, 2, 5, 7, 11] : tensor<2x5x7x11xf32> into tensor<1x2x5x7x11xf32>
  %x7 = tensor.concat dim(0) %x4, %x5, %x6 : (tensor<1x2x5x7x11xf32>, tensor<1x2x5x7x11xf32>, tensor<1x2x5x7x11xf32>) -> tensor<3x2x5x7x11xf32>
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  %x9 = tensor.extract_slice %x8[0, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x10 = tensor.collapse_shape %x9 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  %x11 = tensor.extract_slice %x8[1, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x12 = tensor.collapse_shape %x11 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  %x13 = tensor.extract_slice %x8[2, 0, 0, 0, 0] [1, 2, 5, 7, 11] [1, 1, 1, 1, 1] : tensor<3x2x5x7x11xf32> to tensor<1x2x5x7x11xf32>
  %x14 = tensor.collapse_shape %x13 [[0, 1], [2], [3], [4]] : tensor<1x2x5x7x11xf32> into tensor<2x5x7x11xf32>
  // torch.cat(list, dim 0)
  %x15 = tensor.concat dim(0) %x10, %x12, %x14 : (tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>) -> tensor<6x5x7x11xf32>
  // view [b, p, s, h, d]
  %x16 = tensor.expand_shape %x15 [[0, 1], [2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<6x5x7x11xf32> into tensor<2x3x5x7x11xf32>
  // permute (0, 2, 1, 3, 4): [b, s, p, h, d]
  %x17_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %x17 = linalg.transpose ins(%x16 : tensor<2x3x5x7x11xf32>) outs(%x17_to : tensor<2x5x3x7x11xf32>) permutation = [0, 2, 1, 3, 4]
  // view [b, s, H, d]
  %x18 = tensor.collapse_shape %x17 [[0], [1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<2x5x21x11xf32>
  return %x18 : tensor<2x5x21x11xf32>
}

// -----

// The same as one operation.
muster.mesh @node <["sp" = 3]>
func.func @right_forward(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  %x1 = muster.all_to_all %x on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  return %x1 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_forward_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %x1 = muster.all_to_all %x on "sp" split 2 concat 1 : tensor<?x?x?x?xf32> -> tensor<?x?x?x?xf32>
  return %x1 : tensor<?x?x?x?xf32>
}

// -----

// And back.
muster.mesh @node <["sp" = 3]>
func.func @right_inverse(%x: tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  %x1 = muster.all_to_all %x on "sp" split 1 concat 2 : tensor<2x15x7x11xf32> -> tensor<2x5x21x11xf32>
  return %x1 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_inverse_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %x1 = muster.all_to_all %x on "sp" split 1 concat 2 : tensor<?x?x?x?xf32> -> tensor<?x?x?x?xf32>
  return %x1 : tensor<?x?x?x?xf32>
}

// -----

// gather_idx 0 with the batch in front: wrong in the middle, the identity as a whole.
muster.mesh @node <["sp" = 3]>
func.func @right_m3_round_trip(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  %x1 = muster.all_to_all %x on "sp" split 2 concat 0 : tensor<2x5x21x11xf32> -> tensor<6x5x7x11xf32>
  %x2 = muster.all_to_all %x1 on "sp" split 0 concat 2 : tensor<6x5x7x11xf32> -> tensor<2x5x21x11xf32>
  return %x2 : tensor<2x5x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_m3_round_trip_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %x1 = muster.all_to_all %x on "sp" split 2 concat 0 : tensor<?x?x?x?xf32> -> tensor<?x?x?x?xf32>
  %x2 = muster.all_to_all %x1 on "sp" split 0 concat 2 : tensor<?x?x?x?xf32> -> tensor<?x?x?x?xf32>
  return %x2 : tensor<?x?x?x?xf32>
}
