// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Step counts: integers about the batch of a step, computed once on the host before anything is launched.
#ifndef MUSTER_DIALECTS_MUSTER_IR_COUNTOPS_TD
#define MUSTER_DIALECTS_MUSTER_IR_COUNTOPS_TD

include "dialects/Muster/IR/MusterAttributes.td"
include "dialects/Muster/IR/MusterTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Muster_CountOp<string mnemonic, list<Trait> traits = []> : Op<Muster_Dialect, mnemonic, traits # [NoMemoryEffect]> {
  let hasVerifier = 1;
}

def Muster_LocalCountOp : Muster_CountOp<"local_count"> {
  let summary = "The rank's own count of a batch";
  let description = [{
    `size` is the number of `unit` in the rank's part of batch `epoch`. `field` names the field of the step record that carries it; the
    name of the unit where it is left out.

    Constraints:
    - (C1) the result has no axes.
    - (C2) the field's name is not empty.

    ```mlir
    %n = muster.local_count %t : !muster.counts<[], tokens, @step>
    %m = muster.local_count %t field "t.a" : !muster.counts<[], tokens, @step.a>
    ```
  }];
  let arguments = (ins Index:$size, OptionalAttr<StrAttr>:$field);
  let results = (outs Muster_CountsType:$result);
  let assemblyFormat = "$size (`field` $field^)? attr-dict `:` type($result)";
  let extraClassDeclaration = [{
    /// The name of the field of the step record.
    ::llvm::StringRef getFieldName() {
      return getField() ? *getField() : stringifyCountUnit(getResult().getType().getUnit());
    }
  }];
}

def Muster_StepFieldOp : Muster_CountOp<"step_field"> {
  let summary = "The rank's own count that no tensor has as a size";
  let description = [{
    A field of the step record that its caller supplies: how many of the rank's sequences are new, how many tokens go into the first half
    of a split batch. At most `bound`.

    Constraints:
    - (C1) the result has no axes.
    - (C2) the name is not empty and the bound not negative.

    ```mlir
    %p = muster.step_field "prefills" bound 8 : !muster.counts<[], requests, @step>
    ```
  }];
  let arguments = (ins StrAttr:$field, I64Attr:$bound);
  let results = (outs Muster_CountsType:$result);
  let assemblyFormat = "$field `bound` $bound attr-dict `:` type($result)";
}

def Muster_ExchangeCountsOp : Muster_CountOp<"exchange_counts", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Every rank's counts of the group, on every rank";
  let description = [{
    One exchange of any number of counts: the record that the ranks of the group make of a step.

    Constraints:
    - (C1) the axes of the results name distinct axes of the mesh, and no input has one of them.
    - (C2) unit and epoch of a result are those of its input.
    - (C3) there are as many results as inputs, at least one, all over the same axes.

    ```mlir
    %c = muster.exchange_counts %n : !muster.counts<[], tokens, @step> -> !muster.counts<[dp], tokens, @step>
    ```
  }];
  let arguments = (ins Variadic<Muster_CountsType>:$inputs);
  let results = (outs Variadic<Muster_CountsType>:$results);
  let assemblyFormat = "$inputs attr-dict `:` type($inputs) `->` type($results)";
}

class Muster_CountReduction<string mnemonic, string text> : Muster_CountOp<mnemonic, [Pure]> {
  let summary = text;
  let description = [{
    Constraints:
    - (C1) the counts have axes: a rank's own count is no group's.

    ```mlir
    %n = muster.}] # mnemonic # [{ %c : !muster.counts<[dp], tokens, @step>
    ```
  }];
  let arguments = (ins Muster_CountsType:$counts);
  let results = (outs Index:$result);
  let assemblyFormat = "$counts attr-dict `:` type($counts)";
}
def Muster_TotalOp : Muster_CountReduction<"total", "Sum of all counts">;
def Muster_MaximumOp : Muster_CountReduction<"maximum", "Greatest count">;
def Muster_OwnCountOp : Muster_CountReduction<"own_count", "The count at the rank's own position">;

def Muster_OffsetsOp : Muster_CountOp<"offsets", [Pure]> {
  let summary = "Exclusive scan: where the rows of each position begin";
  let description = [{
    Constraints:
    - (C1) axes, unit and epoch of the result are those of `counts`, of which there are some axes.

    ```mlir
    %o = muster.offsets %c : !muster.counts<[dp], tokens, @step> -> !muster.offsets<[dp], tokens, @step>
    ```
  }];
  let arguments = (ins Muster_CountsType:$counts);
  let results = (outs Muster_OffsetsType:$result);
  let assemblyFormat = "$counts attr-dict `:` type($counts) `->` type($result)";
}

def Muster_OwnOffsetOp : Muster_CountOp<"own_offset", [Pure]> {
  let summary = "Where the rank's own rows begin";
  let description = [{
    ```mlir
    %b = muster.own_offset %o : !muster.offsets<[dp], tokens, @step>
    ```
  }];
  let arguments = (ins Muster_OffsetsType:$offsets);
  let results = (outs Index:$result);
  let assemblyFormat = "$offsets attr-dict `:` type($offsets)";
  let hasVerifier = 0;
}

