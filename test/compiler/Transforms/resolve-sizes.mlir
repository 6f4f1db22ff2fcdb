// RUN: muster-opt %s --muster-resolve-sizes --split-input-file --verify-diagnostics | FileCheck %s

muster.mesh @mesh <["dp" = 2, "tp" = 3]>

// Equal names are one count, each made once at the top; a sharded dim is the count divided by its ranks.
// CHECK-LABEL: func.func @arguments
// CHECK-NEXT: %[[T:.*]] = plan.count "t" bound 64
// CHECK-NEXT: %[[SIX:.*]] = arith.constant 6 : index
// CHECK-NEXT: %[[PART:.*]] = arith.divui %[[T]], %[[SIX]] exact : index
// CHECK-NOT: plan.count
// CHECK-NOT: tensor.dim
// CHECK: return %[[T]], %[[T]], %[[PART]]
func.func @arguments(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>}, %y: tensor<?xi32> {muster.layout = #muster.layout<[t]>},
                     %z: tensor<7x?xf32> {muster.layout = #muster.layout<[o, t/(dp,tp)]>})
    -> (index, index, index) attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tensor.dim %x, %c0 : tensor<?x5xf32>
  %1 = tensor.dim %y, %c0 : tensor<?xi32>
  %2 = tensor.dim %z, %c1 : tensor<7x?xf32>
  return %0, %1, %2 : index, index, index
}

// Dims of other tensors follow through the operations that make them.
// CHECK-LABEL: func.func @operations
// CHECK: %[[R:.*]] = plan.count "r" bound 8
// CHECK: %[[T:.*]] = plan.count "t" bound 64
// CHECK-NOT: tensor.dim
// CHECK: %[[THREE:.*]] = arith.constant 3 : index
// CHECK: %[[GATHERED:.*]] = arith.muli %[[T]], %[[THREE]] : index
// CHECK-NOT: tensor.dim
// CHECK: return %[[GATHERED]], %[[R]], %[[T]]
func.func @operations(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>}, %rows: tensor<?xi32> {muster.layout = #muster.layout<[r]>},
                      %table: tensor<11x5xf32>, %w: tensor<7x5xf32>)
    -> (index, index, index) attributes {muster.bounds = {t = 64 : i64, r = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %gathered = muster.all_gather %x on "tp" dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %picked = nn.gather_rows %table[%rows] : tensor<11x5xf32>, tensor<?xi32> -> tensor<?x5xf32>
  %product = nn.matmul %x, %w : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
  %0 = tensor.dim %gathered, %c0 : tensor<?x5xf32>
  %1 = tensor.dim %picked, %c0 : tensor<?x5xf32>
  %2 = tensor.dim %product, %c0 : tensor<?x7xf32>
  return %0, %1, %2 : index, index, index
}

// A group of one dynamic dim keeps its identity; two static neighbours become a factor.
// CHECK-LABEL: func.func @reshapes
// CHECK: %[[T:.*]] = plan.count "t" bound 64
// CHECK-NOT: tensor.dim
// CHECK: %[[FACTOR:.*]] = arith.constant 5 : index
// CHECK: %[[MERGED:.*]] = arith.muli %[[T]], %[[FACTOR]] : index
// CHECK-NOT: tensor.dim
// CHECK: return %[[T]], %[[MERGED]]
func.func @reshapes(%x: tensor<?x5x7xf32> {muster.layout = #muster.layout<[t, h, d]>}) -> (index, index)
    attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %inner = tensor.collapse_shape %x [[0], [1, 2]] : tensor<?x5x7xf32> into tensor<?x35xf32>
  %outer = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x5x7xf32> into tensor<?x7xf32>
  %0 = tensor.dim %inner, %c0 : tensor<?x35xf32>
  %1 = tensor.dim %outer, %c0 : tensor<?x7xf32>
  return %0, %1 : index, index
}

// A count that the entry's layouts divide by six is a multiple of six: parts that are gathered again are the count itself.
// A count that nothing divides keeps its remainder.
// CHECK-LABEL: func.func @exact
// CHECK-DAG: %[[T:.*]] = plan.count "t" bound 66
// CHECK-DAG: %[[U:.*]] = plan.count "u" bound 64
// CHECK-DAG: %[[HALF:.*]] = arith.divui %[[T]], %{{.*}} exact : index
// CHECK: %[[PART:.*]] = arith.divui %[[U]], %{{.*}} : index
// CHECK: %[[REST:.*]] = arith.muli %[[PART]], %{{.*}} : index
// CHECK: return %[[T]], %[[HALF]], %[[REST]]
func.func @exact(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t/(dp,tp), i]>}, %y: tensor<?x5xf32> {muster.layout = #muster.layout<[u, i]>})
    -> (index, index, index) attributes {muster.bounds = {t = 66 : i64, u = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %half = muster.all_gather %x on "tp" dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %whole = muster.all_gather %half on "dp" dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %own = muster.slice %y on "tp" dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %cut = muster.all_gather %own on "tp" dim 0 : tensor<?x5xf32> -> tensor<?x5xf32>
  %0 = tensor.dim %whole, %c0 : tensor<?x5xf32>
  %1 = tensor.dim %half, %c0 : tensor<?x5xf32>
  %2 = tensor.dim %cut, %c0 : tensor<?x5xf32>
  return %0, %1, %2 : index, index, index
}

// -----
muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4001 expected dim 0 of argument 0 to have a name in its layout because it is dynamic but got no layout}}
func.func @negative_no_layout(%x: tensor<?x5xf32>) -> index attributes {muster.bounds = {t = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %0 = tensor.dim %x, %c0 : tensor<?x5xf32>
  return %0 : index
}

// -----
muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4002 expected attribute 'muster.bounds' to bound dim 't' because it is dynamic but got no bound}}
func.func @negative_no_bound(%x: tensor<?x5xf32> {muster.layout = #muster.layout<[t, i]>}) -> index attributes {muster.bounds = {s = 64 : i64}} {
  %c0 = arith.constant 0 : index
  %0 = tensor.dim %x, %c0 : tensor<?x5xf32>
  return %0 : index
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @negative_dim_number_is_no_constant(%x: tensor<?x?xf32> {muster.layout = #muster.layout<[t, s]>}, %which: index) -> index
    attributes {muster.bounds = {s = 64 : i64, t = 64 : i64}} {
  // expected-error @+1 {{E4003 unsupported size with a dim that is not constant}}
  %0 = tensor.dim %x, %which : tensor<?x?xf32>
  return %0 : index
}

// -----
muster.mesh @mesh <["tp" = 2]>
// expected-error @+1 {{E4003 unsupported size that is a block argument}}
func.func @negative_size_is_an_argument(%n: index) -> index {
  %c0 = arith.constant 0 : index
  %empty = tensor.empty(%n) : tensor<?xf32>
  %0 = tensor.dim %empty, %c0 : tensor<?xf32>
  return %0 : index
}

// -----
muster.mesh @mesh <["tp" = 2]>
func.func @negative_size_from_an_element(%x: tensor<3xindex>) -> index {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{E4003 unsupported size: expected arithmetic on dims and counts but got 'tensor.extract'}}
  %n = tensor.extract %x[%c0] : tensor<3xindex>
  %empty = tensor.empty(%n) : tensor<?xf32>
  %0 = tensor.dim %empty, %c0 : tensor<?xf32>
  return %0 : index
}

// -----

// Arithmetic on tensors has the sizes of its operands.
// CHECK-LABEL: func.func @elementwise
// CHECK: %[[T:.*]] = plan.count "t"
// CHECK: tensor.empty(%[[T]])
muster.mesh @mesh <["dp" = 2]>
func.func @elementwise(%x: tensor<?x4xf32> {muster.layout = #muster.layout<[t, i]>}) -> tensor<?x4xf32> attributes {muster.bounds = {t = 8 : i64}} {
  %c0 = arith.constant 0 : index
  %y = arith.addf %x, %x : tensor<?x4xf32>
  %n = tensor.dim %y, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %z = linalg.exp ins(%y : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
