// DeepSpeed-Ulysses, there and back, as reshapes, transpositions and raw exchanges.
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
