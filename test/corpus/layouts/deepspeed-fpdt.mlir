// RUN: %python %S/../judge.py %s
//
// DeepSpeed FPDT (fully pipelined distributed transformer, no issue): a rank's sequence is stored as chunks r, p + r, 2p + r, ...
//
// One exchange for each local chunk gives one contiguous global chunk: right. One exchange for all of them has the same shapes and
// puts the source rank outside the chunk; that program is a slip and not in the project.
//
// The wrong one is right iff sp = 1 or there is one chunk.

// Two chunks, two exchanges. Sizes: n = 2.
muster.mesh @node <["sp" = 3]>
func.func @right_chunk_by_chunk(%x: tensor<10x2x21x11xf32> {muster.layout = #muster.layout<[(n s/sp), b, h, d]>})
    -> (tensor<30x2x7x11xf32> {muster.layout = #muster.layout<[(n s), b, h/sp, d]>}) {
  // chunk 0
  %x1 = tensor.extract_slice %x[0, 0, 0, 0] [5, 2, 21, 11] [1, 1, 1, 1] : tensor<10x2x21x11xf32> to tensor<5x2x21x11xf32>
  // view [s, b, p, h, d]
  %x2 = tensor.expand_shape %x1 [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x3_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x3 = linalg.transpose ins(%x2 : tensor<5x2x3x7x11xf32>) outs(%x3_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x4 = muster.exchange %x3 on "sp" : tensor<3x5x2x7x11xf32>
  // view [S, b, h, d]
  %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  // chunk 1
  %x6 = tensor.extract_slice %x[5, 0, 0, 0] [5, 2, 21, 11] [1, 1, 1, 1] : tensor<10x2x21x11xf32> to tensor<5x2x21x11xf32>
  // view [s, b, p, h, d]
  %x7 = tensor.expand_shape %x6 [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
  %x8_to = tensor.empty() : tensor<3x5x2x7x11xf32>
  %x8 = linalg.transpose ins(%x7 : tensor<5x2x3x7x11xf32>) outs(%x8_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x9 = muster.exchange %x8 on "sp" : tensor<3x5x2x7x11xf32>
  // view [S, b, h, d]
  %x10 = tensor.collapse_shape %x9 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
  %x11 = tensor.concat dim(0) %x5, %x10 : (tensor<15x2x7x11xf32>, tensor<15x2x7x11xf32>) -> tensor<30x2x7x11xf32>
  return %x11 : tensor<30x2x7x11xf32>
}

// -----

// The same as a loop. Sizes: n = 2.
muster.mesh @node <["sp" = 3]>
func.func @right_chunk_loop(%x: tensor<10x2x21x11xf32> {muster.layout = #muster.layout<[(n s/sp), b, h, d]>})
    -> (tensor<30x2x7x11xf32> {muster.layout = #muster.layout<[(n s), b, h/sp, d]>}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %length = arith.constant 5 : index
  %whole = arith.constant 15 : index
  %empty = tensor.empty() : tensor<30x2x7x11xf32>
  %chunks = scf.for %n = %c0 to %c2 step %c1 iter_args(%so_far = %empty) -> (tensor<30x2x7x11xf32>) {
    %from = arith.muli %n, %length : index
    %at = arith.muli %n, %whole : index
    %x1 = tensor.extract_slice %x[%from, 0, 0, 0] [5, 2, 21, 11] [1, 1, 1, 1] : tensor<10x2x21x11xf32> to tensor<5x2x21x11xf32>
    // view [s, b, p, h, d]
    %x2 = tensor.expand_shape %x1 [[0], [1], [2, 3], [4]] output_shape [5, 2, 3, 7, 11] : tensor<5x2x21x11xf32> into tensor<5x2x3x7x11xf32>
    // permute (2, 0, 1, 3, 4): [p, s, b, h, d]
    %x3_to = tensor.empty() : tensor<3x5x2x7x11xf32>
    %x3 = linalg.transpose ins(%x2 : tensor<5x2x3x7x11xf32>) outs(%x3_to : tensor<3x5x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
    %x4 = muster.exchange %x3 on "sp" : tensor<3x5x2x7x11xf32>
    // view [S, b, h, d]
    %x5 = tensor.collapse_shape %x4 [[0, 1], [2], [3], [4]] : tensor<3x5x2x7x11xf32> into tensor<15x2x7x11xf32>
    %next = tensor.insert_slice %x5 into %so_far[%at, 0, 0, 0] [15, 2, 7, 11] [1, 1, 1, 1] : tensor<15x2x7x11xf32> into tensor<30x2x7x11xf32>
    scf.yield %next : tensor<30x2x7x11xf32>
  }
  return %chunks : tensor<30x2x7x11xf32>
}

// -----

// Two chunks, one exchange. Sizes: n = 2.
muster.mesh @node <["sp" = 3]>
func.func @wrong_all_chunks_at_once(%x: tensor<10x2x21x11xf32> {muster.layout = #muster.layout<[(n s/sp), b, h, d]>})
    -> (tensor<30x2x7x11xf32> {muster.layout = #muster.layout<[(n s), b, h/sp, d]>}) {
  // both chunks in one exchange
  // view [2·s, b, p, h, d]
  %x1 = tensor.expand_shape %x [[0], [1], [2, 3], [4]] output_shape [10, 2, 3, 7, 11] : tensor<10x2x21x11xf32> into tensor<10x2x3x7x11xf32>
  // permute (2, 0, 1, 3, 4): [p, 2·s, b, h, d]
  %x2_to = tensor.empty() : tensor<3x10x2x7x11xf32>
  %x2 = linalg.transpose ins(%x1 : tensor<10x2x3x7x11xf32>) outs(%x2_to : tensor<3x10x2x7x11xf32>) permutation = [2, 0, 1, 3, 4]
  %x3 = muster.exchange %x2 on "sp" : tensor<3x10x2x7x11xf32>
  // view [p·2·s, b, h, d]
  %x4 = tensor.collapse_shape %x3 [[0, 1], [2], [3], [4]] : tensor<3x10x2x7x11xf32> into tensor<30x2x7x11xf32>
  return %x4 : tensor<30x2x7x11xf32>
}
