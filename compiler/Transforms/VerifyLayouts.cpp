// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/Passes.h"

#include "compiler/Analysis/LayoutDiagnostics.h"
#include "compiler/Analysis/LayoutExplanation.h"
#include "mlir/IR/BuiltinOps.h"

namespace muster {
#define GEN_PASS_DEF_VERIFYLAYOUTSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

using namespace mlir;
using namespace muster;

namespace {

struct VerifyLayouts : muster::impl::VerifyLayoutsPassBase<VerifyLayouts> {
  using VerifyLayoutsPassBase::VerifyLayoutsPassBase;

  void runOnOperation() override {
    LayoutReport report = inferLayouts(getOperation());
    if (explain)
      explainFindings(report);
    for (const LayoutFinding &finding : report.findings)
      emitMessage(renderFinding(finding, allowUnknown));
    proved += report.results + report.claims;
    bool isUnknown = report.has(LayoutFinding::Kind::Unknown) && !allowUnknown;
    if (report.has(LayoutFinding::Kind::Refuted) || isUnknown)
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
