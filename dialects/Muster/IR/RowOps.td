// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on the rows that a rank has of a batch: nothing is communicated, and how many rows there are is said by
// counts. Each is per rank: "own" is the element of counts at the rank's position.
#ifndef MUSTER_DIALECTS_MUSTER_IR_ROWOPS_TD
#define MUSTER_DIALECTS_MUSTER_IR_ROWOPS_TD

include "dialects/Muster/IR/MusterAttributes.td"
include "dialects/Muster/IR/MusterTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Muster_RowOp<string mnemonic, list<Trait> traits = []> : Op<Muster_Dialect, mnemonic, traits # [
    NoMemoryEffect, DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let hasVerifier = 1;
}

def Muster_PadRowsOp : Muster_RowOp<"pad", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Dead rows behind the rank's own, up to its padded count";
  let description = [{
    Rows [0, own(counts)) of dim `dim` are those of `input`; the rows behind, up to own(`to`), are dead: they hold `fill`, or nothing
    that may be read where there is none (NaN in the reference interpreter).

    Constraints:
    - (C1) `counts` and `to` have the same batch and axes, of which there are some; `to` has unit `padded`, `counts` has another.
    - (C2) `dim` is a dim of the tensor, and dynamic.
    - (C3) `fill` has the type of an element.

    ```mlir
    %p = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) : tensor<?x5xf32>
    %q = muster.pad %x dim 0 counts(%c : !muster.counts<[dp], tokens, @step>) to(%g : !muster.counts<[dp], padded, @step>) fill(%zero : f32)
        : tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, Muster_CountsType:$counts, Muster_CountsType:$to, Optional<AnyType>:$fill);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `dim` $dim `counts` `(` $counts `:` type($counts) `)` `to` `(` $to `:` type($to) `)`
    (`fill` `(` $fill^ `:` type($fill) `)`)? attr-dict `:` type($input)
  }];
}

def Muster_UnpadRowsOp : Muster_RowOp<"unpad", [AllTypesMatch<["input", "result"]>]> {
  let summary = "The rows in front of the dead ones";
  let description = [{
    The inverse of `muster.pad`: of own(`counts`) rows the first own(`to`). What was just padded by the same counts is what it was.

    Constraints:
    - (C1) `counts` and `to` have the same batch and axes, of which there are some; `counts` has unit `padded`, `to` has another.
    - (C2) `dim` is a dim of the tensor, and dynamic.

    ```mlir
    %x = muster.unpad %p dim 0 counts(%g : !muster.counts<[dp], padded, @step>) to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, Muster_CountsType:$counts, Muster_CountsType:$to);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `dim` $dim `counts` `(` $counts `:` type($counts) `)` `to` `(` $to `:` type($to) `)` attr-dict `:` type($input)
  }];
  let hasFolder = 1;
}

def Muster_SplitRowsOp : Muster_RowOp<"split_rows", [AllTypesMatch<["input", "firstRows", "secondRows"]>]> {
  let summary = "The rank's rows of a batch, cut into those of its two children";
  let description = [{
    `firstRows` are the first own(`first`) rows of dim `dim`, `secondRows` the own(`second`) behind them; there are no others.

    Constraints:
    - (C1) `first` and `second` have the same unit and axes, of which there are some, and are two batches.
    - (C2) `dim` is a dim of the tensor, and dynamic.

    ```mlir
    %xa, %xb = muster.split_rows %x dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
        : tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, Muster_CountsType:$first, Muster_CountsType:$second);
  let results = (outs AnyRankedTensor:$firstRows, AnyRankedTensor:$secondRows);
  let assemblyFormat = [{
    $input `dim` $dim `counts` `(` $first `:` type($first) `,` $second `:` type($second) `)` attr-dict `:` type($input)
  }];
}

def Muster_JoinRowsOp : Muster_RowOp<"join_rows", [AllTypesMatch<["firstRows", "secondRows", "result"]>]> {
  let summary = "The rank's rows of two children, as rows of their parent";
  let description = [{
    The inverse of `muster.split_rows`: the own(`first`) rows of the first child, then the own(`second`) of the second, together the
    own(`to`) of the parent.

    Constraints:
    - (C1) `first`, `second` and `to` have the same unit and axes, of which there are some, and are three batches.
    - (C2) `dim` is a dim of the tensors, and dynamic.

    ```mlir
    %x = muster.join_rows %xa, %xb dim 0 counts(%a : !muster.counts<[dp], tokens, @step.a>, %b : !muster.counts<[dp], tokens, @step.b>)
        to(%c : !muster.counts<[dp], tokens, @step>) : tensor<?x5xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$firstRows, AnyRankedTensor:$secondRows, I64Attr:$dim, Muster_CountsType:$first,
                       Muster_CountsType:$second, Muster_CountsType:$to);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $firstRows `,` $secondRows `dim` $dim `counts` `(` $first `:` type($first) `,` $second `:` type($second) `)`
    `to` `(` $to `:` type($to) `)` attr-dict `:` type($firstRows)
  }];
}

#endif
