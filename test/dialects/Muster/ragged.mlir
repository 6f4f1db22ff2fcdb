// Collectives whose parts are as long as counts say.
// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s
// RUN: muster-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD
// RUN: muster-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize --cse | FileCheck %s --check-prefix=SIZE

muster.mesh @node <["dp" = 2, "tp" = 2, "one" = 1]>

!tokens = !muster.counts<[dp], tokens, @step>
!rows = !muster.counts<[tp], rows, @step>
!both = !muster.counts<[dp, tp], tokens, @step>
!single = !muster.counts<[one], tokens, @step>

// CHECK-LABEL: func.func @round_trip
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[C:.*]]: !muster.counts<[dp], tokens, @step>, %[[B:.*]]: !muster.counts<[dp, tp], tokens, @step>, %[[R:.*]]: !muster.counts<[tp], rows, @step>)
func.func @round_trip(%x: tensor<?x4xf32>, %c: !tokens, %b: !both, %r: !rows) {
  // CHECK: muster.all_gather %[[X]] on "dp" dim 0 counts(%[[C]] : !muster.counts<[dp], tokens, @step>) : tensor<?x4xf32> -> tensor<?x4xf32>
  %0 = muster.all_gather %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x4xf32> -> tensor<?x4xf32>
  // CHECK: muster.all_gather %[[X]] on ["dp", "tp"] dim 0 counts(%[[B]] : !muster.counts<[dp, tp], tokens, @step>) : tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = muster.all_gather %x on ["dp", "tp"] dim 0 counts(%b : !both) : tensor<?x4xf32> -> tensor<?x4xf32>
  // CHECK: muster.reduce_scatter %[[X]] sum on "dp" dim 0 counts(%[[C]] : !muster.counts<[dp], tokens, @step>) : tensor<?x4xf32> -> tensor<?x4xf32>
  %2 = muster.reduce_scatter %x sum on "dp" dim 0 counts(%c : !tokens) : tensor<?x4xf32> -> tensor<?x4xf32>
  // CHECK: muster.slice %[[X]] on "tp" dim 0 counts(%[[R]] : !muster.counts<[tp], rows, @step>) : tensor<?x4xf32> -> tensor<?x4xf32>
  %3 = muster.slice %x on "tp" dim 0 counts(%r : !rows) : tensor<?x4xf32> -> tensor<?x4xf32>
  // CHECK: muster.all_to_all %[[X]] on "dp" split 1 concat 0 counts(%[[C]] : !muster.counts<[dp], tokens, @step>) ragged concat : tensor<?x4xf32> -> tensor<?x2xf32>
  %4 = muster.all_to_all %x on "dp" split 1 concat 0 counts(%c : !tokens) ragged concat : tensor<?x4xf32> -> tensor<?x2xf32>
  // CHECK: muster.all_to_all %[[X]] on "dp" split 0 concat 1 counts(%[[C]] : !muster.counts<[dp], tokens, @step>) ragged split : tensor<?x4xf32> -> tensor<?x8xf32>
  %5 = muster.all_to_all %x on "dp" split 0 concat 1 counts(%c : !tokens) ragged split : tensor<?x4xf32> -> tensor<?x8xf32>
  // CHECK: muster.redistribute %[[X]] counts(%[[C]] : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  %6 = muster.redistribute %x counts(%c : !tokens) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  // CHECK: muster.redistribute %[[X]] from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  %7 = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return
}

// One count for each ragged dim that changes, in order of dims.
// CHECK-LABEL: func.func @two_ragged_dims
// CHECK: muster.redistribute %{{.*}} counts(%[[C:.*]], %[[R:.*]] : !muster.counts<[dp], tokens, @step>, !muster.counts<[tp], rows, @step>) from
func.func @two_ragged_dims(%x: tensor<?x?x?xf32>, %c: !tokens, %r: !rows) -> tensor<?x?x?xf32> {
  %0 = muster.redistribute %x counts(%c, %r : !tokens, !rows) from <[t/dp : tokens @step, u/one : tokens @step, r]> to <[t, u/one : tokens @step, r/tp : rows @step]>
      : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  return %0 : tensor<?x?x?xf32>
}

// FOLD-LABEL: func.func @slice_of_gathered
// FOLD-SAME: (%[[X:.*]]: tensor<?x4xf32>
// FOLD-NEXT: return %[[X]]
func.func @slice_of_gathered(%x: tensor<?x4xf32>, %c: !tokens) -> tensor<?x4xf32> {
  %0 = muster.all_gather %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = muster.slice %0 on "dp" dim 0 counts(%c : !tokens) : tensor<?x4xf32> -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// FOLD-LABEL: func.func @negative_slice_by_other_counts
// FOLD: muster.all_gather
// FOLD-NEXT: %[[OTHER:.*]] = muster.slice
// FOLD-NEXT: %[[EQUAL:.*]] = muster.slice
// FOLD-NEXT: return %[[OTHER]], %[[EQUAL]]
func.func @negative_slice_by_other_counts(%x: tensor<?x4xf32>, %c: !tokens, %d: !tokens) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = muster.all_gather %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = muster.slice %0 on "dp" dim 0 counts(%d : !tokens) : tensor<?x4xf32> -> tensor<?x4xf32>
  %2 = muster.slice %0 on "dp" dim 0 : tensor<?x4xf32> -> tensor<?x4xf32>
  return %1, %2 : tensor<?x4xf32>, tensor<?x4xf32>
}

