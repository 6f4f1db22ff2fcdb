// RUN: muster-opt %s --muster-select-library-calls | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: muster-opt %s --muster-select-library-calls=pack-weights=true | FileCheck %s --check-prefixes=CHECK,PACKED

muster.mesh @mesh <["tp" = 2]>
// Only what a product reads is packed.
// PLAIN: muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]>{{$}}
// PACKED: muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]> packing "n64k16"
// CHECK: muster.weight @table : tensor<11x5xf32> layout <[v, i]>{{$}}
muster.weight @w : tensor<14x5xf32> layout <[o/tp, i]>
muster.weight @table : tensor<11x5xf32> layout <[v, i]>

// CHECK-LABEL: func.func @weight
// CHECK: %[[W:.*]] = muster.load @w
// CHECK: plan.matmul %{{.*}}, %[[W]] : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
// CHECK-NOT: nn.matmul
// CHECK: return
func.func @weight(%rows: tensor<?xi32>) -> tensor<?x7xf32> {
  %table = muster.load @table : tensor<11x5xf32>
  %x = nn.gather_rows %table[%rows] : tensor<11x5xf32>, tensor<?xi32> -> tensor<?x5xf32>
  %w = muster.load @w : tensor<7x5xf32>
  %y = nn.matmul %x, %w : tensor<?x5xf32>, tensor<7x5xf32> -> tensor<?x7xf32>
  return %y : tensor<?x7xf32>
}

// The library reads weights only.
// CHECK-LABEL: func.func @negative_no_weight
// CHECK: nn.matmul %{{.*}}, %{{.*}} : tensor<3x5xf32>, tensor<7x5xf32> -> tensor<3x7xf32>
func.func @negative_no_weight(%x: tensor<3x5xf32>, %w: tensor<7x5xf32>) -> tensor<3x7xf32> {
  %y = nn.matmul %x, %w : tensor<3x5xf32>, tensor<7x5xf32> -> tensor<3x7xf32>
  return %y : tensor<3x7xf32>
}
