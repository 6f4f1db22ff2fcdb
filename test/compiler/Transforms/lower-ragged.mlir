// RUN: muster-opt %s --muster-resolve-sizes --muster-lower-collectives --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s

!local = !muster.counts<[], tokens, @step>
!tokens = !muster.counts<[dp], tokens, @step>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>

// Dims of the maps: own coordinates, the peer's, then own and peer's element of the counts, then of the offsets.
// CHECK-DAG: #[[$PEER_ROWS:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, 16)>
// CHECK-DAG: #[[$ZERO:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (0)>
// CHECK-DAG: #[[$DENSE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (16, 1)>
// CHECK-DAG: #[[$PEER_BEGIN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d7 * 16)>
// CHECK-DAG: #[[$OWN_ROWS:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 16)>
// CHECK-DAG: #[[$OWN_BEGIN:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 16)>

// CHECK-LABEL: func.func @rows
// CHECK-SAME: (%[[X:.*]]: tensor<?x16xf32>
// CHECK-DAG: %[[C:.*]] = plan.record "t" on ["dp"] bound 8 : <[dp], tokens, @step>
// CHECK-DAG: %[[O:.*]] = muster.offsets %[[C]]
// CHECK-DAG: %[[OWN:.*]] = muster.own_count %[[C]]
// CHECK-DAG: %[[ALL:.*]] = muster.total %[[C]]
// CHECK: %[[G:.*]] = plan.transfer "all_gather" %[[X]] on ["dp"] sizes() result_sizes(%[[ALL]]) counts(%[[C]], %[[O]] : {{.*}}) box #[[$PEER_ROWS]] from #[[$ZERO]] #[[$DENSE]] to #[[$PEER_BEGIN]] #[[$DENSE]]
// CHECK: %[[R:.*]] = plan.transfer "reduce_scatter" %[[G]] on ["dp"] reduce <sum> sizes() result_sizes(%[[OWN]]) counts(%[[C]], %[[O]] : {{.*}}) box #[[$OWN_ROWS]] from #[[$OWN_BEGIN]] #[[$DENSE]] to #[[$ZERO]] #[[$DENSE]]
// CHECK: plan.transfer "slice" %[[G]] on [] sizes() result_sizes(%[[OWN]]) counts(%[[C]], %[[O]] : {{.*}}) box #[[$OWN_ROWS]] from #[[$OWN_BEGIN]] #[[$DENSE]] to #[[$ZERO]] #[[$DENSE]]
func.func @rows(%x: tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    -> (tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}, tensor<?x16xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>})
    attributes {muster.bounds = {t = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x16xf32>
  %l = muster.local_count %t field "t" : !local
  %c = muster.exchange_counts %l : !local -> !tokens
  %g = muster.all_gather %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x16xf32> -> tensor<?x16xf32>
  %r = muster.reduce_scatter %g sum on "dp" dim 0 counts(%c : !tokens) : tensor<?x16xf32> -> tensor<?x16xf32>
  %s = muster.slice %g on "dp" dim 0 counts(%c : !tokens) : tensor<?x16xf32> -> tensor<?x16xf32>
  return %r, %s : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>

// One redistribution is one transfer: own rows of all ranks' columns, in their places.
// CHECK-DAG: #[[$BOX:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d4, 5)>
// CHECK-DAG: #[[$FROM:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d6 * 5)>
// CHECK-DAG: #[[$PIECES:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (5, 1)>
// CHECK-DAG: #[[$TO:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d2 * 15 + d3 * 5)>
// CHECK-DAG: #[[$WIDE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (30, 1)>
// CHECK-LABEL: func.func @columns_home
// CHECK: plan.transfer "redistribute" %{{.*}} on ["dp", "tp"] sizes() result_sizes(%{{.*}}) counts(%{{.*}}, %{{.*}} : {{.*}}) box #[[$BOX]] from #[[$FROM]] #[[$PIECES]] to #[[$TO]] #[[$WIDE]]
func.func @columns_home(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, v/(dp,tp)]>})
    -> (tensor<?x30xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, v]>}) attributes {muster.bounds = {t = 8 : i64}} {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %y = muster.redistribute %x counts(%c : !tokens) from <[t, v/(dp,tp)]> to <[t/dp : tokens @step, v]> : tensor<?x5xf32> -> tensor<?x30xf32>
  return %y : tensor<?x30xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>

// Rows gathered, heads handed out, and the way back; a transposition behind only permutes strides. Where rows stand behind another dim, strides
// in the memory of all rows have their number, strides in the own memory the own.
// CHECK-LABEL: func.func @all_to_all
// CHECK-DAG: %[[OWN:.*]] = muster.own_count
// CHECK-DAG: %[[ALL:.*]] = muster.total
// CHECK: plan.transfer "all_to_all" %{{.*}} on ["dp"] sizes(%[[ALL]]) result_sizes(%[[ALL]]) counts(%{{.*}}, %{{.*}} : {{.*}}) box
// CHECK-NOT: linalg.transpose
// CHECK: plan.transfer "all_to_all" %{{.*}} on ["dp"] sizes(%[[ALL]], %[[OWN]]) result_sizes(%[[OWN]]) counts(%{{.*}}, %{{.*}} : {{.*}}) box
func.func @all_to_all(%x: tensor<?x4x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, h, d]>})
    -> (tensor<5x?x4xf32> {muster.layout = #muster.layout<[d, t/dp : tokens @step, h]>}) attributes {muster.bounds = {t = 8 : i64}} {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  %n = muster.total %c : !tokens
  %y = muster.all_to_all %x on "dp" split 1 concat 0 counts(%c : !tokens) ragged concat : tensor<?x4x5xf32> -> tensor<?x2x5xf32>
  %to = tensor.empty(%n) : tensor<5x?x2xf32>
  %t = linalg.transpose ins(%y : tensor<?x2x5xf32>) outs(%to : tensor<5x?x2xf32>) permutation = [2, 0, 1]
  %z = muster.all_to_all %t on "dp" split 1 concat 2 counts(%c : !tokens) ragged split : tensor<5x?x2xf32> -> tensor<5x?x4xf32>
  return %z : tensor<5x?x4xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
muster.mesh @mesh <["dp" = 2]>
func.func @negative_counts_of_other_rows(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[u/dp : tokens @other, i]>},
                                         %y: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x5xf32>
    attributes {muster.bounds = {t = 8 : i64, u = 8 : i64}} {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  // expected-error @+1 {{E4016 expected the size of dim 0 to be the own element of its counts, '!muster.counts<[dp], tokens, @step>', but got another}}
  %z = muster.all_gather %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x5xf32> -> tensor<?x5xf32>
  return %z : tensor<?x5xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
muster.mesh @mesh <["dp" = 2]>
func.func @negative_part_in_place_of_all(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x5xf32>
    attributes {muster.bounds = {t = 8 : i64}} {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  // expected-error @+1 {{E4016 expected the size of dim 0 to be the sum of its counts, '!muster.counts<[dp], tokens, @step>', but got another}}
  %z = muster.slice %x on "dp" dim 0 counts(%c : !tokens) : tensor<?x5xf32> -> tensor<?x5xf32>
  return %z : tensor<?x5xf32>
}

// -----
!tokens = !muster.counts<[dp], tokens, @step>
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_gathered_while_another_dim_moves(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, s/tp]>}) -> tensor<?x4xf32>
    attributes {muster.bounds = {t = 8 : i64}} {
  %c = plan.record "t" on ["dp"] bound 8 : !tokens
  // expected-error @+1 {{E4017 unsupported: parts of unequal length are gathered while parts of another dim go to other ranks than they come from}}
  %z = muster.redistribute %x counts(%c : !tokens) from <[t/dp : tokens @step, s/tp]> to <[t, s/tp zigzag]> : tensor<?x4xf32> -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// -----
muster.mesh @mesh <["dp" = 2, "tp" = 2]>
func.func @negative_rows_of_others_without_counts(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t/dp : tokens @step, i]>}) -> tensor<?x4xf32>
    attributes {muster.bounds = {t = 8 : i64}} {
  // expected-error @+1 {{E4017 unsupported: a dim that is not moved is of unequal size on the ranks of the group}}
  %z = muster.permute %x sources [1, 0] on "dp" : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
