// RUN: muster-opt %s --muster-verify-layouts=run --split-input-file --verify-diagnostics
//
// Faults that reach no result: a part is sliced away, or the order does not matter to a sum. Not proved, and not refuted.

muster.mesh @node <["a" = 2, "b" = 3]>
func.func @sum_in_two_orders(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>},
    %a1: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>})
    -> (tensor<7xf32> {muster.layout = #muster.layout<[d]>}) {
  %v1 = muster.all_gather %a0 on ["b", "a"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v2 = tensor.empty() : tensor<30x7xf32>
  %v3 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v1 : tensor<30x7xf32>) outs(%v2 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<30x7xf32>
  %v4 = muster.all_gather %a1 on ["a", "b"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v5 = tensor.empty() : tensor<30x7xf32>
  // expected-error @+3 {{E1108 cannot be proved: operands do not agree along 'd0': in [(3 : 5 @s)(2 : 15 @s)(5 : 1 @s)] the digit (2 : 15 @s) is not followed by the rest of 's'}}
  // expected-note @+2 {{a run on random data shows no difference from one rank, which proves nothing}}
  // expected-note @+1 {{what would settle it: whether the fault reaches a result: a part of what this makes is sliced away, or it is only added up}}
  %v6 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v3, %v4 : tensor<30x7xf32>, tensor<30x7xf32>) outs(%v5 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.addf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<30x7xf32>
  %v7 = tensor.empty() : tensor<7xf32>
  %c7 = arith.constant 0.0 : f32
  %v8 = linalg.fill ins(%c7 : f32) outs(%v7 : tensor<7xf32>) -> tensor<7xf32>
  %v9 = linalg.generic {indexing_maps = [affine_map<(id, is) -> (is, id)>, affine_map<(id, is) -> (id)>], iterator_types = ["parallel", "reduction"]} ins(%v6 : tensor<30x7xf32>) outs(%v8 : tensor<7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<7xf32>
  return %v9 : tensor<7xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
func.func @negative_product_in_two_orders(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>},
    %a1: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>})
    -> (tensor<7xf32> {muster.layout = #muster.layout<[d]>}) {
  %v1 = muster.all_gather %a0 on ["b", "a"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v2 = tensor.empty() : tensor<30x7xf32>
  %v3 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v1 : tensor<30x7xf32>) outs(%v2 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<30x7xf32>
  %v4 = muster.all_gather %a1 on ["a", "b"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v5 = tensor.empty() : tensor<30x7xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd0': in [(3 : 5 @s)(2 : 15 @s)(5 : 1 @s)] the digit (2 : 15 @s) is not followed by the rest of 's'}}
  %v6 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v3, %v4 : tensor<30x7xf32>, tensor<30x7xf32>) outs(%v5 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<30x7xf32>
  %v7 = tensor.empty() : tensor<7xf32>
  %c7 = arith.constant 0.0 : f32
  %v8 = linalg.fill ins(%c7 : f32) outs(%v7 : tensor<7xf32>) -> tensor<7xf32>
  %v9 = linalg.generic {indexing_maps = [affine_map<(id, is) -> (is, id)>, affine_map<(id, is) -> (id)>], iterator_types = ["parallel", "reduction"]} ins(%v6 : tensor<30x7xf32>) outs(%v8 : tensor<7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<7xf32>
  return %v9 : tensor<7xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
func.func @negative_function_of_a_sum_in_two_orders(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>},
    %a1: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>})
    -> (tensor<7xf32> {muster.layout = #muster.layout<[d]>}) {
  %v1 = muster.all_gather %a0 on ["b", "a"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v2 = muster.all_gather %a1 on ["a", "b"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v3 = tensor.empty() : tensor<30x7xf32>
  // expected-error @+1 {{E1106 operands do not agree along 'd0': in [(3 : 5 @s)(2 : 15 @s)(5 : 1 @s)] the digit (2 : 15 @s) is not followed by the rest of 's'}}
  %v4 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v1, %v2 : tensor<30x7xf32>, tensor<30x7xf32>) outs(%v3 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.addf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<30x7xf32>
  %v5 = tensor.empty() : tensor<30x7xf32>
  %v6 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v4 : tensor<30x7xf32>) outs(%v5 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<30x7xf32>
  %v7 = tensor.empty() : tensor<7xf32>
  %c7 = arith.constant 0.0 : f32
  %v8 = linalg.fill ins(%c7 : f32) outs(%v7 : tensor<7xf32>) -> tensor<7xf32>
  %v9 = linalg.generic {indexing_maps = [affine_map<(id, is) -> (is, id)>, affine_map<(id, is) -> (id)>], iterator_types = ["parallel", "reduction"]} ins(%v6 : tensor<30x7xf32>) outs(%v8 : tensor<7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %r = arith.addf %i0, %o : f32
    linalg.yield %r : f32
  } -> tensor<7xf32>
  return %v9 : tensor<7xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @fault_in_a_part_that_goes(%a0: tensor<6x10xf32> {muster.layout = #muster.layout<[t, h]>},
    %a1: tensor<4x5xf32> {muster.layout = #muster.layout<[u, h/tp]>})
    -> (tensor<6x10xf32> {muster.layout = #muster.layout<[t, h]>}) {
  %v1 = muster.all_gather %a1 on "tp" dim 0 : tensor<4x5xf32> -> tensor<8x5xf32>
  %v2 = tensor.collapse_shape %v1 [[0, 1]] : tensor<8x5xf32> into tensor<40xf32>
  %v3 = tensor.expand_shape %v2 [[0, 1]] output_shape [4, 10] : tensor<40xf32> into tensor<4x10xf32>
  %v4 = tensor.concat dim(0) %a0, %v3 : (tensor<6x10xf32>, tensor<4x10xf32>) -> tensor<10x10xf32>
  %v5 = tensor.empty() : tensor<10x10xf32>
  // expected-error @+3 {{E1108 cannot be proved: no program on one rank moves its dims as this program does}}
  // expected-note @+2 {{a run on random data shows no difference from one rank, which proves nothing}}
  // expected-note @+1 {{what would settle it: whether the fault reaches a result: a part of what this makes is sliced away, or it is only added up}}
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io) -> (it, io)>, affine_map<(it, io) -> (it, io)>], iterator_types = ["parallel", "parallel"]} ins(%v4 : tensor<10x10xf32>) outs(%v5 : tensor<10x10xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<10x10xf32>
  %v7 = tensor.extract_slice %v6[0, 0] [6, 10] [1, 1] : tensor<10x10xf32> to tensor<6x10xf32>
  return %v7 : tensor<6x10xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @negative_fault_in_a_part_that_stays(%a0: tensor<6x10xf32> {muster.layout = #muster.layout<[t, h]>},
    %a1: tensor<4x5xf32> {muster.layout = #muster.layout<[u, h/tp]>})
    -> (tensor<7x10xf32> {muster.layout = #muster.layout<[q, h]>}) {
  %v1 = muster.all_gather %a1 on "tp" dim 0 : tensor<4x5xf32> -> tensor<8x5xf32>
  %v2 = tensor.collapse_shape %v1 [[0, 1]] : tensor<8x5xf32> into tensor<40xf32>
  %v3 = tensor.expand_shape %v2 [[0, 1]] output_shape [4, 10] : tensor<40xf32> into tensor<4x10xf32>
  %v4 = tensor.concat dim(0) %a0, %v3 : (tensor<6x10xf32>, tensor<4x10xf32>) -> tensor<10x10xf32>
  %v5 = tensor.empty() : tensor<10x10xf32>
  // expected-note @+1 {{the rules do not decide this: no program on one rank moves its dims as this program does}}
  %v6 = linalg.generic {indexing_maps = [affine_map<(it, io) -> (it, io)>, affine_map<(it, io) -> (it, io)>], iterator_types = ["parallel", "parallel"]} ins(%v4 : tensor<10x10xf32>) outs(%v5 : tensor<10x10xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<10x10xf32>
  %v7 = tensor.extract_slice %v6[0, 0] [7, 10] [1, 1] : tensor<10x10xf32> to tensor<7x10xf32>
  // expected-error @+2 {{E1113 result 0 is not what one rank computes: expected 0.777008 but got 0.558451 on rank (tp=0), local index [6, 5]}}
  // expected-note @+1 {{found by running the program in the reference interpreter on random data (seed 1), on its mesh and on one rank}}
  return %v7 : tensor<7x10xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
func.func @first_rows_of_two_orders(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>},
    %a1: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>})
    -> (tensor<5x7xf32> {muster.layout = #muster.layout<[r, d]>}) {
  %v1 = muster.all_gather %a0 on ["b", "a"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v2 = muster.all_gather %a1 on ["a", "b"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v3 = tensor.empty() : tensor<30x7xf32>
  // expected-error @+3 {{E1108 cannot be proved: operands do not agree along 'd0': in [(3 : 5 @s)(2 : 15 @s)(5 : 1 @s)] the digit (2 : 15 @s) is not followed by the rest of 's'}}
  // expected-note @+2 {{a run on random data shows no difference from one rank, which proves nothing}}
  // expected-note @+1 {{what would settle it: whether the fault reaches a result: a part of what this makes is sliced away, or it is only added up}}
  %v4 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v1, %v2 : tensor<30x7xf32>, tensor<30x7xf32>) outs(%v3 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<30x7xf32>
  %v5 = tensor.extract_slice %v4[0, 0] [5, 7] [1, 1] : tensor<30x7xf32> to tensor<5x7xf32>
  return %v5 : tensor<5x7xf32>
}

// -----

muster.mesh @node <["a" = 2, "b" = 3]>
func.func @negative_more_rows_of_two_orders(%a0: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>},
    %a1: tensor<5x7xf32> {muster.layout = #muster.layout<[s/(a, b), d]>})
    -> (tensor<6x7xf32> {muster.layout = #muster.layout<[r, d]>}) {
  %v1 = muster.all_gather %a0 on ["b", "a"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v2 = muster.all_gather %a1 on ["a", "b"] dim 0 : tensor<5x7xf32> -> tensor<30x7xf32>
  %v3 = tensor.empty() : tensor<30x7xf32>
  // expected-note @+1 {{the rules do not decide this: operands do not agree along 'd0': in [(3 : 5 @s)(2 : 15 @s)(5 : 1 @s)] the digit (2 : 15 @s) is not followed by the rest of 's'}}
  %v4 = linalg.generic {indexing_maps = [affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>, affine_map<(is, id) -> (is, id)>], iterator_types = ["parallel", "parallel"]} ins(%v1, %v2 : tensor<30x7xf32>, tensor<30x7xf32>) outs(%v3 : tensor<30x7xf32>) {
  ^bb0(%i0: f32, %i1: f32, %o: f32):
    %m1 = arith.mulf %i0, %i1 : f32
    linalg.yield %m1 : f32
  } -> tensor<30x7xf32>
  %v5 = tensor.extract_slice %v4[0, 0] [6, 7] [1, 1] : tensor<30x7xf32> to tensor<6x7xf32>
  // expected-error @+2 {{E1113 result 0 is not what one rank computes: expected -0.239453 but got -0.481033 on rank (a=0, b=0), local index [5, 0]}}
  // expected-note @+1 {{found by running the program in the reference interpreter on random data (seed 1), on its mesh and on one rank}}
  return %v5 : tensor<6x7xf32>
}

// -----

muster.mesh @node <["tp" = 2]>
func.func @negative_forgotten_sum(%a0: tensor<6x5xf32> {muster.layout = #muster.layout<[s, f/tp]>},
    %a1: tensor<7x5xf32> {muster.layout = #muster.layout<[o, f/tp]>})
    -> (tensor<1x7xf32> {muster.layout = #muster.layout<[r, o]>}) {
  %v1 = nn.matmul %a0, %a1 : tensor<6x5xf32>, tensor<7x5xf32> -> tensor<6x7xf32>
  %v2 = tensor.empty() : tensor<6x7xf32>
  // expected-error @+1 {{E1105 operand 0 is still to be reduced over 'tp'}}
  %v3 = linalg.generic {indexing_maps = [affine_map<(is, io) -> (is, io)>, affine_map<(is, io) -> (is, io)>], iterator_types = ["parallel", "parallel"]} ins(%v1 : tensor<6x7xf32>) outs(%v2 : tensor<6x7xf32>) {
  ^bb0(%i0: f32, %o: f32):
    %m = math.exp %i0 : f32
    linalg.yield %m : f32
  } -> tensor<6x7xf32>
  %v4 = tensor.extract_slice %v3[0, 0] [1, 7] [1, 1] : tensor<6x7xf32> to tensor<1x7xf32>
  return %v4 : tensor<1x7xf32>
}
