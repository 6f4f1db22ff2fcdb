// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/Passes.h"

#include "compiler/Analysis/CollectiveOrder.h"
#include "mlir/IR/BuiltinOps.h"

namespace muster {
#define GEN_PASS_DEF_VERIFYCOLLECTIVESPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

using namespace mlir;
using namespace muster;

namespace {

struct VerifyCollectives : muster::impl::VerifyCollectivesPassBase<VerifyCollectives> {
  using VerifyCollectivesPassBase::VerifyCollectivesPassBase;

  void runOnOperation() override {
    CollectiveReport report = checkCollectiveOrder(getOperation());
    for (const StepFinding &finding : report.findings)
      emitMessage(renderFinding(finding, /*allowUnknown=*/false));
    checked += report.collectives;
    if (!report.findings.empty())
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
