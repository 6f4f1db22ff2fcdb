// RUN: %python %S/../judge.py %s
//
// DeepSpeed mixture of experts (no issue): [E, C, M], exchanged, then viewed [ep, local experts, C, M], experts in front of their
// chunks.
//
// Right: what comes in is ordered by source rank, then by local expert. Viewed as [local experts, ep, C, M] the sizes agree and rows
// meet the wrong expert; that program is a slip and not in the project.
//
// The wrong ones are right iff ep = 1 or each rank has one expert.

// Source rank outside, brought inside.
muster.mesh @node <["ep" = 3]>
func.func @right_dispatch(%dispatched: tensor<6x5x7xf32> {muster.layout = #muster.layout<[e, c/ep, m]>})
    -> (tensor<2x15x7xf32> {muster.layout = #muster.layout<[e/ep, c, m]>}) {
  %dispatched1 = muster.exchange %dispatched on "ep" : tensor<6x5x7xf32>
  // view [p, n, c, m]
  %dispatched2 = tensor.expand_shape %dispatched1 [[0, 1], [2], [3]] output_shape [3, 2, 5, 7] : tensor<6x5x7xf32> into tensor<3x2x5x7xf32>
  // transpose (0, 1): [n, p, c, m]
  %dispatched3_to = tensor.empty() : tensor<2x3x5x7xf32>
  %dispatched3 = linalg.transpose ins(%dispatched2 : tensor<3x2x5x7xf32>) outs(%dispatched3_to : tensor<2x3x5x7xf32>) permutation = [1, 0, 2, 3]
  // view [n, p·c, m]
  %dispatched4 = tensor.collapse_shape %dispatched3 [[0], [1, 2], [3]] : tensor<2x3x5x7xf32> into tensor<2x15x7xf32>
  return %dispatched4 : tensor<2x15x7xf32>
}

// -----

// A view alone.
muster.mesh @node <["ep" = 3]>
func.func @wrong_dispatch_view(%dispatched: tensor<6x5x7xf32> {muster.layout = #muster.layout<[e, c/ep, m]>})
    -> (tensor<2x15x7xf32> {muster.layout = #muster.layout<[e/ep, c, m]>}) {
  %dispatched1 = muster.exchange %dispatched on "ep" : tensor<6x5x7xf32>
  // view [n, p·c, m]
  %dispatched2 = tensor.collapse_shape %dispatched1 [[0, 1], [2]] : tensor<6x5x7xf32> into tensor<30x7xf32>
  %dispatched3 = tensor.expand_shape %dispatched2 [[0, 1], [2]] output_shape [2, 15, 7] : tensor<30x7xf32> into tensor<2x15x7xf32>
  return %dispatched3 : tensor<2x15x7xf32>
}

// -----

// Back.
muster.mesh @node <["ep" = 3]>
func.func @right_combine(%results: tensor<2x15x7xf32> {muster.layout = #muster.layout<[e/ep, c, m]>})
    -> (tensor<6x5x7xf32> {muster.layout = #muster.layout<[e, c/ep, m]>}) {
  // view [n, p, c, m]
  %results1 = tensor.expand_shape %results [[0], [1, 2], [3]] output_shape [2, 3, 5, 7] : tensor<2x15x7xf32> into tensor<2x3x5x7xf32>
  // transpose (0, 1): [p, n, c, m]
  %results2_to = tensor.empty() : tensor<3x2x5x7xf32>
  %results2 = linalg.transpose ins(%results1 : tensor<2x3x5x7xf32>) outs(%results2_to : tensor<3x2x5x7xf32>) permutation = [1, 0, 2, 3]
  // view [p·n, c, m]
  %results3 = tensor.collapse_shape %results2 [[0, 1], [2], [3]] : tensor<3x2x5x7xf32> into tensor<6x5x7xf32>
  %results4 = muster.exchange %results3 on "ep" : tensor<6x5x7xf32>
  return %results4 : tensor<6x5x7xf32>
}

// -----

// Back by a view alone.
muster.mesh @node <["ep" = 3]>
func.func @wrong_combine_view(%results: tensor<2x15x7xf32> {muster.layout = #muster.layout<[e/ep, c, m]>})
    -> (tensor<6x5x7xf32> {muster.layout = #muster.layout<[e, c/ep, m]>}) {
  // view [n, p, c, m]
  %results1 = tensor.expand_shape %results [[0], [1, 2], [3]] output_shape [2, 3, 5, 7] : tensor<2x15x7xf32> into tensor<2x3x5x7xf32>
  // view [p·n, c, m]
  %results2 = tensor.collapse_shape %results1 [[0, 1], [2], [3]] : tensor<2x3x5x7xf32> into tensor<6x5x7xf32>
  %results3 = muster.exchange %results2 on "ep" : tensor<6x5x7xf32>
  return %results3 : tensor<6x5x7xf32>
}
