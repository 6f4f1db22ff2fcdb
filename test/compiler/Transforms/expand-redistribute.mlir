// RUN: muster-opt %s --muster-expand-redistribute --split-input-file | FileCheck %s

muster.mesh @mesh <["dp" = 2, "tp" = 3, "one" = 1]>

// Equal layouts fold away, and so do axes of size 1.
// CHECK-LABEL: func.func @equal
// CHECK-SAME: (%[[X:.*]]: tensor<4x6xf32>)
// CHECK-NEXT: return %[[X]], %[[X]]
func.func @equal(%x: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %0 = muster.redistribute %x from <[t/dp, i]> to <[t/dp, i]> : tensor<4x6xf32> -> tensor<4x6xf32>
  %1 = muster.redistribute %x from <[t/dp, i], partial(sum: one)> to <[t/dp, i/one]> : tensor<4x6xf32> -> tensor<4x6xf32>
  return %0, %1 : tensor<4x6xf32>, tensor<4x6xf32>
}

// A replicated value becomes sharded: no communication.
// CHECK-LABEL: func.func @slice
// CHECK-NEXT: muster.slice %{{.*}} on ["dp", "tp"] dim 0 : tensor<12x5xf32> -> tensor<2x5xf32>
// CHECK-NEXT: return
func.func @slice(%x: tensor<12x5xf32>) -> tensor<2x5xf32> {
  %0 = muster.redistribute %x from <[t, i]> to <[t/(dp,tp), i]> : tensor<12x5xf32> -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// CHECK-LABEL: func.func @all_gather
// CHECK-NEXT: muster.all_gather %{{.*}} on "tp" dim 1 : tensor<?x7xf32> -> tensor<?x21xf32>
// CHECK-NEXT: return
func.func @all_gather(%x: tensor<?x7xf32>) -> tensor<?x21xf32> {
  %0 = muster.redistribute %x from <[r, v/tp]> to <[r, v]> : tensor<?x7xf32> -> tensor<?x21xf32>
  return %0 : tensor<?x21xf32>
}

// Several axes leave a dim in one collective.
// CHECK-LABEL: func.func @all_gather_two_axes
// CHECK-NEXT: muster.all_gather %{{.*}} on ["dp", "tp"] dim 0 : tensor<?x7xf32> -> tensor<?x7xf32>
// CHECK-NEXT: return
func.func @all_gather_two_axes(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %0 = muster.redistribute %x from <[t/(dp,tp), i]> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// CHECK-LABEL: func.func @all_reduce
// CHECK-NEXT: muster.all_reduce %{{.*}} sum on "tp" : tensor<?x7xf32>
// CHECK-NEXT: return
func.func @all_reduce(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %0 = muster.redistribute %x from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// CHECK-LABEL: func.func @reduce_scatter
// CHECK-NEXT: muster.reduce_scatter %{{.*}} max on "tp" dim 0 : tensor<6x7xf32> -> tensor<2x7xf32>
// CHECK-NEXT: return
func.func @reduce_scatter(%x: tensor<6x7xf32>) -> tensor<2x7xf32> {
  %0 = muster.redistribute %x from <[t, i], partial(max: tp)> to <[t/tp, i]> : tensor<6x7xf32> -> tensor<2x7xf32>
  return %0 : tensor<2x7xf32>
}

// What is sliced first needs not be reduced.
// CHECK-LABEL: func.func @slice_before_all_reduce
// CHECK-NEXT: %[[S:.*]] = muster.slice %{{.*}} on "dp" dim 0 : tensor<6x7xf32> -> tensor<3x7xf32>
// CHECK-NEXT: muster.all_reduce %[[S]] sum on "tp" : tensor<3x7xf32>
// CHECK-NEXT: return
func.func @slice_before_all_reduce(%x: tensor<6x7xf32>) -> tensor<3x7xf32> {
  %0 = muster.redistribute %x from <[t, i], partial(sum: tp)> to <[t/dp, i]> : tensor<6x7xf32> -> tensor<3x7xf32>
  return %0 : tensor<3x7xf32>
}

// A partial axis may stay partial.
// CHECK-LABEL: func.func @partial_stays
// CHECK-NEXT: muster.all_gather %{{.*}} on "dp" dim 0 : tensor<3x7xf32> -> tensor<6x7xf32>
// CHECK-NEXT: return
func.func @partial_stays(%x: tensor<3x7xf32>) -> tensor<6x7xf32> {
  %0 = muster.redistribute %x from <[t/dp, i], partial(sum: tp)> to <[t, i], partial(sum: tp)> : tensor<3x7xf32> -> tensor<6x7xf32>
  return %0 : tensor<6x7xf32>
}

// DeepSpeed-Ulysses: an axis moves from the sequence to the heads.
// CHECK-LABEL: func.func @all_to_all
// CHECK-NEXT: muster.all_to_all %{{.*}} on "tp" split 2 concat 1 : tensor<2x5x9x7xf32> -> tensor<2x15x3x7xf32>
// CHECK-NEXT: return
func.func @all_to_all(%x: tensor<2x5x9x7xf32>) -> tensor<2x15x3x7xf32> {
  %0 = muster.redistribute %x from <[b, s/tp, h, d]> to <[b, s, h/tp, d]> : tensor<2x5x9x7xf32> -> tensor<2x15x3x7xf32>
  return %0 : tensor<2x15x3x7xf32>
}

// The outer axis leaves and the inner one stays: one transfer, which brings a rank what it lacks and no more.
// CHECK-LABEL: func.func @outer_axis_leaves
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/(dp,tp), i]> to <[t/tp, i]> : tensor<2x7xf32> -> tensor<4x7xf32>
// CHECK-NEXT: return
func.func @outer_axis_leaves(%x: tensor<2x7xf32>) -> tensor<4x7xf32> {
  %0 = muster.redistribute %x from <[t/(dp,tp), i]> to <[t/tp, i]> : tensor<2x7xf32> -> tensor<4x7xf32>
  return %0 : tensor<4x7xf32>
}

// CHECK-LABEL: func.func @axes_change_order
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/(dp,tp), i]> to <[t/(tp,dp), i]> : tensor<2x7xf32> -> tensor<2x7xf32>
// CHECK-NEXT: return
func.func @axes_change_order(%x: tensor<2x7xf32>) -> tensor<2x7xf32> {
  %0 = muster.redistribute %x from <[t/(dp,tp), i]> to <[t/(tp,dp), i]> : tensor<2x7xf32> -> tensor<2x7xf32>
  return %0 : tensor<2x7xf32>
}

// A dim of any form passes where it stays as it is: only the sum is left to do.
// CHECK-LABEL: func.func @other_dims_stay
// CHECK-NEXT: muster.all_reduce %{{.*}} sum on "tp" : tensor<?x8xf32>
// CHECK-NEXT: return
func.func @other_dims_stay(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = muster.redistribute %x from <[t/dp : tokens @step, {q:6 | k:2}], partial(sum: tp)> to <[t/dp : tokens @step, {q:6 | k:2}]>
      : tensor<?x8xf32> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// Result types are those of the redistribution, wherever the sizes were known.
// CHECK-LABEL: func.func @known_by_one_side
// CHECK-NEXT: %[[C:.*]] = tensor.cast %{{.*}} : tensor<?x7xf32> to tensor<2x7xf32>
// CHECK-NEXT: muster.all_gather %[[C]] on "tp" dim 0 : tensor<2x7xf32> -> tensor<6x7xf32>
// CHECK-NEXT: %[[Y:.*]] = muster.all_gather %{{.*}} on "tp" dim 0 : tensor<2x7xf32> -> tensor<6x7xf32>
// CHECK-NEXT: tensor.cast %[[Y]] : tensor<6x7xf32> to tensor<?x7xf32>
func.func @known_by_one_side(%x: tensor<?x7xf32>, %y: tensor<2x7xf32>) -> (tensor<6x7xf32>, tensor<?x7xf32>) {
  %0 = muster.redistribute %x from <[t/tp, i]> to <[t, i]> : tensor<?x7xf32> -> tensor<6x7xf32>
  %1 = muster.redistribute %y from <[t/tp, i]> to <[t, i]> : tensor<2x7xf32> -> tensor<?x7xf32>
  return %0, %1 : tensor<6x7xf32>, tensor<?x7xf32>
}

// -----

muster.mesh @mesh <["a" = 2, "b" = 2]>

// The same parts on other ranks: one move, each part goes at most once.
// CHECK-LABEL: func.func @axes_change_place
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/a, i/b]> to <[t/b, i/a]> : tensor<3x5xf32> -> tensor<3x5xf32>
// CHECK-NEXT: return
func.func @axes_change_place(%x: tensor<3x5xf32>) -> tensor<3x5xf32> {
  %0 = muster.redistribute %x from <[t/a, i/b]> to <[t/b, i/a]> : tensor<3x5xf32> -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}

// -----

muster.mesh @mesh <["a" = 2, "b" = 4]>

// A rank lies in one half, and pulls a quarter only where it is of the other: nothing is gathered.
// CHECK-LABEL: func.func @other_axis
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/a, i]> to <[t/b, i]> : tensor<4x5xf32> -> tensor<2x5xf32>
// CHECK-NEXT: return
func.func @other_axis(%x: tensor<4x5xf32>) -> tensor<2x5xf32> {
  %0 = muster.redistribute %x from <[t/a, i]> to <[t/b, i]> : tensor<4x5xf32> -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// The same where no finer cut is possible, or known to be: of an unknown number of rows four divides it.
// CHECK-LABEL: func.func @whatever_the_sizes
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/a, i]> to <[t/b, i]> : tensor<2x5xf32> -> tensor<1x5xf32>
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/a, i]> to <[t/b, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
// CHECK-NEXT: return
func.func @whatever_the_sizes(%x: tensor<2x5xf32>, %y: tensor<?x5xf32>) -> (tensor<1x5xf32>, tensor<?x5xf32>) {
  %0 = muster.redistribute %x from <[t/a, i]> to <[t/b, i]> : tensor<2x5xf32> -> tensor<1x5xf32>
  %1 = muster.redistribute %y from <[t/a, i]> to <[t/b, i]> : tensor<?x5xf32> -> tensor<?x5xf32>
  return %0, %1 : tensor<1x5xf32>, tensor<?x5xf32>
}

// -----

muster.mesh @mesh <["a" = 3, "b" = 2]>

// Rows go to three heads on six ranks: of all rows each rank receives its head.
// CHECK-LABEL: func.func @rows_to_fewer_heads
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/(a,b), kv, d]> to <[t, kv/a, d]> : tensor<?x3x7xf32> -> tensor<?x1x7xf32>
// CHECK-NEXT: return
func.func @rows_to_fewer_heads(%x: tensor<?x3x7xf32>) -> tensor<?x1x7xf32> {
  %0 = muster.redistribute %x from <[t/(a,b), kv, d]> to <[t, kv/a, d]> : tensor<?x3x7xf32> -> tensor<?x1x7xf32>
  return %0 : tensor<?x1x7xf32>
}

