// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_MUSTER_IR_MUSTERTYPES_TD
#define MUSTER_DIALECTS_MUSTER_IR_MUSTERTYPES_TD

include "dialects/Muster/IR/MusterAttributes.td"
include "mlir/IR/AttrTypeBase.td"

def Muster_CountUnit : I32EnumAttr<"CountUnit", "what is counted", [
  I32EnumAttrCase<"Requests", 0, "requests">,
  I32EnumAttrCase<"Tokens", 1, "tokens">,
  I32EnumAttrCase<"Rows", 2, "rows">,
  I32EnumAttrCase<"Padded", 3, "padded">
]> { let cppNamespace = "::muster"; let genSpecializedAttr = 0; }

def Muster_CountsType : TypeDef<Muster_Dialect, "Counts"> {
  let mnemonic = "counts";
  let summary = "Step counts: one integer a position of the axes, known to the host";
  let description = [{
    `!muster.counts<[dp], tokens, @step>` holds one count for every position on `dp`; `!muster.counts<[], tokens, @step>` is the own
    count of a rank, which varies from rank to rank. Units do not mix, and an epoch (`@step`) names the batch that is counted.
  }];
  let parameters = (ins OptionalArrayRefParameter<"::mlir::StringAttr">:$axes, "CountUnit":$unit, "::mlir::FlatSymbolRefAttr":$epoch);
  let hasCustomAssemblyFormat = 1;
}

#endif
