// RUN: %python %S/../judge.py %s
//
// PyTorch #179502: `DTensor.view(16, 6)` of a tensor sharded on dim 1 is silently wrong.
//
// What went wrong: a view that splits the sharded dim was taken rank by rank. The shard is the outer part of that dim, and in the view
// it stands inside dim 0, not in dim 1: the local parts have the right number of elements and the wrong ones. The sharded part must
// stay in front of its dim, or the tensor must be redistributed first.
//
// The wrong one is right iff sp = 1.

// (5, 28) sharded on dim 1, viewed as (10, 14). Sizes: u = 2, v = 14.
muster.mesh @node <["sp" = 2]>
func.func @wrong_view_of_parts(%x: tensor<5x14xf32> {muster.layout = #muster.layout<[r, (u/sp v)]>})
    -> (tensor<10x7xf32> {muster.layout = #muster.layout<[(r u), v/sp]>}) {
  // view (r·u, v) of the local part, still called Shard(1)
  // view [10, 7]
  %x1 = tensor.collapse_shape %x [[0, 1]] : tensor<5x14xf32> into tensor<70xf32>
  %x2 = tensor.expand_shape %x1 [[0, 1]] output_shape [10, 7] : tensor<70xf32> into tensor<10x7xf32>
  return %x2 : tensor<10x7xf32>
}

// -----

// What the view is: dim 0 is (r, u) with u sharded, and nothing moves. Sizes: u = 2, v = 14.
muster.mesh @node <["sp" = 2]>
func.func @right_shard_moves_to_dim_0(%x: tensor<5x14xf32> {muster.layout = #muster.layout<[r, (u/sp v)]>})
    -> (tensor<5x14xf32> {muster.layout = #muster.layout<[(r u/sp), v]>}) {
  return %x : tensor<5x14xf32>
}

// -----

// Whole, viewed, cut again. Sizes: u = 2, v = 14.
muster.mesh @node <["sp" = 2]>
func.func @right_redistributed(%x: tensor<5x14xf32> {muster.layout = #muster.layout<[r, (u/sp v)]>})
    -> (tensor<10x7xf32> {muster.layout = #muster.layout<[(r u), v/sp]>}) {
  %x1 = muster.all_gather %x on "sp" dim 1 : tensor<5x14xf32> -> tensor<5x28xf32>
  // view [10, 14]
  %x2 = tensor.collapse_shape %x1 [[0, 1]] : tensor<5x28xf32> into tensor<140xf32>
  %x3 = tensor.expand_shape %x2 [[0, 1]] output_shape [10, 14] : tensor<140xf32> into tensor<10x14xf32>
  %x4 = muster.slice %x3 on "sp" dim 1 : tensor<10x14xf32> -> tensor<10x7xf32>
  return %x4 : tensor<10x7xf32>
}
