// RUN: %python %S/../judge.py %s
//
// FastVideo #574: the tile grid of video sparse attention is wrong under sequence parallelism.
//
// What went wrong: the grid was computed from the local length of the latent, and used on the whole sequence after the exchange. The
// product of its sizes still fits. (The permutation here stands for the tiling.)
//
// The wrong one is right iff sp = 1.

// The local grid on the whole sequence.
muster.mesh @node <["sp" = 2]>
func.func @wrong_local_grid(%q: tensor<3x5x7x4x11xf32> {muster.layout = #muster.layout<[t/sp, y, x, h, d]>})
    -> (tensor<210x2x11xf32> {muster.layout = #muster.layout<[(y t x), h/sp, d]>}) {
  // view [t·y·x, p·h, d]
  %q1 = tensor.collapse_shape %q [[0, 1, 2], [3], [4]] : tensor<3x5x7x4x11xf32> into tensor<105x4x11xf32>
  %q2 = muster.all_to_all %q1 on "sp" split 1 concat 0 : tensor<105x4x11xf32> -> tensor<210x2x11xf32>
  // grid (T / p, p·Y, X): the local length of the latent was taken for the whole
  // view [t, p·y, x, h, d]
  %q3 = tensor.expand_shape %q2 [[0, 1, 2], [3], [4]] output_shape [3, 10, 7, 2, 11] : tensor<210x2x11xf32> into tensor<3x10x7x2x11xf32>
  // permute (1, 0, 2, 3, 4): [p·y, t, x, h, d]
  %q4_to = tensor.empty() : tensor<10x3x7x2x11xf32>
  %q4 = linalg.transpose ins(%q3 : tensor<3x10x7x2x11xf32>) outs(%q4_to : tensor<10x3x7x2x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [p·y·t·x, h, d]
  %q5 = tensor.collapse_shape %q4 [[0, 1, 2], [3], [4]] : tensor<10x3x7x2x11xf32> into tensor<210x2x11xf32>
  return %q5 : tensor<210x2x11xf32>
}

// -----

// The grid of the whole video.
muster.mesh @node <["sp" = 2]>
func.func @right_global_grid(%q: tensor<3x5x7x4x11xf32> {muster.layout = #muster.layout<[t/sp, y, x, h, d]>})
    -> (tensor<210x2x11xf32> {muster.layout = #muster.layout<[(y t x), h/sp, d]>}) {
  // view [t·y·x, p·h, d]
  %q1 = tensor.collapse_shape %q [[0, 1, 2], [3], [4]] : tensor<3x5x7x4x11xf32> into tensor<105x4x11xf32>
  %q2 = muster.all_to_all %q1 on "sp" split 1 concat 0 : tensor<105x4x11xf32> -> tensor<210x2x11xf32>
  // grid (T, Y, X) of the whole video
  // view [p·t, y, x, h, d]
  %q3 = tensor.expand_shape %q2 [[0, 1, 2], [3], [4]] output_shape [6, 5, 7, 2, 11] : tensor<210x2x11xf32> into tensor<6x5x7x2x11xf32>
  // permute (1, 0, 2, 3, 4): [y, p·t, x, h, d]
  %q4_to = tensor.empty() : tensor<5x6x7x2x11xf32>
  %q4 = linalg.transpose ins(%q3 : tensor<6x5x7x2x11xf32>) outs(%q4_to : tensor<5x6x7x2x11xf32>) permutation = [1, 0, 2, 3, 4]
  // view [y·p·t·x, h, d]
  %q5 = tensor.collapse_shape %q4 [[0, 1, 2], [3], [4]] : tensor<5x6x7x2x11xf32> into tensor<210x2x11xf32>
  return %q5 : tensor<210x2x11xf32>
}
