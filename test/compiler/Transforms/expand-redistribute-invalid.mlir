// RUN: muster-opt %s --muster-expand-redistribute --split-input-file --verify-diagnostics

muster.mesh @mesh <["sp" = ?]>
func.func @negative_symbolic_mesh(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  // expected-error @+1 {{E4010 expected a mesh of concrete sizes but got axis 'sp' of symbolic size}}
  %0 = muster.redistribute %x from <[t/sp, i]> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// -----

muster.mesh @mesh <["sp" = 2]>
func.func @negative_chunk_order(%x: tensor<2x7xf32>) -> tensor<4x7xf32> {
  // expected-error @+1 {{E4011 expected dim 0 to be one contiguous dim over whole axes, or the same in both layouts, but got [t/sp zigzag, i] and [t, i]}}
  %0 = muster.redistribute %x from <[t/sp zigzag, i]> to <[t, i]> : tensor<2x7xf32> -> tensor<4x7xf32>
  return %0 : tensor<4x7xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @negative_ragged(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  // expected-error @+1 {{E4011 expected dim 0 to be one contiguous dim}}
  %0 = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// -----

muster.mesh @mesh <["tp" = 2]>
func.func @negative_segments(%x: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{E4011 expected dim 0 to be one contiguous dim}}
  %0 = muster.redistribute %x from <[{q:6/tp | k:2/tp}]> to <[{q:6 | k:2}]> : tensor<4xf32> -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

muster.mesh @mesh <["a" = 2, "b" = 3]>
func.func @negative_two_reductions(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{E4012 expected partial axes of one kind and whole but got layout [t], partial(sum: a), partial(max: b)}}
  %0 = muster.redistribute %x from <[t], partial(sum: a), partial(max: b)> to <[t]> : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

muster.mesh @mesh <["tp" = 2]>
func.func @negative_unknown_axis(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{layout [t], partial(sum: sp) references unknown mesh axis 'sp'}}
  %0 = muster.redistribute %x from <[t], partial(sum: sp)> to <[t]> : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
