// RUN: %python %S/../judge.py %s
//
// SGLang, q, k and v packed on the head dim, destination in front ([p, s, h, 3·d]; no issue): one exchange for three.
//
// Right if what was packed along d is unpacked along d. The wrong program unpacks along the heads: the same sizes, and each third
// holds a mixture. It is a slip and not in the project.
//
// The wrong one is right iff h/sp = 1.

// As it is.
muster.mesh @node <["sp" = 2]>
func.func @right_unpacked_where_packed(%q: tensor<5x14x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<5x14x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %v: tensor<5x14x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<10x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}, tensor<10x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}, tensor<10x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}) {
  // view [s, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1, 2], [3]] output_shape [5, 2, 7, 11] : tensor<5x14x11xf32> into tensor<5x2x7x11xf32>
  // permute (1, 0, 2, 3): [p, s, h, d]
  %q2_to = tensor.empty() : tensor<2x5x7x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<5x2x7x11xf32>) outs(%q2_to : tensor<2x5x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [s, p, h, d]
  %k1 = tensor.expand_shape %k [[0], [1, 2], [3]] output_shape [5, 2, 7, 11] : tensor<5x14x11xf32> into tensor<5x2x7x11xf32>
  // permute (1, 0, 2, 3): [p, s, h, d]
  %k2_to = tensor.empty() : tensor<2x5x7x11xf32>
  %k2 = linalg.transpose ins(%k1 : tensor<5x2x7x11xf32>) outs(%k2_to : tensor<2x5x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [s, p, h, d]
  %v1 = tensor.expand_shape %v [[0], [1, 2], [3]] output_shape [5, 2, 7, 11] : tensor<5x14x11xf32> into tensor<5x2x7x11xf32>
  // permute (1, 0, 2, 3): [p, s, h, d]
  %v2_to = tensor.empty() : tensor<2x5x7x11xf32>
  %v2 = linalg.transpose ins(%v1 : tensor<5x2x7x11xf32>) outs(%v2_to : tensor<2x5x7x11xf32>) permutation = [1, 0, 2, 3]
  // torch.cat([q, k, v], dim 3): [p, s, h, 3·d]
  %q3 = tensor.concat dim(3) %q2, %k2, %v2 : (tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>) -> tensor<2x5x7x33xf32>
  %q4 = muster.exchange %q3 on "sp" : tensor<2x5x7x33xf32>
  // view [S, h, 3·d]
  %q5 = tensor.collapse_shape %q4 [[0, 1], [2], [3]] : tensor<2x5x7x33xf32> into tensor<10x7x33xf32>
  %q6 = tensor.extract_slice %q5[0, 0, 0] [10, 7, 11] [1, 1, 1] : tensor<10x7x33xf32> to tensor<10x7x11xf32>
  %q7 = tensor.extract_slice %q5[0, 0, 11] [10, 7, 11] [1, 1, 1] : tensor<10x7x33xf32> to tensor<10x7x11xf32>
  %q8 = tensor.extract_slice %q5[0, 0, 22] [10, 7, 11] [1, 1, 1] : tensor<10x7x33xf32> to tensor<10x7x11xf32>
  return %q6, %q7, %q8 : tensor<10x7x11xf32>, tensor<10x7x11xf32>, tensor<10x7x11xf32>
}

// -----

// Unpacked along another dim.
muster.mesh @node <["sp" = 2]>
func.func @wrong_unpacked_along_heads(%q: tensor<5x14x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %k: tensor<5x14x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>},
    %v: tensor<5x14x11xf32> {muster.layout = #muster.layout<[s/sp, h, d]>})
    -> (tensor<10x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}, tensor<10x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}, tensor<10x7x11xf32> {muster.layout = #muster.layout<[s, h/sp, d]>}) {
  // view [s, p, h, d]
  %q1 = tensor.expand_shape %q [[0], [1, 2], [3]] output_shape [5, 2, 7, 11] : tensor<5x14x11xf32> into tensor<5x2x7x11xf32>
  // permute (1, 0, 2, 3): [p, s, h, d]
  %q2_to = tensor.empty() : tensor<2x5x7x11xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<5x2x7x11xf32>) outs(%q2_to : tensor<2x5x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [s, p, h, d]
  %k1 = tensor.expand_shape %k [[0], [1, 2], [3]] output_shape [5, 2, 7, 11] : tensor<5x14x11xf32> into tensor<5x2x7x11xf32>
  // permute (1, 0, 2, 3): [p, s, h, d]
  %k2_to = tensor.empty() : tensor<2x5x7x11xf32>
  %k2 = linalg.transpose ins(%k1 : tensor<5x2x7x11xf32>) outs(%k2_to : tensor<2x5x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [s, p, h, d]
  %v1 = tensor.expand_shape %v [[0], [1, 2], [3]] output_shape [5, 2, 7, 11] : tensor<5x14x11xf32> into tensor<5x2x7x11xf32>
  // permute (1, 0, 2, 3): [p, s, h, d]
  %v2_to = tensor.empty() : tensor<2x5x7x11xf32>
  %v2 = linalg.transpose ins(%v1 : tensor<5x2x7x11xf32>) outs(%v2_to : tensor<2x5x7x11xf32>) permutation = [1, 0, 2, 3]
  // torch.cat([q, k, v], dim 3): [p, s, h, 3·d]
  %q3 = tensor.concat dim(3) %q2, %k2, %v2 : (tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>, tensor<2x5x7x11xf32>) -> tensor<2x5x7x33xf32>
  %q4 = muster.exchange %q3 on "sp" : tensor<2x5x7x33xf32>
  // view [S, h, 3·d]
  %q5 = tensor.collapse_shape %q4 [[0, 1], [2], [3]] : tensor<2x5x7x33xf32> into tensor<10x7x33xf32>
  // view [S, 3·h, d]
  %q6 = tensor.collapse_shape %q5 [[0], [1, 2]] : tensor<10x7x33xf32> into tensor<10x231xf32>
  %q7 = tensor.expand_shape %q6 [[0], [1, 2]] output_shape [10, 21, 11] : tensor<10x231xf32> into tensor<10x21x11xf32>
  %q8 = tensor.extract_slice %q7[0, 0, 0] [10, 7, 11] [1, 1, 1] : tensor<10x21x11xf32> to tensor<10x7x11xf32>
  %q9 = tensor.extract_slice %q7[0, 7, 0] [10, 7, 11] [1, 1, 1] : tensor<10x21x11xf32> to tensor<10x7x11xf32>
  %q10 = tensor.extract_slice %q7[0, 14, 0] [10, 7, 11] [1, 1, 1] : tensor<10x21x11xf32> to tensor<10x7x11xf32>
  return %q8, %q9, %q10 : tensor<10x7x11xf32>, tensor<10x7x11xf32>, tensor<10x7x11xf32>
}
