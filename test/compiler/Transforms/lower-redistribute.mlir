// RUN: muster-opt %s --muster-resolve-sizes --muster-lower-collectives --split-input-file | FileCheck %s
// RUN: muster-opt %s --muster-resolve-sizes --muster-lower-collectives --muster-verify-layouts --split-input-file -o /dev/null

// Two axes leave a dim, one of them comes to divide another: every rank pulls its own columns from all, one pass over the data.
// CHECK-DAG: #[[$M0:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (6, 2, 5)>
// CHECK-DAG: #[[$M1:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d0 * 60)>
// CHECK-DAG: #[[$M3:map[0-9]*]] = affine_map<(d0, d1, d2, d3) -> (d3 * 20 + d2 * 10)>
// CHECK-LABEL: func.func @two_axes_leave
// CHECK-NEXT: plan.transfer "redistribute" %{{.*}} on ["b", "a"] sizes() result_sizes() box #[[$M0]] from #[[$M1]] #{{.*}} to #[[$M3]]
// CHECK-NEXT: return
muster.mesh @mesh <["a" = 2, "b" = 3]>
func.func @two_axes_leave(%x: tensor<12x2x5xf32> {muster.layout = #muster.layout<[r, p/(b,a), d]>})
    -> (tensor<6x12x5xf32> {muster.layout = #muster.layout<[r/a, p, d]>}) {
  %0 = muster.redistribute %x from <[r, p/(b,a), d]> to <[r/a, p, d]> : tensor<12x2x5xf32> -> tensor<6x12x5xf32>
  return %0 : tensor<6x12x5xf32>
}

// -----

// Nothing but the own rank's elements: no communication.
// CHECK-LABEL: func.func @two_slices
// CHECK-NEXT: plan.transfer "redistribute" %{{.*}} on [] sizes()
// CHECK-NEXT: return
muster.mesh @mesh <["a" = 2, "b" = 3]>
func.func @two_slices(%x: tensor<4x6xf32> {muster.layout = #muster.layout<[p, q]>}) -> (tensor<2x2xf32> {muster.layout = #muster.layout<[p/a, q/b]>}) {
  %0 = muster.redistribute %x from <[p, q]> to <[p/a, q/b]> : tensor<4x6xf32> -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// -----

// The axes change their order: each position pulls from one other.
// CHECK-LABEL: func.func @axes_change_order
// CHECK-NEXT: plan.transfer "redistribute" %{{.*}} on ["a", "b"] sizes() result_sizes() box #{{.*}} from #{{.*}} #{{.*}} to #{{.*}} #{{.*}} sources [0, 2, 4, 1, 3, 5]
// CHECK-NEXT: return
muster.mesh @mesh <["a" = 2, "b" = 3]>
func.func @axes_change_order(%x: tensor<2x7xf32> {muster.layout = #muster.layout<[t/(a,b), i]>}) -> (tensor<2x7xf32> {muster.layout = #muster.layout<[t/(b,a), i]>}) {
  %0 = muster.redistribute %x from <[t/(a,b), i]> to <[t/(b,a), i]> : tensor<2x7xf32> -> tensor<2x7xf32>
  return %0 : tensor<2x7xf32>
}

// -----

// The outer axis leaves: positions pull a few parts each, of a symbolic length.
// CHECK-LABEL: func.func @outer_axis_leaves
// CHECK: plan.transfer "redistribute" %{{.*}} on ["a", "b"] sizes(%{{.*}}) result_sizes(%{{.*}}) box #{{.*}} from #{{.*}} #{{.*}} to #{{.*}} #{{.*}} sources [0, 0, 1, 1, 2, 0, 3, 1, 4, 0, 5, 1, 0, 0, 1, 1, 2, 0, 3, 1, 4, 0, 5, 1]
// CHECK-NEXT: return
muster.mesh @mesh <["a" = 2, "b" = 3]>
func.func @outer_axis_leaves(%x: tensor<?x7xf32> {muster.layout = #muster.layout<[t/(a,b), i]>}) -> (tensor<?x7xf32> {muster.layout = #muster.layout<[t/b, i]>})
    attributes {muster.bounds = {t = 66 : i64}} {
  %0 = muster.redistribute %x from <[t/(a,b), i]> to <[t/b, i]> : tensor<?x7xf32> -> tensor<?x7xf32>
  return %0 : tensor<?x7xf32>
}

// -----

// Zig-zag to contiguous: two chunks for each position. Rows: peer, from, to.
// CHECK-LABEL: func.func @zigzag
// CHECK-NEXT: plan.transfer "redistribute" %{{.*}} on ["sp"] sizes() result_sizes() box #{{.*}} from #{{.*}} #{{.*}} to #{{.*}} #{{.*}} sources [0, 0, 0, 1, 0, 2, 2, 0, 0, 2, 2, 2, 1, 2, 0, 0, 2, 2]
// CHECK-NEXT: return
muster.mesh @mesh <["sp" = 3]>
func.func @zigzag(%x: tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp zigzag, d]>}) -> (tensor<4x5xf32> {muster.layout = #muster.layout<[s/sp, d]>}) {
  %0 = muster.redistribute %x from <[s/sp zigzag, d]> to <[s/sp, d]> : tensor<4x5xf32> -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}
