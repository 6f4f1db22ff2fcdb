// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/Passes.h"

#include "compiler/Analysis/LayoutInference.h"
#include "mlir/IR/BuiltinOps.h"

namespace muster {
#define GEN_PASS_DEF_VERIFYLAYOUTSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

using namespace mlir;
using namespace muster;

namespace {

std::string textOf(ArrayRef<std::pair<std::string, int64_t>> numbers) {
  std::string text;
  for (const auto &[name, value] : numbers)
    text += (text.empty() ? "" : ", ") + name + "=" + std::to_string(value);
  return text;
}

std::string textOf(ArrayRef<int64_t> numbers) {
  std::string text;
  for (int64_t number : numbers)
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  return "[" + text + "]";
}

/// "rank (sp=0), local index [0, 1, 4, 0]: wanted b=0, s=1, got b=0, s=4097".
std::string describe(const LayoutCounterexample &example) {
  std::string text = "rank (" + textOf(example.coordinates) + "), local index " + textOf(example.index) + ": wanted " +
                     textOf(example.wanted) + ", got " + textOf(example.got);
  if (!example.symbols.empty())
    text += " (where " + textOf(example.symbols) + ")";
  return text;
}

struct VerifyLayouts : muster::impl::VerifyLayoutsPassBase<VerifyLayouts> {
  using VerifyLayoutsPassBase::VerifyLayoutsPassBase;

  void runOnOperation() override {
    LayoutReport report = inferLayouts(getOperation());
    for (const LayoutFinding &finding : report.findings)
      emit(finding);
    proved += report.claims;
    bool isUnknown = report.has(LayoutFinding::Kind::Unknown) && !allowUnknown;
    if (report.has(LayoutFinding::Kind::Refuted) || isUnknown)
      return signalPassFailure();
    markAllAnalysesPreserved();
  }

  void emit(const LayoutFinding &finding) {
    std::string number = finding.number ? "E" + std::to_string(finding.number) + " " : "";
    if (finding.kind == LayoutFinding::Kind::Assumed) {
      finding.op->emitRemark() << "assumed: " << finding.message;
      return;
    }
    bool isError = finding.kind == LayoutFinding::Kind::Refuted || !allowUnknown;
    InFlightDiagnostic diagnostic = isError ? finding.op->emitError() : finding.op->emitWarning();
    diagnostic << number << (finding.kind == LayoutFinding::Kind::Unknown ? "cannot be proved: " : "")
               << finding.message;
    if (finding.counterexample)
      diagnostic.attachNote() << describe(*finding.counterexample);
    for (const auto &[location, text] : finding.notes)
      diagnostic.attachNote(location) << text;
    if (!finding.missingFact.empty())
      diagnostic.attachNote() << "what would settle it: " << finding.missingFact;
  }
};

} // namespace
