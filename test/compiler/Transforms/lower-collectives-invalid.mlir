// RUN: muster-opt %s --muster-lower-collectives --split-input-file --verify-diagnostics

muster.mesh @mesh <["tp" = 2]>
func.func @negative_sum(%x: tensor<4x7xf32>) -> tensor<4x7xf32> {
  // expected-error @+1 {{E4015 expected nothing to reduce but got layouts [t, i], partial(sum: tp) and [t, i]}}
  %0 = muster.redistribute %x from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<4x7xf32> -> tensor<4x7xf32>
  return %0 : tensor<4x7xf32>
}

// -----

#counts = #muster.routed<rows, @route, 8>
muster.mesh @mesh <["ep" = 2, "tp" = 2]>
func.func @negative_a_part_of_the_mesh(%x: tensor<8x6xf32>, %s: tensor<2xi32, #counts>) -> tensor<16x6xf32> {
  // expected-error @+1 {{E4019 unsupported: rows that are counted on the device are sent over a part of the mesh, without axis 'tp'}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<2xi32, #counts>) receive(%s : tensor<2xi32, #counts>) : tensor<8x6xf32> -> tensor<16x6xf32>
  return %y : tensor<16x6xf32>
}

// -----

#counts = #muster.routed<rows, @route, 8>
muster.mesh @mesh <["ep" = 2]>
func.func @negative_an_unknown_number(%x: tensor<?x6xf32>, %s: tensor<2xi32, #counts>) -> tensor<16x6xf32> {
  // expected-error @+1 {{E4019 unsupported: rows that are counted on the device, out of an unknown number: 'tensor<?x6xf32>'}}
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<2xi32, #counts>) receive(%s : tensor<2xi32, #counts>) : tensor<?x6xf32> -> tensor<16x6xf32>
  return %y : tensor<16x6xf32>
}
