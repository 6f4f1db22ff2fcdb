// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/Passes.h"

#include "compiler/Analysis/CountCheck.h"

namespace muster {
#define GEN_PASS_DEF_VERIFYCOUNTSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

using namespace mlir;
using namespace muster;

namespace {

struct VerifyCounts : muster::impl::VerifyCountsPassBase<VerifyCounts> {
  using VerifyCountsPassBase::VerifyCountsPassBase;

  void runOnOperation() override {
    CountReport report = checkCounts(getOperation());
    bool isRefused = false;
    for (const StepFinding &finding : report.findings) {
      emitMessage(renderFinding(finding, allowUnknown));
      isRefused |= !allowUnknown || !finding.isUnknown();
    }
    if (explain)
      for (const RuntimeCheck &check : report.checks)
        emitRemark(check.location) << "checked at run time: " << check.what;
    checked += report.operations;
    runtimeChecks += static_cast<int64_t>(report.checks.size());
    if (isRefused)
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
