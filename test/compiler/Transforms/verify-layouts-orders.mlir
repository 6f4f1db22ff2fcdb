// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics
//
// Dims that ranks have in another order than one rank, or more than once: right where what is computed asks for neither.

#id = affine_map<(m, i) -> (m, i)>
#column = affine_map<(m, i) -> (i)>
muster.mesh @node <["a" = 2, "b" = 2]>
// Rows gathered in another order: a function of each, and their sum.
func.func @sum_of_functions(%x: tensor<2x8xf32> {muster.layout = #muster.layout<[t/(a,b), i]>})
    -> (tensor<8xf32> {muster.layout = #muster.layout<[i]>}) {
  %g = muster.all_gather %x on ["b", "a"] dim 0 : tensor<2x8xf32> -> tensor<8x8xf32>
  %f = math.tanh %g : tensor<8x8xf32>
  %zero = arith.constant dense<0.0> : tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%f : tensor<8x8xf32>) outs(%zero : tensor<8xf32>) {
  ^bb0(%v: f32, %acc: f32):
    %0 = arith.addf %acc, %v : f32
    linalg.yield %0 : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 2]>
func.func @negative_returned(%x: tensor<2x8xf32> {muster.layout = #muster.layout<[t/(a,b), i]>})
    -> (tensor<8x8xf32> {muster.layout = #muster.layout<[t, i]>}) {
  %g = muster.all_gather %x on ["b", "a"] dim 0 : tensor<2x8xf32> -> tensor<8x8xf32>
  // expected-note @+1 {{dim 0 holds}}
  %f = math.tanh %g : tensor<8x8xf32>
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{local index [2, 0]: wanted logical [2, 0] of [t, i], got [4, 0]}}
  return %f : tensor<8x8xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 2]>
// The other operand lies in the order of one rank.
func.func @negative_weighted(%x: tensor<2x8xf32> {muster.layout = #muster.layout<[t/(a,b), i]>},
    %w: tensor<8x8xf32> {muster.layout = #muster.layout<[t, o]>})
    -> (tensor<8x8xf32> {muster.layout = #muster.layout<[i, o]>}) {
  %g = muster.all_gather %x on ["b", "a"] dim 0 : tensor<2x8xf32> -> tensor<8x8xf32>
  %to = tensor.empty() : tensor<8x8xf32>
  %t = linalg.transpose ins(%g : tensor<8x8xf32>) outs(%to : tensor<8x8xf32>) permutation = [1, 0]
  %zero = arith.constant dense<0.0> : tensor<8x8xf32>
  // expected-error @+1 {{E1106}}
  %y = linalg.matmul ins(%t, %w : tensor<8x8xf32>, tensor<8x8xf32>) outs(%zero : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}

// -----

#scores = affine_map<(s, u, e) -> (s, u)>
#queries = affine_map<(s, u, e) -> (s, e)>
#keys = affine_map<(s, u, e) -> (u, e)>
muster.mesh @node <["a" = 2, "b" = 2]>
// Keys and values in one other order: linear attention.
func.func @contracted_alike(%q: tensor<4x3xf32> {muster.layout = #muster.layout<[t, d]>},
    %k: tensor<2x3xf32> {muster.layout = #muster.layout<[u/(a,b), d]>},
    %v: tensor<2x3xf32> {muster.layout = #muster.layout<[u/(a,b), d]>})
    -> (tensor<4x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  %gk = muster.all_gather %k on ["b", "a"] dim 0 : tensor<2x3xf32> -> tensor<8x3xf32>
  %gv = muster.all_gather %v on ["b", "a"] dim 0 : tensor<2x3xf32> -> tensor<8x3xf32>
  %none = arith.constant dense<0.0> : tensor<4x8xf32>
  %p = linalg.generic {indexing_maps = [#queries, #keys, #scores], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%q, %gk : tensor<4x3xf32>, tensor<8x3xf32>) outs(%none : tensor<4x8xf32>) {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %0 = arith.mulf %x, %y : f32
    %1 = arith.addf %acc, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<4x8xf32>
  %e = math.exp %p : tensor<4x8xf32>
  %zero = arith.constant dense<0.0> : tensor<4x3xf32>
  %o = linalg.matmul ins(%e, %gv : tensor<4x8xf32>, tensor<8x3xf32>) outs(%zero : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %o : tensor<4x3xf32>
}

// -----

#scores = affine_map<(s, u, e) -> (s, u)>
#queries = affine_map<(s, u, e) -> (s, e)>
#keys = affine_map<(s, u, e) -> (u, e)>
muster.mesh @node <["a" = 2, "b" = 2]>
func.func @negative_contracted_otherwise(%q: tensor<4x3xf32> {muster.layout = #muster.layout<[t, d]>},
    %k: tensor<2x3xf32> {muster.layout = #muster.layout<[u/(a,b), d]>},
    %v: tensor<2x3xf32> {muster.layout = #muster.layout<[u/(a,b), d]>})
    -> (tensor<4x3xf32> {muster.layout = #muster.layout<[t, d]>}) {
  %gk = muster.all_gather %k on ["b", "a"] dim 0 : tensor<2x3xf32> -> tensor<8x3xf32>
  %gv = muster.all_gather %v on ["a", "b"] dim 0 : tensor<2x3xf32> -> tensor<8x3xf32>
  %none = arith.constant dense<0.0> : tensor<4x8xf32>
  %p = linalg.generic {indexing_maps = [#queries, #keys, #scores], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%q, %gk : tensor<4x3xf32>, tensor<8x3xf32>) outs(%none : tensor<4x8xf32>) {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %0 = arith.mulf %x, %y : f32
    %1 = arith.addf %acc, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<4x8xf32>
  %e = math.exp %p : tensor<4x8xf32>
  %zero = arith.constant dense<0.0> : tensor<4x3xf32>
  // expected-error @+1 {{E1106}}
  %o = linalg.matmul ins(%e, %gv : tensor<4x8xf32>, tensor<8x3xf32>) outs(%zero : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %o : tensor<4x3xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 2]>
// The ranks have the same rows in either branch, and one rank has not: neither order may be taken for the other.
// expected-remark @+1 {{assumed}}
func.func @negative_branches(%c: i1, %x: tensor<2x3xf32> {muster.layout = #muster.layout<[t/(a,b), i]>},
    %w: tensor<2x5xf32> {muster.layout = #muster.layout<[t/(a,b), o]>})
    -> (tensor<3x5xf32> {muster.layout = #muster.layout<[i, o]>}) {
  // expected-error @+2 {{E1108}}
  // expected-note @+1 {{what would settle it: both with one layout}}
  %g = scf.if %c -> tensor<8x3xf32> {
    %0 = muster.all_gather %x on ["b", "a"] dim 0 : tensor<2x3xf32> -> tensor<8x3xf32>
    %1 = math.tanh %0 : tensor<8x3xf32>
    scf.yield %1 : tensor<8x3xf32>
  } else {
    %0 = muster.all_gather %x on ["a", "b"] dim 0 : tensor<2x3xf32> -> tensor<8x3xf32>
    %1 = tensor.expand_shape %0 [[0, 1, 2], [3]] output_shape [2, 2, 2, 3] : tensor<8x3xf32> into tensor<2x2x2x3xf32>
    %to = tensor.empty() : tensor<2x2x2x3xf32>
    %2 = linalg.transpose ins(%1 : tensor<2x2x2x3xf32>) outs(%to : tensor<2x2x2x3xf32>) permutation = [1, 0, 2, 3]
    %3 = tensor.collapse_shape %2 [[0, 1, 2], [3]] : tensor<2x2x2x3xf32> into tensor<8x3xf32>
    scf.yield %3 : tensor<8x3xf32>
  }
  %gw = muster.all_gather %w on ["b", "a"] dim 0 : tensor<2x5xf32> -> tensor<8x5xf32>
  %to = tensor.empty() : tensor<3x8xf32>
  %t = linalg.transpose ins(%g : tensor<8x3xf32>) outs(%to : tensor<3x8xf32>) permutation = [1, 0]
  %zero = arith.constant dense<0.0> : tensor<3x5xf32>
  %y = linalg.matmul ins(%t, %gw : tensor<3x8xf32>, tensor<8x5xf32>) outs(%zero : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// -----

#id = affine_map<(m, i) -> (m, i)>
#column = affine_map<(m, i) -> (i)>
muster.mesh @node <["tp" = 2]>
// The greatest of copies is what was copied.
func.func @maximum_of_copies(%x: tensor<3x4xf32> {muster.layout = #muster.layout<[m, i]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[i]>}) {
  %g = muster.all_gather %x on "tp" dim 0 : tensor<3x4xf32> -> tensor<6x4xf32>
  %least = arith.constant dense<0xFF800000> : tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%g : tensor<6x4xf32>) outs(%least : tensor<4xf32>) {
  ^bb0(%v: f32, %acc: f32):
    %0 = arith.maximumf %acc, %v : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

#id = affine_map<(m, i) -> (m, i)>
#column = affine_map<(m, i) -> (i)>
muster.mesh @node <["tp" = 2]>
// Their sum is not.
func.func @negative_sum_of_copies(%x: tensor<3x4xf32> {muster.layout = #muster.layout<[m, i]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[i]>}) {
  %g = muster.all_gather %x on "tp" dim 0 : tensor<3x4xf32> -> tensor<6x4xf32>
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  // expected-error @+1 {{E1106}}
  %y = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%g : tensor<6x4xf32>) outs(%zero : tensor<4xf32>) {
  ^bb0(%v: f32, %acc: f32):
    %0 = arith.addf %acc, %v : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

#id = affine_map<(m, i) -> (m, i)>
#row = affine_map<(m, i) -> (m)>
#column = affine_map<(m, i) -> (i)>
muster.mesh @node <["tp" = 2]>
// Nor is the greatest where each copy has another weight.
func.func @negative_maximum_of_weighted_copies(%x: tensor<3x4xf32> {muster.layout = #muster.layout<[m, i]>},
    %w: tensor<6xf32> {muster.layout = #muster.layout<[n]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[i]>}) {
  %g = muster.all_gather %x on "tp" dim 0 : tensor<3x4xf32> -> tensor<6x4xf32>
  %least = arith.constant dense<0xFF800000> : tensor<4xf32>
  // expected-error @+1 {{E1106}}
  %y = linalg.generic {indexing_maps = [#id, #row, #column], iterator_types = ["reduction", "parallel"]}
      ins(%g, %w : tensor<6x4xf32>, tensor<6xf32>) outs(%least : tensor<4xf32>) {
  ^bb0(%v: f32, %s: f32, %acc: f32):
    %0 = arith.mulf %v, %s : f32
    %1 = arith.maximumf %acc, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}
