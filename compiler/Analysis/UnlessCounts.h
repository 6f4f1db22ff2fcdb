// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts that count no rows: how many sequences of a step are prompts is of unit requests, as the number of sequences
// is, but no dim has as many.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"

#include "llvm/ADT/STLExtras.h"

namespace muster {

/// Whether counts only say in which steps padded rows are not levelled (`unless` of muster.pad_counts).
inline bool areOnlyUnless(mlir::Value counts) {
  return !counts.use_empty() && llvm::all_of(counts.getUses(), [&](mlir::OpOperand &use) {
    auto pad = llvm::dyn_cast<PadCountsOp>(use.getOwner());
    return pad && pad.getUnless() == counts && pad.getCounts() != counts;
  });
}

} // namespace muster
