// Transfers, library calls and kernels mean what the collectives and nn operations meant.
// RUN: muster-opt %s --muster-interpret='inputs=%S/Inputs/step.json' -o /dev/null > %t.model
// RUN: muster-opt %s --muster-expand-redistribute --muster-resolve-sizes --muster-lower-collectives --muster-select-library-calls \
// RUN:   --muster-lower-nn --muster-form-kernels -o %t.formed.mlir
// RUN: FileCheck %s --check-prefix=FORMED --input-file=%t.formed.mlir
// RUN: muster-opt %t.formed.mlir --muster-interpret='inputs=%S/Inputs/step.json' -o /dev/null > %t.formed
// RUN: FileCheck %s --input-file=%t.model
// RUN: FileCheck %s --input-file=%t.formed

// FORMED-DAG: plan.launch
// FORMED-DAG: plan.matmul
// FORMED-DAG: plan.transfer
// FORMED-NOT: nn.

// One head a rank; keys are the tokens' values 1, 2, ..., queries zero: every row is the mean of the values so far, doubled by the sum of two ranks.
// CHECK: result 0 'y': 6x2xf32 {{\[\[}}2, 4], [3, 6], [4, 8], [5, 10], [6, 12], [7, 14]]
muster.mesh @node <["tp" = 2]>
muster.weight @ones : tensor<2x2xf32> layout <[o, i/tp]>
muster.state @k : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>
muster.state @v : tensor<?x4x2x2xf32> layout <[page, slot, kv/tp, d]>
func.func @step(%values: tensor<?x1x2xf32> {muster.name = "values", muster.layout = #muster.layout<[t, kv/tp, d]>},
                %positions: tensor<?xi32> {muster.name = "positions", muster.layout = #muster.layout<[t]>},
                %starts: tensor<?xi32> {muster.name = "starts", muster.layout = #muster.layout<[starts]>},
                %table: tensor<?x2xi32> {muster.name = "table", muster.layout = #muster.layout<[s, pages]>},
                %slots: tensor<?xi32> {muster.name = "slots", muster.layout = #muster.layout<[t]>})
    -> (tensor<?x2xf32> {muster.name = "y", muster.layout = #muster.layout<[t, o]>})
    attributes {muster.bounds = {t = 6 : i64, starts = 3 : i64, s = 2 : i64}} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %positions, %c0 : tensor<?xi32>
  %zero = arith.constant 0.0 : f32
  nn.cache_append @k, %values, %slots : tensor<?x1x2xf32>, tensor<?xi32>
  nn.cache_append @v, %values, %slots : tensor<?x1x2xf32>, tensor<?xi32>
  %empty = tensor.empty(%t) : tensor<?x1x2xf32>
  %query = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x1x2xf32>) -> tensor<?x1x2xf32>
  %a = nn.attention %query keys @k values @v positions %positions starts %starts blocks %table heads 2 kv_heads 2 scale 1.0
      : tensor<?x1x2xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x2xi32>
  %m = nn.merge_heads %a heads 2 head_dim 2 : tensor<?x1x2xf32> -> tensor<?x2xf32>
  %sum = muster.redistribute %m from <[t, i], partial(sum: tp)> to <[t, i]> : tensor<?x2xf32> -> tensor<?x2xf32>
  %w = muster.load @ones : tensor<2x1xf32>
  %half = tensor.extract_slice %sum[0, 0] [%t, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %p = nn.matmul %half, %w : tensor<?x1xf32>, tensor<2x1xf32> -> tensor<?x2xf32>
  %y = muster.redistribute %p from <[t, o], partial(sum: tp)> to <[t, o]> : tensor<?x2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
