// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The answer of muster-verify, for machines.
#pragma once

#include "compiler/Analysis/LayoutDiagnostics.h"
#include "compiler/Analysis/StepFinding.h"

#include "llvm/Support/JSON.h"

namespace muster::verify {

/// What one run of the tool found.
struct Answer {
  std::string file;
  LayoutReport report;
  /// Of counts and of the order of collectives.
  std::vector<StepFinding> stepFindings;
  /// Results that the verdict says nothing of.
  std::vector<LayoutMessage> unchecked;
  int64_t counted = 0; ///< operations that move rows by counts
  /// Divisibilities that the proof takes for granted ("sp | s"), of symbolic programs.
  std::vector<std::string> facts;
  double milliseconds = 0;
  bool allowUnknown = false;

  llvm::StringRef verdict() const;
};

/// Where a location points to in a file; line and column 0 where it does not.
struct Position {
  std::string file;
  unsigned line = 0, column = 0;
};
Position positionOf(mlir::Location location);

/// `replay` is null where nothing was replayed.
llvm::json::Value toJson(const Answer &answer, llvm::ArrayRef<std::string> replay);

/// SARIF 2.1.0: what code-scanning sites and editors read. `source` is the text of the file, in which the replacements
/// of fixes are found.
llvm::json::Value toSarif(const Answer &answer, llvm::StringRef source);

} // namespace muster::verify
