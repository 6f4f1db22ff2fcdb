// RUN: %python %S/../judge.py %s
//
// torchtitan #3604: the combine of a mixture of experts scatters to the wrong tokens when sequence-parallel ranks have a batch.
//
// What went wrong: rows are flattened (b, s) on each rank, and the global row was computed as local row + rank·(b·s). That numbers
// (rank, b, s); the tokens are numbered (b, rank, s).
//
// The wrong one is right iff b = 1 or sp = 1.

// The formula, as an exchange of rows.
muster.mesh @node <["sp" = 3]>
func.func @wrong_rank_outside_batch(%x: tensor<2x5x11xf32> {muster.layout = #muster.layout<[b, s/sp, d]>})
    -> (tensor<30x11xf32> {muster.layout = #muster.layout<[(b s), d]>}) {
  // row i of rank r goes to row i + r·(b·s)
  // view [b·s, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x5x11xf32> into tensor<10x11xf32>
  %x2 = muster.all_gather %x1 on "sp" dim 0 : tensor<10x11xf32> -> tensor<30x11xf32>
  return %x2 : tensor<30x11xf32>
}

// -----

// The same with symbols. Right iff b = 1 or sp = 1.
muster.mesh @node <["sp" = ?]>
func.func @wrong_rank_outside_batch_for_all_sizes(%x: tensor<?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, d]>})
    -> (tensor<?x?xf32> {muster.layout = #muster.layout<[(b s), d]>})
    attributes {muster.facts = #muster.facts<[sp|s]>} {
  // row i of rank r goes to row i + r·(b·s)
  // view [b·s, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x?x?xf32> into tensor<?x?xf32>
  %x2 = muster.all_gather %x1 on "sp" dim 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  return %x2 : tensor<?x?xf32>
}

// -----

// The same text with b = 1.
muster.mesh @node <["sp" = 3]>
func.func @right_by_luck(%x: tensor<1x5x11xf32> {muster.layout = #muster.layout<[b, s/sp, d]>})
    -> (tensor<15x11xf32> {muster.layout = #muster.layout<[(b s), d]>}) {
  // row i of rank r goes to row i + r·(b·s)
  // view [b·s, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<1x5x11xf32> into tensor<5x11xf32>
  %x2 = muster.all_gather %x1 on "sp" dim 0 : tensor<5x11xf32> -> tensor<15x11xf32>
  return %x2 : tensor<15x11xf32>
}

// -----

// Mended: the sequence is made whole before rows are flattened.
muster.mesh @node <["sp" = 3]>
func.func @right_gathered_along_sequence(%x: tensor<2x5x11xf32> {muster.layout = #muster.layout<[b, s/sp, d]>})
    -> (tensor<30x11xf32> {muster.layout = #muster.layout<[(b s), d]>}) {
  %x1 = muster.all_gather %x on "sp" dim 1 : tensor<2x5x11xf32> -> tensor<2x15x11xf32>
  // view [b·S, d]
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2]] : tensor<2x15x11xf32> into tensor<30x11xf32>
  return %x2 : tensor<30x11xf32>
}

// -----

// The same with symbols.
muster.mesh @node <["sp" = ?]>
func.func @right_gathered_along_sequence_for_all_sizes(%x: tensor<?x?x?xf32> {muster.layout = #muster.layout<[b, s/sp, d]>})
    -> (tensor<?x?xf32> {muster.layout = #muster.layout<[(b s), d]>})
    attributes {muster.facts = #muster.facts<[sp|s]>} {
  %x1 = muster.all_gather %x on "sp" dim 1 : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  // view [b·S, d]
  %x2 = tensor.collapse_shape %x1 [[0, 1], [2]] : tensor<?x?x?xf32> into tensor<?x?xf32>
  return %x2 : tensor<?x?xf32>
}
