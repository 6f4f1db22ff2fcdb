// RUN: muster-opt %s --muster-expand-redistribute | FileCheck %s

!tokens = !muster.counts<[dp], tokens, @step>
!both = !muster.counts<[dp, tp], tokens, @step>
!single = !muster.counts<[one], tokens, @step>
muster.mesh @mesh <["dp" = 2, "tp" = 3, "one" = 1]>

// Each collective that moves rows gets their counts.
// CHECK-LABEL: func.func @moves
// CHECK-SAME: (%[[X:.*]]: tensor<?x12xf32>, %[[C:.*]]: !muster.counts<[dp], tokens, @step>, %[[B:.*]]: !muster.counts<[dp, tp], tokens, @step>)
func.func @moves(%x: tensor<?x12xf32>, %c: !tokens, %b: !both) {
  // CHECK: muster.all_gather %[[X]] on "dp" dim 0 counts(%[[C]] :
  %0 = muster.redistribute %x counts(%c : !tokens) from <[t/dp : tokens @step, i]> to <[t, i]> : tensor<?x12xf32> -> tensor<?x12xf32>
  // CHECK: muster.slice %[[X]] on "dp" dim 0 counts(%[[C]] :
  %1 = muster.redistribute %x counts(%c : !tokens) from <[t, i]> to <[t/dp : tokens @step, i]> : tensor<?x12xf32> -> tensor<?x12xf32>
  // Added up first where it is less.
  // CHECK: %[[PART:.*]] = muster.reduce_scatter %[[X]] sum on "dp" dim 0 counts(%[[C]] :
  // CHECK-NEXT: muster.all_reduce %[[PART]] sum on "tp"
  %2 = muster.redistribute %x counts(%c : !tokens) from <[t, i], partial(sum: dp, tp)> to <[t/dp : tokens @step, i]> : tensor<?x12xf32> -> tensor<?x12xf32>
  // CHECK: muster.all_to_all %[[X]] on "dp" split 1 concat 0 counts(%[[C]] : !muster.counts<[dp], tokens, @step>) ragged concat : tensor<?x12xf32> -> tensor<?x6xf32>
  %3 = muster.redistribute %x counts(%c : !tokens) from <[t/dp : tokens @step, i]> to <[t, i/dp]> : tensor<?x12xf32> -> tensor<?x6xf32>
  // CHECK: muster.all_to_all %[[X]] on "dp" split 0 concat 1 counts(%[[C]] : !muster.counts<[dp], tokens, @step>) ragged split : tensor<?x12xf32> -> tensor<?x24xf32>
  %4 = muster.redistribute %x counts(%c : !tokens) from <[t, i/dp]> to <[t/dp : tokens @step, i]> : tensor<?x12xf32> -> tensor<?x24xf32>
  // All axes of the counts come at once.
  // CHECK: muster.reduce_scatter %[[X]] sum on ["dp", "tp"] dim 0 counts(%[[B]] :
  %5 = muster.redistribute %x counts(%b : !both) from <[t, i], partial(sum: dp, tp)> to <[t/(dp,tp) : tokens @step, i]> : tensor<?x12xf32> -> tensor<?x12xf32>
  // A part of them may stand in their way, and then they move as one.
  // CHECK: muster.redistribute %[[X]] counts(%[[B]] : !muster.counts<[dp, tp], tokens, @step>) from <[t/(dp,tp) : tokens @step, i]> to <[t, i/tp]>
  %6 = muster.redistribute %x counts(%b : !both) from <[t/(dp,tp) : tokens @step, i]> to <[t, i/tp]> : tensor<?x12xf32> -> tensor<?x4xf32>
  // Rows that stay as they are need no counts.
  // CHECK: muster.all_reduce %[[X]] sum on "tp"
  %7 = muster.redistribute %x from <[t/dp : tokens @step, i], partial(sum: tp)> to <[t/dp : tokens @step, i]> : tensor<?x12xf32> -> tensor<?x12xf32>
  return
}

// On one rank nothing moves.
// CHECK-LABEL: func.func @one_rank
// CHECK-SAME: (%[[X:.*]]: tensor<?x12xf32>
// CHECK-NEXT: return %[[X]]
func.func @one_rank(%x: tensor<?x12xf32>, %c: !single) -> tensor<?x12xf32> {
  %0 = muster.redistribute %x counts(%c : !single) from <[t/one : tokens @step, i]> to <[t, i]> : tensor<?x12xf32> -> tensor<?x12xf32>
  return %0 : tensor<?x12xf32>
}