// Over one rank a collective is its input, counted or not.
// FOLD-LABEL: func.func @one_rank
// FOLD-SAME: (%[[X:.*]]: tensor<?x4xf32>
// FOLD-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]] :
func.func @one_rank(%x: tensor<?x4xf32>, %c: !single) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = muster.all_gather %x on "one" dim 0 counts(%c : !single) : tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = muster.reduce_scatter %x sum on "one" dim 0 counts(%c : !single) : tensor<?x4xf32> -> tensor<?x4xf32>
  %2 = muster.slice %x on "one" dim 0 counts(%c : !single) : tensor<?x4xf32> -> tensor<?x4xf32>
  %3 = muster.all_to_all %x on "one" split 1 concat 0 counts(%c : !single) ragged concat : tensor<?x4xf32> -> tensor<?x4xf32>
  return %0, %1, %2, %3 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}

// What is gathered has the total of the counts, what is handed out has the own count.
// SIZE-LABEL: func.func @sizes
// SIZE-SAME: (%[[X:.*]]: tensor<?x?xf32>, %[[C:.*]]: !muster.counts<[dp], tokens, @step>)
// SIZE-DAG: %[[C1:.*]] = arith.constant 1 : index
// SIZE-DAG: %[[C2:.*]] = arith.constant 2 : index
// SIZE-DAG: %[[TOTAL:.*]] = muster.total %[[C]]
// SIZE-DAG: %[[OWN:.*]] = muster.own_count %[[C]]
// SIZE-DAG: %[[COLUMNS:.*]] = tensor.dim %[[X]], %[[C1]]
// SIZE-DAG: %[[HALF:.*]] = arith.divui %[[COLUMNS]], %[[C2]]
// SIZE-DAG: %[[TWICE:.*]] = arith.muli %[[COLUMNS]], %[[C2]]
// SIZE: return %[[TOTAL]], %[[COLUMNS]], %[[OWN]], %[[OWN]], %[[TOTAL]], %[[HALF]], %[[OWN]], %[[TWICE]], %[[TOTAL]], %[[OWN]]
func.func @sizes(%x: tensor<?x?xf32>, %c: !tokens) -> (index, index, index, index, index, index, index, index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %gathered = muster.all_gather %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x?xf32> -> tensor<?x?xf32>
  %0 = tensor.dim %gathered, %c0 : tensor<?x?xf32>
  %1 = tensor.dim %gathered, %c1 : tensor<?x?xf32>
  %scattered = muster.reduce_scatter %x sum on "dp" dim 0 counts(%c : !tokens) : tensor<?x?xf32> -> tensor<?x?xf32>
  %2 = tensor.dim %scattered, %c0 : tensor<?x?xf32>
  %own = muster.slice %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x?xf32> -> tensor<?x?xf32>
  %3 = tensor.dim %own, %c0 : tensor<?x?xf32>
  %joined = muster.all_to_all %x on "dp" split 1 concat 0 counts(%c : !tokens) ragged concat : tensor<?x?xf32> -> tensor<?x?xf32>
  %4 = tensor.dim %joined, %c0 : tensor<?x?xf32>
  %5 = tensor.dim %joined, %c1 : tensor<?x?xf32>
  %handed = muster.all_to_all %x on "dp" split 0 concat 1 counts(%c : !tokens) ragged split : tensor<?x?xf32> -> tensor<?x?xf32>
  %6 = tensor.dim %handed, %c0 : tensor<?x?xf32>
  %7 = tensor.dim %handed, %c1 : tensor<?x?xf32>
  %whole = muster.redistribute %x counts(%c : !tokens) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x?xf32> -> tensor<?x?xf32>
  %8 = tensor.dim %whole, %c0 : tensor<?x?xf32>
  %parts = muster.redistribute %x counts(%c : !tokens) from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x?xf32> -> tensor<?x?xf32>
  %9 = tensor.dim %parts, %c0 : tensor<?x?xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9 : index, index, index, index, index, index, index, index, index, index
}

// Without counts nothing says how many rows there are.
// SIZE-LABEL: func.func @negative_size_without_counts
// SIZE: %[[Y:.*]] = muster.redistribute
// SIZE-NEXT: %[[N:.*]] = tensor.dim %[[Y]]
// SIZE-NEXT: return %[[N]]
func.func @negative_size_without_counts(%x: tensor<?x4xf32>) -> index {
  %c0 = arith.constant 0 : index
  %whole = muster.redistribute %x from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x4xf32> -> tensor<?x4xf32>
  %0 = tensor.dim %whole, %c0 : tensor<?x4xf32>
  return %0 : index
}
