// RUN: muster-opt %s --muster-split-mesh-axes --split-input-file --verify-diagnostics

muster.mesh @mesh <["tp" = 12]>
muster.weight @k : tensor<6x5xf32> layout <[kv/tp[2:3], i]>
// expected-error @+1 {{E4013 expected the parts of axis 'tp' to begin at weights that divide one another but got 2 and 3}}
muster.weight @v : tensor<6x5xf32> layout <[kv/tp[3:2], i]>

// -----

muster.mesh @mesh <["tp" = ?]>
func.func @negative_symbolic_mesh(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  // expected-error @+1 {{E4010 expected a mesh of concrete sizes but got axis 'tp' of symbolic size}}
  %0 = muster.redistribute %x from <[t, i/tp[2:3]]> to <[t, i/tp[2:3]]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}
