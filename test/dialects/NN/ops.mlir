// RUN: muster-opt %s | muster-opt | FileCheck %s
// RUN: muster-opt %s --mlir-print-op-generic | muster-opt | FileCheck %s

muster.mesh @node <["tp" = 3]>
muster.state @k : tensor<?x16x3x64xf32> layout <[page, slot, kv/tp, d]>
muster.state @v : tensor<?x16x3x64xf32> layout <[page, slot, kv/tp, d]>

// CHECK-LABEL: func.func @step
func.func @step(%x: tensor<?x192xf32>, %w: tensor<576x192xf32>, %scale: tensor<192xf32>, %table: tensor<97x192xf32>, %cos: tensor<31x32xf32>,
                %indices: tensor<?xi32>, %starts: tensor<?xi32>, %blocks: tensor<?x8xi32>, %key: tensor<?x1x64xf32>, %first: index) {
  // CHECK: nn.matmul %{{.*}}, %{{.*}} : tensor<?x192xf32>, tensor<576x192xf32> -> tensor<?x576xf32>
  %0 = nn.matmul %x, %w : tensor<?x192xf32>, tensor<576x192xf32> -> tensor<?x576xf32>
  // CHECK: nn.gather_rows %{{.*}}[%{{.*}}] : tensor<97x192xf32>, tensor<?xi32> -> tensor<?x192xf32>
  %1 = nn.gather_rows %table[%indices] : tensor<97x192xf32>, tensor<?xi32> -> tensor<?x192xf32>
  // CHECK: nn.gather_rows %{{.*}}[%{{.*}}] first %{{.*}} : tensor<97x192xf32>, tensor<?xi32> -> tensor<?x192xf32>
  %2 = nn.gather_rows %table[%indices] first %first : tensor<97x192xf32>, tensor<?xi32> -> tensor<?x192xf32>
  // CHECK: nn.rms_norm %{{.*}}, %{{.*}} epsilon 1.000000e-05 : tensor<?x192xf32>, tensor<192xf32>
  %3 = nn.rms_norm %x, %scale epsilon 1.0e-5 : tensor<?x192xf32>, tensor<192xf32>
  // CHECK: nn.split_heads %{{.*}} heads 9 head_dim 64 : tensor<?x192xf32> -> tensor<?x3x64xf32>
  %4 = nn.split_heads %3 heads 9 head_dim 64 : tensor<?x192xf32> -> tensor<?x3x64xf32>
  // CHECK: nn.rope %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x3x64xf32>, tensor<31x32xf32>, tensor<?xi32>
  %5 = nn.rope %4, %cos, %cos, %indices : tensor<?x3x64xf32>, tensor<31x32xf32>, tensor<?xi32>
  // CHECK: nn.cache_append @k, %{{.*}}, %{{.*}} : tensor<?x1x64xf32>, tensor<?xi32>
  nn.cache_append @k, %key, %indices : tensor<?x1x64xf32>, tensor<?xi32>
  // CHECK: nn.attention %{{.*}} keys @k values @v positions %{{.*}} starts %{{.*}} blocks %{{.*}} heads 9 kv_heads 3 scale 1.250000e-01
  // CHECK-SAME: : tensor<?x3x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x8xi32>
  %6 = nn.attention %5 keys @k values @v positions %indices starts %starts blocks %blocks heads 9 kv_heads 3 scale 0.125
      : tensor<?x3x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x8xi32>
  // CHECK: nn.merge_heads %{{.*}} heads 9 head_dim 64 : tensor<?x3x64xf32> -> tensor<?x192xf32>
  %7 = nn.merge_heads %6 heads 9 head_dim 64 : tensor<?x3x64xf32> -> tensor<?x192xf32>
  return
}
