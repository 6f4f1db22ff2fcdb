// RUN: %python %S/../judge.py %s
//
// aws-neuron/transformers-neuronx #106: outputs differ between one rank and two with collectives_layout=BSH.
//
// What went wrong: behind the MLP rows are numbered (b, s), and they were split as (s, b) before the transposition to [b, s, h].
//
// The wrong one is right iff b = 1 or s = 1.

// Split as (s, b).
muster.mesh @node <["tp" = 3]>
func.func @wrong_rows_split_as_s_b(%x: tensor<2x5x7xf32> {muster.layout = #muster.layout<[h/tp, b, s]>})
    -> (tensor<5x7x6xf32> {muster.layout = #muster.layout<[b, s, h]>}) {
  // view [h, b·s]
  %x1 = tensor.collapse_shape %x [[0], [1, 2]] : tensor<2x5x7xf32> into tensor<2x35xf32>
  %x2 = muster.all_gather %x1 on "tp" dim 0 : tensor<2x35xf32> -> tensor<6x35xf32>
  // view [p·h, s, b]
  %x3 = tensor.expand_shape %x2 [[0], [1, 2]] output_shape [6, 7, 5] : tensor<6x35xf32> into tensor<6x7x5xf32>
  // permute (2, 1, 0): [b, s, p·h]
  %x4_to = tensor.empty() : tensor<5x7x6xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<6x7x5xf32>) outs(%x4_to : tensor<5x7x6xf32>) permutation = [2, 1, 0]
  return %x4 : tensor<5x7x6xf32>
}

// -----

// Split as (b, s).
muster.mesh @node <["tp" = 3]>
func.func @right_rows_split_as_b_s(%x: tensor<2x5x7xf32> {muster.layout = #muster.layout<[h/tp, b, s]>})
    -> (tensor<5x7x6xf32> {muster.layout = #muster.layout<[b, s, h]>}) {
  // view [h, b·s]
  %x1 = tensor.collapse_shape %x [[0], [1, 2]] : tensor<2x5x7xf32> into tensor<2x35xf32>
  %x2 = muster.all_gather %x1 on "tp" dim 0 : tensor<2x35xf32> -> tensor<6x35xf32>
  // view [p·h, b, s]
  %x3 = tensor.expand_shape %x2 [[0], [1, 2]] output_shape [6, 5, 7] : tensor<6x35xf32> into tensor<6x5x7xf32>
  // permute (1, 2, 0): [b, s, p·h]
  %x4_to = tensor.empty() : tensor<5x7x6xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<6x5x7xf32>) outs(%x4_to : tensor<5x7x6xf32>) permutation = [1, 2, 0]
  return %x4 : tensor<5x7x6xf32>
}
