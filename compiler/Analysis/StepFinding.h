// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is found of the counts of a step and of the collectives that it issues.

#ifndef MUSTER_COMPILER_ANALYSIS_STEPFINDING_H
#define MUSTER_COMPILER_ANALYSIS_STEPFINDING_H

#include "compiler/Analysis/LayoutDiagnostics.h"

#include "mlir/IR/Operation.h"

#include <string>
#include <vector>

namespace muster {

struct StepFinding {
  int number = 0; ///< 1201 to 1223
  mlir::Operation *op = nullptr;
  std::string message;
  std::vector<LayoutMessage::Note> notes;
  /// Not wrong for certain.
  bool isUnknown() const { return number == 1220; }
};

/// `allowUnknown`: what nobody can prove is a warning.
LayoutMessage renderFinding(const StepFinding &finding, bool allowUnknown);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_STEPFINDING_H
