// RUN: %python %S/../judge.py %s
//
// aws-neuron/transformers-neuronx #106: outputs differ between one rank and two with collectives_layout=BSH.
//
// What went wrong: behind the MLP rows are numbered (b, s), and they were split as (s, b) before the transposition to [b, s, h].
//
// The wrong one is right iff b = 1 or s = 1.

// Split as (s, b). Sizes: b = 5, s = 7.
muster.mesh @node <["tp" = 3]>
func.func @wrong_rows_split_as_s_b(%x: tensor<2x35xf32> {muster.layout = #muster.layout<[h/tp, (b s)]>})
    -> (tensor<5x7x6xf32> {muster.layout = #muster.layout<[b, s, h]>}) {
  %x1 = muster.all_gather %x on "tp" dim 0 : tensor<2x35xf32> -> tensor<6x35xf32>
  // view [p·h, s, b]
  %x2 = tensor.expand_shape %x1 [[0], [1, 2]] output_shape [6, 7, 5] : tensor<6x35xf32> into tensor<6x7x5xf32>
  // permute (2, 1, 0): [b, s, p·h]
  %x3_to = tensor.empty() : tensor<5x7x6xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<6x7x5xf32>) outs(%x3_to : tensor<5x7x6xf32>) permutation = [2, 1, 0]
  return %x3 : tensor<5x7x6xf32>
}

// -----

// Split as (b, s). Sizes: b = 5, s = 7.
muster.mesh @node <["tp" = 3]>
func.func @right_rows_split_as_b_s(%x: tensor<2x35xf32> {muster.layout = #muster.layout<[h/tp, (b s)]>})
    -> (tensor<5x7x6xf32> {muster.layout = #muster.layout<[b, s, h]>}) {
  %x1 = muster.all_gather %x on "tp" dim 0 : tensor<2x35xf32> -> tensor<6x35xf32>
  // view [p·h, b, s]
  %x2 = tensor.expand_shape %x1 [[0], [1, 2]] output_shape [6, 5, 7] : tensor<6x35xf32> into tensor<6x5x7xf32>
  // permute (1, 2, 0): [b, s, p·h]
  %x3_to = tensor.empty() : tensor<5x7x6xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<6x5x7xf32>) outs(%x3_to : tensor<5x7x6xf32>) permutation = [1, 2, 0]
  return %x3 : tensor<5x7x6xf32>
}
