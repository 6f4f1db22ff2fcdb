// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_COMPILER_TRANSFORMS_PASSES_TD
#define MUSTER_COMPILER_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def ExpandRedistributePass : Pass<"muster-expand-redistribute", "::mlir::ModuleOp"> {
  let summary = "Turn redistributions into collectives";
  let description = [{
    Replaces each `muster.redistribute` by the cheapest sequence of collectives that takes the one layout to the other: `slice` before any
    transfer where a dim becomes sharded by an axis over which the value is replicated, `reduce_scatter` where a partial axis comes to
    divide a dim, `all_reduce` where it does not, `all_to_all` where an axis moves between dims, `all_gather` where it leaves.

    *Requires*: both layouts are plain (contiguous terms over whole axes).
    *Guarantees*: no `muster.redistribute` is left.
  }];
  let dependentDialects = ["::muster::MusterDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"expanded", "expanded", "redistributions replaced">];
}

#endif
