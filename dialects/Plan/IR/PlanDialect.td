// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_PLAN_IR_PLANDIALECT_TD
#define MUSTER_DIALECTS_PLAN_IR_PLANDIALECT_TD

include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::muster::plan";
  let summary = "What a rank executes";
  let description = [{
    The way from a model graph to a plan file has two halves here. On *tensors* (phases transferred and formed) a program consists of
    transfers, library calls and launches of kernels. On *spans* (phases buffered and planned) the same steps read and write memory that
    has a place: `plan.span` has an offset in the arena of each variant, and each step says what it waits for.

    Amounts (extents, strides, offsets of a transfer) are affine maps `(own coordinates, peer coordinates)[sizes]`: one dim for each axis of
    the mesh for the own rank, then one for the peer, and one symbol for each operand of `sizes`. They may multiply a dim by a symbol.
  }];
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect", "::muster::MusterDialect"];
}

#endif
