// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Reshapes that cut inside a digit, on tensors with too many places to compare one by one: all places at once.

muster.mesh @node <["tp" = 4]>
func.func @gathered_and_sliced(%x: tensor<768x640xf32> {muster.layout = #muster.layout<[a/tp, b]>})
    -> (tensor<768x640xf32> {muster.layout = #muster.layout<[a/tp, b]>}) {
  %0 = tensor.collapse_shape %x [[0, 1]] : tensor<768x640xf32> into tensor<491520xf32>
  %1 = tensor.expand_shape %0 [[0, 1]] output_shape [512, 960] : tensor<491520xf32> into tensor<512x960xf32>
  %2 = muster.all_gather %1 on "tp" dim 0 : tensor<512x960xf32> -> tensor<2048x960xf32>
  %3 = muster.slice %2 on "tp" dim 0 : tensor<2048x960xf32> -> tensor<512x960xf32>
  %4 = tensor.collapse_shape %3 [[0, 1]] : tensor<512x960xf32> into tensor<491520xf32>
  %5 = tensor.expand_shape %4 [[0, 1]] output_shape [768, 640] : tensor<491520xf32> into tensor<768x640xf32>
  return %5 : tensor<768x640xf32>
}

// -----

// Exchanged twice instead of there and back.
muster.mesh @node <["tp" = 4]>
func.func @negative_gathered_along_the_other_dim(%x: tensor<768x640xf32> {muster.layout = #muster.layout<[a/tp, b]>})
    -> (tensor<768x640xf32> {muster.layout = #muster.layout<[a/tp, b]>}) {
  %0 = tensor.collapse_shape %x [[0, 1]] : tensor<768x640xf32> into tensor<491520xf32>
  // expected-note @+1 {{the maps part here: this reshape to [512, 960] cuts inside a digit}}
  %1 = tensor.expand_shape %0 [[0, 1]] output_shape [512, 960] : tensor<491520xf32> into tensor<512x960xf32>
  %2 = muster.all_to_all %1 on "tp" split 0 concat 1 : tensor<512x960xf32> -> tensor<128x3840xf32>
  %3 = muster.all_to_all %2 on "tp" split 0 concat 1 : tensor<128x3840xf32> -> tensor<32x15360xf32>
  %4 = tensor.collapse_shape %3 [[0, 1]] : tensor<32x15360xf32> into tensor<491520xf32>
  %5 = tensor.expand_shape %4 [[0, 1]] output_shape [768, 640] : tensor<491520xf32> into tensor<768x640xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements: expected layout [a/tp, b]}}
  // expected-note @+1 {{wanted logical}}
  return %5 : tensor<768x640xf32>
}

// -----

// A symbolic sequence in front: one symbol, times numbers.
muster.mesh @node <["tp" = 4]>
func.func @symbolic_rows(%x: tensor<?x4x6xf32> {muster.layout = #muster.layout<[s, h/tp, d]>})
    -> (tensor<?x4x6xf32> {muster.layout = #muster.layout<[s, h/tp, d]>}) {
  %0 = tensor.collapse_shape %x [[0], [1, 2]] : tensor<?x4x6xf32> into tensor<?x24xf32>
  %s = muster.size <s>
  %1 = tensor.expand_shape %0 [[0], [1, 2]] output_shape [%s, 8, 3] : tensor<?x24xf32> into tensor<?x8x3xf32>
  %2 = muster.all_gather %1 on "tp" dim 1 : tensor<?x8x3xf32> -> tensor<?x32x3xf32>
  %3 = muster.slice %2 on "tp" dim 1 : tensor<?x32x3xf32> -> tensor<?x8x3xf32>
  %4 = tensor.collapse_shape %3 [[0], [1, 2]] : tensor<?x8x3xf32> into tensor<?x24xf32>
  %5 = tensor.expand_shape %4 [[0], [1, 2]] output_shape [%s, 4, 6] : tensor<?x24xf32> into tensor<?x4x6xf32>
  return %5 : tensor<?x4x6xf32>
}

// -----

// Aligned with 24, not with 20.
muster.mesh @node <["tp" = 4]>
func.func @symbolic_rows_misaligned(%x: tensor<?x4x5xf32> {muster.layout = #muster.layout<[s, h/tp, d]>})
    -> (tensor<?x4x5xf32> {muster.layout = #muster.layout<[s, h/tp, d]>}) {
  %0 = tensor.collapse_shape %x [[0], [1, 2]] : tensor<?x4x5xf32> into tensor<?x20xf32>
  %s = muster.size <s>
  %1 = tensor.expand_shape %0 [[0], [1, 2]] output_shape [%s, 10, 2] : tensor<?x20xf32> into tensor<?x10x2xf32>
  %2 = muster.all_gather %1 on "tp" dim 1 : tensor<?x10x2xf32> -> tensor<?x40x2xf32>
  %3 = muster.slice %2 on "tp" dim 1 : tensor<?x40x2xf32> -> tensor<?x10x2xf32>
  %4 = tensor.collapse_shape %3 [[0], [1, 2]] : tensor<?x10x2xf32> into tensor<?x20xf32>
  %5 = tensor.expand_shape %4 [[0], [1, 2]] output_shape [%s, 4, 5] : tensor<?x20xf32> into tensor<?x4x5xf32>
  return %5 : tensor<?x4x5xf32>
}
