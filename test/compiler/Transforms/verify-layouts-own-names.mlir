// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Results of dims that no argument names: they hold what they hold on one rank.

// Rows by group, two groups a rank, 3 of q and 1 of k in each: the q rows of all groups.
muster.mesh @node <["tp" = 3]>
func.func @rows_of_each_group(%x: tensor<2x4x7xf32> {muster.layout = #muster.layout<[g/tp, j, i]>})
    -> (tensor<6x7xf32> {muster.layout = #muster.layout<[q/tp, i]>}) {
  %q = tensor.extract_slice %x[0, 0, 0] [2, 3, 7] [1, 1, 1] : tensor<2x4x7xf32> to tensor<2x3x7xf32>
  %r = tensor.collapse_shape %q [[0, 1], [2]] : tensor<2x3x7xf32> into tensor<6x7xf32>
  return %r : tensor<6x7xf32>
}

// -----

// The first six rows of each rank's eight: on one rank, the first 18 of 24.
muster.mesh @node <["tp" = 3]>
func.func @negative_first_rows_of_each_rank(%x: tensor<2x4x7xf32> {muster.layout = #muster.layout<[g/tp, j, i]>})
    -> (tensor<6x7xf32> {muster.layout = #muster.layout<[q/tp, i]>}) {
  %f = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x4x7xf32> into tensor<8x7xf32>
  // expected-note @+1 {{the maps part here}}
  %r = tensor.extract_slice %f[0, 0] [6, 7] [1, 1] : tensor<8x7xf32> to tensor<6x7xf32>
  // expected-error @+2 {{E1104 result holds other elements than on one rank}}
  // expected-note @+1 {{rank (tp=1), local index [0, 0]}}
  return %r : tensor<6x7xf32>
}

// -----

// A third of each rank's rows of one dim, declared as a third of all.
muster.mesh @node <["tp" = 3]>
func.func @negative_third_of_each_rank(%x: tensor<6x7xf32> {muster.layout = #muster.layout<[r/tp, i]>})
    -> (tensor<2x7xf32> {muster.layout = #muster.layout<[o/tp, i]>}) {
  // expected-note @+1 {{dim 0 holds [(3 : 2 @r[2, +2) of each 6, tp)(2 : 1 @r[2, +2) of each 6)]}}
  %s = tensor.extract_slice %x[2, 0] [2, 7] [1, 1] : tensor<6x7xf32> to tensor<2x7xf32>
  // expected-error @+2 {{E1104 result holds other elements than on one rank}}
  // expected-note @+1 {{rank (tp=}}
  return %s : tensor<2x7xf32>
}
