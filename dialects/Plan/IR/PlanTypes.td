// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_PLAN_IR_PLANTYPES_TD
#define MUSTER_DIALECTS_PLAN_IR_PLANTYPES_TD

include "dialects/Plan/IR/PlanDialect.td"
include "mlir/IR/AttrTypeBase.td"

def Plan_SpanType : TypeDef<Plan_Dialect, "Span"> {
  let mnemonic = "span";
  let summary = "Memory of a rank that holds a dense, row-major tensor";
  let parameters = (ins "::mlir::RankedTensorType":$tensor);
  let assemblyFormat = "`<` $tensor `>`";
}

#endif
