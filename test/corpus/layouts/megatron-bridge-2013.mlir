// RUN: %python %S/../judge.py %s
//
// Megatron-Bridge #2013 (and NeMo-RL #2802): broken attention weights with grouped-query attention.
//
// What went wrong: Megatron stores the packed rows group by group, [q q q k v] for each key head; other programs store all of q, all
// of k, all of v. Read in the other order every size agrees.
//
// The wrong one is right iff each rank has one key head.

// The program without mesh: rows of each group in order, 3 query heads, a key head, a value head.
func.func @logical(%x: tensor<5x7xf32>,
    %qkv: tensor<6x10x7xf32>)
    -> (tensor<5x36xf32>, tensor<5x12xf32>, tensor<5x12xf32>) {
  // view [p·g·5·d, i]
  %qkv1 = tensor.collapse_shape %qkv [[0, 1], [2]] : tensor<6x10x7xf32> into tensor<60x7xf32>
  %x1 = nn.matmul %x, %qkv1 : tensor<5x7xf32>, tensor<60x7xf32> -> tensor<5x60xf32>
  // view [t, p·g, 5, d]
  %x2 = tensor.expand_shape %x1 [[0], [1, 2, 3]] output_shape [5, 6, 5, 2] : tensor<5x60xf32> into tensor<5x6x5x2xf32>
  %x3 = tensor.extract_slice %x2[0, 0, 0, 0] [5, 6, 3, 2] [1, 1, 1, 1] : tensor<5x6x5x2xf32> to tensor<5x6x3x2xf32>
  %x4 = tensor.extract_slice %x2[0, 0, 3, 0] [5, 6, 1, 2] [1, 1, 1, 1] : tensor<5x6x5x2xf32> to tensor<5x6x1x2xf32>
  %x5 = tensor.extract_slice %x2[0, 0, 4, 0] [5, 6, 1, 2] [1, 1, 1, 1] : tensor<5x6x5x2xf32> to tensor<5x6x1x2xf32>
  // view [t, p·g·3·d]
  %x6 = tensor.collapse_shape %x3 [[0], [1, 2, 3]] : tensor<5x6x3x2xf32> into tensor<5x36xf32>
  // view [t, p·g·1·d]
  %x7 = tensor.collapse_shape %x4 [[0], [1, 2, 3]] : tensor<5x6x1x2xf32> into tensor<5x12xf32>
  // view [t, p·g·1·d]
  %x8 = tensor.collapse_shape %x5 [[0], [1, 2, 3]] : tensor<5x6x1x2xf32> into tensor<5x12xf32>
  return %x6, %x7, %x8 : tensor<5x36xf32>, tensor<5x12xf32>, tensor<5x12xf32>
}

// -----

// Rows by group, read as [q | k | v].
muster.mesh @node <["tp" = 3]>
func.func @wrong_read_as_q_k_v(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<2x10x7xf32> {muster.layout = #muster.layout<[g/tp, j, i]>})
    -> (tensor<5x12xf32> {muster.layout = #muster.layout<[t, q/tp]>}, tensor<5x4xf32> {muster.layout = #muster.layout<[t, k/tp]>}, tensor<5x4xf32> {muster.layout = #muster.layout<[t, k/tp]>}) {
  // view [g·5·d, i]
  %qkv1 = tensor.collapse_shape %qkv [[0, 1], [2]] : tensor<2x10x7xf32> into tensor<20x7xf32>
  %x1 = nn.matmul %x, %qkv1 : tensor<5x7xf32>, tensor<20x7xf32> -> tensor<5x20xf32>
  // split as [q | k | v]
  %x2 = tensor.extract_slice %x1[0, 0] [5, 12] [1, 1] : tensor<5x20xf32> to tensor<5x12xf32>
  %x3 = tensor.extract_slice %x1[0, 12] [5, 4] [1, 1] : tensor<5x20xf32> to tensor<5x4xf32>
  %x4 = tensor.extract_slice %x1[0, 16] [5, 4] [1, 1] : tensor<5x20xf32> to tensor<5x4xf32>
  return %x2, %x3, %x4 : tensor<5x12xf32>, tensor<5x4xf32>, tensor<5x4xf32>
}

// -----

// Rows by group, read so.
muster.mesh @node <["tp" = 3]>
func.func @right_by_group(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<2x10x7xf32> {muster.layout = #muster.layout<[g/tp, j, i]>})
    -> (tensor<5x12xf32> {muster.layout = #muster.layout<[t, q/tp]>}, tensor<5x4xf32> {muster.layout = #muster.layout<[t, k/tp]>}, tensor<5x4xf32> {muster.layout = #muster.layout<[t, k/tp]>}) {
  // view [g·5·d, i]
  %qkv1 = tensor.collapse_shape %qkv [[0, 1], [2]] : tensor<2x10x7xf32> into tensor<20x7xf32>
  %x1 = nn.matmul %x, %qkv1 : tensor<5x7xf32>, tensor<20x7xf32> -> tensor<5x20xf32>
  // view [t, g, 5, d]
  %x2 = tensor.expand_shape %x1 [[0], [1, 2, 3]] output_shape [5, 2, 5, 2] : tensor<5x20xf32> into tensor<5x2x5x2xf32>
  %x3 = tensor.extract_slice %x2[0, 0, 0, 0] [5, 2, 3, 2] [1, 1, 1, 1] : tensor<5x2x5x2xf32> to tensor<5x2x3x2xf32>
  // view [t, g·3·d]
  %x4 = tensor.collapse_shape %x3 [[0], [1, 2, 3]] : tensor<5x2x3x2xf32> into tensor<5x12xf32>
  %x5 = tensor.extract_slice %x2[0, 0, 3, 0] [5, 2, 1, 2] [1, 1, 1, 1] : tensor<5x2x5x2xf32> to tensor<5x2x1x2xf32>
  // view [t, g·1·d]
  %x6 = tensor.collapse_shape %x5 [[0], [1, 2, 3]] : tensor<5x2x1x2xf32> into tensor<5x4xf32>
  %x7 = tensor.extract_slice %x2[0, 0, 4, 0] [5, 2, 1, 2] [1, 1, 1, 1] : tensor<5x2x5x2xf32> to tensor<5x2x1x2xf32>
  // view [t, g·1·d]
  %x8 = tensor.collapse_shape %x7 [[0], [1, 2, 3]] : tensor<5x2x1x2xf32> into tensor<5x4xf32>
  return %x4, %x6, %x8 : tensor<5x12xf32>, tensor<5x4xf32>, tensor<5x4xf32>
}
