// RUN: %python %S/../judge.py %s
//
// DeepSpeed #5691 (2024-08), deepspeed/sequence/layer.py: the exchanges of dq and dk overlap with compute.
//
// What went wrong: the step after the exchange became a function of its own that runs later, with the transposition of #5664 copied
// into it: the same chain, for two tensors.
//
// The wrong one is right iff b = 1 or s/sp = 1.

// As it was merged.
muster.mesh @node <["sp" = 3]>
func.func @wrong_gradients(%dq: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>},
    %dk: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}, tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %dq1 = tensor.expand_shape %dq [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  // view [p, s, b, h, d]
  %dk1 = tensor.expand_shape %dk [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  // both are on their way before either is used
  %dq2 = muster.exchange %dq1 on "sp" : tensor<3x5x2x7x11xf32>
  %dk2 = muster.exchange %dk1 on "sp" : tensor<3x5x2x7x11xf32>
  // transpose (0, 2): [b, s, p, h, d]
  %dq3_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %dq3 = linalg.transpose ins(%dq2 : tensor<3x5x2x7x11xf32>) outs(%dq3_to : tensor<2x5x3x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // view [s, b, H, d]
  %dq4 = tensor.collapse_shape %dq3 [[0, 1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x21x11xf32>
  %dq5 = tensor.expand_shape %dq4 [[0, 1], [2], [3]] output_shape [5, 2, 21, 11] : tensor<10x21x11xf32> into tensor<5x2x21x11xf32>
  // transpose (0, 2): [b, s, p, h, d]
  %dk3_to = tensor.empty() : tensor<2x5x3x7x11xf32>
  %dk3 = linalg.transpose ins(%dk2 : tensor<3x5x2x7x11xf32>) outs(%dk3_to : tensor<2x5x3x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  // view [s, b, H, d]
  %dk4 = tensor.collapse_shape %dk3 [[0, 1], [2, 3], [4]] : tensor<2x5x3x7x11xf32> into tensor<10x21x11xf32>
  %dk5 = tensor.expand_shape %dk4 [[0, 1], [2], [3]] output_shape [5, 2, 21, 11] : tensor<10x21x11xf32> into tensor<5x2x21x11xf32>
  return %dq5, %dk5 : tensor<5x2x21x11xf32>, tensor<5x2x21x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or s/sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_gradients_for_all_sizes(%dq: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>},
    %dk: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}, tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  %h = muster.size <h>
  // view [p, s, b, h, d]
  %dq1 = tensor.expand_shape %dq [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // view [p, s, b, h, d]
  %dk1 = tensor.expand_shape %dk [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // both are on their way before either is used
  %dq2 = muster.exchange %dq1 on "sp" : tensor<?x?x?x?x?xf32>
  %dk2 = muster.exchange %dk1 on "sp" : tensor<?x?x?x?x?xf32>
  // transpose (0, 2): [b, s, p, h, d]
  %dq3_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %dq3 = linalg.transpose ins(%dq2 : tensor<?x?x?x?x?xf32>) outs(%dq3_to : tensor<?x?x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  // view [s, b, H, d]
  %dq4 = tensor.collapse_shape %dq3 [[0, 1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %dq5 = tensor.expand_shape %dq4 [[0, 1], [2], [3]] output_shape [%s_local, %b, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  // transpose (0, 2): [b, s, p, h, d]
  %dk3_to = tensor.empty(%b, %s_local, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %dk3 = linalg.transpose ins(%dk2 : tensor<?x?x?x?x?xf32>) outs(%dk3_to : tensor<?x?x?x?x?xf32>) permutation = [2, 1, 0, 3, 4]
  // view [s, b, H, d]
  %dk4 = tensor.collapse_shape %dk3 [[0, 1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?xf32>
  %dk5 = tensor.expand_shape %dk4 [[0, 1], [2], [3]] output_shape [%s_local, %b, %h, %d] : tensor<?x?x?xf32> into tensor<?x?x?x?xf32>
  return %dq5, %dk5 : tensor<?x?x?x?xf32>, tensor<?x?x?x?xf32>
}

// -----

// Mended.
muster.mesh @node <["sp" = 3]>
func.func @right_gradients(%dq: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>},
    %dk: tensor<15x2x7x11xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}, tensor<5x2x21x11xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}) {
  // view [p, s, b, h, d]
  %dq1 = tensor.expand_shape %dq [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  // view [p, s, b, h, d]
  %dk1 = tensor.expand_shape %dk [[0, 1], [2], [3], [4]] output_shape [3, 5, 2, 7, 11] : tensor<15x2x7x11xf32> into tensor<3x5x2x7x11xf32>
  // both are on their way before either is used
  %dq2 = muster.exchange %dq1 on "sp" : tensor<3x5x2x7x11xf32>
  %dk2 = muster.exchange %dk1 on "sp" : tensor<3x5x2x7x11xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %dq3_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %dq3 = linalg.transpose ins(%dq2 : tensor<3x5x2x7x11xf32>) outs(%dq3_to : tensor<5x2x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %dq4 = tensor.collapse_shape %dq3 [[0], [1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<5x2x21x11xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %dk3_to = tensor.empty() : tensor<5x2x3x7x11xf32>
  %dk3 = linalg.transpose ins(%dk2 : tensor<3x5x2x7x11xf32>) outs(%dk3_to : tensor<5x2x3x7x11xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %dk4 = tensor.collapse_shape %dk3 [[0], [1], [2, 3], [4]] : tensor<5x2x3x7x11xf32> into tensor<5x2x21x11xf32>
  return %dq4, %dk4 : tensor<5x2x21x11xf32>, tensor<5x2x21x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_gradients_for_all_sizes(%dq: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>},
    %dk: tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s, b, h/sp, d]>})
    -> (tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>}, tensor<?x?x?x?xf32> {muster.layout = #muster.layout<[s/sp, b, h, d]>})
    attributes {muster.facts = #muster.facts<[sp|s, sp|h]>} {
  %sp = muster.size <sp>
  %s_local = muster.size <s/sp>
  %b = muster.size <b>
  %h_local = muster.size <h/sp>
  %d = muster.size <d>
  // view [p, s, b, h, d]
  %dq1 = tensor.expand_shape %dq [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // view [p, s, b, h, d]
  %dk1 = tensor.expand_shape %dk [[0, 1], [2], [3], [4]] output_shape [%sp, %s_local, %b, %h_local, %d] : tensor<?x?x?x?xf32> into tensor<?x?x?x?x?xf32>
  // both are on their way before either is used
  %dq2 = muster.exchange %dq1 on "sp" : tensor<?x?x?x?x?xf32>
  %dk2 = muster.exchange %dk1 on "sp" : tensor<?x?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %dq3_to = tensor.empty(%s_local, %b, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %dq3 = linalg.transpose ins(%dq2 : tensor<?x?x?x?x?xf32>) outs(%dq3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %dq4 = tensor.collapse_shape %dq3 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  // permute (1, 2, 0, 3, 4): [s, b, p, h, d]
  %dk3_to = tensor.empty(%s_local, %b, %sp, %h_local, %d) : tensor<?x?x?x?x?xf32>
  %dk3 = linalg.transpose ins(%dk2 : tensor<?x?x?x?x?xf32>) outs(%dk3_to : tensor<?x?x?x?x?xf32>) permutation = [1, 2, 0, 3, 4]
  // view [s, b, H, d]
  %dk4 = tensor.collapse_shape %dk3 [[0], [1], [2, 3], [4]] : tensor<?x?x?x?x?xf32> into tensor<?x?x?x?xf32>
  return %dq4, %dk4 : tensor<?x?x?x?xf32>, tensor<?x?x?x?xf32>
}
