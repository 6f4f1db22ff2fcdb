// RUN: muster-opt %s --split-input-file --verify-diagnostics --muster-inline-calls

func.func private @outside(%x: tensor<4xf32>) -> tensor<4xf32>
func.func @no_body(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{E4043 cannot be put in place: expected a function with a body of one block that does not call itself but got @outside}}
  %y = func.call @outside(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func private @ping(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @pong(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func private @pong(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{E4043 cannot be put in place: expected a function with a body of one block that does not call itself but got @ping}}
  %y = func.call @ping(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

muster.mesh @a <["tp" = 2]>
muster.mesh @b <["tp" = 3]>
func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> attributes {muster.mesh = @b} {
  %y = muster.all_reduce %x sum on "tp" : tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> attributes {muster.mesh = @a} {
  // expected-error @+1 {{E4043 cannot be put in place: expected a function of the same mesh but got @layer}}
  %y = func.call @layer(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
