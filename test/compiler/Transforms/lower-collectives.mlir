// RUN: muster-opt %s --muster-lower-collectives --canonicalize --split-input-file --verify-diagnostics | FileCheck %s
// Box, then the source: offset and strides on the peer; then the own result. d0, d1 are the own coordinates, d2, d3 the peer's.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 5)>
// CHECK-DAG: #[[$M4:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (15, 1)>
// CHECK-LABEL: func.func @all_gather
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "all_gather" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M4]] : tensor<2x5xf32> -> tensor<2x15xf32>
// CHECK-NEXT: return %[[V0]] : tensor<2x15xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @all_gather(%x: tensor<2x5xf32>) -> tensor<2x15xf32> {
  %0 = muster.all_gather %x on "tp" dim 1 : tensor<2x5xf32> -> tensor<2x15xf32>
  return %0 : tensor<2x15xf32>
}
// -----
// Positions are row-major over the axes; a sharded dynamic dim is the count divided by the ranks, what is gathered the count again.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (s0, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (5, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (d2 * (s0 * 15) + d3 * (s0 * 5))>
// CHECK-LABEL: func.func @all_gather_two_axes
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[C6:.*]] = arith.constant 6 : index
// CHECK-NEXT: %[[V0:.*]] = plan.count "t" bound 66
// CHECK-NEXT: %[[V1:.*]] = arith.divui %[[V0]], %[[C6]] exact : index
// CHECK-NEXT: %[[V3:.*]] = plan.transfer "all_gather" %[[X]] on ["dp", "tp"] sizes(%[[V1]]) result_sizes(%[[V0]]) box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M2]] : tensor<?x5xf32> -> tensor<?x5xf32>
// CHECK-NEXT: return %[[V3]] : tensor<?x5xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @all_gather_two_axes(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/(dp,tp), i]>}) -> tensor<?x5xf32> attributes {muster.bounds = {t = 66 : i64}} {
  %0 = muster.all_gather %x on ["dp", "tp"] dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}
// -----
// The own part of the split dim is pulled, and reduced in the order of position.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 7)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d1 * 14)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (7, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-LABEL: func.func @reduce_scatter
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "reduce_scatter" %[[X]] on ["tp"] reduce <max> sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M2]] : tensor<6x7xf32> -> tensor<2x7xf32>
// CHECK-NEXT: return %[[V0]] : tensor<2x7xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @reduce_scatter(%x: tensor<6x7xf32>) -> tensor<2x7xf32> {
  %0 = muster.reduce_scatter %x max on "tp" dim 0 : tensor<6x7xf32> -> tensor<2x7xf32>
  return %0 : tensor<2x7xf32>
}
// -----
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (s0, 7)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (7, 1)>
// CHECK-LABEL: func.func @all_reduce
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.count "t" bound 66
// CHECK-NEXT: %[[V1:.*]] = plan.transfer "all_reduce" %[[X]] on ["tp"] reduce <sum> sizes(%[[V0]]) result_sizes(%[[V0]]) box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M1]] #[[$M2]] : tensor<?x7xf32> -> tensor<?x7xf32>
// CHECK-NEXT: return %[[V1]] : tensor<?x7xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @all_reduce(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t, i]>}) -> tensor<?x7xf32> attributes {muster.bounds = {t = 66 : i64}} {
  %0 = muster.all_reduce %x sum on "tp" : tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}
