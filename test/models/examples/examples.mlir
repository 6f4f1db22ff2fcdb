// The graphs in models/examples parse, verify and expand.
// RUN: muster-opt %source/models/examples/tensor-parallel-mlp.mlir --muster-expand-redistribute | FileCheck %s --check-prefix=MLP
// RUN: muster-opt %source/models/examples/attention-block.mlir --muster-expand-redistribute | FileCheck %s --check-prefix=ATTENTION
// RUN: muster-opt %source/models/examples/sequence-to-heads.mlir --muster-expand-redistribute | FileCheck %s --check-prefix=HEADS

// MLP: muster.weight @down : tensor<10x21xf32> layout <[o, i/tp]>
// MLP-LABEL: func.func @mlp
// MLP: %[[PART:.*]] = nn.matmul %{{.*}}, %{{.*}} : tensor<?x7xf32>, tensor<10x7xf32> -> tensor<?x10xf32>
// MLP-NEXT: %[[Y:.*]] = muster.all_reduce %[[PART]] sum on "tp" : tensor<?x10xf32>
// MLP-NEXT: return %[[Y]]

// ATTENTION: muster.weight @qkv : tensor<40x10xf32> layout <[{q:24/tp | k:8/tp | v:8/tp}, i]>
// ATTENTION-LABEL: func.func @attention
// ATTENTION: nn.attention %{{.*}} keys @keys values @values
// ATTENTION: %[[Y:.*]] = muster.all_reduce %{{.*}} sum on "tp" : tensor<?x10xf32>
// ATTENTION-NEXT: return %[[Y]]

// HEADS-LABEL: func.func @to_heads
// HEADS: %[[Y:.*]] = muster.all_to_all %{{.*}} on "sp" split 1 concat 0 : tensor<4x6x5xf32> -> tensor<12x2x5xf32>
// HEADS-NEXT: return %[[Y]]