// Where the other axis stays, an all-to-all does.
// CHECK-LABEL: func.func @transfer_beside_a_sharded_axis
// CHECK-NEXT: muster.all_to_all %{{.*}} on "a" split 1 concat 0 : tensor<?x3x7xf32> -> tensor<?x1x7xf32>
// CHECK-NEXT: return
func.func @transfer_beside_a_sharded_axis(%x: tensor<?x3x7xf32>) -> tensor<?x1x7xf32> {
  %0 = muster.redistribute %x from <[t/(b,a), kv, d]> to <[t/b, kv/a, d]> : tensor<?x3x7xf32> -> tensor<?x1x7xf32>
  return %0 : tensor<?x1x7xf32>
}

// A sum is taken first; what is left to do is one redistribution.
// CHECK-LABEL: func.func @sum_then_redistribute
// CHECK-NEXT: %[[S:.*]] = muster.reduce_scatter %{{.*}} sum on "b" dim 1 : tensor<2x6x7xf32> -> tensor<2x3x7xf32>
// CHECK-NEXT: muster.redistribute %[[S]] from <[t/a, i/b, d]> to <[t, i/(a,b), d]> : tensor<2x3x7xf32> -> tensor<6x1x7xf32>
// CHECK-NEXT: return
func.func @sum_then_redistribute(%x: tensor<2x6x7xf32>) -> tensor<6x1x7xf32> {
  %0 = muster.redistribute %x from <[t/a, i, d], partial(sum: b)> to <[t, i/(a,b), d]> : tensor<2x6x7xf32> -> tensor<6x1x7xf32>
  return %0 : tensor<6x1x7xf32>
}

// Chunk orders, products of terms and packed dims: nothing but a redistribution says it.
// CHECK-LABEL: func.func @other_forms
// CHECK-NEXT: muster.redistribute %{{.*}} from <[t/a zigzag, i]> to <[t/a, i]>
// CHECK-NEXT: %[[R:.*]] = muster.all_reduce %{{.*}} sum on "b"
// CHECK-NEXT: muster.redistribute %[[R]] from <[{q:6/a | k:3/a}]> to <[{q:6 | k:3}]>
// CHECK-NEXT: return
func.func @other_forms(%x: tensor<4x7xf32>, %p: tensor<3xf32>) -> (tensor<4x7xf32>, tensor<9xf32>) {
  %0 = muster.redistribute %x from <[t/a zigzag, i]> to <[t/a, i]> : tensor<4x7xf32> -> tensor<4x7xf32>
  %1 = muster.redistribute %p from <[{q:6/a | k:3/a}], partial(sum: b)> to <[{q:6 | k:3}]> : tensor<3xf32> -> tensor<9xf32>
  return %0, %1 : tensor<4x7xf32>, tensor<9xf32>
}
