// RUN: muster-opt %s --muster-lower-collectives | FileCheck %s --check-prefix=MOVED
// RUN: muster-opt %s --muster-lower-collectives --muster-lower-nn | FileCheck %s
// RUN: muster-opt %s --muster-interpret='entry=there_and_back print=ranks values=integers seed=5' -o /dev/null > %t.before
// RUN: muster-opt %s --muster-lower-collectives --muster-interpret='entry=there_and_back print=ranks values=integers seed=5' -o /dev/null > %t.moved
// RUN: diff %t.before %t.moved
// RUN: muster-opt %s --muster-lower-collectives --muster-lower-nn --muster-interpret='entry=there_and_back print=ranks values=integers seed=5' -o /dev/null > %t.lowered
// RUN: diff %t.before %t.lowered
// RUN: muster-opt %s --muster-interpret='entry=experts print=ranks seed=3' -o /dev/null > %t.before
// RUN: muster-opt %s --muster-lower-collectives --muster-lower-nn --muster-interpret='entry=experts print=ranks seed=3' -o /dev/null > %t.lowered
// RUN: diff %t.before %t.lowered
//
// Rows in numbers that the device counts: a histogram is a sum over the indices for each bin, rows are exchanged by
// what all ranks send, and behind that nothing says what a tensor counts.
#counts = #muster.routed<rows, @route, 8>
muster.mesh @mesh <["ep" = 2]>

// MOVED-LABEL: func.func @there_and_back
// MOVED: %[[S:.*]] = nn.histogram %{{.*}} : tensor<8xi32> -> tensor<2xi32, #muster.routed<rows, @route, 8>>
// MOVED: %[[R:.*]] = plan.transfer "exchange" %[[S]] on ["ep"]
// MOVED: %[[Y:.*]] = plan.exchange_rows %{{.*}} send %[[S]] on ["ep"] : tensor<8x3xf32>, tensor<2xi32, #muster.routed<rows, @route, 8>> -> tensor<16x3xf32>
// MOVED: plan.exchange_rows %[[Y]] send %[[R]] on ["ep"]

// CHECK-LABEL: func.func @there_and_back
// CHECK-NOT: muster.routed
// CHECK: %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<2xi32>
// CHECK: %[[S:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%{{.*}} : tensor<8xi32>) outs(%[[ZEROS]] : tensor<2xi32>)
// CHECK: linalg.index 0
// CHECK: arith.cmpi eq
// CHECK: plan.transfer "exchange" %[[S]] {{.*}} : tensor<2xi32> -> tensor<2xi32>
// CHECK: plan.exchange_rows %{{.*}} send %[[S]] on ["ep"] : tensor<8x3xf32>, tensor<2xi32> -> tensor<16x3xf32>
func.func @there_and_back(%x: tensor<8x3xf32> {muster.layout = #muster.layout<[t/ep, i]>},
    %to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>, muster.bound = 2 : i64})
    -> (tensor<16x3xf32> {muster.layout = #muster.layout<[u/ep, i]>}, tensor<8x3xf32> {muster.layout = #muster.layout<[t/ep, i]>}) {
  %s = nn.histogram %to : tensor<8xi32> -> tensor<2xi32, #counts>
  %r = muster.exchange %s on "ep" : tensor<2xi32, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<2xi32, #counts>) receive(%r : tensor<2xi32, #counts>) : tensor<8x3xf32> -> tensor<16x3xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<2xi32, #counts>) receive(%s : tensor<2xi32, #counts>) : tensor<16x3xf32> -> tensor<8x3xf32>
  return %y, %z : tensor<16x3xf32>, tensor<8x3xf32>
}

// Two dims of bins are counted as one; only the first rows are counted.
// CHECK-LABEL: func.func @experts
// CHECK-SAME: -> (tensor<2x3xi64>
// CHECK: %[[FLAT:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<6xi64>)
// CHECK: %[[ROW:.*]] = linalg.index 1
// CHECK: arith.cmpi slt, %[[ROW]]
// CHECK: tensor.expand_shape %[[FLAT]] {{\[\[}}0, 1]] output_shape [2, 3] : tensor<6xi64> into tensor<2x3xi64>
func.func @experts(%to: tensor<8xi32> {muster.layout = #muster.layout<[t/ep]>, muster.bound = 6 : i64})
    -> (tensor<2x3xi64, #counts> {muster.layout = #muster.layout<[a/ep, e]>}) {
  %five = arith.constant 5 : index
  %s = nn.histogram %to valid %five : tensor<8xi32> -> tensor<2x3xi64, #counts>
  return %s : tensor<2x3xi64, #counts>
}
