// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the verification of layouts found, as messages: one line with a number, and a note for each other party. The
// pass, muster-verify, JSON and SARIF print the same messages.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTDIAGNOSTICS_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTDIAGNOSTICS_H

#include "compiler/Analysis/LayoutInference.h"

namespace muster {

struct LayoutMessage {
  enum class Severity { Error, Warning, Remark };
  struct Note {
    mlir::Location location;
    std::string text;
  };
  Severity severity;
  /// With the number in front ("E1104 ..."), but for remarks.
  std::string text;
  mlir::Location location;
  llvm::SmallVector<Note, 4> notes;
};

/// `allowUnknown`: what nobody can prove is a warning.
LayoutMessage renderFinding(const LayoutFinding &finding, bool allowUnknown);

/// "rank (sp=0), local index [0, 1, 4, 0]: wanted logical [0, 1, 4, 0] of [b, s, h, d], got [0, 4097, 0, 0]".
std::string describe(const LayoutCounterexample &example);

/// Emits the message as a diagnostic of its context.
void emitMessage(const LayoutMessage &message);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTDIAGNOSTICS_H
