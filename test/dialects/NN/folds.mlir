// RUN: muster-opt %s --canonicalize | FileCheck %s
// RUN: muster-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize --cse | FileCheck %s --check-prefix=SIZES

muster.mesh @node <[]>
muster.state @k : tensor<?x16x3x64xf32> layout <[page, slot, kv, d]>
muster.state @v : tensor<?x16x3x64xf32> layout <[page, slot, kv, d]>

// CHECK-LABEL: func.func @split_of_merged
// CHECK-SAME: (%[[X:.*]]: tensor<?x3x5xf32>)
// CHECK-NEXT: return %[[X]]
func.func @split_of_merged(%x: tensor<?x3x5xf32>) -> tensor<?x3x5xf32> {
  %0 = nn.merge_heads %x heads 3 head_dim 5 : tensor<?x3x5xf32> -> tensor<?x15xf32>
  %1 = nn.split_heads %0 heads 3 head_dim 5 : tensor<?x15xf32> -> tensor<?x3x5xf32>
  return %1 : tensor<?x3x5xf32>
}

// CHECK-LABEL: func.func @merge_of_split
// CHECK-SAME: (%[[X:.*]]: tensor<?x15xf32>)
// CHECK-NEXT: return %[[X]]
func.func @merge_of_split(%x: tensor<?x15xf32>) -> tensor<?x15xf32> {
  %0 = nn.split_heads %x heads 3 head_dim 5 : tensor<?x15xf32> -> tensor<?x3x5xf32>
  %1 = nn.merge_heads %0 heads 3 head_dim 5 : tensor<?x3x5xf32> -> tensor<?x15xf32>
  return %1 : tensor<?x15xf32>
}

// CHECK-LABEL: func.func @negative_split_to_other_heads
// CHECK: nn.merge_heads
// CHECK: nn.split_heads
func.func @negative_split_to_other_heads(%x: tensor<?x3x5xf32>) -> tensor<?x5x3xf32> {
  %0 = nn.merge_heads %x heads 3 head_dim 5 : tensor<?x3x5xf32> -> tensor<?x15xf32>
  %1 = nn.split_heads %0 heads 5 head_dim 3 : tensor<?x15xf32> -> tensor<?x5x3xf32>
  return %1 : tensor<?x5x3xf32>
}

// An append is an effect and stays; an attention without use goes.
// CHECK-LABEL: func.func @effects
// CHECK: nn.cache_append
// CHECK-NOT: nn.attention
// CHECK: return
func.func @effects(%q: tensor<?x3x64xf32>, %p: tensor<?xi32>, %s: tensor<?xi32>, %b: tensor<?x8xi32>) {
  nn.cache_append @k, %q, %p : tensor<?x3x64xf32>, tensor<?xi32>
  %0 = nn.attention %q keys @k values @v positions %p starts %s blocks %b heads 3 kv_heads 3 scale 0.125
      : tensor<?x3x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x8xi32>
  return
}

// SIZES-LABEL: func.func @sizes
// SIZES-SAME: (%[[X:.*]]: tensor<?x?xf32>, %[[W:.*]]: tensor<?x?xf32>, %[[P:.*]]: tensor<?xi32>
// SIZES-DAG: %[[C0:.*]] = arith.constant 0 : index
// SIZES-DAG: %[[C1:.*]] = arith.constant 1 : index
// SIZES-DAG: %[[C5:.*]] = arith.constant 5 : index
// SIZES-DAG: %[[ROWS:.*]] = tensor.dim %[[X]], %[[C0]]
// SIZES-DAG: %[[OUTPUTS:.*]] = tensor.dim %[[W]], %[[C0]]
// SIZES-DAG: %[[INDICES:.*]] = tensor.dim %[[P]], %[[C0]]
// SIZES-DAG: %[[INPUTS:.*]] = tensor.dim %[[X]], %[[C1]]
// SIZES-DAG: %[[HEADS:.*]] = arith.divui %[[INPUTS]], %[[C5]]
// SIZES-DAG: %[[MERGED:.*]] = arith.muli %[[HEADS]], %[[C5]]
// SIZES: return %[[ROWS]], %[[OUTPUTS]], %[[INDICES]], %[[HEADS]], %[[MERGED]], %[[ROWS]]
func.func @sizes(%x: tensor<?x?xf32>, %w: tensor<?x?xf32>, %p: tensor<?xi32>, %scale: tensor<?xf32>) -> (index, index, index, index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %product = nn.matmul %x, %w : tensor<?x?xf32>, tensor<?x?xf32> -> tensor<?x?xf32>
  %0 = tensor.dim %product, %c0 : tensor<?x?xf32>
  %1 = tensor.dim %product, %c1 : tensor<?x?xf32>
  %rows = nn.gather_rows %x[%p] : tensor<?x?xf32>, tensor<?xi32> -> tensor<?x?xf32>
  %2 = tensor.dim %rows, %c0 : tensor<?x?xf32>
  %split = nn.split_heads %x heads 6 head_dim 5 : tensor<?x?xf32> -> tensor<?x?x5xf32>
  %3 = tensor.dim %split, %c1 : tensor<?x?x5xf32>
  %merged = nn.merge_heads %split heads 6 head_dim 5 : tensor<?x?x5xf32> -> tensor<?x?xf32>
  %4 = tensor.dim %merged, %c1 : tensor<?x?xf32>
  %norm = nn.rms_norm %x, %scale epsilon 1.0 : tensor<?x?xf32>, tensor<?xf32>
  %5 = tensor.dim %norm, %c0 : tensor<?x?xf32>
  return %0, %1, %2, %3, %4, %5 : index, index, index, index, index, index
}
