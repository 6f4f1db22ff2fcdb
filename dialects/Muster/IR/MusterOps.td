// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_MUSTER_IR_MUSTEROPS_TD
#define MUSTER_DIALECTS_MUSTER_IR_MUSTEROPS_TD

include "dialects/Muster/IR/CountOps.td"
include "dialects/Muster/IR/MusterAttributes.td"
include "dialects/Muster/IR/MusterTypes.td"
include "dialects/Muster/IR/RowOps.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Muster_Op<string mnemonic, list<Trait> traits = []> : Op<Muster_Dialect, mnemonic, traits>;

// No memory effect, so that unused ones go; never speculatable (not `Pure`), because every rank of a group must issue them alike.
class Muster_Collective<string mnemonic, list<Trait> traits = []> : Muster_Op<mnemonic, traits # [
    NoMemoryEffect, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let hasVerifier = 1;
  let hasFolder = 1; // Over a group of one rank a collective is its input.
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

def Muster_MeshOp : Muster_Op<"mesh", [Symbol]> {
  let summary = "Declare a mesh";
  let description = [{
    A mesh of ranks with named axes. Ranks number row-major, the last axis fastest.

    ```mlir
    muster.mesh @node <["dp" = 2, "tp" = 4]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Muster_MeshAttr:$mesh);
  let assemblyFormat = "$sym_name $mesh attr-dict";
}

def Muster_WeightOp : Muster_Op<"weight", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Declare a weight: a tensor that the weights file holds";
  let description = [{
    `type` is the logical type, `layout` says which part a rank holds. Entries share weights by name. `packing` is set by the compiler
    where a library wants another order of elements than row-major; it does not change types.

    Constraints:
    - (C1) the logical type has a static shape and as many dims as the layout.
    - (C2) every axis of the layout is an axis of the module's mesh, and the axes of a dim divide its size.

    ```mlir
    muster.weight @l3.q : tensor<576x576xf32> layout <[o/tp, i]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyStaticShapeTensor>:$type, Muster_LayoutAttr:$layout,
                       OptionalAttr<StrAttr>:$packing);
  let assemblyFormat = "$sym_name `:` $type `layout` $layout (`packing` $packing^)? attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getLogicalType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

def Muster_StateOp : Muster_Op<"state", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Declare a state: memory that lives from step to step";
  let description = [{
    One state per layer and kind, so that effects are known per symbol. A dynamic first dim is the number of pages, which the session
    decides; every other dim is static.

    Constraints:
    - (C1) at most the first dim is dynamic, and the layout has as many dims as the type.
    - (C2) every axis of the layout is an axis of the module's mesh, and the axes of a dim divide its size.

    ```mlir
    muster.state @l0.k : tensor<?x16x3x64xf32> layout <[page, slot, kv/tp, d]>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type, Muster_LayoutAttr:$layout);
  let assemblyFormat = "$sym_name `:` $type `layout` $layout attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getLogicalType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

def Muster_LoadOp : Muster_Op<"load", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
                                       DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "The rank's part of a weight";
  let description = [{
    Constraints:
    - (C1) `weight` names a `muster.weight`.
    - (C2) the result has the shape and element type of the rank's part.

    ```mlir
    %w = muster.load @l3.q : tensor<192x576xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Position and size
//===----------------------------------------------------------------------===//

def Muster_CoordinateOp : Muster_Op<"coordinate", [NoMemoryEffect, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The rank's coordinate on an axis";
  let description = [{
    Of a part of an axis, `"tp[3:2]"`, it is the coordinate on it: (coordinate on tp / 3) mod 2.

    Constraints:
    - (C1) `axis` names an axis of the mesh, or a part of one that divides it.

    ```mlir
    %c = muster.coordinate "tp"
    ```
  }];
  let arguments = (ins StrAttr:$axis);
  let results = (outs Index:$result);
  let assemblyFormat = "$axis attr-dict";
}

def Muster_SizeOp : Muster_Op<"size", [Pure]> {
  let summary = "A size of a symbolic program, or an exact quotient of sizes";
  let description = [{
    `muster.size <h/sp>` is the size of logical dim h divided by the size of axis sp; the quotient is exact by a fact of the
    function (`muster.facts`). The only source of reshape sizes in symbolic programs: index arithmetic is not chased.

    ```mlir
    %hl = muster.size <h/sp>
    ```
  }];
  let arguments = (ins StrAttr:$dividend, OptionalAttr<StrAttr>:$divisor);
  let results = (outs Index:$result);
  let assemblyFormat = "custom<Quotient>($dividend, $divisor) attr-dict";
}

def Muster_AssertLayoutOp : Muster_Op<"assert_layout", [NoMemoryEffect, AllTypesMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Claim a layout, to be proved";
  let description = [{
    The identity. The layout verifier proves that `input` has `layout`.

    Constraints:
    - (C1) the layout has as many dims as the tensor.
    - (C2) its axes are axes of the mesh.

    ```mlir
    %y = muster.assert_layout %x : tensor<8x5xf32> layout <[t, o/tp]>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Muster_LayoutAttr:$layout);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `layout` $layout";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Collectives
//
// A group is named by axes: whole ones, "tp", or parts of them, "tp[3:2]" (weight 3, size 2, as in layouts), whose ranks differ in
// (coordinate on tp / 3) mod 2 only. Axes of a group are distinct: their digits do not overlap.
//
// With `counts(%c)` parts are unequal: position p of the group has as many rows as element p of the counts, zero too. Where
// counts are given, the group is theirs, and the dim that they count is dynamic: its size is `muster.own_count` of them where it is
// a rank's part and `muster.total` where it is the whole.
//===----------------------------------------------------------------------===//

def Muster_RedistributeOp : Muster_Op<"redistribute", [NoMemoryEffect, DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "From one layout to another, whatever collectives that takes";
  let description = [{
    `result` holds the same logical tensor as `input` in layout `to`. Builders state layouts at fixed points and leave the
    rest to the compiler: `expand-redistribute` takes sums out and chooses a collective where one does all; what is left becomes one transfer,
    whose boxes the layout algebra derives from the two layouts. Both layouts are claims and are proved like any other.

    Constraints:
    - (C1) both layouts have as many dims as the tensors, with the same names in the same order.
    - (C2) the local shapes agree: for each dim, size(input) * ranks(from) = size(result) * ranks(to) where both are static.
    - (C3) `to` has no partial axis that `from` does not have with the same reduction.
    - (C4) there are no counts, or one for each ragged dim that changes, in order of dims: of the unit and the batch of its term, over its
      axes. Such a dim is ragged in one of the layouts, and dynamic; (C2) does not speak of it.

    Counts may be missing where a builder leaves them to `materialize-token-counts`.

    Created by importers and model builders; none is left after `lower-collectives`.

    ```mlir
    %y = muster.redistribute %x from <[t, o], partial(sum: tp)> to <[t, o]> : tensor<?x576xf32> -> tensor<?x576xf32>
    %z = muster.redistribute %x counts(%c : !muster.counts<[dp], tokens, @step>) from <[t/dp : tokens @step, o]> to <[t, o]>
        : tensor<?x576xf32> -> tensor<?x576xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Muster_LayoutAttr:$from, Muster_LayoutAttr:$to, Variadic<Muster_CountsType>:$counts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input (`counts` `(` $counts^ `:` type($counts) `)`)? `from` $from `to` $to attr-dict `:` type($input) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input, "LayoutAttr":$from, "LayoutAttr":$to), [{
    build($_builder, $_state, result, input, from, to, ::mlir::ValueRange());
  }]>];
  let extraClassDeclaration = [{
    /// Dims that are ragged in one of the layouts and divided otherwise in the other, in order: those that counts are for.
    ::llvm::SmallVector<int64_t> getRaggedDims();
    /// The counts of a dim; null where there are none for it.
    ::mlir::TypedValue<CountsType> getCountsOf(int64_t dim);
    ::llvm::LogicalResult verifyCounts();
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Muster_AllGatherOp : Muster_Collective<"all_gather"> {
  let summary = "Concatenate every rank's part of one dimension";
  let description = [{
    `result` holds the parts of all ranks of the group along `dim`, in the order of their position in the group.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) dim(result, dim) = dim(input, dim) * size of the group where there are no counts; all other dims are equal.
    - (C3) the axes of `counts` are those of the group, in its order.
    - (C4) with counts, `dim` is dynamic in operand and result.

    Created by importers, model builders and `expand-redistribute`; none is left after `lower-collectives`.

    ```mlir
    %y = muster.all_gather %x on "tp" dim 1 : tensor<3x5xf32> -> tensor<3x20xf32>
    %z = muster.all_gather %r on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32> -> tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, StrArrayAttr:$axes, I64Attr:$dim, Optional<Muster_CountsType>:$counts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `on` custom<Axes>($axes) `dim` $dim (`counts` `(` $counts^ `:` type($counts) `)`)? attr-dict
    `:` type($input) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input, "::mlir::ArrayAttr":$axes, "int64_t":$dim), [{
    build($_builder, $_state, result, input, axes, $_builder.getI64IntegerAttr(dim), ::mlir::Value());
  }]>];
}

def Muster_ReduceScatterOp : Muster_Collective<"reduce_scatter"> {
  let summary = "Reduce over the group, keep the own part of one dimension";
  let description = [{
    Element-wise reduction over the ranks of the group, in the order of their position; each rank keeps its part of `dim`: an equal
    one, or as many rows as `counts` say.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) dim(input, dim) = dim(result, dim) * size of the group where there are no counts; all other dims are equal.
    - (C3) the axes of `counts` are those of the group, in its order.
    - (C4) with counts, `dim` is dynamic in operand and result.

    ```mlir
    %y = muster.reduce_scatter %x sum on "tp" dim 0 : tensor<8x5xf32> -> tensor<2x5xf32>
    %z = muster.reduce_scatter %r sum on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32> -> tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Muster_ReductionKindAttr:$kind, StrArrayAttr:$axes, I64Attr:$dim,
                       Optional<Muster_CountsType>:$counts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input custom<Reduction>($kind) `on` custom<Axes>($axes) `dim` $dim (`counts` `(` $counts^ `:` type($counts) `)`)? attr-dict
    `:` type($input) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input, "ReductionKindAttr":$kind, "::mlir::ArrayAttr":$axes,
                                 "int64_t":$dim), [{
    build($_builder, $_state, result, input, kind, axes, $_builder.getI64IntegerAttr(dim), ::mlir::Value());
  }]>];
}

def Muster_AllReduceOp : Muster_Collective<"all_reduce", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Reduce over the group, result on every rank";
  let description = [{
    Element-wise reduction over the ranks of the group in the order of their position, so that every rank holds the same bits.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.

    ```mlir
    %y = muster.all_reduce %x sum on "tp" : tensor<?x576xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Muster_ReductionKindAttr:$kind, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input custom<Reduction>($kind) `on` custom<Axes>($axes) attr-dict `:` type($input)";
}

def Muster_AllToAllOp : Muster_Collective<"all_to_all"> {
  let summary = "Split one dimension over the group, concatenate another";
  let description = [{
    Part j of `split` (equal parts, in order) goes to position j of the group; what arrives from position j becomes part j of `concat`.
    With counts, the parts of one of the two dims are unequal: `ragged concat`, each rank brings as many rows as are its own and gets
    all of them; `ragged split`, each rank brings all rows and gets its own.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) `split` and `concat` are dims of the tensor.
    - (C3) with P the size of the group: P divides dim(input, split); where the dims differ, dim(result, split) = dim(input, split) / P
      and dim(result, concat) = dim(input, concat) * P; where they are the same, the shapes are equal. This does not speak of a ragged dim.
    - (C4) the axes of `counts` are those of the group, in its order.
    - (C5) `ragged` stands where counts stand; the dims then differ, and the ragged one is dynamic in operand and result.

    ```mlir
    %y = muster.all_to_all %x on "sp" split 2 concat 1 : tensor<1x6x4x5xf32> -> tensor<1x12x2x5xf32>
    %z = muster.all_to_all %r on "sp" split 1 concat 0 counts(%c : !muster.counts<[sp], tokens, @step>) ragged concat
        : tensor<?x4x5xf32> -> tensor<?x2x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, StrArrayAttr:$axes, I64Attr:$split, I64Attr:$concat, Optional<Muster_CountsType>:$counts,
                       OptionalAttr<Muster_RaggedSideAttr>:$ragged);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `on` custom<Axes>($axes) `split` $split `concat` $concat (`counts` `(` $counts^ `:` type($counts) `)`)? (`ragged` $ragged^)?
    attr-dict `:` type($input) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input, "::mlir::ArrayAttr":$axes, "int64_t":$split,
                                 "int64_t":$concat), [{
    build($_builder, $_state, result, input, axes, $_builder.getI64IntegerAttr(split), $_builder.getI64IntegerAttr(concat),
          ::mlir::Value(), RaggedSideAttr());
  }]>];
  let extraClassDeclaration = [{
    /// The dim whose parts are unequal; -1 where there are no counts.
    int64_t getRaggedDim() {
      return !getCounts() ? -1 : getRagged() == RaggedSide::Concat ? static_cast<int64_t>(getConcat()) : static_cast<int64_t>(getSplit());
    }
  }];
}

def Muster_AllToAllVOp : Muster_Collective<"all_to_all_v"> {
  let summary = "Send rows to each rank in numbers that the device has counted";
  let description = [{
    MPI_Alltoallv (MPI 4.1, section 6.8) with counts that are tensors. The first rows of `input` go to position 0 of the group, as many
    as part 0 of `send` says (its element, or the sum of its row), the next to position 1, and so on. `result` has the rows that come
    from position 0 first, as many as part 0 of `receive` says. Rows behind the last are dead in operand and result: nothing may read them
    (NaN in the reference interpreter).

    What a rank receives from another is what that one sends: `receive` is `send` exchanged over the group (proved by `verify-counts`).
    The way back takes the two the other way round.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh.
    - (C2) `send` and `receive` are routed counts of one type, with a part for each position of the group; mixing units or batches is an
      error that names both makers.
    - (C3) operand and result have equal types but for dim 0; dim 0 of the result is static: the room for rows.

    ```mlir
    %r = muster.exchange %s on "ep" : tensor<4xi32, #muster.routed<rows, @route, 512>>
    %y = muster.all_to_all_v %x on "ep" send(%s : tensor<4xi32, #muster.routed<rows, @route, 512>>)
        receive(%r : tensor<4xi32, #muster.routed<rows, @route, 512>>) : tensor<512x16xf32> -> tensor<2048x16xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, StrArrayAttr:$axes, AnyRankedTensor:$send, AnyRankedTensor:$receive);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `on` custom<Axes>($axes) `send` `(` $send `:` type($send) `)` `receive` `(` $receive `:` type($receive) `)` attr-dict
    `:` type($input) `->` type($result)
  }];
}

def Muster_ExchangeOp : Muster_Collective<"exchange", [AllTypesMatch<["input", "result"]>]> {
  let summary = "The raw all-to-all over the leading dimension";
  let description = [{
    The leading dim in equal parts: part i goes to position i, part j of the result comes from position j. What
    `all_to_all_single` does, so that foreign chains are stated as written.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) the size of the group divides dim 0.

    ```mlir
    %y = muster.exchange %x on "sp" : tensor<4x3x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `on` custom<Axes>($axes) attr-dict `:` type($input)";
}

def Muster_SliceOp : Muster_Collective<"slice"> {
  let summary = "Keep the own part of one dimension";
  let description = [{
    The inverse of `all_gather`: no communication. The slice of what was just gathered over the same axes and dim, with the same counts,
    folds to the part.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) dim(input, dim) = dim(result, dim) * size of the group where there are no counts; all other dims are equal.
    - (C3) the axes of `counts` are those of the group, in its order.
    - (C4) with counts, `dim` is dynamic in operand and result.

    ```mlir
    %y = muster.slice %x on "tp" dim 1 : tensor<3x20xf32> -> tensor<3x5xf32>
    %z = muster.slice %r on "dp" dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32> -> tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, StrArrayAttr:$axes, I64Attr:$dim, Optional<Muster_CountsType>:$counts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `on` custom<Axes>($axes) `dim` $dim (`counts` `(` $counts^ `:` type($counts) `)`)? attr-dict
    `:` type($input) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$input, "::mlir::ArrayAttr":$axes, "int64_t":$dim), [{
    build($_builder, $_state, result, input, axes, $_builder.getI64IntegerAttr(dim), ::mlir::Value());
  }]>];
}

def Muster_BroadcastOp : Muster_Collective<"broadcast", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Every rank of the group gets the value of one position";
  let description = [{
    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) 0 <= root < size of the group.

    ```mlir
    %y = muster.broadcast %x from 0 on "tp" : tensor<8xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$root, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $root `on` custom<Axes>($axes) attr-dict `:` type($input)";
}

def Muster_PermuteOp : Muster_Collective<"permute", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Every rank of the group gets the value of the position named for it";
  let description = [{
    `sources[i]` is the position whose value position i receives; -1 gives zeros. A ring shift is `[3, 0, 1, 2]`.

    Constraints:
    - (C1) `axes` name distinct axes of the mesh, or parts of them.
    - (C2) `sources` has one entry a position, each -1 or a position.

    ```mlir
    %y = muster.permute %x sources [1, 0] on "pp" : tensor<8xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$sources, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `sources` $sources `on` custom<Axes>($axes) attr-dict `:` type($input)";
}

#endif
