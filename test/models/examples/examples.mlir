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

// Both forms of sequence-parallel attention are proved as they stand; positions of other rows, and segments in another order than the slices, are refused.
// RUN: muster-opt %source/models/examples/ulysses-attention.mlir --muster-verify-layouts -o /dev/null
// RUN: sed '/name = "positions"/s/<\[t\]>/<[t\/sp]>/' %source/models/examples/ulysses-attention.mlir | not muster-opt --muster-verify-layouts -o /dev/null 2>&1 | FileCheck %s --check-prefix=POSITIONS
// POSITIONS: error: E1106 operands do not agree along 't'
// RUN: muster-opt %source/models/examples/ulysses-packed.mlir --muster-verify-layouts -o /dev/null
// RUN: sed 's/q:4 | k:2 | v:2/k:2 | v:2 | q:4/' %source/models/examples/ulysses-packed.mlir | not muster-opt --muster-verify-layouts -o /dev/null 2>&1 | FileCheck %s --check-prefix=PACKED
// PACKED: error: {{E110[48] .*}}the slice {{.*}} cuts segments of

// And with rows of any number: not without counts on either side, not by a number that is not that of the rows, and not for rows of another batch.
// RUN: muster-opt %source/models/examples/ulysses-ragged.mlir --muster-verify-layouts --muster-verify-counts --muster-verify-collectives -o /dev/null
// DEFINE: %{ragged} = %source/models/examples/ulysses-ragged.mlir | not muster-opt --muster-verify-layouts -o /dev/null 2>&1 | FileCheck %s --check-prefix
// DEFINE: %{counted} = %source/models/examples/ulysses-ragged.mlir | not muster-opt --muster-verify-counts -o /dev/null 2>&1 | FileCheck %s --check-prefix
// RUN: sed 's/ counts(%%counts : [^)]*) ragged concat//' %{ragged} GATHERED
// RUN: sed 's/ counts(%%counts : [^)]*) ragged concat//' %{counted} GATHERED-COUNTS
// RUN: sed 's/ counts(%%counts : [^)]*) ragged split//' %{ragged} HANDED
// RUN: sed 's/ counts(%%counts : [^)]*) ragged split//' %{counted} HANDED-COUNTS
// RUN: sed 's/local_count %%own_rows/local_count %%c0/' %{ragged} NUMBER
// RUN: sed 's/local_count %%own_rows/local_count %%c0/' %{counted} NUMBER-COUNTS
// RUN: sed '/name = "x"/s/@step/@other/' %{ragged} BATCH
// GATHERED: error: E1201 all_to_all moves rows that counts divide in equal parts
// GATHERED-COUNTS: error: E1201 moves rows of tokens @step over 'sp' without counts
// HANDED: error: E1201 all_to_all cuts rows that counts divide into equal parts
// HANDED-COUNTS: error: E1208 hands out total(tokens @step) in 3 equal parts
// NUMBER: error: E1108 cannot be proved: the counts are of a number that is no size of rows
// NUMBER-COUNTS: error: E1206 expected counts of tokens @step but got counts that say 0
// BATCH: error: E1107 rows 't' are of batch @other in one layout and of @step in
