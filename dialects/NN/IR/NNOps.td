// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_NN_IR_NNOPS_TD
#define MUSTER_DIALECTS_NN_IR_NNOPS_TD

include "dialects/NN/IR/NNDialect.td"
include "dialects/NN/IR/NNInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits # [
    DeclareOpInterfaceMethods<NN_IterationRuleOpInterface>]> {
  let hasVerifier = 1;
}
class NN_PureOp<string mnemonic, list<Trait> traits = []> : NN_Op<mnemonic, traits # [Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]>;

class NN_Tensor<int rank, list<Type> elements> : TensorRankOf<elements, [rank]>;
def NN_Float : AnyTypeOf<[F32, F16, BF16, F64]>;
def NN_Vector : NN_Tensor<1, [NN_Float]>;
def NN_Matrix : NN_Tensor<2, [NN_Float]>;
def NN_Heads : NN_Tensor<3, [NN_Float]>;
def NN_Indices : NN_Tensor<1, [I32]>;

def NN_MatmulOp : NN_PureOp<"matmul"> {
  let summary = "Matrix product with a weight of outputs by inputs";
  let description = [{
    `result[t, o] = sum_i input[t, i] * weight[o, i]`, accumulated in f32 or wider.

    Constraints:
    - (C1) dim(input, 1) = dim(weight, 1).
    - (C2) dim(result, 0) = dim(input, 0) and dim(result, 1) = dim(weight, 0).
    - (C3) the element types are equal.

    ```mlir
    %y = nn.matmul %x, %w : tensor<?x576xf32>, tensor<192x576xf32> -> tensor<?x192xf32>
    ```
  }];
  let arguments = (ins NN_Matrix:$input, NN_Matrix:$weight);
  let results = (outs NN_Matrix:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight) `->` type($result)";
}

