// RUN: muster-opt %s --muster-verify-layouts --split-input-file --verify-diagnostics

// Checks of the rule of operations that compute.

#id = affine_map<(a) -> (a)>
muster.mesh @node <["tp" = 3]>
func.func @negative_square_of_parts(%y: tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t], partial(sum: tp)>}) {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{E1105 operand 0 is still to be reduced over 'tp'}}
  %z = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%y : tensor<4xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %o: f32):
    %m = arith.mulf %in, %in : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

#first = affine_map<(a) -> (a, 0)>
#id = affine_map<(a) -> (a)>
muster.mesh @node <["tp" = 3]>
func.func @negative_first_of_each_shard(%y: tensor<4x5xf32> {muster.layout = #muster.layout<[t, i/tp]>})
    -> (tensor<4xf32> {muster.layout = #muster.layout<[t]>}) {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{E1106 dim 1 is needed whole on every rank but is spread over 'tp'}}
  %z = linalg.generic {indexing_maps = [#first, #id], iterator_types = ["parallel"]} ins(%y : tensor<4x5xf32>) outs(%e : tensor<4xf32>) {
  ^bb0(%in: f32, %o: f32):
    %m = math.tanh %in : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// Two heads that every rank has are not the two of its part.
muster.mesh @mesh <["sp" = 3]>
muster.state @keys : tensor<?x16x6x8xf32> layout <[page, slot, kv/sp, d]>
muster.state @values : tensor<?x16x2x8xf32> layout <[page, slot, kv, d]>
func.func @negative_keys_against_values(%q: tensor<?x4x8xf32> {muster.layout = #muster.layout<[t, h/sp, d]>},
                                        %positions: tensor<?xi32> {muster.layout = #muster.layout<[t]>},
                                        %starts: tensor<?xi32> {muster.layout = #muster.layout<[starts]>},
                                        %blocks: tensor<?x4xi32> {muster.layout = #muster.layout<[s, pages]>})
    -> (tensor<?x4x8xf32> {muster.layout = #muster.layout<[t, h/sp, d]>}) {
  // expected-error @+1 {{E1106 keys and values do not agree}}
  %0 = nn.attention %q keys @keys values @values positions %positions starts %starts blocks %blocks heads 12 kv_heads 6
      scale 0.35355339059327373 : tensor<?x4x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x4xi32>
  return %0 : tensor<?x4x8xf32>
}

// -----

// Key-value heads repeated for their groups are query heads by position.
muster.mesh @node <["tp" = 2]>
func.func @repeated_heads(%q: tensor<5x6x3xf32> {muster.layout = #muster.layout<[t, h/tp, e]>},
    %k: tensor<7x2x3xf32> {muster.layout = #muster.layout<[u, g/tp, e]>})
    -> (tensor<5x7x6xf32> {muster.layout = #muster.layout<[t, u, h/tp]>}) {
  %e = tensor.empty() : tensor<7x2x3x3xf32>
  %k1 = linalg.broadcast ins(%k : tensor<7x2x3xf32>) outs(%e : tensor<7x2x3x3xf32>) dimensions = [2]
  %k2 = tensor.collapse_shape %k1 [[0], [1, 2], [3]] : tensor<7x2x3x3xf32> into tensor<7x6x3xf32>
  %i = tensor.empty() : tensor<5x7x6xf32>
  %z = arith.constant 0.0 : f32
  %f = linalg.fill ins(%z : f32) outs(%i : tensor<5x7x6xf32>) -> tensor<5x7x6xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, u, h)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k2 : tensor<5x6x3xf32>, tensor<7x6x3xf32>) outs(%f : tensor<5x7x6xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x6xf32>
  return %s : tensor<5x7x6xf32>
}

// -----

// Repeated in turn on each rank: on one rank the copies of a head stand elsewhere.
muster.mesh @node <["tp" = 2]>
func.func @negative_heads_repeated_in_turn(%q: tensor<5x6x3xf32> {muster.layout = #muster.layout<[t, h/tp, e]>},
    %k: tensor<7x2x3xf32> {muster.layout = #muster.layout<[u, g/tp, e]>})
    -> (tensor<5x7x6xf32> {muster.layout = #muster.layout<[t, u, h/tp]>}) {
  %e = tensor.empty() : tensor<7x3x2x3xf32>
  %k1 = linalg.broadcast ins(%k : tensor<7x2x3xf32>) outs(%e : tensor<7x3x2x3xf32>) dimensions = [1]
  %k2 = tensor.collapse_shape %k1 [[0], [1, 2], [3]] : tensor<7x3x2x3xf32> into tensor<7x6x3xf32>
  %i = tensor.empty() : tensor<5x7x6xf32>
  %z = arith.constant 0.0 : f32
  %f = linalg.fill ins(%z : f32) outs(%i : tensor<5x7x6xf32>) -> tensor<5x7x6xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd1': the same index names different positions}}
  %s = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, h, e)>, affine_map<(t, h, u, e) -> (t, u, h)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k2 : tensor<5x6x3xf32>, tensor<7x6x3xf32>) outs(%f : tensor<5x7x6xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p : f32
    linalg.yield %sum : f32
  } -> tensor<5x7x6xf32>
  return %s : tensor<5x7x6xf32>
}

// -----

// Key-value heads that no rank divides, repeated on each: rank 1 has other query heads and the same key-value heads.
muster.mesh @node <["tp" = 2]>
func.func @negative_whole_heads_repeated(%q: tensor<5x6xf32> {muster.layout = #muster.layout<[t, h/tp]>},
    %k: tensor<5x2xf32> {muster.layout = #muster.layout<[t, g]>})
    -> (tensor<5x6xf32> {muster.layout = #muster.layout<[t, h/tp]>}) {
  %e = tensor.empty() : tensor<5x2x3xf32>
  %k1 = linalg.broadcast ins(%k : tensor<5x2xf32>) outs(%e : tensor<5x2x3xf32>) dimensions = [2]
  %k2 = tensor.collapse_shape %k1 [[0], [1, 2]] : tensor<5x2x3xf32> into tensor<5x6xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd1': over all ranks one side has 12 positions, the other 6}}
  %s = arith.addf %q, %k2 : tensor<5x6xf32>
  return %s : tensor<5x6xf32>
}

// -----

// Copies of ranks that hold the same are no copies that one rank has: there the dim has 2 rows.
muster.mesh @node <["tp" = 3]>
func.func @negative_gathered_duplicates(%q: tensor<6xf32> {muster.layout = #muster.layout<[h]>},
    %k: tensor<2xf32> {muster.layout = #muster.layout<[g]>})
    -> (tensor<6xf32> {muster.layout = #muster.layout<[h]>}) {
  %k2 = muster.all_gather %k on "tp" dim 0 : tensor<2xf32> -> tensor<6xf32>
  // expected-error @+1 {{are duplicates}}
  %s = arith.addf %q, %k2 : tensor<6xf32>
  return %s : tensor<6xf32>
}

// -----

// Two key-value heads for four ranks, each handed to two of them, beside query heads named by their groups.
muster.mesh @node <["sp" = 4]>
func.func @handed_copies(%q: tensor<2x12x3xf32> {muster.layout = #muster.layout<[s/sp, (g m), d]>},
    %k: tensor<2x2x3xf32> {muster.layout = #muster.layout<[u/sp, g, d]>})
    -> (tensor<8x8x3xf32> {muster.layout = #muster.layout<[s, u, (g/sp[2:2] m/sp[1:2])]>}) {
  %q1 = muster.all_to_all %q on "sp" split 1 concat 0 : tensor<2x12x3xf32> -> tensor<8x3x3xf32>
  %e = tensor.empty() : tensor<2x2x2x3xf32>
  %k1 = linalg.broadcast ins(%k : tensor<2x2x3xf32>) outs(%e : tensor<2x2x2x3xf32>) dimensions = [2]
  %k2 = tensor.collapse_shape %k1 [[0], [1, 2], [3]] : tensor<2x2x2x3xf32> into tensor<2x4x3xf32>
  %k3 = muster.all_to_all %k2 on "sp" split 1 concat 0 : tensor<2x4x3xf32> -> tensor<8x1x3xf32>
  %k4 = tensor.collapse_shape %k3 [[0, 1], [2]] : tensor<8x1x3xf32> into tensor<8x3xf32>
  %i = tensor.empty() : tensor<8x8x3xf32>
  %z = arith.constant 0.0 : f32
  %f = linalg.fill ins(%z : f32) outs(%i : tensor<8x8x3xf32>) -> tensor<8x8x3xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, e)>, affine_map<(t, h, u, e) -> (t, u, h)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k4 : tensor<8x3x3xf32>, tensor<8x3xf32>) outs(%f : tensor<8x8x3xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p : f32
    linalg.yield %sum : f32
  } -> tensor<8x8x3xf32>
  return %s : tensor<8x8x3xf32>
}

// -----

// Handed out in turn: rank 1 has query heads of group 0 and key-value head 1.
muster.mesh @node <["sp" = 4]>
func.func @negative_handed_in_turn(%q: tensor<2x12x3xf32> {muster.layout = #muster.layout<[s/sp, (g m), d]>},
    %k: tensor<2x2x3xf32> {muster.layout = #muster.layout<[u/sp, g, d]>})
    -> (tensor<8x8x3xf32> {muster.layout = #muster.layout<[s, u, (g/sp[2:2] m/sp[1:2])]>}) {
  %q1 = muster.all_to_all %q on "sp" split 1 concat 0 : tensor<2x12x3xf32> -> tensor<8x3x3xf32>
  %e = tensor.empty() : tensor<2x2x2x3xf32>
  %k1 = linalg.broadcast ins(%k : tensor<2x2x3xf32>) outs(%e : tensor<2x2x2x3xf32>) dimensions = [1]
  %k2 = tensor.collapse_shape %k1 [[0], [1, 2], [3]] : tensor<2x2x2x3xf32> into tensor<2x4x3xf32>
  %k3 = muster.all_to_all %k2 on "sp" split 1 concat 0 : tensor<2x4x3xf32> -> tensor<8x1x3xf32>
  %k4 = tensor.collapse_shape %k3 [[0, 1], [2]] : tensor<8x1x3xf32> into tensor<8x3xf32>
  %i = tensor.empty() : tensor<8x8x3xf32>
  %z = arith.constant 0.0 : f32
  %f = linalg.fill ins(%z : f32) outs(%i : tensor<8x8x3xf32>) -> tensor<8x8x3xf32>
  // expected-error @+2 {{E1106}}
  // expected-note @+1 {{keep that dim if each part of 'g' is meant for itself}}
  %s = linalg.generic {indexing_maps = [affine_map<(t, h, u, e) -> (t, h, e)>, affine_map<(t, h, u, e) -> (u, e)>, affine_map<(t, h, u, e) -> (t, u, h)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q1, %k4 : tensor<8x3x3xf32>, tensor<8x3xf32>) outs(%f : tensor<8x8x3xf32>) {
  ^bb0(%in0: f32, %in1: f32, %acc: f32):
    %p = arith.mulf %in0, %in1 : f32
    %sum = arith.addf %acc, %p : f32
    linalg.yield %sum : f32
  } -> tensor<8x8x3xf32>
  return %s : tensor<8x8x3xf32>
}
