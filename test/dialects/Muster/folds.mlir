// RUN: muster-opt %s --canonicalize --loop-invariant-code-motion | FileCheck %s

muster.mesh @node <["one" = 1, "tp" = 2]>

// Over one rank every collective is its input.
// CHECK-LABEL: func.func @one_rank
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]] :
func.func @one_rank(%x: tensor<4xf32>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = muster.all_gather %x on "one" dim 0 : tensor<4xf32> -> tensor<4xf32>
  %1 = muster.reduce_scatter %x sum on "one" dim 0 : tensor<4xf32> -> tensor<4xf32>
  %2 = muster.all_reduce %x max on "one" : tensor<4xf32>
  %3 = muster.all_to_all %x on "one" split 0 concat 0 : tensor<4xf32> -> tensor<4xf32>
  %4 = muster.exchange %x on "one" : tensor<4xf32>
  %5 = muster.slice %x on "one" dim 0 : tensor<4xf32> -> tensor<4xf32>
  %6 = muster.broadcast %x from 0 on "one" : tensor<4xf32>
  %7 = muster.permute %x sources [0] on "one" : tensor<4xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7
      : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @negative_two_ranks
// CHECK: %[[SUM:.*]] = muster.all_reduce
// CHECK: %[[ZEROS:.*]] = muster.permute
// CHECK: return %[[SUM]], %[[ZEROS]]
func.func @negative_two_ranks(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = muster.all_reduce %x sum on ["one", "tp"] : tensor<4xf32>
  // One rank, but it gets zeros.
  %1 = muster.permute %x sources [-1] on "one" : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @identity_permutation
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @identity_permutation(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = muster.permute %x sources [0, 1] on "tp" : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @slice_of_gathered
// CHECK-SAME: (%[[X:.*]]: tensor<?xf32>)
// CHECK-NEXT: return %[[X]]
func.func @slice_of_gathered(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = muster.all_gather %x on "tp" dim 0 : tensor<?xf32> -> tensor<?xf32>
  %1 = muster.slice %0 on "tp" dim 0 : tensor<?xf32> -> tensor<?xf32>
  return %1 : tensor<?xf32>
}

// CHECK-LABEL: func.func @negative_slice_of_another_dim
// CHECK: muster.all_gather
// CHECK: muster.slice
func.func @negative_slice_of_another_dim(%x: tensor<2x4xf32>) -> tensor<4x2xf32> {
  %0 = muster.all_gather %x on "tp" dim 0 : tensor<2x4xf32> -> tensor<4x4xf32>
  %1 = muster.slice %0 on "tp" dim 1 : tensor<4x4xf32> -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// The group's order of axes is its order of positions.
// CHECK-LABEL: func.func @negative_slice_in_another_order
// CHECK: muster.slice
func.func @negative_slice_in_another_order(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = muster.all_gather %x on ["one", "tp"] dim 0 : tensor<2xf32> -> tensor<4xf32>
  %1 = muster.slice %0 on ["tp", "one"] dim 0 : tensor<4xf32> -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: func.func @redistribute_to_the_same_layout
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @redistribute_to_the_same_layout(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = muster.redistribute %x from <[t, o/tp]> to <[t, o/tp]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @negative_redistribute_a_partial_sum
// CHECK: muster.redistribute
func.func @negative_redistribute_a_partial_sum(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = muster.redistribute %x from <[t, o], partial(sum: tp)> to <[t, o]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// An unused collective goes: it has no effect.
// CHECK-LABEL: func.func @unused
// CHECK-NEXT: return
func.func @unused(%x: tensor<4xf32>) {
  %0 = muster.all_reduce %x sum on "tp" : tensor<4xf32>
  return
}

// A collective is not hoisted out of a loop that may not run: not every rank may issue it.
// CHECK-LABEL: func.func @negative_hoisted
// CHECK: scf.for
// CHECK-NEXT: muster.all_reduce
func.func @negative_hoisted(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<4xf32>) {
    %s = muster.all_reduce %x sum on "tp" : tensor<4xf32>
    %b = arith.addf %a, %s : tensor<4xf32>
    scf.yield %b : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}
