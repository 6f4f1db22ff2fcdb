// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics | FileCheck %s

// Shards that fill their dim, and whole dims, that move beside unit dims: which dim a shard belongs to is what the
// program means on one rank, where reshapes go to other sizes and collectives do nothing.

muster.mesh @m <["a" = 3]>

// One rank reshapes [9, 4] to [9, 1, 4]: the unit dim stands behind the rows, and the exchange brings the heads home.
// CHECK-LABEL: func.func @unit_dim_is_no_shard
func.func @unit_dim_is_no_shard(%x: tensor<3x6xf32> {muster.layout = #muster.layout<[t/a, h]>})
    -> (tensor<9x1x2xf32> {muster.layout = #muster.layout<[t, one, h/a]>}) {
  %cut = tensor.expand_shape %x [[0], [1, 2]] output_shape [3, 3, 2] : tensor<3x6xf32> into tensor<3x3x2xf32>
  %init = tensor.empty() : tensor<3x3x2xf32>
  %front = linalg.transpose ins(%cut : tensor<3x3x2xf32>) outs(%init : tensor<3x3x2xf32>) permutation = [1, 0, 2]
  %moved = muster.exchange %front on "a" : tensor<3x3x2xf32>
  %rows = tensor.collapse_shape %moved [[0, 1], [2]] : tensor<3x3x2xf32> into tensor<9x2xf32>
  %unit = tensor.expand_shape %rows [[0, 1], [2]] output_shape [9, 1, 2] : tensor<9x2xf32> into tensor<9x1x2xf32>
  return %unit : tensor<9x1x2xf32>
}

// -----

muster.mesh @m <["a" = 2, "c" = 3]>

// Two whole dims of equal size change places: the ranks hold them so, but one rank does not move them.
func.func @negative_whole_dims_change_places(
    %x: tensor<1x1xf32> {muster.layout = #muster.layout<[b, s/c]>}, %w: tensor<1x3xf32> {muster.layout = #muster.layout<[i, o]>})
    -> (tensor<3x1xf32> {muster.layout = #muster.layout<[p, q/c]>}) {
  %init = tensor.empty() : tensor<3x1xf32>
  %zero = arith.constant 0.0 : f32
  %start = linalg.fill ins(%zero : f32) outs(%init : tensor<3x1xf32>) -> tensor<3x1xf32>
  %product = linalg.generic {indexing_maps = [affine_map<(s, i, o) -> (i, s)>, affine_map<(s, i, o) -> (i, o)>,
                                              affine_map<(s, i, o) -> (o, s)>],
                             iterator_types = ["parallel", "reduction", "parallel"]}
      ins(%x, %w : tensor<1x1xf32>, tensor<1x3xf32>) outs(%start : tensor<3x1xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %p : f32
    linalg.yield %r : f32
  } -> tensor<3x1xf32>
  // expected-note @+1 {{the value varies over 'c': (3 : 1 @o, c)}}
  %swapped = muster.all_to_all %product on "c" split 0 concat 0 : tensor<3x1xf32> -> tensor<3x1xf32>
  // expected-error @+2 {{E1108 cannot be proved: result holds the wrong elements: expected layout [p, q/c]}}
  // expected-note @+1 {{which dim that shard belongs to}}
  return %swapped : tensor<3x1xf32>
}

// -----

muster.mesh @m <["a" = 3, "b" = 3]>

// The shards of the first dim come back along the second: their part of it is no dim of the result.
func.func @negative_gather_along_another_dim(
    %x: tensor<1x1xf32> {muster.layout = #muster.layout<[n, m/(a,b)]>}, %w: tensor<1xf32> {muster.layout = #muster.layout<[k]>})
    -> (tensor<3xf32> {muster.layout = #muster.layout<[m/a]>}) {
  %rows = muster.all_gather %x on "b" dim 0 : tensor<1x1xf32> -> tensor<3x1xf32>
  %init = tensor.empty() : tensor<3xf32>
  %zero = arith.constant 0.0 : f32
  %start = linalg.fill ins(%zero : f32) outs(%init : tensor<3xf32>) -> tensor<3xf32>
  // expected-error @+1 {{E1106 no program on one rank moves its dims as this program does}}
  %product = linalg.generic {indexing_maps = [affine_map<(r, k) -> (r, k)>, affine_map<(r, k) -> (k)>,
                                              affine_map<(r, k) -> (r)>],
                             iterator_types = ["parallel", "reduction"]}
      ins(%rows, %w : tensor<3x1xf32>, tensor<1xf32>) outs(%start : tensor<3xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %p : f32
    linalg.yield %r : f32
  } -> tensor<3xf32>
  return %product : tensor<3xf32>
}

// -----

muster.mesh @m <["a" = 2, "b" = 2]>

// The unit dim is what `a` divides, the dim behind it what is left: two dims on one rank, cut between the shards.
// CHECK-LABEL: func.func @unit_dim_takes_the_outer_shards
func.func @unit_dim_takes_the_outer_shards(
    %x: tensor<2x4xf32> {muster.layout = #muster.layout<[t/(a,b), d]>}, %w: tensor<2x4xf32> {muster.layout = #muster.layout<[o, i]>})
    -> (tensor<2x2xf32> {muster.layout = #muster.layout<[p/a, q/b]>}) {
  %unit = tensor.expand_shape %x [[0, 1], [2]] output_shape [1, 2, 4] : tensor<2x4xf32> into tensor<1x2x4xf32>
  %init = tensor.empty() : tensor<1x2x2xf32>
  %zero = arith.constant 0.0 : f32
  %start = linalg.fill ins(%zero : f32) outs(%init : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %product = linalg.generic {indexing_maps = [affine_map<(u, t, o, i) -> (u, t, i)>, affine_map<(u, t, o, i) -> (o, i)>,
                                              affine_map<(u, t, o, i) -> (u, o, t)>],
                             iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%unit, %w : tensor<1x2x4xf32>, tensor<2x4xf32>) outs(%start : tensor<1x2x2xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %p : f32
    linalg.yield %r : f32
  } -> tensor<1x2x2xf32>
  %front = tensor.empty() : tensor<2x1x2xf32>
  %turned = linalg.transpose ins(%product : tensor<1x2x2xf32>) outs(%front : tensor<2x1x2xf32>) permutation = [2, 0, 1]
  %moved = muster.exchange %turned on "b" : tensor<2x1x2xf32>
  %result = tensor.collapse_shape %moved [[0, 1], [2]] : tensor<2x1x2xf32> into tensor<2x2xf32>
  return %result : tensor<2x2xf32>
}

// -----

muster.mesh @m <["a" = 2]>

// Which of two unit dims is reduced, one rank tells only with the result: the one that nothing divides.
// CHECK-LABEL: func.func @reduction_of_a_unit_dim
func.func @reduction_of_a_unit_dim(%x: tensor<1xf32> {muster.layout = #muster.layout<[t/a]>})
    -> (tensor<1xf32> {muster.layout = #muster.layout<[u/a]>}) {
  %unit = tensor.expand_shape %x [[0, 1]] output_shape [1, 1] : tensor<1xf32> into tensor<1x1xf32>
  %init = tensor.empty() : tensor<1xf32>
  %least = arith.constant 0xFF800000 : f32
  %start = linalg.fill ins(%least : f32) outs(%init : tensor<1xf32>) -> tensor<1xf32>
  %most = linalg.generic {indexing_maps = [affine_map<(t, u) -> (t, u)>, affine_map<(t, u) -> (t)>],
                          iterator_types = ["parallel", "reduction"]}
      ins(%unit : tensor<1x1xf32>) outs(%start : tensor<1xf32>) {
  ^bb0(%a: f32, %sofar: f32):
    %r = arith.maximumf %sofar, %a : f32
    linalg.yield %r : f32
  } -> tensor<1xf32>
  return %most : tensor<1xf32>
}

// -----

muster.mesh @m <["a" = 2]>

// The same result for several readings: which it was, the boundary tells.
// CHECK-LABEL: func.func @readings_stay_open
func.func @readings_stay_open(%x: tensor<2xf32> {muster.layout = #muster.layout<[t/a]>})
    -> (tensor<2x1xf32> {muster.layout = #muster.layout<[u, v/a]>}) {
  %unit = tensor.expand_shape %x [[0, 1]] output_shape [1, 2] : tensor<2xf32> into tensor<1x2xf32>
  %half = arith.constant dense<0.5> : tensor<1x2xf32>
  %sum = arith.addf %unit, %half : tensor<1x2xf32>
  %init = tensor.empty() : tensor<2x1xf32>
  %turned = linalg.transpose ins(%sum : tensor<1x2xf32>) outs(%init : tensor<2x1xf32>) permutation = [1, 0]
  return %turned : tensor<2x1xf32>
}

// -----

muster.mesh @m <["a" = 2]>

// The greatest of sums is not the sum of the greatest.
func.func @negative_sum_of_what_is_still_to_be_maximised(%x: tensor<3x5xf32> {muster.layout = #muster.layout<[t/a, d]>})
    -> (tensor<1xf32> {muster.layout = #muster.layout<[one]>}) {
  %init = tensor.empty() : tensor<5xf32>
  %least = arith.constant 0xFF800000 : f32
  %start = linalg.fill ins(%least : f32) outs(%init : tensor<5xf32>) -> tensor<5xf32>
  %most = linalg.reduce ins(%x : tensor<3x5xf32>) outs(%start : tensor<5xf32>) dimensions = [0]
      (%a: f32, %sofar: f32) { %r = arith.maximumf %a, %sofar : f32  linalg.yield %r : f32 }
  %none = tensor.empty() : tensor<f32>
  %zero = arith.constant 0.0 : f32
  %empty = linalg.fill ins(%zero : f32) outs(%none : tensor<f32>) -> tensor<f32>
  // expected-error @+1 {{E1105 operand 0 is still to be reduced over 'a' by a maximum or minimum}}
  %sum = linalg.reduce ins(%most : tensor<5xf32>) outs(%empty : tensor<f32>) dimensions = [0]
      (%a: f32, %sofar: f32) { %r = arith.addf %a, %sofar : f32  linalg.yield %r : f32 }
  %full = muster.all_reduce %sum max on "a" : tensor<f32>
  %one = tensor.expand_shape %full [] output_shape [1] : tensor<f32> into tensor<1xf32>
  return %one : tensor<1xf32>
}

// -----

// The shard of u stands in dim 1 of the argument and in dim 0 of the result: each rank holds what it should.
muster.mesh @node <["sp" = 2]>
func.func @shard_in_another_dim(%x: tensor<5x14xf32> {muster.layout = #muster.layout<[r, (u/sp v)]>})
    -> (tensor<5x14xf32> {muster.layout = #muster.layout<[(r u/sp), v]>})
    attributes {muster.sizes = {u = 2, v = 14}} {
  return %x : tensor<5x14xf32>
}

// -----

// By another axis it is another shard.
muster.mesh @node <["sp" = 2, "ep" = 2]>
// expected-note @+1 {{dim 0 holds [(5 : 1 @r)], declared [(5 : 1 @r)(2 : 1 @u, ep)]}}
func.func @negative_shard_by_another_axis(%x: tensor<5x14xf32> {muster.layout = #muster.layout<[r, (u/sp v)]>})
    -> (tensor<5x14xf32> {muster.layout = #muster.layout<[(r u/ep), v]>})
    attributes {muster.sizes = {u = 2, v = 14}} {
  // expected-error @+2 {{E1104 result holds the wrong elements}}
  // expected-note @+1 {{rank (sp=1, ep=0), local index [0, 0]: wanted logical [0, 0, 0] of [r, v, u], got [0, 0, 1]}}
  return %x : tensor<5x14xf32>
}

// -----

// What ranks computed from different shards is no element of an argument.
muster.mesh @node <["sp" = 2]>
func.func @negative_shard_of_another_sum(%x: tensor<5x14x3xf32> {muster.layout = #muster.layout<[r, (u/sp v), e]>})
    -> (tensor<5x14xf32> {muster.layout = #muster.layout<[(r u/sp), v]>})
    attributes {muster.sizes = {u = 2, v = 14}} {
  %i = tensor.empty() : tensor<5x14xf32>
  %z = arith.constant 0.0 : f32
  %f = linalg.fill ins(%z : f32) outs(%i : tensor<5x14xf32>) -> tensor<5x14xf32>
  // expected-note @+1 {{dim 0 holds}}
  %s = linalg.generic {indexing_maps = [affine_map<(r, v, e) -> (r, v, e)>, affine_map<(r, v, e) -> (r, v)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x : tensor<5x14x3xf32>) outs(%f : tensor<5x14xf32>) {
  ^bb0(%in: f32, %acc: f32):
    %sum = arith.addf %acc, %in : f32
    linalg.yield %sum : f32
  } -> tensor<5x14xf32>
  // expected-error @+2 {{E1108 cannot be proved: result holds the declared elements on this mesh, but not as layout [(r u/sp), v] has its dims}}
  // expected-note @+1 {{what would settle it}}
  return %s : tensor<5x14xf32>
}

// -----

// One head of one element a rank: the shard that floats is one of the heads.
muster.mesh @m <["b" = 4]>
func.func @heads_of_one_element(%x: tensor<2x1xf32> {muster.layout = #muster.layout<[t, i/b]>})
    -> (tensor<2x1x1xf32> {muster.layout = #muster.layout<[t, h/b, d]>}) {
  %y = nn.split_heads %x heads 4 head_dim 1 : tensor<2x1xf32> -> tensor<2x1x1xf32>
  return %y : tensor<2x1x1xf32>
}
