// RUN: %python %S/../judge.py %s
//
// FastVideo `UlyssesAttention`, and SGLang before its rewrite (no issue): q, k and v concatenated along the batch, one exchange for
// three.
//
// Right for all sizes if q, k and v have as many heads: the batch only travels. Packing along the heads instead has the same shapes
// and gives each rank whole heads of one of the three; that program is a slip and not in the project.
//
// The wrong one is right iff sp = 1.

// As it is.
muster.mesh @node <["sp" = 2]>
func.func @right_packed_by_batch(%q: tensor<3x5x14x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %k: tensor<3x5x14x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %v: tensor<3x5x14x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<3x10x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}, tensor<3x10x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}, tensor<3x10x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // torch.cat([q, k, v], dim 0)
  %q1 = tensor.concat dim(0) %q, %k, %v : (tensor<3x5x14x11xf32>, tensor<3x5x14x11xf32>, tensor<3x5x14x11xf32>) -> tensor<9x5x14x11xf32>
  // view [3·b, s, p, h, d]
  %q2 = tensor.expand_shape %q1 [[0], [1], [2, 3], [4]] output_shape [9, 5, 2, 7, 11] : tensor<9x5x14x11xf32> into tensor<9x5x2x7x11xf32>
  // transpose (0, 2): [p, s, 3·b, h, d]
  %q3_to = tensor.empty() : tensor<2x5x9x7x11xf32>
  %q3 = linalg.transpose ins(%q2 : tensor<9x5x2x7x11xf32>) outs(%q3_to : tensor<2x5x9x7x11xf32>) permutation = [2, 1, 0, 3, 4]
  %q4 = muster.exchange %q3 on "sp" : tensor<2x5x9x7x11xf32>
  // view [S, 3·b, h, d]
  %q5 = tensor.collapse_shape %q4 [[0, 1], [2], [3], [4]] : tensor<2x5x9x7x11xf32> into tensor<10x9x7x11xf32>
  // transpose (0, 1): [3·b, S, h, d]
  %q6_to = tensor.empty() : tensor<9x10x7x11xf32>
  %q6 = linalg.transpose ins(%q5 : tensor<10x9x7x11xf32>) outs(%q6_to : tensor<9x10x7x11xf32>) permutation = [1, 0, 2, 3]
  // torch.chunk(3, dim 0)
  %q7 = tensor.extract_slice %q6[0, 0, 0, 0] [3, 10, 7, 11] [1, 1, 1, 1] : tensor<9x10x7x11xf32> to tensor<3x10x7x11xf32>
  %q8 = tensor.extract_slice %q6[3, 0, 0, 0] [3, 10, 7, 11] [1, 1, 1, 1] : tensor<9x10x7x11xf32> to tensor<3x10x7x11xf32>
  %q9 = tensor.extract_slice %q6[6, 0, 0, 0] [3, 10, 7, 11] [1, 1, 1, 1] : tensor<9x10x7x11xf32> to tensor<3x10x7x11xf32>
  return %q7, %q8, %q9 : tensor<3x10x7x11xf32>, tensor<3x10x7x11xf32>, tensor<3x10x7x11xf32>
}

// -----

// The three in one head dim.
muster.mesh @node <["sp" = 2]>
func.func @wrong_packed_by_heads(%q: tensor<3x5x14x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %k: tensor<3x5x14x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>},
    %v: tensor<3x5x14x11xf32> {muster.layout = #muster.layout<[b, s/sp, h, d]>})
    -> (tensor<3x10x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}, tensor<3x10x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}, tensor<3x10x7x11xf32> {muster.layout = #muster.layout<[b, s, h/sp, d]>}) {
  // torch.cat([q, k, v], dim 2)
  %q1 = tensor.concat dim(2) %q, %k, %v : (tensor<3x5x14x11xf32>, tensor<3x5x14x11xf32>, tensor<3x5x14x11xf32>) -> tensor<3x5x42x11xf32>
  // view [b, s, p, 3·h, d]
  %q2 = tensor.expand_shape %q1 [[0], [1], [2, 3], [4]] output_shape [3, 5, 2, 21, 11] : tensor<3x5x42x11xf32> into tensor<3x5x2x21x11xf32>
  // transpose (0, 2): [p, s, b, 3·h, d]
  %q3_to = tensor.empty() : tensor<2x5x3x21x11xf32>
  %q3 = linalg.transpose ins(%q2 : tensor<3x5x2x21x11xf32>) outs(%q3_to : tensor<2x5x3x21x11xf32>) permutation = [2, 1, 0, 3, 4]
  %q4 = muster.exchange %q3 on "sp" : tensor<2x5x3x21x11xf32>
  // view [S, b, 3·h, d]
  %q5 = tensor.collapse_shape %q4 [[0, 1], [2], [3], [4]] : tensor<2x5x3x21x11xf32> into tensor<10x3x21x11xf32>
  // transpose (0, 1): [b, S, 3·h, d]
  %q6_to = tensor.empty() : tensor<3x10x21x11xf32>
  %q6 = linalg.transpose ins(%q5 : tensor<10x3x21x11xf32>) outs(%q6_to : tensor<3x10x21x11xf32>) permutation = [1, 0, 2, 3]
  // torch.chunk(3, dim 2)
  %q7 = tensor.extract_slice %q6[0, 0, 0, 0] [3, 10, 7, 11] [1, 1, 1, 1] : tensor<3x10x21x11xf32> to tensor<3x10x7x11xf32>
  %q8 = tensor.extract_slice %q6[0, 0, 7, 0] [3, 10, 7, 11] [1, 1, 1, 1] : tensor<3x10x21x11xf32> to tensor<3x10x7x11xf32>
  %q9 = tensor.extract_slice %q6[0, 0, 14, 0] [3, 10, 7, 11] [1, 1, 1, 1] : tensor<3x10x21x11xf32> to tensor<3x10x7x11xf32>
  return %q7, %q8, %q9 : tensor<3x10x7x11xf32>, tensor<3x10x7x11xf32>, tensor<3x10x7x11xf32>
}
