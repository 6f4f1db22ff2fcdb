// RUN: muster-opt %s --muster-split-mesh-axes --split-input-file | FileCheck %s

// Parts of one axis become axes, whole axes become all of them, and other axes stay.
// CHECK: muster.mesh @mesh <["dp" = 2, "tp[6:2]" = 2, "tp[2:3]" = 3, "tp[1:2]" = 2]>
muster.mesh @mesh <["dp" = 2, "tp" = 12]>
// CHECK: muster.weight @q : tensor<24x5xf32> layout <[h/("tp[6:2]","tp[2:3]","tp[1:2]"), i]>
muster.weight @q : tensor<24x5xf32> layout <[h/tp, i]>
// CHECK: muster.weight @qk : tensor<30x5xf32> layout <[{q:24/("tp[6:2]","tp[2:3]","tp[1:2]") | k:6/("tp[6:2]","tp[2:3]")}, i]>
muster.weight @qk : tensor<30x5xf32> layout <[{q:24/tp | k:6/tp[2:6]}, i]>
// CHECK: muster.state @k : tensor<?x4x3x7xf32> layout <[page, slot, kv/"tp[2:3]", d]>
muster.state @k : tensor<?x4x3x7xf32> layout <[page, slot, kv/tp[2:3], d]>
// CHECK-LABEL: func.func @step
// CHECK-SAME: tensor<4xi32> {muster.layout = #muster.layout<[t/(dp,"tp[2:3]")]>}) -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, i/dp], partial(sum: "tp[6:2]", "tp[2:3]", "tp[1:2]")>})
func.func @step(%t: tensor<4xi32> {muster.layout = #muster.layout<[t/(dp,tp[2:3])]>})
    -> (tensor<2x5xf32> {muster.layout = #muster.layout<[t, i/dp], partial(sum: tp)>}) {
  %x = tensor.empty() : tensor<2x5xf32>
  // CHECK: muster.redistribute %{{.*}} from <[t, i], partial(sum: "tp[2:3]")> to <[t/"tp[6:2]", i]>
  %r = muster.redistribute %x from <[t, i], partial(sum: tp[2:3])> to <[t/tp[6:2], i]> : tensor<2x5xf32> -> tensor<1x5xf32>
  // CHECK: muster.all_gather %{{.*}} on ["tp[2:3]", "tp[1:2]"] dim 0
  %g = muster.all_gather %r on "tp[1:6]" dim 0 : tensor<1x5xf32> -> tensor<6x5xf32>
  // CHECK: muster.all_reduce %{{.*}} sum on ["dp", "tp[6:2]", "tp[2:3]", "tp[1:2]"]
  %a = muster.all_reduce %x sum on ["dp", "tp"] : tensor<2x5xf32>
  return %a : tensor<2x5xf32>
}
// A coordinate is the position on its parts, row-major: c1 + 2 c2 + 6 c6.
// What the axis divides, its parts divide.
// CHECK-LABEL: func.func @coordinates
// CHECK-SAME: muster.facts = #muster.facts<["tp[6:2]"|s, "tp[2:3]"|s, "tp[1:2]"|s, dp|s]>
// CHECK-DAG: %[[C1:.*]] = muster.coordinate "tp[1:2]"
// CHECK-DAG: %[[C2:.*]] = muster.coordinate "tp[2:3]"
// CHECK-DAG: %[[C6:.*]] = muster.coordinate "tp[6:2]"
// CHECK-DAG: %[[TWO:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[SIX:.*]] = arith.constant 6 : index
// CHECK-DAG: %[[M2:.*]] = arith.muli %[[C2]], %[[TWO]] : index
// CHECK-DAG: %[[S2:.*]] = arith.addi %[[M2]], %[[C1]] : index
// CHECK-DAG: %[[M6:.*]] = arith.muli %[[C6]], %[[SIX]] : index
// CHECK-DAG: %[[ALL:.*]] = arith.addi %[[M6]], %[[S2]] : index
// CHECK: return %[[ALL]], %{{.*}} : index, index
func.func @coordinates() -> (index, index) attributes {muster.facts = #muster.facts<[tp|s, dp|s]>} {
  %0 = muster.coordinate "tp"
  %1 = muster.coordinate "tp[2:3]"
  return %0, %1 : index, index
}
// A size of the axis is a number.
// CHECK-LABEL: func.func @sizes
// CHECK: %[[TWELVE:.*]] = arith.constant 12 : index
// CHECK: %[[H:.*]] = muster.size <h>
// CHECK: %[[D:.*]] = arith.constant 12 : index
// CHECK: %[[Q:.*]] = arith.divui %[[H]], %[[D]] : index
// CHECK: return %[[TWELVE]], %[[Q]] : index, index
func.func @sizes() -> (index, index) {
  %0 = muster.size <tp>
  %1 = muster.size <h/tp>
  return %0, %1 : index, index
}

// -----

// Nothing is split where only whole axes are named, and a part of one position divides nothing.
// CHECK: muster.mesh @mesh <["tp" = 6]>
muster.mesh @mesh <["tp" = 6]>
// CHECK: muster.weight @q : tensor<6x5xf32> layout <[h/tp, i]>
muster.weight @q : tensor<6x5xf32> layout <[h/tp[1:6], i/tp[6:1]]>
// CHECK: muster.weight @k : tensor<6x5xf32> layout <[kv, i]>
muster.weight @k : tensor<6x5xf32> layout <[kv/tp[3:1], i]>

// -----

// Each function has the mesh that it names.
// CHECK: muster.mesh @a <["tp[2:2]" = 2, "tp[1:2]" = 2]>
muster.mesh @a <["tp" = 4]>
// CHECK: muster.mesh @b <["tp" = 3]>
muster.mesh @b <["tp" = 3]>
// CHECK-LABEL: func.func @on_a
func.func @on_a(%x: tensor<4x5xf32>) -> tensor<8x5xf32> attributes {muster.mesh = @a} {
  // CHECK: muster.all_gather %{{.*}} on "tp[2:2]" dim 0
  %0 = muster.all_gather %x on "tp[2:2]" dim 0 : tensor<4x5xf32> -> tensor<8x5xf32>
  return %0 : tensor<8x5xf32>
}
// CHECK-LABEL: func.func @on_b
func.func @on_b(%x: tensor<4x5xf32>) -> tensor<12x5xf32> attributes {muster.mesh = @b} {
  // CHECK: muster.all_gather %{{.*}} on "tp" dim 0
  %0 = muster.all_gather %x on "tp" dim 0 : tensor<4x5xf32> -> tensor<12x5xf32>
  return %0 : tensor<12x5xf32>
}
