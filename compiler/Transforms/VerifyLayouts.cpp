// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/Passes.h"

#include "compiler/Analysis/LayoutDiagnostics.h"
#include "compiler/Analysis/LayoutExplanation.h"
#include "compiler/Sampling/DecideByRunning.h"
#include "dialects/Plan/IR/PlanDialect.h"
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
    if (run)
      sampling::decideByRunning(report);
    if (explain)
      explainFindings(report);
    bool hasFailed = false;
    for (const LayoutFinding &finding : report.findings) {
      // A box that cannot be read is no box that lower-collectives makes.
      bool mayBeUnknown = allowUnknown && !isa<plan::TransferOp, plan::ExchangeRowsOp>(finding.op);
      emitMessage(renderFinding(finding, mayBeUnknown));
      hasFailed |= finding.kind == LayoutFinding::Kind::Refuted ||
                   (finding.kind == LayoutFinding::Kind::Unknown && !mayBeUnknown);
    }
    proved += report.results + report.claims;
    if (hasFailed)
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
