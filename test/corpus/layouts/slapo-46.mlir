// RUN: %python %S/../judge.py %s
//
// awslabs/slapo #46: a model trained with tensor parallelism gives wrong results without, and the reverse.
//
// What went wrong: the fused weight has the rows of q, then of k, then of v. Cut along dim 0 as one tensor, a rank's part is a piece
// of q alone, or of two of the three, and chunk(3) takes its thirds for q, k and v. Either each of the three is cut on its own, or the
// rows are stored interleaved.
//
// The wrong one is right iff tp = 1.

// The program without mesh: rows are all of q, all of k, all of v.
func.func @logical(%x: tensor<5x7xf32>,
    %qkv: tensor<18x7xf32>)
    -> (tensor<5x6xf32>, tensor<5x6xf32>, tensor<5x6xf32>) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<18x7xf32> -> tensor<5x18xf32>
  %x2 = tensor.extract_slice %x1[0, 0] [5, 6] [1, 1] : tensor<5x18xf32> to tensor<5x6xf32>
  %x3 = tensor.extract_slice %x1[0, 6] [5, 6] [1, 1] : tensor<5x18xf32> to tensor<5x6xf32>
  %x4 = tensor.extract_slice %x1[0, 12] [5, 6] [1, 1] : tensor<5x18xf32> to tensor<5x6xf32>
  return %x2, %x3, %x4 : tensor<5x6xf32>, tensor<5x6xf32>, tensor<5x6xf32>
}

// -----

// The fused rows cut as one dim.
muster.mesh @node <["tp" = 3]>
func.func @wrong_cut_as_one(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<6x7xf32> {muster.layout = #muster.layout<[r/tp, i]>})
    -> (tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}, tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}, tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<6x7xf32> -> tensor<5x6xf32>
  // chunk(3, dim -1)
  %x2 = tensor.extract_slice %x1[0, 0] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %x3 = tensor.extract_slice %x1[0, 2] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %x4 = tensor.extract_slice %x1[0, 4] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  return %x2, %x3, %x4 : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}

// -----

// Each of the three cut. Sizes: c = 3.
muster.mesh @node <["tp" = 3]>
func.func @right_cut_each(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<6x7xf32> {muster.layout = #muster.layout<[(c o/tp), i]>})
    -> (tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}, tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}, tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<6x7xf32> -> tensor<5x6xf32>
  // chunk(3, dim -1)
  %x2 = tensor.extract_slice %x1[0, 0] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %x3 = tensor.extract_slice %x1[0, 2] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %x4 = tensor.extract_slice %x1[0, 4] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  return %x2, %x3, %x4 : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}

// -----

// The same as segments.
muster.mesh @node <["tp" = 3]>
func.func @right_segments(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, i]>},
    %qkv: tensor<6x7xf32> {muster.layout = #muster.layout<[{q:6/tp | k:6/tp | v:6/tp}, i]>})
    -> (tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}, tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}, tensor<5x2xf32> {muster.layout = #muster.layout<[t, o/tp]>}) {
  %x1 = nn.matmul %x, %qkv : tensor<5x7xf32>, tensor<6x7xf32> -> tensor<5x6xf32>
  // chunk(3, dim -1)
  %x2 = tensor.extract_slice %x1[0, 0] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %x3 = tensor.extract_slice %x1[0, 2] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  %x4 = tensor.extract_slice %x1[0, 4] [5, 2] [1, 1] : tensor<5x6xf32> to tensor<5x2xf32>
  return %x2, %x3, %x4 : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}