def NN_GatherRowsOp : NN_PureOp<"gather_rows"> {
  let summary = "Rows of a table by index";
  let description = [{
    `result[t, :] = table[indices[t], :]`: an embedding look-up, or the choice of the rows whose logits are wanted. With `first`, the
    table holds rows [first, first + n) of a larger one, and an index outside them gives a row of zeros: summed over the ranks that
    hold the parts, the rows of the whole table. Without it, an index outside [0, n) is an error of the caller.

    Constraints:
    - (C1) dim(result, 0) = dim(indices, 0) and dim(result, 1) = dim(table, 1).
    - (C2) the element types of table and result are equal.

    ```mlir
    %x = nn.gather_rows %table[%tokens] first %first : tensor<16384x576xf32>, tensor<?xi32> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins NN_Matrix:$table, NN_Indices:$indices, Optional<Index>:$first);
  let results = (outs NN_Matrix:$result);
  let assemblyFormat = "$table `[` $indices `]` (`first` $first^)? attr-dict `:` type($table) `,` type($indices) `->` type($result)";
}

def NN_RmsNormOp : NN_PureOp<"rms_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Root-mean-square normalisation of the last dim";
  let description = [{
    `result[t, i] = input[t, i] / sqrt(mean_i(input[t, i]^2) + epsilon) * scale[i]` (Zhang and Sennrich 2019); the mean in f32 or wider.

    Constraints:
    - (C1) dim(scale, 0) = dim(input, 1).
    - (C2) epsilon > 0.

    ```mlir
    %y = nn.rms_norm %x, %scale epsilon 1.0e-5 : tensor<?x576xf32>, tensor<576xf32>
    ```
  }];
  let arguments = (ins NN_Matrix:$input, NN_Vector:$scale, F64Attr:$epsilon);
  let results = (outs NN_Matrix:$result);
  let assemblyFormat = "$input `,` $scale `epsilon` $epsilon attr-dict `:` type($input) `,` type($scale)";
}

def NN_SplitHeadsOp : NN_PureOp<"split_heads"> {
  let summary = "A dim of heads times head dim as two dims";
  let description = [{
    `result[t, h, d] = input[t, h * head_dim + d]`. `heads` and `head_dim` are the *logical* sizes, so that no sharding of the input can
    be read in two ways.

    Constraints:
    - (C1) dim(result, 2) = head_dim, and dim(input, 1) = dim(result, 1) * head_dim.
    - (C2) heads and head_dim are at least 1, and dim(result, 1) divides heads.

    ```mlir
    %q = nn.split_heads %x heads 9 head_dim 64 : tensor<?x192xf32> -> tensor<?x3x64xf32>
    ```
  }];
  let arguments = (ins NN_Matrix:$input, I64Attr:$heads, I64Attr:$head_dim);
  let results = (outs NN_Heads:$result);
  let hasFolder = 1; // The heads of what was just merged.
  let assemblyFormat = "$input `heads` $heads `head_dim` $head_dim attr-dict `:` type($input) `->` type($result)";
}

def NN_MergeHeadsOp : NN_PureOp<"merge_heads"> {
  let summary = "Heads and head dim as one dim";
  let description = [{
    `result[t, h * head_dim + d] = input[t, h, d]`; the inverse of `nn.split_heads`.

    Constraints:
    - (C1) dim(input, 2) = head_dim, and dim(result, 1) = dim(input, 1) * head_dim.
    - (C2) heads and head_dim are at least 1, and dim(input, 1) divides heads.

    ```mlir
    %y = nn.merge_heads %x heads 9 head_dim 64 : tensor<?x3x64xf32> -> tensor<?x192xf32>
    ```
  }];
  let arguments = (ins NN_Heads:$input, I64Attr:$heads, I64Attr:$head_dim);
  let results = (outs NN_Matrix:$result);
  let hasFolder = 1; // What was just split.
  let assemblyFormat = "$input `heads` $heads `head_dim` $head_dim attr-dict `:` type($input) `->` type($result)";
}

def NN_RopeOp : NN_PureOp<"rope", [AllTypesMatch<["input", "result"]>, AllTypesMatch<["cos", "sin"]>]> {
  let summary = "Rotary position embedding by table, halves rotated";
  let description = [{
    With `p = positions[t]` and `e = d / 2`: `result[t, h, j] = input[t, h, j] * cos[p, j] - input[t, h, j + e] * sin[p, j]` for j < e and
    `result[t, h, j] = input[t, h, j] * cos[p, j - e] + input[t, h, j - e] * sin[p, j - e]` for j >= e (Su et al. 2021, in the order of
    halves that Hugging Face files use). Tables are made at compile time in float64, scaling included.

    Constraints:
    - (C1) dim(input, 2) is even and dim(cos, 1) is half of it.
    - (C2) dim(positions, 0) = dim(input, 0).

    ```mlir
    %y = nn.rope %x, %cos, %sin, %positions : tensor<?x3x64xf32>, tensor<8192x32xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins NN_Heads:$input, NN_Matrix:$cos, NN_Matrix:$sin, NN_Indices:$positions);
  let results = (outs NN_Heads:$result);
  let assemblyFormat = "$input `,` $cos `,` $sin `,` $positions attr-dict `:` type($input) `,` type($cos) `,` type($positions)";
}

// No iteration rule: whether counts of the ranks' own rows are parts of one histogram or a row of a matrix each is not said by the shapes.
def NN_HistogramOp : Op<NN_Dialect, "histogram", [Pure, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "How many indices fall into each bin";
  let description = [{
    `result[b] = |{t < n : indices[t] = b}|`, with bins in row-major order where there are two dims (`[rank, expert]`), and n = `valid`, or
    all without. A negative index falls into no bin: that of a row that is not routed. An index beyond the bins is an error of the
    caller.

    Constraints:
    - (C1) the result is routed counts (`#muster.routed`).

    ```mlir
    %s = nn.histogram %experts : tensor<?xi32> -> tensor<4x8xi32, #muster.routed<rows, @route, 512>>
    %t = nn.histogram %experts valid %n : tensor<?xi32> -> tensor<4x8xi32, #muster.routed<rows, @route, 512>>
    ```
  }];
  let arguments = (ins NN_Indices:$indices, Optional<Index>:$valid);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$indices (`valid` $valid^)? attr-dict `:` type($indices) `->` type($result)";
  let hasVerifier = 1;
}

def NN_CacheAppendOp : NN_Op<"cache_append", [DeclareOpInterfaceMethods<SymbolUserOpInterface>, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Write rows into a paged state";
  let description = [{
    Row t goes to slot `slots[t] mod page_slots` of page `slots[t] / page_slots` of the state `[page, slot, g, d]`; a negative slot writes
    nothing. Slots of one step are distinct.

    Constraints:
    - (C1) `state` names a `muster.state` of four dims with a dynamic number of pages.
    - (C2) dims 1 and 2 of rows are the rank's dims 2 and 3 of the state, the element types are equal, and dim(slots, 0) = dim(rows, 0).

    ```mlir
    nn.cache_append @l0.k, %k, %slots : tensor<?x1x64xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$state, NN_Heads:$rows, NN_Indices:$slots);
  let assemblyFormat = "$state `,` $rows `,` $slots attr-dict `:` type($rows) `,` type($slots)";
}

def NN_AttentionOp : NN_Op<"attention", [DeclareOpInterfaceMethods<SymbolUserOpInterface>, MemoryEffects<[MemRead]>,
    AllTypesMatch<["query", "result"]>, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "Causal grouped-query attention over paged keys and values";
  let description = [{
    Rows `query_starts[s] <= t < query_starts[s + 1]` are queries of sequence s. The key of position u of sequence s lies at slot
    `u mod page_slots` of page `block_table[s, u / page_slots]`. With `g = h / (heads / kv_heads)`:

    `result[t, h, :] = sum_{u <= positions[t]} softmax_u(scale * query[t, h, :] . keys[u, g, :]) values[u, g, :]`

    The softmax in f32 or wider, by running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022); no score matrix is kept. The
    keys and values of this step have been appended before. `heads` and `kv_heads` are the logical numbers.

    Constraints:
    - (C1) `keys` and `values` name `muster.state`s of one type with four dims, a dynamic number of pages and the head dim of the query.
    - (C2) heads and kv_heads are at least 1 and kv_heads divides heads; the rank's numbers of query and key-value heads have the ratio
      heads / kv_heads, or the rank has one key-value head and a part of the query heads that share it.
    - (C3) dim(positions, 0) = dim(query, 0), and block_table has one row less than query_starts where both are static.

    ```mlir
    %y = nn.attention %q keys @l0.k values @l0.v positions %p starts %starts blocks %table heads 9 kv_heads 3 scale 0.125
        : tensor<?x3x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x128xi32>
    ```
  }];
  let arguments = (ins NN_Heads:$query, FlatSymbolRefAttr:$keys, FlatSymbolRefAttr:$values, NN_Indices:$positions,
                       NN_Indices:$query_starts, NN_Tensor<2, [I32]>:$block_table, I64Attr:$heads, I64Attr:$kv_heads, F64Attr:$scale);
  let results = (outs NN_Heads:$result);
  let assemblyFormat = [{
    $query `keys` $keys `values` $values `positions` $positions `starts` $query_starts `blocks` $block_table `heads` $heads
    `kv_heads` $kv_heads `scale` $scale attr-dict `:` type($query) `,` type($positions) `,` type($query_starts) `,` type($block_table)
  }];
}

#endif
