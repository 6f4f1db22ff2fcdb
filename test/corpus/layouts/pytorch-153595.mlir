// RUN: %python %S/../judge.py %s
//
// PyTorch #153595: fused matrix product and reduce-scatter is numerically wrong for scatter_dim=1.
//
// What went wrong: the scatter dim is exchanged with dim 0 before the reduction, and the result is taken in the old shape without
// exchanging back. The test of that case was not running.
//
// The wrong one is right iff m = 1 or n/tp = 1.

// The program without mesh.
func.func @logical(%x: tensor<5x6xf32>,
    %w: tensor<21x6xf32>)
    -> tensor<5x21xf32> {
  %x1 = nn.matmul %x, %w : tensor<5x6xf32>, tensor<21x6xf32> -> tensor<5x21xf32>
  return %x1 : tensor<5x21xf32>
}

// -----

// The result viewed as [m, n / tp].
muster.mesh @node <["tp" = 3]>
func.func @wrong_not_restored(%x: tensor<5x2xf32> {muster.layout = #muster.layout<[m, k/tp]>},
    %w: tensor<21x2xf32> {muster.layout = #muster.layout<[n, k/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[m, n/tp]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x2xf32>, tensor<21x2xf32> -> tensor<5x21xf32>
  // the scatter dim is brought to the front
  // transpose (0, 1): [p·n, m]
  %x2_to = tensor.empty() : tensor<21x5xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<5x21xf32>) outs(%x2_to : tensor<21x5xf32>) permutation = [1, 0]
  %x3 = muster.reduce_scatter %x2 sum on "tp" dim 0 : tensor<21x5xf32> -> tensor<7x5xf32>
  // view [m, n]
  %x4 = tensor.collapse_shape %x3 [[0, 1]] : tensor<7x5xf32> into tensor<35xf32>
  %x5 = tensor.expand_shape %x4 [[0, 1]] output_shape [5, 7] : tensor<35xf32> into tensor<5x7xf32>
  return %x5 : tensor<5x7xf32>
}

// -----

// Exchanged back.
muster.mesh @node <["tp" = 3]>
func.func @right_restored(%x: tensor<5x2xf32> {muster.layout = #muster.layout<[m, k/tp]>},
    %w: tensor<21x2xf32> {muster.layout = #muster.layout<[n, k/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[m, n/tp]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x2xf32>, tensor<21x2xf32> -> tensor<5x21xf32>
  // the scatter dim is brought to the front
  // transpose (0, 1): [p·n, m]
  %x2_to = tensor.empty() : tensor<21x5xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<5x21xf32>) outs(%x2_to : tensor<21x5xf32>) permutation = [1, 0]
  %x3 = muster.reduce_scatter %x2 sum on "tp" dim 0 : tensor<21x5xf32> -> tensor<7x5xf32>
  // transpose (0, 1): [m, n]
  %x4_to = tensor.empty() : tensor<5x7xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<7x5xf32>) outs(%x4_to : tensor<5x7xf32>) permutation = [1, 0]
  return %x4 : tensor<5x7xf32>
}

// -----

// As one operation.
muster.mesh @node <["tp" = 3]>
func.func @right_as_operation(%x: tensor<5x2xf32> {muster.layout = #muster.layout<[m, k/tp]>},
    %w: tensor<21x2xf32> {muster.layout = #muster.layout<[n, k/tp]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[m, n/tp]>}) {
  %x1 = nn.matmul %x, %w : tensor<5x2xf32>, tensor<21x2xf32> -> tensor<5x21xf32>
  %x2 = muster.reduce_scatter %x1 sum on "tp" dim 1 : tensor<5x21xf32> -> tensor<5x7xf32>
  return %x2 : tensor<5x7xf32>
}
