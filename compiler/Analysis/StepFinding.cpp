// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/StepFinding.h"

using namespace muster;

LayoutMessage muster::renderFinding(const StepFinding &finding, bool allowUnknown) {
  using Severity = LayoutMessage::Severity;
  LayoutMessage message{finding.isUnknown() && allowUnknown ? Severity::Warning : Severity::Error,
                        "E" + std::to_string(finding.number) + " " + finding.message,
                        finding.op->getLoc(),
                        {}};
  message.notes.assign(finding.notes.begin(), finding.notes.end());
  return message;
}
