// RUN: %python %S/../judge.py %s
//
// aws-neuron/transformers-neuronx #109: axes are split so that the sharding is lost.
//
// What went wrong: a sharded dim of size c·a is split in two, and the inner one is taken for the sharded one. The shard is the outer
// part: c is sharded, a is whole.
//
// The wrong one is right iff sp = 1 or c/sp = 1.

// Joined along the inner part.
muster.mesh @node <["sp" = 2]>
func.func @wrong_inner_part_joined(%x: tensor<6x7x5xf32> {muster.layout = #muster.layout<[c/sp, a, e]>})
    -> (tensor<84x5xf32> {muster.layout = #muster.layout<[(c a), e]>}) {
  // view [6·7, 5]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<6x7x5xf32> into tensor<42x5xf32>
  // the rank's rows are split as (c, a / p), and the ranks' parts are joined along a
  // view [2·3, 7, 5]
  %x2 = tensor.expand_shape %x1 [[0, 1], [2]] output_shape [6, 7, 5] : tensor<42x5xf32> into tensor<6x7x5xf32>
  %x3 = muster.all_gather %x2 on "sp" dim 1 : tensor<6x7x5xf32> -> tensor<6x14x5xf32>
  // view [6·14, 5]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2]] : tensor<6x14x5xf32> into tensor<84x5xf32>
  return %x4 : tensor<84x5xf32>
}

// -----

// Joined along the outer part.
muster.mesh @node <["sp" = 2]>
func.func @right_outer_part_joined(%x: tensor<6x7x5xf32> {muster.layout = #muster.layout<[c/sp, a, e]>})
    -> (tensor<84x5xf32> {muster.layout = #muster.layout<[(c a), e]>}) {
  %x1 = muster.all_gather %x on "sp" dim 0 : tensor<6x7x5xf32> -> tensor<12x7x5xf32>
  // view [12·7, 5]
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2]] : tensor<12x7x5xf32> into tensor<84x5xf32>
  return %x2 : tensor<84x5xf32>
}
