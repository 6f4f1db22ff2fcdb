// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Maxima and what is not linear: where their parts may be taken together, and where not.

// The log-sum-exp of logits that are divided by vocabulary (the loss of vocabulary-parallel training): the greatest of
// all, then a sum of exp, which the same loop computes.
muster.mesh @node <["tp" = 3]>
func.func @log_sum_exp(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %m0 = linalg.reduce { arith.maximumf } ins(%x : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %m = muster.all_reduce %m0 max on "tp" : tensor<5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %s0 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>, affine_map<(t, v) -> (t)>],
      iterator_types = ["parallel", "reduction"]} ins(%x, %m : tensor<5x7xf32>, tensor<5xf32>) outs(%z : tensor<5xf32>) {
  ^bb0(%a: f32, %greatest: f32, %b: f32):
    %d = arith.subf %a, %greatest : f32
    %p = math.exp %d : f32
    %c = arith.addf %p, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %s = muster.all_reduce %s0 sum on "tp" : tensor<5xf32>
  %l = math.log %s : tensor<5xf32>
  %y = arith.addf %l, %m : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// The same with the greatest of each rank, which is not proved (`muster-verify` runs it, and refutes it). It may be made
// good: the sum of each rank times exp(its greatest less that of all) is the sum on one rank.
muster.mesh @node <["tp" = 3]>
func.func @unknown_own_greatest(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %m0 = linalg.reduce { arith.maximumf } ins(%x : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  // expected-error @below {{E1108 cannot be proved: operand 1 is still to be reduced over 'tp' by a maximum or minimum}}
  // expected-note @below {{what would settle it}}
  %s0 = linalg.generic {indexing_maps = [affine_map<(t, v) -> (t, v)>, affine_map<(t, v) -> (t)>, affine_map<(t, v) -> (t)>],
      iterator_types = ["parallel", "reduction"]} ins(%x, %m0 : tensor<5x7xf32>, tensor<5xf32>) outs(%z : tensor<5xf32>) {
  ^bb0(%a: f32, %greatest: f32, %b: f32):
    %d = arith.subf %a, %greatest : f32
    %p = math.exp %d : f32
    %c = arith.addf %p, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %s = muster.all_reduce %s0 sum on "tp" : tensor<5xf32>
  return %s : tensor<5xf32>
}

// -----

// The greatest of parts of sums: an all_reduce is missing behind the product.
muster.mesh @node <["tp" = 3]>
func.func @negative_greatest_of_parts(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>},
                                      %w: tensor<4x7xf32> {muster.layout = #muster.layout<[o, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %p = nn.matmul %x, %w : tensor<5x7xf32>, tensor<4x7xf32> -> tensor<5x4xf32>
  // expected-error @below {{E1105 operand 0 is still to be reduced over 'tp'}}
  %m = linalg.reduce { arith.maximumf } ins(%p : tensor<5x4xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %y = muster.all_reduce %m sum on "tp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// A maximum that begins with parts of a sum.
muster.mesh @node <["tp" = 3]>
func.func @negative_begins_with_parts(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>},
                                      %w: tensor<5x4xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %p = linalg.reduce { arith.addf } ins(%x : tensor<5x7xf32>) outs(%z : tensor<5xf32>) dimensions = [1]
  // expected-error @below {{E1105 operand 1 is still to be reduced over 'tp'}}
  %m = linalg.reduce { arith.maximumf } ins(%w : tensor<5x4xf32>) outs(%p : tensor<5xf32>) dimensions = [1]
  %y = muster.all_reduce %m sum on "tp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// Parts of a sum side by side, of which squares are added up.
muster.mesh @node <["tp" = 3]>
func.func @negative_squares_of_parts(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %p = linalg.reduce { arith.addf } ins(%x : tensor<5x7xf32>) outs(%z : tensor<5xf32>) dimensions = [1]
  %q = tensor.expand_shape %p [[0, 1]] output_shape [1, 5] : tensor<5xf32> into tensor<1x5xf32>
  %g = muster.all_gather %q on "tp" dim 0 : tensor<1x5xf32> -> tensor<3x5xf32>
  // expected-error @below {{E1105 the parts of a reduction over 'tp' in operand 0 are still to be reduced}}
  %y = linalg.generic {indexing_maps = [affine_map<(p, t) -> (p, t)>, affine_map<(p, t) -> (t)>],
      iterator_types = ["reduction", "parallel"]} ins(%g : tensor<3x5xf32>) outs(%z : tensor<5xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.mulf %a, %a : f32
    %c = arith.addf %s, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// Parts of a sum side by side, weighed by numbers of the text.
muster.mesh @node <["tp" = 3]>
func.func @negative_weighed_parts(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %zero = arith.constant 0.0 : f32
  %weights = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %e = tensor.empty() : tensor<5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %p = linalg.reduce { arith.addf } ins(%x : tensor<5x7xf32>) outs(%z : tensor<5xf32>) dimensions = [1]
  %q = tensor.expand_shape %p [[0, 1]] output_shape [1, 5] : tensor<5xf32> into tensor<1x5xf32>
  %g = muster.all_gather %q on "tp" dim 0 : tensor<1x5xf32> -> tensor<3x5xf32>
  // expected-error @below {{E1106}}
  %y = linalg.generic {indexing_maps = [affine_map<(p, t) -> (p, t)>, affine_map<(p, t) -> (p)>, affine_map<(p, t) -> (t)>],
      iterator_types = ["reduction", "parallel"]} ins(%g, %weights : tensor<3x5xf32>, tensor<3xf32>) outs(%z : tensor<5xf32>) {
  ^bb0(%a: f32, %w: f32, %b: f32):
    %s = arith.mulf %a, %w : f32
    %c = arith.addf %s, %b : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// The greatest magnitude of a tensor (the scale of a quantisation), in two steps, and a function of the parts.
muster.mesh @node <["tp" = 3]>
func.func @scale(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<f32> {muster.layout = #muster.layout<[]>}) {
  %least = arith.constant 0xFF800000 : f32
  %steps = arith.constant dense<127.0> : tensor<f32>
  %small = arith.constant dense<1.0e-6> : tensor<f32>
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %magnitude = math.absf %x : tensor<5x7xf32>
  %rows = linalg.reduce { arith.maximumf } ins(%magnitude : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %e0 = tensor.empty() : tensor<f32>
  %i0 = linalg.fill ins(%least : f32) outs(%e0 : tensor<f32>) -> tensor<f32>
  %all = linalg.reduce { arith.maximumf } ins(%rows : tensor<5xf32>) outs(%i0 : tensor<f32>) dimensions = [0]
  %scaled = arith.divf %all, %steps : tensor<f32>
  %kept = arith.maximumf %scaled, %small : tensor<f32>
  %y = muster.all_reduce %kept max on "tp" : tensor<f32>
  return %y : tensor<f32>
}

// -----

// The least of what is turned around; taken for the greatest it is wrong.
muster.mesh @node <["tp" = 3]>
func.func @turned(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>},
                  %w: tensor<5xf32> {muster.layout = #muster.layout<[t]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}, tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %m = linalg.reduce { arith.maximumf } ins(%x : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %d = arith.subf %w, %m : tensor<5xf32>
  %y = muster.all_reduce %d min on "tp" : tensor<5xf32>
  // expected-error @below {{E1105 reduces over axis 'tp' by another operation than the one that is pending there}}
  %z = muster.all_reduce %d max on "tp" : tensor<5xf32>
  return %y, %z : tensor<5xf32>, tensor<5xf32>
}

// -----

// The greatest sum of two is not the sum of the greatest.
muster.mesh @node <["tp" = 3]>
func.func @of_two(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>},
                  %w: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %m = linalg.reduce { arith.maximumf } ins(%x : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %n = linalg.reduce { arith.maximumf } ins(%w : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  // expected-error @below {{E1108 cannot be proved: operand 1 is still to be reduced over 'tp' by a maximum or minimum, and so is operand 0}}
  // expected-note @below {{what would settle it: that both are greatest on one rank (reduce before it)}}
  %d = arith.addf %m, %n : tensor<5xf32>
  %y = muster.all_reduce %d max on "tp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// Maxima of several tensors: the greatest of both parts is a part of the greatest of both.
muster.mesh @node <["tp" = 3]>
func.func @of_several(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>},
                      %w: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %m = linalg.reduce { arith.maximumf } ins(%x : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %n = linalg.reduce { arith.maximumf } ins(%w : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %d = arith.maximumf %m, %n : tensor<5xf32>
  %y = muster.all_reduce %d max on "tp" : tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

// The least of both parts is not.
muster.mesh @node <["tp" = 3]>
func.func @least_of_several(%x: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>},
                            %w: tensor<5x7xf32> {muster.layout = #muster.layout<[t, v/tp]>})
    -> (tensor<5xf32> {muster.layout = #muster.layout<[t]>}) {
  %least = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<5xf32>
  %i = linalg.fill ins(%least : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %m = linalg.reduce { arith.maximumf } ins(%x : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  %n = linalg.reduce { arith.maximumf } ins(%w : tensor<5x7xf32>) outs(%i : tensor<5xf32>) dimensions = [1]
  // expected-error @below {{E1108 cannot be proved: operand 1 is still to be reduced over 'tp' by a maximum or minimum, and so is operand 0}}
  // expected-note @below {{what would settle it}}
  %d = arith.minimumf %m, %n : tensor<5xf32>
  %y = muster.all_reduce %d max on "tp" : tensor<5xf32>
  return %y : tensor<5xf32>
}