// -----
// Split and concatenate: own position in the source, the peer's in the result.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5, 3)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d1 * 3)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (45, 9, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 30)>
// CHECK-DAG: #[[$M4:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (15, 3, 1)>
// CHECK-LABEL: func.func @all_to_all
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "all_to_all" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M4]] : tensor<2x5x9xf32> -> tensor<6x5x3xf32>
// CHECK-NEXT: return %[[V0]] : tensor<6x5x3xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @all_to_all(%x: tensor<2x5x9xf32>) -> tensor<6x5x3xf32> {
  %0 = muster.all_to_all %x on "tp" split 2 concat 0 : tensor<2x5x9xf32> -> tensor<6x5x3xf32>
  return %0 : tensor<6x5x3xf32>
}
// -----
// Part i goes to position i, part j of the result comes from position j.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (3, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d1 * 15)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 15)>
// CHECK-LABEL: func.func @exchange
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "exchange" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M2]] : tensor<9x5xf32> -> tensor<9x5xf32>
// CHECK-NEXT: return %[[V0]] : tensor<9x5xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @exchange(%x: tensor<9x5xf32>) -> tensor<9x5xf32> {
  %0 = muster.exchange %x on "tp" : tensor<9x5xf32>
  return %0 : tensor<9x5xf32>
}
// -----
// No axes: the rank pulls from itself alone.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d0 * 30 + d1 * 10)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-LABEL: func.func @slice
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "slice" %[[X]] on [] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M2]] : tensor<12x5xf32> -> tensor<2x5xf32>
// CHECK-NEXT: return %[[V0]] : tensor<2x5xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @slice(%x: tensor<12x5xf32>) -> tensor<2x5xf32> {
  %0 = muster.slice %x on ["dp", "tp"] dim 0 : tensor<12x5xf32> -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
