// RUN: %python %S/../judge.py %s
//
// Megatron-LM #5243: rotary embedding of packed sequences under context parallelism uses positions of the first sequence for all.
//
// What went wrong: a context-parallel rank owns a front and a back chunk of each sequence. The table holds one row a token of the
// packed batch, and the slices were taken from its start for every sequence: with cu_seqlens [0, 4, 8] on two ranks, rank 0 must use
// rows [0, 3, 4, 7] and used [0, 3, 0, 3].
//
// The wrong one is right iff there is one sequence.

// The program without mesh: row i of the packed table for token i. A product stands for the rotation.
func.func @logical(%x: tensor<2x12x5xf32>,
    %angles: tensor<2x12x5xf32>)
    -> tensor<24x5xf32> {
  // view [2·4·c, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x12x5xf32> into tensor<24x5xf32>
  // view [2·4·c, d]
  %angles1 = tensor.collapse_shape %angles [[0, 1], [2]] : tensor<2x12x5xf32> into tensor<24x5xf32>
  %y1_to = tensor.empty() : tensor<24x5xf32>
  %y1 = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1, %angles1 : tensor<24x5xf32>, tensor<24x5xf32>) outs(%y1_to : tensor<24x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %y = arith.mulf %in0, %in1 : f32
    linalg.yield %y : f32
  } -> tensor<24x5xf32>
  return %y1 : tensor<24x5xf32>
}

// -----

// Both sequences cut from the start of the table.
muster.mesh @node <["cp" = 2]>
func.func @wrong_rows_of_the_first_sequence(%x: tensor<2x6x5xf32> {muster.layout = #muster.layout<[q, s/cp zigzag, d]>},
    %angles: tensor<2x12x5xf32> {muster.layout = #muster.layout<[q, s, d]>})
    -> (tensor<12x5xf32> {muster.layout = #muster.layout<[(q s/cp zigzag), d]>}) {
  // view [2·2·c, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x6x5xf32> into tensor<12x5xf32>
  // view [2·4·c, d]
  %angles1 = tensor.collapse_shape %angles [[0, 1], [2]] : tensor<2x12x5xf32> into tensor<24x5xf32>
  %rank = muster.coordinate "cp"
  %chunk = arith.constant 3 : index
  %last = arith.constant 3 : index
  %front = arith.muli %rank, %chunk : index
  %mirror = arith.subi %last, %rank : index
  %back = arith.muli %mirror, %chunk : index
  // sequence 0: chunks rank and 3 - rank, from the start of the table
  %angles2 = tensor.extract_slice %angles1[%front, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  %angles3 = tensor.extract_slice %angles1[%back, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  // sequence 1: chunks rank and 3 - rank, from the start of the table
  %angles4 = tensor.extract_slice %angles1[%front, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  %angles5 = tensor.extract_slice %angles1[%back, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  %angles6 = tensor.concat dim(0) %angles2, %angles3, %angles4, %angles5 : (tensor<3x5xf32>, tensor<3x5xf32>, tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<12x5xf32>
  %y1_to = tensor.empty() : tensor<12x5xf32>
  %y1 = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1, %angles6 : tensor<12x5xf32>, tensor<12x5xf32>) outs(%y1_to : tensor<12x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %y = arith.mulf %in0, %in1 : f32
    linalg.yield %y : f32
  } -> tensor<12x5xf32>
  return %y1 : tensor<12x5xf32>
}

// -----

// Each sequence cut from its start.
muster.mesh @node <["cp" = 2]>
func.func @right_rows_of_each_sequence(%x: tensor<2x6x5xf32> {muster.layout = #muster.layout<[q, s/cp zigzag, d]>},
    %angles: tensor<2x12x5xf32> {muster.layout = #muster.layout<[q, s, d]>})
    -> (tensor<12x5xf32> {muster.layout = #muster.layout<[(q s/cp zigzag), d]>}) {
  // view [2·2·c, d]
  %x1 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x6x5xf32> into tensor<12x5xf32>
  // view [2·4·c, d]
  %angles1 = tensor.collapse_shape %angles [[0, 1], [2]] : tensor<2x12x5xf32> into tensor<24x5xf32>
  %rank = muster.coordinate "cp"
  %chunk = arith.constant 3 : index
  %last = arith.constant 3 : index
  %front = arith.muli %rank, %chunk : index
  %mirror = arith.subi %last, %rank : index
  %back = arith.muli %mirror, %chunk : index
  // sequence 0: chunks rank and 3 - rank, from its start in the table
  %angles2 = tensor.extract_slice %angles1[%front, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  %angles3 = tensor.extract_slice %angles1[%back, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  // sequence 1: chunks rank and 3 - rank, from its start in the table
  %start = arith.constant 12 : index
  %front_1 = arith.addi %front, %start : index
  %angles4 = tensor.extract_slice %angles1[%front_1, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  %back_1 = arith.addi %back, %start : index
  %angles5 = tensor.extract_slice %angles1[%back_1, 0] [3, 5] [1, 1] : tensor<24x5xf32> to tensor<3x5xf32>
  %angles6 = tensor.concat dim(0) %angles2, %angles3, %angles4, %angles5 : (tensor<3x5xf32>, tensor<3x5xf32>, tensor<3x5xf32>, tensor<3x5xf32>) -> tensor<12x5xf32>
  %y1_to = tensor.empty() : tensor<12x5xf32>
  %y1 = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%x1, %angles6 : tensor<12x5xf32>, tensor<12x5xf32>) outs(%y1_to : tensor<12x5xf32>) {
  ^bb0(%in0: f32, %in1: f32, %unused: f32):
    %y = arith.mulf %in0, %in1 : f32
    linalg.yield %y : f32
  } -> tensor<12x5xf32>
  return %y1 : tensor<12x5xf32>
}
