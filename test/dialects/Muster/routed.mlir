// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s
// RUN: muster-opt %s --resolve-ranked-shaped-type-result-dims --cse --canonicalize | FileCheck %s --check-prefix=SIZE

#counts = #muster.routed<rows, @route, 4>
muster.mesh @node <["ep" = 3]>

// CHECK-LABEL: func.func @there_and_back
// CHECK-SAME: (%[[X:.*]]: tensor<?x2xf32>, %[[TO:.*]]: tensor<?xi32>)
func.func @there_and_back(%x: tensor<?x2xf32>, %to: tensor<?xi32>) -> (tensor<12x2xf32>, tensor<4x2xf32>) {
  // CHECK: %[[S:.*]] = nn.histogram %[[TO]] : tensor<?xi32> -> tensor<3xi32, #muster.routed<rows, @route, 4>>
  %s = nn.histogram %to : tensor<?xi32> -> tensor<3xi32, #counts>
  // CHECK: %[[R:.*]] = muster.exchange %[[S]] on "ep" : tensor<3xi32, #muster.routed<rows, @route, 4>>
  %r = muster.exchange %s on "ep" : tensor<3xi32, #counts>
  // CHECK: %[[Y:.*]] = muster.all_to_all_v %[[X]] on "ep" send(%[[S]] : tensor<3xi32, #muster.routed<rows, @route, 4>>) receive(%[[R]] : tensor<3xi32, #muster.routed<rows, @route, 4>>) : tensor<?x2xf32> -> tensor<12x2xf32>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3xi32, #counts>) receive(%r : tensor<3xi32, #counts>) : tensor<?x2xf32> -> tensor<12x2xf32>
  %z = muster.all_to_all_v %y on "ep" send(%r : tensor<3xi32, #counts>) receive(%s : tensor<3xi32, #counts>) : tensor<12x2xf32> -> tensor<4x2xf32>
  return %y, %z : tensor<12x2xf32>, tensor<4x2xf32>
}

// Two experts on each rank; only the first rows have one.
// CHECK-LABEL: func.func @experts
// SIZE-LABEL: func.func @experts
func.func @experts(%x: tensor<?x2xf32>, %expert: tensor<?xi32>, %n: index) -> (tensor<12x2xf32>, index, index) {
  %c0 = arith.constant 0 : index
  // CHECK: nn.histogram %{{.*}} valid %{{.*}} : tensor<?xi32> -> tensor<3x2xi64, #muster.routed<rows, @route, 4>>
  %s = nn.histogram %expert valid %n : tensor<?xi32> -> tensor<3x2xi64, #counts>
  %r = muster.exchange %s on "ep" : tensor<3x2xi64, #counts>
  %y = muster.all_to_all_v %x on "ep" send(%s : tensor<3x2xi64, #counts>) receive(%r : tensor<3x2xi64, #counts>) : tensor<?x2xf32> -> tensor<12x2xf32>
  // SIZE-DAG: %[[ROWS:.*]] = arith.constant 12 : index
  // SIZE-DAG: %[[RANKS:.*]] = arith.constant 3 : index
  // SIZE: return %{{.*}}, %[[ROWS]], %[[RANKS]]
  %rows = tensor.dim %y, %c0 : tensor<12x2xf32>
  %ranks = tensor.dim %s, %c0 : tensor<3x2xi64, #counts>
  return %y, %rows, %ranks : tensor<12x2xf32>, index, index
}
