// RUN: muster-opt %s --muster-form-row-loops --split-input-file --verify-diagnostics | FileCheck %s

// Two results over the same rows: one loop, the sum is computed once, and the tied argument is read and written through the loop.
// CHECK-LABEL: func.func @add_scale
// CHECK-SAME:    (%{{.*}}: memref<1xf32>, %{{.*}}: memref<1xf32>, %{{.*}}: memref<1xf32>, %[[T:.*]]: index, %[[W:.*]]: index, %[[WS:.*]]: index)
// CHECK-SAME:    plan.grid_size = array<i64: 1, 0>
// CHECK:         %[[FROM:.*]] = arith.divui %{{.*}}, %[[WS]]
// CHECK:         %[[TO:.*]] = arith.divui %{{.*}}, %[[WS]]
// CHECK:         scf.for %[[ROW:[a-z0-9]+]] = %[[FROM]] to %[[TO]] {{.*}} iter_args(%[[H:[a-z0-9]+]] = %{{.*}}, %[[OUT:[a-z0-9]+]] = %{{.*}})
// CHECK:           tensor.extract_slice %[[H]][%[[ROW]], 0] [1, 5] [1, 1]
// CHECK:           linalg.generic
// CHECK:             arith.addf
// CHECK-NOT:         arith.addf
// CHECK:           linalg.generic
// CHECK:             arith.mulf
// CHECK:           scf.yield
// CHECK:         {loop_annotation
#row = affine_map<(t, d) -> (t, d)>
func.func @add_scale(%h: tensor<?x5xf32> {plan.sizes = array<i64: 0>}, %y: tensor<?x5xf32> {plan.sizes = array<i64: 0>}, %t: index)
    -> (tensor<?x5xf32> {plan.sizes = array<i64: 0>, plan.tied = 0 : i64}, tensor<?x5xf32> {plan.sizes = array<i64: 0>}) {
  %two = arith.constant 2.0 : f32
  %e = tensor.empty(%t) : tensor<?x5xf32>
  %s = linalg.generic {indexing_maps = [#row, #row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%h, %y : tensor<?x5xf32>, tensor<?x5xf32>) outs(%e : tensor<?x5xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<?x5xf32>
  %n = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x5xf32>) outs(%e : tensor<?x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.mulf %a, %two : f32
    linalg.yield %c : f32
  } -> tensor<?x5xf32>
  return %s, %n : tensor<?x5xf32>, tensor<?x5xf32>
}

// -----

// Rows are those of the dynamic dim, wherever it stands; a row index inside the body counts from the loop's row.
// CHECK-LABEL: func.func @transposed_rows
// CHECK:         scf.for %[[ROW:[a-z0-9]+]] =
// CHECK:           tensor.extract_slice %{{.*}}[%[[ROW]], 0] [1, 3]
// CHECK:           linalg.generic
// CHECK:             linalg.index 1
// CHECK:             arith.addi %{{.*}}, %[[ROW]]
// CHECK:           tensor.insert_slice %{{.*}} into %{{.*}}[0, %[[ROW]]] [3, 1]
func.func @transposed_rows(%x: tensor<?x3xi32> {plan.sizes = array<i64: 0>}, %t: index) -> (tensor<3x?xi32> {plan.sizes = array<i64: 0>}) {
  %e = tensor.empty(%t) : tensor<3x?xi32>
  %y = linalg.generic {indexing_maps = [affine_map<(d, t) -> (t, d)>, affine_map<(d, t) -> (d, t)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x3xi32>) outs(%e : tensor<3x?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %i = linalg.index 1 : index
    %j = arith.index_cast %i : index to i32
    %c = arith.addi %a, %j : i32
    linalg.yield %c : i32
  } -> tensor<3x?xi32>
  return %y : tensor<3x?xi32>
}

// -----

// A value that does not depend on the row is computed in front of the loop; without dynamic dims the first dim has the rows.
// CHECK-LABEL: func.func @shared_value
// CHECK-SAME:    plan.grid_size = array<i64: 7, -1>
// CHECK:         linalg.generic
// CHECK:           arith.negf
// CHECK:         scf.for
// CHECK:           linalg.generic
// CHECK:             arith.mulf
func.func @shared_value(%x: tensor<7x5xf32>, %v: tensor<5xf32>) -> tensor<7x5xf32> {
  %e1 = tensor.empty() : tensor<5xf32>
  %n = linalg.generic {indexing_maps = [affine_map<(d) -> (d)>, affine_map<(d) -> (d)>], iterator_types = ["parallel"]}
      ins(%v : tensor<5xf32>) outs(%e1 : tensor<5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.negf %a : f32
    linalg.yield %c : f32
  } -> tensor<5xf32>
  %e = tensor.empty() : tensor<7x5xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (d)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%x, %n : tensor<7x5xf32>, tensor<5xf32>) outs(%e : tensor<7x5xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %c = arith.mulf %a, %b : f32
    linalg.yield %c : f32
  } -> tensor<7x5xf32>
  return %y : tensor<7x5xf32>
}

// -----

func.func @negative_rows_merged_by_a_reshape(%x: tensor<?x3xf32> {plan.sizes = array<i64: 0>}, %t: index, %n: index)
    -> (tensor<?xf32> {plan.sizes = array<i64: 1>}) {
  %e = tensor.empty(%t) : tensor<?x3xf32>
  %e1 = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, d) -> (t, d)>, affine_map<(t, d) -> (t, d)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x3xf32>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.negf %a : f32
    linalg.yield %c : f32
  } -> tensor<?x3xf32>
  // expected-error @+1 {{E4121 cannot divide this reshape into rows because it merges or cuts the row dim}}
  %z = tensor.collapse_shape %y [[0, 1]] : tensor<?x3xf32> into tensor<?xf32>
  %w = linalg.generic {indexing_maps = [affine_map<(t) -> (t)>, affine_map<(t) -> (t)>], iterator_types = ["parallel"]}
      ins(%z : tensor<?xf32>) outs(%e1 : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %c = arith.negf %a : f32
    linalg.yield %c : f32
  } -> tensor<?xf32>
  return %w : tensor<?xf32>
}
