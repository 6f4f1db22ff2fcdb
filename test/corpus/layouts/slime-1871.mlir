// RUN: %python %S/../judge.py %s
//
// slime #1871: tokens are scrambled with --allgather-cp.
//
// What went wrong: the producer cuts the sequence into contiguous parts, the consumer gathers them and undoes a zig-zag that was never
// made.
//
// The wrong one is right iff cp = 1.

// Contiguous parts, zig-zag undone.
muster.mesh @node <["cp" = 2]>
func.func @wrong_zigzag_undone_twice(%x: tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp, d]>})
    -> (tensor<20x7xf32> {muster.layout = #muster.layout<[s, d]>}) {
  %x1 = muster.all_gather %x on "cp" dim 0 : tensor<10x7xf32> -> tensor<20x7xf32>
  // undo zig-zag: chunks lie as 0, 3, 1, 2
  %x2 = tensor.extract_slice %x1[0, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x3 = tensor.extract_slice %x1[10, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x4 = tensor.extract_slice %x1[15, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x5 = tensor.extract_slice %x1[5, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x6 = tensor.concat dim(0) %x2, %x3, %x4, %x5 : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<20x7xf32>
  return %x6 : tensor<20x7xf32>
}

// -----

// Contiguous parts, gathered.
muster.mesh @node <["cp" = 2]>
func.func @right_contiguous(%x: tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp, d]>})
    -> (tensor<20x7xf32> {muster.layout = #muster.layout<[s, d]>}) {
  %x1 = muster.all_gather %x on "cp" dim 0 : tensor<10x7xf32> -> tensor<20x7xf32>
  return %x1 : tensor<20x7xf32>
}

// -----

// Zig-zag parts, gathered, zig-zag undone.
muster.mesh @node <["cp" = 2]>
func.func @right_zigzag(%x: tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp zigzag, d]>})
    -> (tensor<20x7xf32> {muster.layout = #muster.layout<[s, d]>}) {
  %x1 = muster.all_gather %x on "cp" dim 0 : tensor<10x7xf32> -> tensor<20x7xf32>
  // undo zig-zag: chunks lie as 0, 3, 1, 2
  %x2 = tensor.extract_slice %x1[0, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x3 = tensor.extract_slice %x1[10, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x4 = tensor.extract_slice %x1[15, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x5 = tensor.extract_slice %x1[5, 0] [5, 7] [1, 1] : tensor<20x7xf32> to tensor<5x7xf32>
  %x6 = tensor.concat dim(0) %x2, %x3, %x4, %x5 : (tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>, tensor<5x7xf32>) -> tensor<20x7xf32>
  return %x6 : tensor<20x7xf32>
}

// -----

// The other way to be wrong: zig-zag parts, gathered, left as they lie.
muster.mesh @node <["cp" = 2]>
func.func @wrong_zigzag_not_undone(%x: tensor<10x7xf32> {muster.layout = #muster.layout<[s/cp zigzag, d]>})
    -> (tensor<20x7xf32> {muster.layout = #muster.layout<[s, d]>}) {
  %x1 = muster.all_gather %x on "cp" dim 0 : tensor<10x7xf32> -> tensor<20x7xf32>
  return %x1 : tensor<20x7xf32>
}
