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
