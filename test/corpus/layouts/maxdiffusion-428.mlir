// RUN: %python %S/../judge.py %s
//
// MaxDiffusion #428 (and yunchang's asynchronous layer): the exchange is cut into chunks of heads, so that it overlaps with compute.
//
// Right if the way back is cut in the same way. In the middle a rank holds its part of each chunk, which is a legal head shard and not
// the contiguous one. One exchange back for all chunks has the same shapes; that program is a slip and not in the project.
//
// The wrong ones are right iff sp = 1 or there is one chunk.

// Two chunks there, two back.
muster.mesh @node <["sp" = 3]>
func.func @right_round_trip(%x: tensor<2x5x2x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, c, h, d]>})
    -> (tensor<2x5x42x11xf32> {muster.layout = #muster.layout<[b, s/sp, (c h), d]>}) {
  // view [b, s, k·H, d]
  %x1 = tensor.collapse_shape %x [[0], [1], [2, 3], [4]] : tensor<2x5x2x21x11xf32> into tensor<2x5x42x11xf32>
  // heads, chunk 0
  %x2 = tensor.extract_slice %x1[0, 0, 0, 0] [2, 5, 21, 11] [1, 1, 1, 1] : tensor<2x5x42x11xf32> to tensor<2x5x21x11xf32>
  %x3 = muster.all_to_all %x2 on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  // heads, chunk 1
  %x4 = tensor.extract_slice %x1[0, 0, 21, 0] [2, 5, 21, 11] [1, 1, 1, 1] : tensor<2x5x42x11xf32> to tensor<2x5x21x11xf32>
  %x5 = muster.all_to_all %x4 on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  %x6 = muster.all_to_all %x3 on "sp" split 1 concat 2 : tensor<2x15x7x11xf32> -> tensor<2x5x21x11xf32>
  %x7 = muster.all_to_all %x5 on "sp" split 1 concat 2 : tensor<2x15x7x11xf32> -> tensor<2x5x21x11xf32>
  %x8 = tensor.concat dim(2) %x6, %x7 : (tensor<2x5x21x11xf32>, tensor<2x5x21x11xf32>) -> tensor<2x5x42x11xf32>
  return %x8 : tensor<2x5x42x11xf32>
}

// -----

// The middle, declared as what it is.
muster.mesh @node <["sp" = 3]>
func.func @right_middle(%x: tensor<2x5x2x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, c, h, d]>})
    -> (tensor<2x15x14x11xf32> {muster.layout = #muster.layout<[b, s, (c h/sp), d]>}) {
  // view [b, s, k·H, d]
  %x1 = tensor.collapse_shape %x [[0], [1], [2, 3], [4]] : tensor<2x5x2x21x11xf32> into tensor<2x5x42x11xf32>
  // heads, chunk 0
  %x2 = tensor.extract_slice %x1[0, 0, 0, 0] [2, 5, 21, 11] [1, 1, 1, 1] : tensor<2x5x42x11xf32> to tensor<2x5x21x11xf32>
  %x3 = muster.all_to_all %x2 on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  // heads, chunk 1
  %x4 = tensor.extract_slice %x1[0, 0, 21, 0] [2, 5, 21, 11] [1, 1, 1, 1] : tensor<2x5x42x11xf32> to tensor<2x5x21x11xf32>
  %x5 = muster.all_to_all %x4 on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  %x6 = tensor.concat dim(2) %x3, %x5 : (tensor<2x15x7x11xf32>, tensor<2x15x7x11xf32>) -> tensor<2x15x14x11xf32>
  return %x6 : tensor<2x15x14x11xf32>
}

// -----

// Two chunks there, one back.
muster.mesh @node <["sp" = 3]>
func.func @wrong_back_at_once(%x: tensor<2x5x2x21x11xf32> {muster.layout = #muster.layout<[b, s/sp, c, h, d]>})
    -> (tensor<2x5x42x11xf32> {muster.layout = #muster.layout<[b, s/sp, (c h), d]>}) {
  // view [b, s, k·H, d]
  %x1 = tensor.collapse_shape %x [[0], [1], [2, 3], [4]] : tensor<2x5x2x21x11xf32> into tensor<2x5x42x11xf32>
  // heads, chunk 0
  %x2 = tensor.extract_slice %x1[0, 0, 0, 0] [2, 5, 21, 11] [1, 1, 1, 1] : tensor<2x5x42x11xf32> to tensor<2x5x21x11xf32>
  %x3 = muster.all_to_all %x2 on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  // heads, chunk 1
  %x4 = tensor.extract_slice %x1[0, 0, 21, 0] [2, 5, 21, 11] [1, 1, 1, 1] : tensor<2x5x42x11xf32> to tensor<2x5x21x11xf32>
  %x5 = muster.all_to_all %x4 on "sp" split 2 concat 1 : tensor<2x5x21x11xf32> -> tensor<2x15x7x11xf32>
  // back in one exchange
  %x6 = tensor.concat dim(2) %x3, %x5 : (tensor<2x15x7x11xf32>, tensor<2x15x7x11xf32>) -> tensor<2x15x14x11xf32>
  %x7 = muster.all_to_all %x6 on "sp" split 1 concat 2 : tensor<2x15x14x11xf32> -> tensor<2x5x42x11xf32>
  return %x7 : tensor<2x5x42x11xf32>
}
