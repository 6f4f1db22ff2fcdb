// RUN: muster-opt %s --split-input-file --muster-inline-calls --mlir-print-debuginfo | FileCheck %s

// Bodies stand where they were called, named after who called them; helpers are gone, entries are not.
// CHECK-NOT: @leaf
// CHECK-NOT: @layer
// CHECK-LABEL: func.func @step
// CHECK-SAME: (%[[X:[^:]*]]: tensor<4xf32>
// CHECK: %[[A:.*]] = arith.addf %[[X]], %[[X]] : tensor<4xf32> loc(#[[$A1:.*]])
// CHECK: %[[B:.*]] = muster.all_reduce %[[A]]
// CHECK: %[[C:.*]] = arith.addf %[[B]], %[[B]] : tensor<4xf32> loc(#[[$A2:.*]])
// CHECK: %[[D:.*]] = muster.all_reduce %[[C]]
// CHECK: return %[[D]]
// CHECK-NOT: call @
// CHECK-LABEL: func.func @warm_up
// CHECK: arith.addf
// CHECK-NOT: call @
// CHECK-DAG: #[[$A1]] = loc("layers.0.add"
// CHECK-DAG: #[[$A2]] = loc("layers.1.add"
muster.mesh @mesh <["tp" = 2]>
func.func private @leaf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.addf %x, %x : tensor<4xf32> loc("add")
  return %y : tensor<4xf32>
}
func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @leaf(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %z = muster.all_reduce %y sum on "tp" : tensor<4xf32>
  return %z : tensor<4xf32>
}
func.func @step(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %y = func.call @layer(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("layers.0")
  %z = func.call @layer(%y) : (tensor<4xf32>) -> tensor<4xf32> loc("layers.1")
  return %z : tensor<4xf32>
}
func.func @warm_up(%x: tensor<4xf32> {muster.layout = #muster.layout<[i]>}) -> tensor<4xf32> {
  %y = func.call @step(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
