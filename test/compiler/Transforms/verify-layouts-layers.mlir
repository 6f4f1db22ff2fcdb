// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Weights of all layers in one tensor, of which each iteration takes its own.

// A loop over the weights of all layers.
muster.mesh @node <["tp" = 2]>
func.func @layers(%x: tensor<5x6xf32> {muster.layout = #muster.layout<[s, i]>},
                  %up: tensor<7x6x4xf32> {muster.layout = #muster.layout<[l, i, o/tp]>},
                  %down: tensor<7x4x6xf32> {muster.layout = #muster.layout<[l, o/tp, i]>})
    -> (tensor<5x6xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %seven = arith.constant 7 : index
  %z4 = arith.constant dense<0.0> : tensor<5x4xf32>
  %z6 = arith.constant dense<0.0> : tensor<5x6xf32>
  %r = scf.for %l = %zero to %seven step %one iter_args(%h = %x) -> tensor<5x6xf32> {
    %u = tensor.extract_slice %up[%l, 0, 0] [1, 6, 4] [1, 1, 1] : tensor<7x6x4xf32> to tensor<6x4xf32>
    %d = tensor.extract_slice %down[%l, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<7x4x6xf32> to tensor<4x6xf32>
    %a = linalg.matmul ins(%h, %u : tensor<5x6xf32>, tensor<6x4xf32>) outs(%z4 : tensor<5x4xf32>) -> tensor<5x4xf32>
    %g = arith.mulf %a, %a : tensor<5x4xf32>
    %b = linalg.matmul ins(%g, %d : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z6 : tensor<5x6xf32>) -> tensor<5x6xf32>
    %f = muster.all_reduce %b sum on "tp" : tensor<5x6xf32>
    %n = arith.addf %h, %f : tensor<5x6xf32>
    scf.yield %n : tensor<5x6xf32>
  }
  return %r : tensor<5x6xf32>
}

// -----

// Nothing adds the parts up.
muster.mesh @node <["tp" = 2]>
func.func @negative_layers_without_sum(%x: tensor<5x6xf32> {muster.layout = #muster.layout<[s, i]>},
                  %up: tensor<7x6x4xf32> {muster.layout = #muster.layout<[l, i, o/tp]>},
                  %down: tensor<7x4x6xf32> {muster.layout = #muster.layout<[l, o/tp, i]>})
    -> (tensor<5x6xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %seven = arith.constant 7 : index
  %z4 = arith.constant dense<0.0> : tensor<5x4xf32>
  %z6 = arith.constant dense<0.0> : tensor<5x6xf32>
  %r = scf.for %l = %zero to %seven step %one iter_args(%h = %x) -> tensor<5x6xf32> {
    %u = tensor.extract_slice %up[%l, 0, 0] [1, 6, 4] [1, 1, 1] : tensor<7x6x4xf32> to tensor<6x4xf32>
    %d = tensor.extract_slice %down[%l, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<7x4x6xf32> to tensor<4x6xf32>
    %a = linalg.matmul ins(%h, %u : tensor<5x6xf32>, tensor<6x4xf32>) outs(%z4 : tensor<5x4xf32>) -> tensor<5x4xf32>
    %b = linalg.matmul ins(%a, %d : tensor<5x4xf32>, tensor<4x6xf32>) outs(%z6 : tensor<5x6xf32>) -> tensor<5x6xf32>
    // expected-error @+1 {{E1105 adds a value that is still to be reduced over 'tp' to one that is not}}
    %n = arith.addf %h, %b : tensor<5x6xf32>
    scf.yield %n : tensor<5x6xf32>
  }
  return %r : tensor<5x6xf32>
}

// -----

// Layers over pp: each rank applies its own half of them to everything.
muster.mesh @node <["pp" = 2]>
func.func @negative_layers_spread(%x: tensor<5x6xf32> {muster.layout = #muster.layout<[s, i]>},
                  %w: tensor<3x6x6xf32> {muster.layout = #muster.layout<[l/pp, i, j]>})
    -> (tensor<5x6xf32> {muster.layout = #muster.layout<[s, i]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %three = arith.constant 3 : index
  %z6 = arith.constant dense<0.0> : tensor<5x6xf32>
  %r = scf.for %l = %zero to %three step %one iter_args(%h = %x) -> tensor<5x6xf32> {
    // expected-error @+2 {{E1108 cannot be proved: this slice takes a part of}}
    // expected-note @+1 {{what would settle it}}
    %u = tensor.extract_slice %w[%l, 0, 0] [1, 6, 6] [1, 1, 1] : tensor<3x6x6xf32> to tensor<6x6xf32>
    // expected-note @+1 {{needs to know here what each rank holds of it}}
    %a = linalg.matmul ins(%h, %u : tensor<5x6xf32>, tensor<6x6xf32>) outs(%z6 : tensor<5x6xf32>) -> tensor<5x6xf32>
    scf.yield %a : tensor<5x6xf32>
  }
  return %r : tensor<5x6xf32>
}

// -----

// Keys of each layer with a cache of all of them.
muster.mesh @node <["tp" = 2]>
func.func @cache_of_layers(%x: tensor<3x5x6xf32> {muster.layout = #muster.layout<[l, s, i]>},
                           %w: tensor<3x6x4xf32> {muster.layout = #muster.layout<[l, i, k/tp]>})
    -> (tensor<3x5x4xf32> {muster.layout = #muster.layout<[l, s, k/tp]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %three = arith.constant 3 : index
  %z = arith.constant dense<0.0> : tensor<5x4xf32>
  %e = tensor.empty() : tensor<3x5x4xf32>
  %r = scf.for %l = %zero to %three step %one iter_args(%cache = %e) -> tensor<3x5x4xf32> {
    %h = tensor.extract_slice %x[%l, 0, 0] [1, 5, 6] [1, 1, 1] : tensor<3x5x6xf32> to tensor<5x6xf32>
    %u = tensor.extract_slice %w[%l, 0, 0] [1, 6, 4] [1, 1, 1] : tensor<3x6x4xf32> to tensor<6x4xf32>
    %k = linalg.matmul ins(%h, %u : tensor<5x6xf32>, tensor<6x4xf32>) outs(%z : tensor<5x4xf32>) -> tensor<5x4xf32>
    %k1 = tensor.expand_shape %k [[0, 1], [2]] output_shape [1, 5, 4] : tensor<5x4xf32> into tensor<1x5x4xf32>
    %c = tensor.insert_slice %k1 into %cache[%l, 0, 0] [1, 5, 4] [1, 1, 1] : tensor<1x5x4xf32> into tensor<3x5x4xf32>
    scf.yield %c : tensor<3x5x4xf32>
  }
  return %r : tensor<3x5x4xf32>
}

// -----

// Weights of the next layer, the last for the last.
muster.mesh @node <["tp" = 2]>
func.func @negative_weights_of_the_next(%x: tensor<3x5x6xf32> {muster.layout = #muster.layout<[l, s, i]>},
                           %w: tensor<3x6x4xf32> {muster.layout = #muster.layout<[l, i, k/tp]>})
    -> (tensor<3x5x4xf32> {muster.layout = #muster.layout<[l, s, k/tp]>}) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %three = arith.constant 3 : index
  %z = arith.constant dense<0.0> : tensor<5x4xf32>
  %e = tensor.empty() : tensor<3x5x4xf32>
  // expected-note @+1 {{parts side by side that the layout does not tell apart}}
  %r = scf.for %l = %zero to %three step %one iter_args(%cache = %e) -> tensor<3x5x4xf32> {
    %h = tensor.extract_slice %x[%l, 0, 0] [1, 5, 6] [1, 1, 1] : tensor<3x5x6xf32> to tensor<5x6xf32>
    %two = arith.constant 2 : index
    %next = arith.addi %l, %one : index
    %m = arith.minsi %next, %two : index
    %u = tensor.extract_slice %w[%m, 0, 0] [1, 6, 4] [1, 1, 1] : tensor<3x6x4xf32> to tensor<6x4xf32>
    %k = linalg.matmul ins(%h, %u : tensor<5x6xf32>, tensor<6x4xf32>) outs(%z : tensor<5x4xf32>) -> tensor<5x4xf32>
    %k1 = tensor.expand_shape %k [[0, 1], [2]] output_shape [1, 5, 4] : tensor<5x4xf32> into tensor<1x5x4xf32>
    %c = tensor.insert_slice %k1 into %cache[%l, 0, 0] [1, 5, 4] [1, 1, 1] : tensor<1x5x4xf32> into tensor<3x5x4xf32>
    scf.yield %c : tensor<3x5x4xf32>
  }
  // expected-error @+2 {{E1108 cannot be proved}}
  // expected-note @+1 {{what would settle it}}
  return %r : tensor<3x5x4xf32>
}