// -----
// Everybody pulls from the root.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-LABEL: func.func @broadcast
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "broadcast" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M1]] #[[$M2]] sources [1, 1, 1] : tensor<2x5xf32> -> tensor<2x5xf32>
// CHECK-NEXT: return %[[V0]] : tensor<2x5xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @broadcast(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = muster.broadcast %x from 1 on "tp" : tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
// -----
// Position 1 has no source and gets zeros.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-LABEL: func.func @permute
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "permute" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M1]] #[[$M2]] sources [1, -1, 0] : tensor<2x5xf32> -> tensor<2x5xf32>
// CHECK-NEXT: return %[[V0]] : tensor<2x5xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @permute(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = muster.permute %x sources [1, -1, 0] on "tp" : tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
// -----
// Transposes in front and behind only permute strides: x lies as [9, 2, 5], and the result as [5, 6, 3].
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5, 3)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d1 * 30)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1, 10)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 6)>
// CHECK-DAG: #[[$M4:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (3, 18, 1)>
// CHECK-LABEL: func.func @transposes
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "all_to_all" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M4]] : tensor<9x2x5xf32> -> tensor<5x6x3xf32>
// CHECK-NEXT: return %[[V0]] : tensor<5x6x3xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @transposes(%x: tensor<9x2x5xf32>) -> tensor<5x6x3xf32> {
  %e0 = tensor.empty() : tensor<2x5x9xf32>
  %a = linalg.transpose ins(%x : tensor<9x2x5xf32>) outs(%e0 : tensor<2x5x9xf32>) permutation = [1, 2, 0]
  %b = muster.all_to_all %a on "tp" split 2 concat 0 : tensor<2x5x9xf32> -> tensor<6x5x3xf32>
  %e1 = tensor.empty() : tensor<5x6x3xf32>
  %c = linalg.transpose ins(%b : tensor<6x5x3xf32>) outs(%e1 : tensor<5x6x3xf32>) permutation = [1, 0, 2]
  return %c : tensor<5x6x3xf32>
}
// -----
// The gathered tensor itself is wanted too: its transpose stays.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 10)>
// CHECK-LABEL: func.func @transpose_used_twice
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "all_gather" %[[X]] on ["tp"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M2]] : tensor<2x5xf32> -> tensor<6x5xf32>
// CHECK-NEXT: %[[V1:.*]] = tensor.empty() : tensor<5x6xf32>
// CHECK-NEXT: %[[TRANSPOSED:.*]] = linalg.transpose ins(%[[V0]] : tensor<6x5xf32>) outs(%[[V1]] : tensor<5x6xf32>) permutation = [1, 0]
// CHECK-NEXT: return %[[V0]], %[[TRANSPOSED]] : tensor<6x5xf32>, tensor<5x6xf32>
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @transpose_used_twice(%x: tensor<2x5xf32>) -> (tensor<6x5xf32>, tensor<5x6xf32>) {
  %b = muster.all_gather %x on "tp" dim 0 : tensor<2x5xf32> -> tensor<6x5xf32>
  %e1 = tensor.empty() : tensor<5x6xf32>
  %c = linalg.transpose ins(%b : tensor<6x5xf32>) outs(%e1 : tensor<5x6xf32>) permutation = [1, 0]
  return %b, %c : tensor<6x5xf32>, tensor<5x6xf32>
}
// -----
// A group of one rank has its operand already, unless zeros are asked for; a proved layout goes.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (0)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (5, 1)>
// CHECK-LABEL: func.func @one
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V0:.*]] = plan.transfer "permute" %[[X]] on ["one"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M1]] #[[$M2]] sources [-1] : tensor<2x5xf32> -> tensor<2x5xf32>
// CHECK-NEXT: return %[[X]], %[[V0]], %[[X]] : tensor<2x5xf32>, tensor<2x5xf32>, tensor<2x5xf32>
muster.mesh @mesh <["dp" = 2, "one" = 1]>
func.func @one(%x: tensor<2x5xf32>) -> (tensor<2x5xf32>, tensor<2x5xf32>, tensor<2x5xf32>) {
  %0 = muster.all_gather %x on "one" dim 0 : tensor<2x5xf32> -> tensor<2x5xf32>
  %1 = muster.permute %x sources [-1] on "one" : tensor<2x5xf32>
  %2 = muster.assert_layout %x : tensor<2x5xf32> layout <[t/dp, o]>
  return %0, %1, %2 : tensor<2x5xf32>, tensor<2x5xf32>, tensor<2x5xf32>
}
// -----
// A slice in front: the box begins in the middle of the rows that lie there.
// CHECK-DAG: #[[$BOX:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (s0, 7)>
// CHECK-DAG: #[[$FROM:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (5)>
// CHECK-DAG: #[[$ROWS:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (20, 1)>
// CHECK-DAG: #[[$ZERO:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (0)>
// CHECK-DAG: #[[$OWN:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (7, 1)>
// CHECK-LABEL: func.func @slice_in_front
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[T:.*]] = plan.count "t" bound 66
// CHECK-NEXT: %[[V:.*]] = plan.transfer "all_reduce" %[[X]] on ["tp"] reduce <sum> sizes(%[[T]]) result_sizes(%[[T]]) box #[[$BOX]] from #[[$FROM]] #[[$ROWS]] to #[[$ZERO]] #[[$OWN]] : tensor<?x20xf32> -> tensor<?x7xf32>
// CHECK-NEXT: return %[[V]]
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @slice_in_front(%x: tensor<?x20xf32> {muster.layout = #muster.layout<[t, i]>}) -> tensor<?x7xf32> attributes {muster.bounds = {t = 66 : i64}} {
  %t = plan.count "t" bound 66
  %s = tensor.extract_slice %x[0, 5] [%t, 7] [1, 1] : tensor<?x20xf32> to tensor<?x7xf32>
  %0 = muster.all_reduce %s sum on "tp" : tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}
// -----
// A slice behind, and a transposition behind that: only what is wanted moves.
// CHECK-DAG: #[[$BOX:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (6, 7)>
// CHECK-DAG: #[[$FROM:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (3)>
// CHECK-DAG: #[[$ROWS:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (20, 2)>
// CHECK-DAG: #[[$TO:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 6)>
// CHECK-DAG: #[[$OWN:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (1, 18)>
// CHECK-LABEL: func.func @slice_behind
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V:.*]] = plan.transfer "all_gather" %[[X]] on ["tp"] sizes() result_sizes() box #[[$BOX]] from #[[$FROM]] #[[$ROWS]] to #[[$TO]] #[[$OWN]] : tensor<6x20xf32> -> tensor<7x18xf32>
// CHECK-NEXT: return %[[V]]
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @slice_behind(%x: tensor<6x20xf32>) -> tensor<7x18xf32> {
  %0 = muster.all_gather %x on "tp" dim 0 : tensor<6x20xf32> -> tensor<18x20xf32>
  %s = tensor.extract_slice %0[0, 3] [18, 7] [1, 2] : tensor<18x20xf32> to tensor<18x7xf32>
  %e = tensor.empty() : tensor<7x18xf32>
  %u = linalg.transpose ins(%s : tensor<18x7xf32>) outs(%e : tensor<7x18xf32>) permutation = [1, 0]
  return %u : tensor<7x18xf32>
}
// -----
// A slice that drops a dim, transposed, in front: 1 * 66 + 0 * 11 + 2 = 68.
// CHECK-DAG: #[[$BOX:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (3, 3)>
// CHECK-DAG: #[[$FROM:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d1 * 3 + 68)>
// CHECK-DAG: #[[$ROWS:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (1, 66)>
// CHECK-LABEL: func.func @slice_dropping_a_dim
// CHECK-SAME: (%[[X:[^:]*]]:
// CHECK-NEXT: %[[V:.*]] = plan.transfer "all_to_all" %[[X]] on ["tp"] sizes() result_sizes() box #[[$BOX]] from #[[$FROM]] #[[$ROWS]] to {{.*}} : tensor<5x6x11xf32> -> tensor<3x9xf32>
// CHECK-NEXT: return %[[V]]
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @slice_dropping_a_dim(%x: tensor<5x6x11xf32>) -> tensor<3x9xf32> {
  %s = tensor.extract_slice %x[1, 0, 2] [3, 1, 9] [1, 1, 1] : tensor<5x6x11xf32> to tensor<3x9xf32>
  %e = tensor.empty() : tensor<9x3xf32>
  %u = linalg.transpose ins(%s : tensor<3x9xf32>) outs(%e : tensor<9x3xf32>) permutation = [1, 0]
  %0 = muster.all_to_all %u on "tp" split 0 concat 1 : tensor<9x3xf32> -> tensor<3x9xf32>
  return %0 : tensor<3x9xf32>
}
// -----
// Parts of a gathered dim would be of unequal size, a place that is not constant is no part of a box, and a result that others read is needed
// as a whole.
// CHECK-LABEL: func.func @negative_slices
// CHECK-COUNT-3: tensor.extract_slice
// CHECK: return
muster.mesh @mesh <["dp" = 2, "tp" = 3]>
func.func @negative_slices(%x: tensor<6x20xf32>, %n: index) -> (tensor<17x20xf32>, tensor<6x5xf32>, tensor<6x5xf32>, tensor<6x20xf32>) {
  %gathered = muster.all_gather %x on "tp" dim 0 : tensor<6x20xf32> -> tensor<18x20xf32>
  %0 = tensor.extract_slice %gathered[1, 0] [17, 20] [1, 1] : tensor<18x20xf32> to tensor<17x20xf32>
  %s = tensor.extract_slice %x[0, %n] [6, 5] [1, 1] : tensor<6x20xf32> to tensor<6x5xf32>
  %1 = muster.all_reduce %s sum on "tp" : tensor<6x5xf32>
  %whole = muster.all_reduce %x sum on "dp" : tensor<6x20xf32>
  %2 = tensor.extract_slice %whole[0, 3] [6, 5] [1, 1] : tensor<6x20xf32> to tensor<6x5xf32>
  return %0, %1, %2, %whole : tensor<17x20xf32>, tensor<6x5xf32>, tensor<6x5xf32>, tensor<6x20xf32>
}
// -----
muster.mesh @mesh <["tp" = ?]>
func.func @negative_symbolic_mesh(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  // expected-error @+1 {{E4004 cannot be lowered because the mesh has symbolic sizes}}
  %0 = muster.all_reduce %x sum on "tp" : tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
// -----
// Rows go to heads of which there are fewer than ranks: each rank pulls its head only, 7 of 21 columns.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (s0, 1, 7)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (d0 * 7)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (21, 7, 1)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (d2 * (s0 * 14) + d3 * (s0 * 7))>
// CHECK-DAG: #[[$M4:map[0-9]*]] = affine_map<(d0, d1, d2, d3)[s0] -> (7, 7, 1)>
// CHECK-LABEL: func.func @own_part_behind
// CHECK-NOT: muster.slice
// CHECK: plan.transfer "all_gather" %{{.*}} on ["a", "b"] sizes(%[[N:.*]]) result_sizes(%{{.*}}) box #[[$M0]] from #[[$M1]] #[[$M2]] to #[[$M3]] #[[$M4]] : tensor<?x3x7xf32> -> tensor<?x1x7xf32>
// CHECK-NEXT: return
muster.mesh @mesh <["a" = 3, "b" = 2]>
func.func @own_part_behind(%x: tensor<?x3x7xf32> {muster.layout = #muster.layout<[t/(a,b), h, d]>}) -> tensor<?x1x7xf32> attributes {muster.bounds = {t = 66 : i64}} {
  %0 = muster.all_gather %x on ["a", "b"] dim 0 : tensor<?x3x7xf32> -> tensor<?x3x7xf32>
  %1 = muster.slice %0 on "a" dim 1 : tensor<?x3x7xf32> -> tensor<?x1x7xf32>
  return %1 : tensor<?x1x7xf32>
}
// -----
// A reduction of the own part, and a part of a slice with steps: rows 3 + 2 * (4 d0 + ...) of columns of 20.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (4, 20)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d0 * 160 + 60)>
// CHECK-DAG: #[[$M2:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (40, 1)>
// CHECK-LABEL: func.func @own_part_of_a_slice
// CHECK: plan.transfer "all_reduce" %{{.*}} on ["b"] reduce <sum> sizes() result_sizes() box #[[$M0]] from #[[$M1]] #[[$M2]] to
// CHECK-NEXT: return
muster.mesh @mesh <["a" = 3, "b" = 2]>
func.func @own_part_of_a_slice(%x: tensor<30x20xf32>) -> tensor<4x20xf32> {
  %0 = muster.all_reduce %x sum on "b" : tensor<30x20xf32>
  %1 = tensor.extract_slice %0[3, 0] [12, 20] [2, 1] : tensor<30x20xf32> to tensor<12x20xf32>
  %2 = muster.slice %1 on "a" dim 0 : tensor<12x20xf32> -> tensor<4x20xf32>
  return %2 : tensor<4x20xf32>
}
// -----
// The gathered dim is not cut, and what others read stays whole.
// CHECK-LABEL: func.func @negative_own_parts
// CHECK-COUNT-4: plan.transfer
muster.mesh @mesh <["a" = 3, "b" = 2]>
func.func @negative_own_parts(%x: tensor<6x20xf32>, %y: tensor<6x3xf32>) -> (tensor<4x20xf32>, tensor<6x3xf32>, tensor<2x3xf32>) {
  %0 = muster.all_gather %x on "b" dim 0 : tensor<6x20xf32> -> tensor<12x20xf32>
  %1 = muster.slice %0 on "a" dim 0 : tensor<12x20xf32> -> tensor<4x20xf32>
  %2 = muster.all_reduce %y max on "b" : tensor<6x3xf32>
  %3 = muster.slice %2 on "a" dim 0 : tensor<6x3xf32> -> tensor<2x3xf32>
  return %1, %2, %3 : tensor<4x20xf32>, tensor<6x3xf32>, tensor<2x3xf32>
}
// -----
muster.mesh @mesh <["tp" = 6]>
func.func @negative_part_of_an_axis(%x: tensor<6x20xf32>) -> tensor<18x20xf32> {
  // expected-error @+1 {{E4014 expected a group of whole axes but got 'tp[2:3]', a part of one; muster-split-mesh-axes makes it one}}
  %0 = muster.all_gather %x on "tp[2:3]" dim 0 : tensor<6x20xf32> -> tensor<18x20xf32>
  return %0 : tensor<18x20xf32>
}
