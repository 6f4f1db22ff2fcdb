// RUN: %python %S/../judge.py %s
//
// DeepSpeed FPDT (fully pipelined distributed transformer, no issue): a rank's sequence is stored as chunks r, p + r, 2p + r, ...
//
// One exchange for each local chunk gives one contiguous global chunk: right. One exchange for all of them has the same shapes and
// puts the source rank outside the chunk; that program is a slip and not in the project.
//
// The wrong one is right iff sp = 1 or there is one chunk.

// Two chunks, two exchanges.
muster.mesh @node <["sp" = 3]>
func.func @right_chunk_by_chunk(%x: tensor<2x5x2x21x11xf32> {muster.layout = #muster.layout<[n, s/sp, b, h, d]>})
    -> (tensor<30x2x7x11xf32> {muster.layout = #muster.layout<[(n s), b, h/sp, d]>}) {
  // view [2·s, b, H, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3], [4]] : tensor<2x5x2x21x11xf32> into tensor<10x2x21x11xf32>
  // chunk 0
  %x2 = tensor.extract_slice %x1[0, 0, 0, 0] [5, 2, 21, 11] [1, 1, 1, 1] : tensor<10x2x21x11xf32> to tensor<5x2x21x11xf32>
  // view [s, b, p, h, d]
  %x3 = tensor.expand_shape %x2 [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x4_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x4 = linalg.transpose ins(%x3 : tensor<5x2x3x7x11xf32>) outs(%x4_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x5 = muster.exchange %x4 on "sp" : tensor<3x5x2x7x11xf32>
  // view [S, b, h, d]
  %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  // chunk 1
  %x7 = tensor.extract_slice %x1[5, 0, 0, 0] [5, 2, 21, 11] [1, 1, 1, 1] : tensor<10x2x21x11xf32> to tensor<5x2x21x11xf32>
  // view [s, b, p, h, d]
  %x8 = tensor.expand_shape %x7 [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x9_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x9 = linalg.transpose ins(%x8 : tensor<5x2x3x7x11xf32>) outs(%x9_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x10 = muster.exchange %x9 on "sp" : tensor<3x5x2x7x11xf32>
  // view [S, b, h, d]
  %x11 = tensor.collapse_shape %x10 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  %x12 = tensor.concat dim(0) %x6, %x11 : (tensor<15x2x7x11xf32>, tensor<15x2x7x11xf32>) -> tensor<30x2x7x11xf32>
  return %x12 : tensor<30x2x7x11xf32>
}

// -----

// The same as a loop.
muster.mesh @node <["sp" = 3]>
func.func @right_chunk_loop(%x: tensor<2x5x2x21x11xf32> {muster.layout = #muster.layout<[n, s/sp, b, h, d]>})
    -> (tensor<30x2x7x11xf32> {muster.layout = #muster.layout<[(n s), b, h/sp, d]>}) {
  // view [2·s, b, H, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3], [4]] : tensor<2x5x2x21x11xf32> into tensor<10x2x21x11xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %length = arith.constant 5 : index
  %whole = arith.constant 15 : index
  %empty = tensor.empty() : tensor<30x2x7x11xf32>
  %chunks = scf.for %n = %c0 to %c2 step %c1 iter_args(%so_far = %empty) -> (tensor<30x2x7x11xf32>) {
    %from = arith.muli %n, %length : index
    %at = arith.muli %n, %whole : index
    %x2 = tensor.extract_slice %x1[%from, 0, 0, 0] [5, 2, 21, 11] [1, 1, 1, 1] : tensor<10x2x21x11xf32> to tensor<5x2x21x11xf32>
    // view [s, b, p, h, d]
    %x3 = tensor.expand_shape %x2 [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
    // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
    %x4_to = tensor.empty() : tensor<3x5x2x7x11xf32>
    %x4 = linalg.transpose ins(%x3 : tensor<5x2x3x7x11xf32>) outs(%x4_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
    %x5 = muster.exchange %x4 on "sp" : tensor<3x5x2x7x11xf32>
    // view [S, b, h, d]
    %x6 = tensor.collapse_shape %x5 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
    %next = tensor.insert_slice %x6 into %so_far[%at, 0, 0, 0] [15, 2, 7, 11] [1, 1, 1, 1] : tensor<15x2x7x11xf32> into tensor<30x2x7x11xf32>
    scf.yield %next : tensor<30x2x7x11xf32>
  }
  return %chunks : tensor<30x2x7x11xf32>
}

// -----

// Two chunks, one exchange.
muster.mesh @node <["sp" = 3]>
func.func @wrong_all_chunks_at_once(%x: tensor<2x5x2x21x11xf32> {muster.layout = #muster.layout<[n, s/sp, b, h, d]>})
    -> (tensor<30x2x7x11xf32> {muster.layout = #muster.layout<[(n s), b, h/sp, d]>}) {
  // view [2·s, b, H, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2], [3], [4]] : tensor<2x5x2x21x11xf32> into tensor<10x2x21x11xf32>
  // both chunks in one exchange
  // view [2·s, b, p, h, d]
  %x2 = tensor.expand_shape %x1 [[0], [1], [2, 3], [4]] output_shape [10, 2, 3, 7, 11] : tensor<10x2x21x11xf32> into tensor<10x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, 2·s, b, h, d]
  %x3_to = tensor.empty() : tensor<3x10x2x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<10x2x3x7x11xf32>) outs(%x3_to : tensor<3x10x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x10x2x7x11xf32>
  // view [p·2·s, b, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<3x10x2x7x11xf32> into tensor<30x2x7x11xf32>
  return %x5 : tensor<30x2x7x11xf32>
}
