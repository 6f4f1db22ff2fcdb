// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_MUSTER_IR_MUSTERDIALECT_TD
#define MUSTER_DIALECTS_MUSTER_IR_MUSTERDIALECT_TD

include "mlir/IR/OpBase.td"

def Muster_Dialect : Dialect {
  let name = "muster";
  let cppNamespace = "::muster";
  let summary = "How a program is spread over ranks";
  let description = [{
    Meshes, layouts, weights, states, collectives and counts: everything about a model graph that exists only because it runs on more than
    one rank. What the model computes is said by `nn`, `linalg` and `tensor`; what a rank executes is said by `plan`.

    Every tensor in a function body is the *local* tensor of one rank. Layouts stand on what enters and leaves a program (arguments,
    results, weights, states) and on claims (`muster.assert_layout`); what lies between is inferred.

    A *group* of a collective is spanned by axes; positions in it number row-major over the axes as listed, the first slowest, and never
    by global rank.

    Attributes on functions and their arguments:

    - `muster.mesh = @node` on a function names its mesh; the only mesh of the module where left out.
    - `muster.layout = #muster.layout<...>` on an argument or result of an entry gives its layout. A dim name is scoped to the
      function: equal names in two layouts are the same logical dim.
    - `muster.bounds = {t = 512 : i64, ...}` on a function gives the greatest size of every dynamic logical dim, by name.
    - `muster.name = "tokens"` on an argument or result names the port.
    - `muster.bound = 49152 : i64` on an argument of integers: every element lies in [0, 49152).
    - `muster.sources = ["l3.q", "l3.k", "l3.v"]` on a weight names the tensors of the checkpoint that make it: one, or one for each segment
      of dim 0, rows stacked in that order. `muster.generator = "rope_cos"` names what the compiler computes instead; a weight has one of
      the two at most.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

#endif
