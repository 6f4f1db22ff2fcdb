// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether every operation that moves rows of unequal parts has the counts of these very rows: set on every path, of
// their batch and unit, over the group, the same on all its ranks, as many as there are; and whether what is made for
// rows holds them.
//
// Method: sizes and counts are terms (CountInference.h). At each collective the size that a rank has is compared with
// its own count, or with the total; where they are not one term, numbers are tried, and a step in which they differ is
// told. Where none is found and the terms are not one, nothing is proved (E1220).

#ifndef MUSTER_COMPILER_ANALYSIS_COUNTCHECK_H
#define MUSTER_COMPILER_ANALYSIS_COUNTCHECK_H

#include "compiler/Analysis/StepFinding.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace muster {

/// A bound that no proof shows: the step ends where it is exceeded.
struct RuntimeCheck {
  mlir::Location location;
  std::string what;
};

struct CountReport {
  std::vector<StepFinding> findings;
  std::vector<RuntimeCheck> checks;
  int64_t batches = 0;    ///< that are exchanged
  int64_t operations = 0; ///< that move rows by counts
};

/// Looks at every function that no other calls, and through it at those that it calls. A module without a mesh has no
/// findings.
CountReport checkCounts(mlir::ModuleOp module);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_COUNTCHECK_H