def Muster_FirstRowOp : Muster_CountOp<"first_row", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Where the rank's own rows begin, in a graph without counts";
  let description = [{
    The number, among all rows of a batch, of the first that is the rank's own: what coordinate times size is to equal parts. To model builders
    it is what `redistribute` without counts is; `--muster-materialize-token-counts` makes an `own_offset` of it, and none is left behind.

    Constraints:
    - (C1) the layout is one dim that counts divide.
    - (C2) its axes are axes of the mesh.

    ```mlir
    %f = muster.first_row of <[t/sp : tokens @step]>
    ```
  }];
  let arguments = (ins Muster_LayoutAttr:$layout);
  let results = (outs Index:$result);
  let assemblyFormat = "`of` $layout attr-dict";
  let extraClassDeclaration = [{
    /// The dim of rows.
    LayoutTermAttr getRows() { return getLayout().getDims()[0].getTerms().front(); }
  }];
}

def Muster_AlignOp : Muster_CountOp<"align", [Pure]> {
  let summary = "Each count rounded up to a multiple";
  let description = [{
    Constraints:
    - (C1) the multiple is at least 1.
    - (C2) axes and epoch of the result are those of `counts`; its unit is `padded`, or that of `counts` where the multiple is 1.

    ```mlir
    %g = muster.align %c to 4 : !muster.counts<[dp], tokens, @step> -> !muster.counts<[dp], padded, @step>
    ```
  }];
  let arguments = (ins Muster_CountsType:$counts, I64Attr:$multiple);
  let results = (outs Muster_CountsType:$result);
  let assemblyFormat = "$counts `to` $multiple attr-dict `:` type($counts) `->` type($result)";
  let hasFolder = 1;
}

def Muster_ScaleOp : Muster_CountOp<"scale", [Pure]> {
  let summary = "Each count times a factor plus an addend: counts of another unit";
  let description = [{
    Units change here only: rows of logits of a request that drafts tokens, starts (one more than there are requests).

    Constraints:
    - (C1) the factor is at least 1 and the addend not negative.
    - (C2) axes and epoch of the result are those of `counts`.

    ```mlir
    %s = muster.scale %r times 1 plus 1 : !muster.counts<[dp], requests, @step> -> !muster.counts<[dp], starts, @step>
    ```
  }];
  let arguments = (ins Muster_CountsType:$counts, I64Attr:$factor, DefaultValuedAttr<I64Attr, "0">:$addend);
  let results = (outs Muster_CountsType:$result);
  let assemblyFormat = "$counts `times` $factor (`plus` $addend^)? attr-dict `:` type($counts) `->` type($result)";
  let hasFolder = 1;
}

def Muster_PadCountsOp : Muster_CountOp<"pad_counts", [Pure]> {
  let summary = "The padded count of each position: the one function by which anything is padded";
  let description = [{
    Each count is rounded up to a multiple, and the counts are then levelled or not:

    | mode | padded counts |
    | --- | --- |
    | `sum` | the multiples |
    | `max` | the greatest multiple, at each position |
    | `balanced` | as `max` where twice the sum of the multiples is at least as many positions of the greatest, and `unless` is zero everywhere; else as `sum` |

    With counts 10 and 3 and multiples of 4: `sum` 12 and 4, `max` 12 and 12, `balanced` 12 and 12 (2 * 16 >= 24).

    Constraints:
    - (C1) the multiple is at least 1.
    - (C2) axes and epoch of the result are those of `counts`, which has axes; its unit is `padded`.
    - (C3) `unless` goes with mode `balanced` and has unit `requests`, and the axes and the epoch of `counts`.

    ```mlir
    %g = muster.pad_counts %c align 4 mode sum : (!muster.counts<[dp], tokens, @step>) -> !muster.counts<[dp], padded, @step>
    %h = muster.pad_counts %c align 4 mode balanced unless %p
        : (!muster.counts<[dp], tokens, @step>, !muster.counts<[dp], requests, @step>) -> !muster.counts<[dp], padded, @step>
    ```
  }];
  let arguments = (ins Muster_CountsType:$counts, I64Attr:$multiple, Muster_PaddingModeAttr:$mode, Optional<Muster_CountsType>:$unless);
  let results = (outs Muster_CountsType:$result);
  let assemblyFormat = "$counts `align` $multiple `mode` $mode (`unless` $unless^)? attr-dict `:` functional-type(operands, results)";
}

def Muster_SplitCountsOp : Muster_CountOp<"split_counts", [Pure]> {
  let summary = "The counts of both children of a batch from those of the parent and the first child";
  let description = [{
    The second child has what the first leaves. A step in which the first has more than there is ends with E2411 on all ranks.

    Constraints:
    - (C1) all have the same axes and unit; parent, first and second child are three batches.
    - (C2) the first result has the type of `first`.

    ```mlir
    %a, %b = muster.split_counts %c first %f : !muster.counts<[dp], tokens, @step>, !muster.counts<[dp], tokens, @step.a>
        -> !muster.counts<[dp], tokens, @step.a>, !muster.counts<[dp], tokens, @step.b>
    ```
  }];
  let arguments = (ins Muster_CountsType:$parent, Muster_CountsType:$first);
  let results = (outs Muster_CountsType:$firstChild, Muster_CountsType:$secondChild);
  let assemblyFormat = [{
    $parent `first` $first attr-dict `:` type($parent) `,` type($first) `->` type($firstChild) `,` type($secondChild)
  }];
}

def Muster_CheckCountOp : Op<Muster_Dialect, "check_count", [MemoryEffects<[MemWrite]>]> {
  let summary = "End the step, on all ranks, where a count is greater than a bound";
  let description = [{
    `noun` is what the error says there are too many of (E2411).

    Constraints:
    - (C1) the bound is not negative.

    ```mlir
    muster.check_count %total at_most 1024 "tokens"
    ```
  }];
  let arguments = (ins Index:$count, I64Attr:$bound, StrAttr:$noun);
  let assemblyFormat = "$count `at_most` $bound $noun attr-dict";
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

#endif
