// RUN: muster-opt %s --muster-lower-collectives --split-input-file --verify-diagnostics

muster.mesh @mesh <["tp" = 2]>
func.func @negative_sum(%x: tensor<4x7xf32>) -> tensor<4x7xf32> {
  // expected-error @+1 {{E4015 expected nothing to reduce but got layouts [t, i], partial(sum: tp) and [t, i]}}
  %0 = muster.redistribute %x from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<4x7xf32> -> tensor<4x7xf32>
  return %0 : tensor<4x7xf32>
}
