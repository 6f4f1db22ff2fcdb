// Heads back to sequence, three times: docs/tutorials/deepspeed-5664.md. One batch, 6 tokens, 4 heads, 2 ranks, one number a head.
muster.mesh @node <["sp" = 2]>

// The exchange as DeepSpeed #4695 wrote it.
func.func @before(%x: tensor<1x6x2xf32> {muster.layout = #muster.layout<[b, s, h/sp]>})
    -> (tensor<1x3x4xf32> {muster.layout = #muster.layout<[b, s/sp, h]>}) {
  // view [p, 1, s, h]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<1x6x2xf32> into tensor<6x2xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1, 2], [3]] output_shape [2, 1, 3, 2] : tensor<6x2xf32> into tensor<2x1x3x2xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<2x1x3x2xf32>
  // permute (1, 0, 2, 3): [1, p, s, h]
  %x4_to = tensor.empty() : tensor<1x2x3x2xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<2x1x3x2xf32>) outs(%x4_to : tensor<1x2x3x2xf32>) permutation = [1, 0, 2, 3]
  // view [1, s, H]
  %x5 = tensor.collapse_shape %x4 [[0], [1, 2, 3]] : tensor<1x2x3x2xf32> into tensor<1x12xf32>
  %x6 = tensor.expand_shape %x5 [[0], [1, 2]] output_shape [1, 3, 4] : tensor<1x12xf32> into tensor<1x3x4xf32>
  return %x6 : tensor<1x3x4xf32>
}

// As #5664 mended it.
func.func @after(%x: tensor<1x6x2xf32> {muster.layout = #muster.layout<[b, s, h/sp]>})
    -> (tensor<1x3x4xf32> {muster.layout = #muster.layout<[b, s/sp, h]>}) {
  // view [p, 1, s, h]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<1x6x2xf32> into tensor<6x2xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1, 2], [3]] output_shape [2, 1, 3, 2] : tensor<6x2xf32> into tensor<2x1x3x2xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<2x1x3x2xf32>
  // permute (2, 1, 0, 3): [s, 1, p, h]
  %x4_to = tensor.empty() : tensor<3x1x2x2xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<2x1x3x2xf32>) outs(%x4_to : tensor<3x1x2x2xf32>) permutation = [2, 1, 0, 3]
  // view [1, s, H]
  %x5 = tensor.expand_shape %x4 [[0, 1], [2], [3], [4]] output_shape [1, 3, 1, 2, 2] : tensor<3x1x2x2xf32> into tensor<1x3x1x2x2xf32>
  %x6 = tensor.collapse_shape %x5 [[0], [1], [2, 3, 4]] : tensor<1x3x1x2x2xf32> into tensor<1x3x4xf32>
  return %x6 : tensor<1x3x4xf32>
}

// As it is right for every batch.
func.func @mended(%x: tensor<1x6x2xf32> {muster.layout = #muster.layout<[b, s, h/sp]>})
    -> (tensor<1x3x4xf32> {muster.layout = #muster.layout<[b, s/sp, h]>}) {
  // view [p, 1, s, h]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<1x6x2xf32> into tensor<6x2xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1, 2], [3]] output_shape [2, 1, 3, 2] : tensor<6x2xf32> into tensor<2x1x3x2xf32>
  %x3 = muster.exchange %x2 on "sp" : tensor<2x1x3x2xf32>
  // permute (1, 2, 0, 3): [1, s, p, h]
  %x4_to = tensor.empty() : tensor<1x3x2x2xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<2x1x3x2xf32>) outs(%x4_to : tensor<1x3x2x2xf32>) permutation = [1, 2, 0, 3]
  // view [1, s, H]
  %x5 = tensor.collapse_shape %x4 [[0], [1], [2, 3]] : tensor<1x3x2x2xf32> into tensor<1x3x4xf32>
  return %x5 : tensor<1x3x4xf32>
}
