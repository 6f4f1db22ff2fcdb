// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_DIALECTS_MUSTER_IR_MUSTERTYPES_TD
#define MUSTER_DIALECTS_MUSTER_IR_MUSTERTYPES_TD

include "dialects/Muster/IR/MusterAttributes.td"
include "mlir/IR/AttrTypeBase.td"

def Muster_CountsType : TypeDef<Muster_Dialect, "Counts"> {
  let mnemonic = "counts";
  let summary = "Step counts: one integer a position of the axes, known to the host";
  let description = [{
    `!muster.counts<[dp], tokens, @step>` holds one count for every position on `dp`; `!muster.counts<[], tokens, @step>` is the own
    count of a rank, which varies from rank to rank. Units do not mix, and an epoch (`@step`) names the batch that is counted.
    Unit `starts` counts fence posts: one more than there are requests.
  }];
  let parameters = (ins OptionalArrayRefParameter<"::mlir::StringAttr">:$axes, "CountUnit":$unit, "::mlir::FlatSymbolRefAttr":$epoch);
  let hasCustomAssemblyFormat = 1;
}

def Muster_OffsetsType : TypeDef<Muster_Dialect, "Offsets"> {
  let mnemonic = "offsets";
  let summary = "Where the rows of each position begin: an exclusive scan of counts";
  let description = [{
    `!muster.offsets<[dp], tokens, @step>`: position p begins behind all that the positions before it have. Offsets are no counts: nothing
    is as long as they say.
  }];
  let parameters = (ins OptionalArrayRefParameter<"::mlir::StringAttr">:$axes, "CountUnit":$unit, "::mlir::FlatSymbolRefAttr":$epoch);
  let hasCustomAssemblyFormat = 1;
}

#endif
