// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_PLAN_IR_PLANOPS_TD
#define MUSTER_DIALECTS_PLAN_IR_PLANOPS_TD

include "dialects/Muster/IR/MusterAttributes.td"
include "dialects/Muster/IR/MusterTypes.td"
include "dialects/Plan/IR/PlanTypes.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;
def Plan_Reify : DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

def Plan_CountOp : Plan_Op<"count", [Pure]> {
  let summary = "A field of the step record: the size of a dynamic logical dim";
  let description = [{
    The host knows it before anything is launched. All sizes of a step are arithmetic on counts; that arithmetic is the count program.

    ```mlir
    %t = plan.count "t" bound 512
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$bound);
  let results = (outs Index:$result);
  let assemblyFormat = "$name `bound` $bound attr-dict";
}

def Plan_RecordOp : Plan_Op<"record", [Pure]> {
  let summary = "A field of the step record that has a value for each position on some axes";
  let description = [{
    What the ranks at a position contribute, known to all before anything is launched: at most `bound` at each position, and at most `total`
    in all where that is given. Ranks at one position on `axes` contribute the same.

    Offsets, sums and padded counts are made of records by the operations on counts of the muster dialect; together with `plan.count` and
    arithmetic on indices they are the count program.

    Constraints:
    - (C1) `axes` are distinct axes of the mesh, at least one, and those of the result.
    - (C2) the name is not empty, the bounds are not negative.

    Created by `resolve-sizes`.

    ```mlir
    %n = plan.record "t" on ["dp"] bound 8 total 16 : !muster.counts<[dp], tokens, @step>
    ```
  }];
  let arguments = (ins StrAttr:$name, StrArrayAttr:$axes, I64Attr:$bound, OptionalAttr<I64Attr>:$total);
  let results = (outs Muster_CountsType:$result);
  let assemblyFormat = "$name `on` $axes `bound` $bound (`total` $total^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Plan_CountsOrOffsets : AnyTypeOf<[Muster_CountsType, Muster_OffsetsType], "counts or offsets">;

//===----------------------------------------------------------------------===//
// Steps on tensors
//===----------------------------------------------------------------------===//

def Plan_TransferOp : Plan_Op<"transfer", [Pure, AttrSizedOperandSegments, Plan_Reify]> {
  let summary = "Pull a strided box from every peer of a group";
  let description = [{
    Every rank pulls from the ranks that differ from it on `axes` only (itself included; no axes: the rank alone). For each peer and each
    index of the box, the element `source_offset + index . source_strides` of the peer's source goes to `destination_offset + index .
    destination_strides` of the own result. With `reduction`, elements of all peers are combined in the order of their position.

    With `sources`, a rank pulls from listed peers only. The list has as many rows for each position of the group, one position after another;
    a row names a position to pull from, or -1 for none, and then the numbers of the row that the maps may use: their dims behind the
    coordinates, the *columns*. A position all of whose rows are -1 gets zeros.

    `kind` names the collective that it was, for people. `result_sizes` are the sizes of the result's dynamic dims.

    `counts` are what ranks have in unequal numbers, or where that begins. The maps see two elements of each: that at the own position on its
    axes and that at the peer's. With counts `%c` on "dp" and their offsets `%o` on the mesh `["dp" = 2]`, dims are the own coordinate, the
    peer's, then the own and the peer's element of `%c`, then those of `%o`; every rank gathers the rows of all:

    ```mlir
    %y = plan.transfer "all_gather" %x on ["dp"] sizes() result_sizes(%total)
        counts(%c, %o : !muster.counts<[dp], tokens, @step>, !muster.offsets<[dp], tokens, @step>)
        box affine_map<(d0, d1, d2, d3, d4, d5) -> (d3, 16)>
        from affine_map<(d0, d1, d2, d3, d4, d5) -> (0)> affine_map<(d0, d1, d2, d3, d4, d5) -> (16, 1)>
        to affine_map<(d0, d1, d2, d3, d4, d5) -> (d5 * 16)> affine_map<(d0, d1, d2, d3, d4, d5) -> (16, 1)>
        : tensor<?x16xf32> -> tensor<?x16xf32>
    ```

    Constraints:
    - (C1) extents and strides have one result a box dim, offsets have one.
    - (C2) every map has two dims for each axis of the mesh, as many more (the same number in all) as a row of `sources` has columns, two for each
      operand of `counts`, and one symbol for each operand of `sizes`.
    - (C3) source and result have the same element type.
    - (C4) `result_sizes` has an operand for each dynamic dim of the result.
    - (C5) `sources` has whole rows, as many for each position of the group; positions are in [-1, size of the group); with `reduction` there
      is none.
    - (C6) counts are of a group: they have axes, and these are axes of the mesh.
    - (C7) with `reduction`, only the source's offset depends on the peer's counts.

    Created by `lower-collectives`.
  }];
  let arguments = (ins AnyRankedTensor:$source, Variadic<Index>:$sizes, Variadic<Index>:$result_sizes,
                       Variadic<Plan_CountsOrOffsets>:$counts, StrAttr:$kind,
                       StrArrayAttr:$axes, OptionalAttr<Muster_ReductionKindAttr>:$reduction, AffineMapAttr:$extents,
                       AffineMapAttr:$source_offset, AffineMapAttr:$source_strides, AffineMapAttr:$destination_offset,
                       AffineMapAttr:$destination_strides, OptionalAttr<DenseI64ArrayAttr>:$sources);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $source `on` $axes (`reduce` $reduction^)? `sizes` `(` $sizes `)` `result_sizes` `(` $result_sizes `)`
    (`counts` `(` $counts^ `:` type($counts) `)`)? `box` $extents
    `from` $source_offset $source_strides `to` $destination_offset $destination_strides (`sources` $sources^)? attr-dict
    `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Plan_ExchangeRowsOp : Plan_Op<"exchange_rows", [Pure, Plan_Reify]> {
  let summary = "Pull the rows that each peer of a group has counted for this rank";
  let description = [{
    What `muster.all_to_all_v` is once it is lowered. Every rank pulls from the ranks that differ from it on `axes` only (itself included): from
    the peer at position p as many rows as part `own position` of that peer's `send` says (its element, or the sum of its row). They begin
    there behind the rows for the positions before this one, and here behind those from the positions before p. Rows of the result behind
    the last keep what the memory held.

    How many rows come from whom is read from the peers' counts while the step runs. Numbers that are negative, that are of more rows than
    `source` has or that bring a rank more than `result` has room for end the step on all ranks, and nothing is moved.

    Constraints:
    - (C1) `axes` are distinct axes of the mesh, at least one.
    - (C2) `send` has one or two static dims of i32 or i64, and a part for each position of the group in dim 0.
    - (C3) source and result have static types that are equal but for dim 0.

    Created by `lower-collectives`.

    ```mlir
    %y = plan.exchange_rows %x send %s on ["ep"] : tensor<8x16xf32>, tensor<4xi32> -> tensor<32x16xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, AnyRankedTensor:$send, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $source `send` $send `on` $axes attr-dict `:` type($source) `,` type($send) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Plan_MatmulOp : Plan_Op<"matmul", [Pure, Plan_Reify]> {
  let summary = "A matrix product by the runtime's library";
  let description = [{
    `result[t, o] = sum_i input[t, i] * weight[o, i] (+ accumulator[t, o])`, as `nn.matmul`. `accumulator`, where given, is tied to
    the result: the span of the one becomes the span of the other.

    Constraints:
    - (C1) shapes as of `nn.matmul`; the accumulator has the type of the result.

    Created by `select-library-calls`.

    ```mlir
    %y = plan.matmul %x, %w : tensor<?x576xf32>, tensor<192x576xf32> -> tensor<?x192xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$weight, Optional<AnyRankedTensor>:$accumulator);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`accumulate` $accumulator^ `:` type($accumulator))? attr-dict `:` type($input) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Plan_PackedViewOp : Plan_Op<"packed_view", [Pure]> {
  let summary = "The storage of a packed matrix";
  let description = [{
    A weight [n, k] with packing `n64k16` as what lies in memory: `[ceil(n/64), ceil(k/16), 16, 64]`.

    Constraints:
    - (C1) the result has that shape and the element type of the input.

    ```mlir
    %p = plan.packed_view %w : tensor<16384x576xf32> -> tensor<256x36x16x64xf32>
    ```
  }];
  let arguments = (ins AnyStaticShapeTensor:$input);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Plan_StateOp : Plan_Op<"state", [NoMemoryEffect]> {
  let summary = "The rank's part of a state, as an operand of launches";
  let description = [{
    ```mlir
    %k = plan.state @l0.k : tensor<?x16x1x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$state attr-dict `:` type($result)";
}

def Plan_LaunchOp : Plan_Op<"launch", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>, Plan_Reify]> {
  let summary = "Run a kernel";
  let description = [{
    Operands are the kernel's tensors, `sizes` its index arguments. Operands listed in `writes` (states) are updated in place; all others
    are read. Each result is new memory.

    Constraints:
    - (C1) `kernel` names a `plan.kernel` with these argument and result types.

    Created by `form-kernels`.

    ```mlir
    %y = plan.launch @silu(%x) sizes(%t) : (tensor<?x1024xf32>) -> tensor<?x512xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$inputs, Variadic<Index>:$sizes,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$writes);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `sizes` `(` $sizes `)` (`writes` $writes^)? attr-dict `:` functional-type($inputs, $results)
  }];
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Plan_KernelOp : Plan_Op<"kernel", [FunctionOpInterface, IsolatedFromAbove, Symbol, AutomaticAllocationScope]> {
  let summary = "A kernel: what one launch computes";
  let description = [{
    Arguments are tensors (bindings), then indices (sizes); results are further bindings that the kernel writes. Attribute `plan.sizes` of a
    tensor argument or result lists, for each of its dynamic dims, the position among the size arguments that holds it (-1: not needed).

    The body is linalg on tensors, or one of `plan.paged_attention` and `plan.cache_append`.

    ```mlir
    plan.kernel @silu(%x: tensor<?x8xf32> {plan.sizes = array<i64: 0>}, %t: index) -> (tensor<?x8xf32> {plan.sizes = array<i64: 0>}) { ... plan.return %y : tensor<?x8xf32> }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    /// Number of tensor arguments: they come first.
    int64_t getTensorCount();
  }];
}

def Plan_ReturnOp : Plan_Op<"return", [Pure, ReturnLike, Terminator, HasParent<"KernelOp">]> {
  let summary = "End of a kernel";
  let arguments = (ins Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "attr-dict ($results^ `:` type($results))?";
}

def Plan_PagedAttentionOp : Plan_Op<"paged_attention", [Pure, HasParent<"KernelOp">, AllTypesMatch<["query", "result"]>]> {
  let summary = "The body of an attention kernel";
  let description = "As `nn.attention`, with the rank's states and numbers of heads as operands. The code generator has a kernel for it.";
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$keys, AnyRankedTensor:$values, AnyRankedTensor:$positions,
                       AnyRankedTensor:$query_starts, AnyRankedTensor:$block_table, F64Attr:$scale);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $query `,` $keys `,` $values `,` $positions `,` $query_starts `,` $block_table `scale` $scale attr-dict
    `:` type($query) `,` type($keys) `,` type($values) `,` type($positions) `,` type($query_starts) `,` type($block_table)
  }];
}

def Plan_CacheAppendOp : Plan_Op<"cache_append", [HasParent<"KernelOp">]> {
  let summary = "The body of a cache append kernel";
  let description = "As `nn.cache_append`, with the rank's state as an operand that is updated in place.";
  let arguments = (ins AnyRankedTensor:$state, AnyRankedTensor:$rows, AnyRankedTensor:$slots);
  let assemblyFormat = "$state `,` $rows `,` $slots attr-dict `:` type($state) `,` type($rows) `,` type($slots)";
}

//===----------------------------------------------------------------------===//
// Entries and variants on spans
//===----------------------------------------------------------------------===//

def Plan_EntryOp : Plan_Op<"entry", [IsolatedFromAbove, Symbol, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "An entry whose steps work on spans";
  let description = [{
    The region holds the arithmetic of the count program and one `plan.variant` for each capacity (after `plan-memory`; before it, one
    without bounds). `inputs` and `results` describe the ports: dictionaries with `name`, `type` (the logical tensor type), `layout` and
    `dims` (the name of each dynamic dim or an empty string).

    Created by `assign-spans`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, DictArrayAttr:$inputs, DictArrayAttr:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `inputs` $inputs `results` $results attr-dict-with-keyword $body";
}

def Plan_VariantOp : Plan_Op<"variant", [SingleBlock, NoTerminator, NoRegionArguments, HasParent<"EntryOp">]> {
  let summary = "The steps of an entry for sizes up to bounds";
  let description = [{
    `bounds` gives the greatest value of counts by name. The first variant whose bounds hold is run.
  }];
  let arguments = (ins StrAttr:$name, DictionaryAttr:$bounds, I64Attr:$arena_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name `bounds` $bounds `arena` $arena_bytes attr-dict-with-keyword $body";
}

def Plan_SpanOp : Plan_Op<"span", [MemoryEffects<[MemAlloc]>]> {
  let summary = "Memory in the arena";
  let description = [{
    `sizes` are the values of the dynamic dims. `offset` is given by `plan-memory`, constant within a variant. `role` is `input` or `result`
    with the `index` of the port, where the span is one.
  }];
  let arguments = (ins Variadic<Index>:$sizes, OptionalAttr<I64Attr>:$offset, OptionalAttr<StrAttr>:$role, OptionalAttr<I64Attr>:$index);
  let results = (outs Plan_SpanType:$result);
  let assemblyFormat = "`(` $sizes `)` (`offset` $offset^)? (`role` $role^ $index)? attr-dict `:` type($result)";
}

def Plan_WeightSpanOp : Plan_Op<"weight_span", [Pure]> {
  let summary = "A weight's memory";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Plan_SpanType:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Plan_StateSpanOp : Plan_Op<"state_span", [Pure]> {
  let summary = "A state's memory";
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs Plan_SpanType:$result);
  let assemblyFormat = "$state attr-dict `:` type($result)";
}

// waits: numbers of earlier steps of the variant, by position, whose effects this one reads or overwrites; acknowledgements: earlier transfers whose
// source it overwrites. Both are filled by schedule-steps.
class Plan_Step<string mnemonic, list<Trait> traits = []> : Plan_Op<mnemonic, traits # [HasParent<"VariantOp">]>;

def Plan_LaunchStepOp : Plan_Step<"launch_step", [AttrSizedOperandSegments]> {
  let summary = "A step that runs a kernel on spans, as `plan.launch`";
  let description = "`spans` in the order of the kernel's bindings; `writes` are the positions of those that it writes.";
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Plan_SpanType>:$spans, Variadic<Index>:$sizes, DenseI64ArrayAttr:$writes,
                       OptionalAttr<DenseI64ArrayAttr>:$waits, OptionalAttr<DenseI64ArrayAttr>:$acknowledgements);
  let assemblyFormat = [{
    $kernel `(` $spans `)` `sizes` `(` $sizes `)` `writes` $writes (`waits` $waits^)? (`acknowledgements` $acknowledgements^)? attr-dict
    `:` type($spans)
  }];
}
def Plan_MatmulStepOp : Plan_Step<"matmul_step"> {
  let summary = "A step that multiplies matrices through the library, as `plan.matmul`";
  let arguments = (ins Plan_SpanType:$source, Plan_SpanType:$weight, Plan_SpanType:$result, Optional<Index>:$rows, UnitAttr:$accumulate,
                       OptionalAttr<DenseI64ArrayAttr>:$waits, OptionalAttr<DenseI64ArrayAttr>:$acknowledgements);
  let assemblyFormat = [{
    $source `,` $weight `->` $result (`rows` $rows^)? (`accumulate` $accumulate^)? (`waits` $waits^)?
    (`acknowledgements` $acknowledgements^)? attr-dict `:` type($source) `,` type($weight) `->` type($result)
  }];
}
def Plan_TransferStepOp : Plan_Step<"transfer_step", [AttrSizedOperandSegments]> {
  let summary = "A step that moves elements between spans, as `plan.transfer`";
  let description = [{
    (C2), (C6) and (C7) as there. `stream 1`: the step may run beside those between it and the first that waits for it; filled by `assign-streams`.

    Constraints:
    - (C8) `stream` is 0 or 1.
  }];
  let arguments = (ins Plan_SpanType:$source, Plan_SpanType:$destination, Variadic<Index>:$sizes,
                       Variadic<Plan_CountsOrOffsets>:$counts, StrAttr:$kind,
                       StrArrayAttr:$axes, OptionalAttr<Muster_ReductionKindAttr>:$reduction, AffineMapAttr:$extents,
                       AffineMapAttr:$source_offset, AffineMapAttr:$source_strides, AffineMapAttr:$destination_offset,
                       AffineMapAttr:$destination_strides, OptionalAttr<DenseI64ArrayAttr>:$sources,
                       OptionalAttr<DenseI64ArrayAttr>:$waits, OptionalAttr<DenseI64ArrayAttr>:$acknowledgements,
                       DefaultValuedAttr<I64Attr, "0">:$stream);
  let assemblyFormat = [{
    $kind $source `->` $destination `on` $axes (`reduce` $reduction^)? `sizes` `(` $sizes `)`
    (`counts` `(` $counts^ `:` type($counts) `)`)? `box` $extents
    `from` $source_offset $source_strides `to` $destination_offset $destination_strides (`sources` $sources^)?
    (`waits` $waits^)? (`acknowledgements` $acknowledgements^)? (`stream` $stream^)? attr-dict
    `:` type($source) `->` type($destination)
  }];
  let hasVerifier = 1;
}
def Plan_ExchangeRowsStepOp : Plan_Step<"exchange_rows_step"> {
  let summary = "A step that exchanges rows of spans, as `plan.exchange_rows`";
  let description = [{
    (C1) to (C3) as there, of the tensors of the spans.
  }];
  let arguments = (ins Plan_SpanType:$source, Plan_SpanType:$send, Plan_SpanType:$destination, StrArrayAttr:$axes,
                       OptionalAttr<DenseI64ArrayAttr>:$waits, OptionalAttr<DenseI64ArrayAttr>:$acknowledgements);
  let assemblyFormat = [{
    $source `send` $send `->` $destination `on` $axes (`waits` $waits^)? (`acknowledgements` $acknowledgements^)? attr-dict
    `:` type($source) `,` type($send) `->` type($destination)
  }];
  let hasVerifier = 1;
}

#endif
