// RUN: %python %S/../judge.py %s
//
// PyTorch #115525 (with #168134, #194457, #144109): `full_tensor()` of a parameter that is sharded over two mesh dims comes back in
// the wrong order.
//
// What went wrong: tensor parallelism cuts the dim first and fully-sharded data parallelism cuts each part again, so the shard order
// is (tp, dp) while the mesh lists dp first. Gathering over the flattened mesh, or over tp before dp, takes the other order.
//
// The wrong ones are right iff one of the two axes has size 1.

// One gather over the mesh in its own order.
muster.mesh @node <["dp" = 2, "tp" = 3]>
func.func @wrong_flattened_mesh(%w: tensor<5x7xf32> {muster.layout = #muster.layout<[o/(tp,dp), i]>})
    -> (tensor<30x7xf32> {muster.layout = #muster.layout<[o, i]>}) {
  %w1 = muster.all_gather %w on ["dp", "tp"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  return %w1 : tensor<30x7xf32>
}

// -----

// Two gathers, the outer shard first.
muster.mesh @node <["dp" = 2, "tp" = 3]>
func.func @wrong_outer_first(%w: tensor<5x7xf32> {muster.layout = #muster.layout<[o/(tp,dp), i]>})
    -> (tensor<30x7xf32> {muster.layout = #muster.layout<[o, i]>}) {
  %w1 = muster.all_gather %w on "tp" dim 0 : tensor<5x7xf32> -> tensor<15x7xf32>
  %w2 = muster.all_gather %w1 on "dp" dim 0 : tensor<15x7xf32> -> tensor<30x7xf32>
  return %w2 : tensor<30x7xf32>
}

// -----

// One gather in the order of the shards.
muster.mesh @node <["dp" = 2, "tp" = 3]>
func.func @right_in_shard_order(%w: tensor<5x7xf32> {muster.layout = #muster.layout<[o/(tp,dp), i]>})
    -> (tensor<30x7xf32> {muster.layout = #muster.layout<[o, i]>}) {
  %w1 = muster.all_gather %w on ["tp", "dp"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  return %w1 : tensor<30x7xf32>
}

// -----

// Two gathers, the inner shard first.
muster.mesh @node <["dp" = 2, "tp" = 3]>
func.func @right_inner_first(%w: tensor<5x7xf32> {muster.layout = #muster.layout<[o/(tp,dp), i]>})
    -> (tensor<30x7xf32> {muster.layout = #muster.layout<[o, i]>}) {
  %w1 = muster.all_gather %w on "dp" dim 0 : tensor<5x7xf32> -> tensor<10x7xf32>
  %w2 = muster.all_gather %w1 on "tp" dim 0 : tensor<10x7xf32> -> tensor<30x7xf32>
  return %w2 : tensor<30x7xf32>
}
