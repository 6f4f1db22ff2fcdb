// RUN: %python %S/../judge.py %s
//
// yunchang #57: results are wrong with data parallelism.
//
// What went wrong: a rank's place in the ring was computed from its global rank. That is its place in the group only if the group is
// the world. In the second data-parallel group the numbers run past the ring, and chunk 2p - 1 - r is still a chunk: the two halves
// change places and ranks.
//
// The wrong one is right iff dp = 1.

// The global rank, 2·dp + ring.
muster.mesh @node <["dp" = 2, "ring" = 2]>
func.func @wrong_global_rank(%x: tensor<3x20x7xf32> {muster.layout = #muster.layout<[b/dp, s, d]>})
    -> (tensor<3x10x7xf32> {muster.layout = #muster.layout<[b/dp, s/ring zigzag, d]>}) {
  %ring = muster.coordinate "ring"
  %dp = muster.coordinate "dp"
  %two = arith.constant 2 : index
  %above = arith.muli %dp, %two : index
  %rank = arith.addi %above, %ring : index
  %length = arith.constant 5 : index
  %last = arith.constant 3 : index
  %front = arith.muli %rank, %length : index
  %mirror = arith.subi %last, %rank : index
  %back = arith.muli %mirror, %length : index
  // chunks r and 2p - 1 - r of 2p
  %x1 = tensor.extract_slice %x[0, %front, 0] [3, 5, 7] [1, 1, 1] : tensor<3x20x7xf32> to tensor<3x5x7xf32>
  %x2 = tensor.extract_slice %x[0, %back, 0] [3, 5, 7] [1, 1, 1] : tensor<3x20x7xf32> to tensor<3x5x7xf32>
  %x3 = tensor.concat dim(1) %x1, %x2 : (tensor<3x5x7xf32>, tensor<3x5x7xf32>) -> tensor<3x10x7xf32>
  return %x3 : tensor<3x10x7xf32>
}

// -----

// The rank in the ring.
muster.mesh @node <["dp" = 2, "ring" = 2]>
func.func @right_rank_in_group(%x: tensor<3x20x7xf32> {muster.layout = #muster.layout<[b/dp, s, d]>})
    -> (tensor<3x10x7xf32> {muster.layout = #muster.layout<[b/dp, s/ring zigzag, d]>}) {
  %ring = muster.coordinate "ring"
  %length = arith.constant 5 : index
  %last = arith.constant 3 : index
  %front = arith.muli %ring, %length : index
  %mirror = arith.subi %last, %ring : index
  %back = arith.muli %mirror, %length : index
  // chunks r and 2p - 1 - r of 2p
  %x1 = tensor.extract_slice %x[0, %front, 0] [3, 5, 7] [1, 1, 1] : tensor<3x20x7xf32> to tensor<3x5x7xf32>
  %x2 = tensor.extract_slice %x[0, %back, 0] [3, 5, 7] [1, 1, 1] : tensor<3x20x7xf32> to tensor<3x5x7xf32>
  %x3 = tensor.concat dim(1) %x1, %x2 : (tensor<3x5x7xf32>, tensor<3x5x7xf32>) -> tensor<3x10x7xf32>
  return %x3 : tensor<3x10x7xf32>
}
