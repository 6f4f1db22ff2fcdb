// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether every rank issues the same collectives in the same order. A rank that waits in a collective which a peer
// skips hangs, and one that pairs with another collective computes nonsense; so
//
//   - ranks of a group that may take different branches issue the same collectives in each (E1221),
//   - loops around collectives run as often on all ranks of their groups (E1222),
//   - ranks of a group hold operands of one size where the collective takes no counts (E1223).
//
// Method: over which axes a condition may differ between ranks is known (Uniformity.h); where a collective below it has
// a group along one of those, the ordered lists of collectives of the branches are compared: what is issued, then how
// much is moved, by counts and sizes as terms (CountInference.h). Operations with regions that are not known are not
// followed (E1220).

#ifndef MUSTER_COMPILER_ANALYSIS_COLLECTIVEORDER_H
#define MUSTER_COMPILER_ANALYSIS_COLLECTIVEORDER_H

#include "compiler/Analysis/StepFinding.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace muster {

struct CollectiveReport {
  std::vector<StepFinding> findings;
  int64_t collectives = 0; ///< operations that were looked at
};

/// Looks at every entry (Entries.h), and through it at the functions that it calls. A module without a mesh has no
/// findings.
CollectiveReport checkCollectiveOrder(mlir::ModuleOp module);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_COLLECTIVEORDER_H
