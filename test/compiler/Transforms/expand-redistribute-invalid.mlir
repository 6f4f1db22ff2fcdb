// RUN: muster-opt %s --muster-expand-redistribute --split-input-file --verify-diagnostics

muster.mesh @mesh <["sp" = ?]>
func.func @negative_symbolic_mesh(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  // expected-error @+1 {{E4010 expected a mesh of concrete sizes but got axis 'sp' of symbolic size}}
  %0 = muster.redistribute %x from <[t/sp, i]> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// -----

muster.mesh @mesh <["sp" = 2]>
func.func @negative_chunk_order(%x: tensor<3x7xf32>) -> tensor<6x7xf32> {
  // expected-error @+1 {{E4011 expected the size of 't' to be divisible by 4 parts but got 6}}
  %0 = muster.redistribute %x from <[t/sp zigzag, i]> to <[t, i]> : tensor<3x7xf32> -> tensor<6x7xf32>
  return %0 : tensor<6x7xf32>
}

// -----

muster.mesh @mesh <["sp" = 2]>
func.func @negative_chunk_order_of_unknown_size(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  // expected-error @+1 {{E4011 expected a static dim 0 where its chunks change their order but got [t/sp zigzag, i] and [t, i]}}
  %0 = muster.redistribute %x from <[t/sp zigzag, i]> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// -----

muster.mesh @mesh <["dp" = 2]>
func.func @negative_ragged(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  // expected-error @+1 {{E4011 expected dim 0 to be of the same terms of equal parts, or the same in both layouts, but got [t/dp : tokens @step, i] and [t, i]}}
  %0 = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// -----

muster.mesh @mesh <["tp" = 2]>
func.func @negative_product(%x: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{E4011 expected the sizes of 'h' and 'd' to be known but got [(h d/tp)] and [(h d)]}}
  %0 = muster.redistribute %x from <[(h d/tp)]> to <[(h d)]> : tensor<4xf32> -> tensor<8xf32>
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
