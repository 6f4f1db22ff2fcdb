// RUN: %python %S/../judge.py %s
//
// Megatron-LM mixture of experts, drop-and-pad dispatcher (no issue): view [tp·ep, local experts, C].T(0, 1), expert-major.
//
// Right if the group of the exchange has the order in which experts are dealt. The wrong program names the two axes the other way
// round, so that ranks' parts go to other positions; it is a slip and not in the project.
//
// The wrong one is right iff tp = 1 or ep = 1.

// The group in the order of the experts: tp outside.
muster.mesh @node <["ep" = 3, "tp" = 2]>
func.func @right_group_order(%dispatched: tensor<30x7x11xf32> {muster.layout = #muster.layout<[e, c/(tp,ep), m]>})
    -> (tensor<5x42x11xf32> {muster.layout = #muster.layout<[e/(tp,ep), c, m]>}) {
  %dispatched1 = muster.exchange %dispatched on ["tp", "ep"] : tensor<30x7x11xf32>
  // view [p·q, n, c, m]
  %dispatched2 = tensor.expand_shape %dispatched1 [[0, 1], [2], [3]] output_shape [6, 5, 7, 11] : tensor<30x7x11xf32> into tensor<6x5x7x11xf32>
  // transpose (0, 1): [n, p·q, c, m]
  %dispatched3_to = tensor.empty() : tensor<5x6x7x11xf32>
  %dispatched3 = linalg.transpose ins(%dispatched2 : tensor<6x5x7x11xf32>) outs(%dispatched3_to : tensor<5x6x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [n, p·q·c, m]
  %dispatched4 = tensor.collapse_shape %dispatched3 [[0], [1, 2], [3]] : tensor<5x6x7x11xf32> into tensor<5x42x11xf32>
  return %dispatched4 : tensor<5x42x11xf32>
}

// -----

// The group in the order of the mesh: ep outside.
muster.mesh @node <["ep" = 3, "tp" = 2]>
func.func @wrong_group_order(%dispatched: tensor<30x7x11xf32> {muster.layout = #muster.layout<[e, c/(tp,ep), m]>})
    -> (tensor<5x42x11xf32> {muster.layout = #muster.layout<[e/(tp,ep), c, m]>}) {
  %dispatched1 = muster.exchange %dispatched on ["ep", "tp"] : tensor<30x7x11xf32>
  // view [p·q, n, c, m]
  %dispatched2 = tensor.expand_shape %dispatched1 [[0, 1], [2], [3]] output_shape [6, 5, 7, 11] : tensor<30x7x11xf32> into tensor<6x5x7x11xf32>
  // transpose (0, 1): [n, p·q, c, m]
  %dispatched3_to = tensor.empty() : tensor<5x6x7x11xf32>
  %dispatched3 = linalg.transpose ins(%dispatched2 : tensor<6x5x7x11xf32>) outs(%dispatched3_to : tensor<5x6x7x11xf32>) permutation = [1, 0, 2, 3]
  // view [n, p·q·c, m]
  %dispatched4 = tensor.collapse_shape %dispatched3 [[0], [1, 2], [3]] : tensor<5x6x7x11xf32> into tensor<5x42x11xf32>
  return %dispatched4 : tensor<5x42x11xf32>
}
