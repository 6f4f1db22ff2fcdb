// RUN: %python %S/../judge.py %s
//
// yunchang `AsyncLongContextAttention` (no issue): rank r works on heads r, r + p, r + 2p, ...
//
// A legal head shard, if q, k, v and the output share it: the round trip is the identity, and a checker that insists on contiguous
// heads in the middle is wrong. It must not be mixed with the contiguous order.
//
// The wrong ones are right iff sp = 1 or h/sp = 1.

// There and back.
muster.mesh @node <["sp" = 3]>
func.func @right_round_trip(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 7, 3, 11] : tensor<2x5x21x11xf32> into tensor<2x5x7x3x11xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x5x7x3x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty() : tensor<2x3x5x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x5x7x11xf32>) outs(%x4_to : tensor<2x3x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<2x3x5x7x11xf32> into tensor<2x15x7x11xf32>
  // back, with the same order of heads
  // view [b, p, s, h, d]
  %x6 = tensor.expand_shape %x5 [[0], [1, 2], [3], [4]] output_shape [2, 3, 5, 7, 11] : tensor<2x15x7x11xf32> into tensor<2x3x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %x7_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x7 = linalg.transpose ins(%x6 : tensor<2x3x5x7x11xf32>) outs(%x7_to : tensor<3x2x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  %x8 = muster.exchange %x7 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 2, 3, 0, 4): [b, s, h, p, d]
  %x9_to = tensor.empty() : tensor<2x5x7x3x11xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<3x2x5x7x11xf32>) outs(%x9_to : tensor<2x5x7x3x11xf32>) permutation = [1, 2, 3, 0, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1], [2, 3], [4]] : tensor<2x5x7x3x11xf32> into tensor<2x5x21x11xf32>
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
  %h_local = muster.size <h/sp>
  %sp = muster.size <sp>
  %d = muster.size <d>
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %h_local, %sp, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // back, with the same order of heads
  // view [b, p, s, h, d]
  %x6 = tensor.expand_shape %x5 [[0], [1, 2], [3], [4]] output_shape [%b, %sp, %s_local, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [p, b, s, h, d]
  %x7_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x7 = linalg.transpose ins(%x6 : tensor<?x?x?x?x?xf32>) outs(%x7_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  %x8 = muster.exchange %x7 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 3, 0, 4): [b, s, h, p, d]
  %x9_to = tensor.empty(%b, %s_local, %h_local, %sp, %d) : tensor<?x?x?x?x?xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<?x?x?x?x?xf32>) outs(%x9_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 3, 0, 4]
  // view [b, s, H, d]
  %x10 = tensor.collapse_shape %x9 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x10 : tensor<?x?x?x?xf32>
}

// -----

// The middle, declared as what it is.
muster.mesh @node <["sp" = 3]>
func.func @right_middle_is_striped(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp stripe, d]>}) {
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 7, 3, 11] : tensor<2x5x21x11xf32> into tensor<2x5x7x3x11xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x5x7x3x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [3, 0, 1, 2, 4]
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
func.func @right_middle_is_striped_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp stripe, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %sp = muster.size <sp>
  %d = muster.size <d>
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %h_local, %sp, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// The middle, declared contiguous.
muster.mesh @node <["sp" = 3]>
func.func @wrong_middle_is_not_contiguous(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x15x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 7, 3, 11] : tensor<2x5x21x11xf32> into tensor<2x5x7x3x11xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x5x7x3x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty() : tensor<2x3x5x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x5x7x11xf32>) outs(%x4_to : tensor<2x3x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<2x3x5x7x11xf32> into tensor<2x15x7x11xf32>
  return %x5 : tensor<2x15x7x11xf32>
}

// -----

// The same with symbols. Right iff sp = 1 or h/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_middle_is_not_contiguous_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %sp = muster.size <sp>
  %d = muster.size <d>
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %h_local, %sp, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %x5 : tensor<?x?x?x?xf32>
}

// -----

// Striped there, contiguous back.
muster.mesh @node <["sp" = 3]>
func.func @wrong_orders_mixed(%x: tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<2x5x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>}) {
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [2, 5, 7, 3, 11] : tensor<2x5x21x11xf32> into tensor<2x5x7x3x11xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty() : tensor<3x2x5x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<2x5x7x3x11xf32>) outs(%x2_to : tensor<3x2x5x7x11xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x2x5x7x11xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty() : tensor<2x3x5x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<3x2x5x7x11xf32>) outs(%x4_to : tensor<2x3x5x7x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<2x3x5x7x11xf32> into tensor<2x15x7x11xf32>
  // back, as if the heads were contiguous
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

// The same with symbols. Right iff sp = 1 or h/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_orders_mixed_for_all_sizes(%x: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %b = muster.size <b>
  %s_local = muster.size <s/sp>
  %h_local = muster.size <h/sp>
  %sp = muster.size <sp>
  %d = muster.size <d>
  // view [b, s, h, p, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [%b, %s_local, %h_local, %sp, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // permute (3, 0, 1, 2, 4): [p, b, s, h, d]
  %x2_to = tensor.empty(%sp, %b, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<?x?x?x?x?xf32>) outs(%x2_to : tensor<?x?x?x?x?xf32>) permutation = [3, 0, 1, 2, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 0, 2, 3, 4): [b, p, s, h, d]
  %x4_to = tensor.empty(%b, %sp, %s_local, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<?x?x?x?x?xf32>) outs(%x4_to : tensor<?x?x?x?x?xf32>) permutation = [1, 0, 2, 3, 4]
  // view [b, S, h, d]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2], [3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // back, as if the heads were contiguous
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
