// RUN: %python %S/../judge.py %s
//
// yunchang #53: USP with zig-zag is silently plain.
//
// What went wrong: the layer assumes that rank r holds chunks r and 2p - 1 - r of the sequence, and nothing had put them there. With a
// causal mask the rows meet masks of other rows.
//
// The wrong one is right iff cp = 1.

// Contiguous rows, used as zig-zag.
muster.mesh @node <["cp" = 2]>
func.func @wrong_not_reordered(%x: tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp, d]>})
    -> (tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp zigzag, d]>}) {
  return %x : tensor<10x7xf32>
}

// -----

// Made whole, reordered, cut.
muster.mesh @node <["cp" = 2]>
func.func @right_reordered(%x: tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp, d]>})
    -> (tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp zigzag, d]>}) {
  %x1 = muster.all_gather %x on "cp" dim 0 : tensor<10x7xf32> -> tensor<20x7xf32>
  // chunks 0, 3 for rank 0 and 1, 2 for rank 1
  %x2 = tensor.extract_slice %x1[0, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x3 = tensor.extract_slice %x1[15, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x4 = tensor.extract_slice %x1[5, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x5 = tensor.extract_slice %x1[10, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x6 = tensor.concat dim(0) %x2, %x3, %x4, %x5 : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<20x7xf32>
  %x7 = muster.slice %x6 on "cp" dim 0 : tensor<20x7xf32> -> tensor<10x7xf32>
  return %x7 : tensor<10x7xf32>
}
