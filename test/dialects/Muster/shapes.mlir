// The sizes of results, made from the sizes of operands.
// RUN: muster-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize --cse | FileCheck %s

muster.mesh @node <["dp" = 2, "tp" = 3]>
muster.weight @w : tensor<6x2xf32> layout <[o/tp, i]>

// CHECK-LABEL: func.func @collectives
// CHECK-SAME: (%[[X:.*]]: tensor<?x?xf32>)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : index
// CHECK-DAG: %[[C6:.*]] = arith.constant 6 : index
// CHECK-DAG: %[[ROWS:.*]] = tensor.dim %[[X]], %[[C0]]
// CHECK-DAG: %[[COLUMNS:.*]] = tensor.dim %[[X]], %[[C1]]
// CHECK-DAG: %[[GATHERED:.*]] = arith.muli %[[ROWS]], %[[C6]]
// CHECK-DAG: %[[SCATTERED:.*]] = arith.divui %[[ROWS]], %[[C3]]
// CHECK-DAG: %[[SPLIT:.*]] = arith.divui %[[COLUMNS]], %[[C2]]
// CHECK-DAG: %[[CONCATENATED:.*]] = arith.muli %[[ROWS]], %[[C2]]
// CHECK: return %[[GATHERED]], %[[COLUMNS]], %[[SCATTERED]], %[[ROWS]], %[[CONCATENATED]], %[[SPLIT]], %[[ROWS]], %[[SCATTERED]]
func.func @collectives(%x: tensor<?x?xf32>) -> (index, index, index, index, index, index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %gathered = muster.all_gather %x on ["dp", "tp"] dim 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  %0 = tensor.dim %gathered, %c0 : tensor<?x?xf32>
  %1 = tensor.dim %gathered, %c1 : tensor<?x?xf32>
  %scattered = muster.reduce_scatter %x sum on "tp" dim 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  %2 = tensor.dim %scattered, %c0 : tensor<?x?xf32>
  %reduced = muster.all_reduce %x sum on "tp" : tensor<?x?xf32>
  %3 = tensor.dim %reduced, %c0 : tensor<?x?xf32>
  %moved = muster.all_to_all %x on "dp" split 1 concat 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  %4 = tensor.dim %moved, %c0 : tensor<?x?xf32>
  %5 = tensor.dim %moved, %c1 : tensor<?x?xf32>
  %exchanged = muster.exchange %x on "tp" : tensor<?x?xf32>
  %6 = tensor.dim %exchanged, %c0 : tensor<?x?xf32>
  %sliced = muster.slice %x on "tp" dim 0 : tensor<?x?xf32> -> tensor<?x?xf32>
  %7 = tensor.dim %sliced, %c0 : tensor<?x?xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7 : index, index, index, index, index, index, index, index
}

// CHECK-LABEL: func.func @redistribute
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[C3:.*]] = arith.constant 3 : index
// CHECK-DAG: %[[C12:.*]] = arith.constant 12 : index
// CHECK-DAG: %[[ROWS:.*]] = tensor.dim %[[X]], %[[C0]]
// CHECK: %[[ALL:.*]] = arith.muli %[[ROWS]], %[[C2]]
// CHECK: %[[PART:.*]] = arith.divui %[[ALL]], %[[C3]]
// CHECK: return %[[PART]], %[[C12]]
func.func @redistribute(%x: tensor<?x4xf32>) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %y = muster.redistribute %x from <[t/dp, o/tp]> to <[t/tp, o]> : tensor<?x4xf32> -> tensor<?x12xf32>
  %0 = tensor.dim %y, %c0 : tensor<?x12xf32>
  %1 = tensor.dim %y, %c1 : tensor<?x12xf32>
  return %0, %1 : index, index
}

// CHECK-LABEL: func.func @others
// CHECK-SAME: (%[[X:.*]]: tensor<?xf32>)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C2:.*]] = arith.constant 2 : index
// CHECK: %[[ROWS:.*]] = tensor.dim %[[X]], %[[C0]]
// CHECK: return %[[ROWS]], %[[ROWS]], %[[ROWS]], %[[C2]]
func.func @others(%x: tensor<?xf32>) -> (index, index, index, index) {
  %c0 = arith.constant 0 : index
  %broadcast = muster.broadcast %x from 1 on "tp" : tensor<?xf32>
  %0 = tensor.dim %broadcast, %c0 : tensor<?xf32>
  %permuted = muster.permute %x sources [1, 0] on "dp" : tensor<?xf32>
  %1 = tensor.dim %permuted, %c0 : tensor<?xf32>
  %claimed = muster.assert_layout %x : tensor<?xf32> layout <[t]>
  %2 = tensor.dim %claimed, %c0 : tensor<?xf32>
  %w = muster.load @w : tensor<2x2xf32>
  %3 = tensor.dim %w, %c0 : tensor<2x2xf32>
  return %0, %1, %2, %3 : index, index, index, index
}
