// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two-batch overlap: what one half of the batch sends goes on its way while the other half computes.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/TransferUsers.h"
#include "dialects/Plan/IR/PlanDialect.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_ASSIGNSTREAMSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// A step that computes stands between the transfer and the first that needs it, so it does not need it.
bool hasStepsBeside(plan::TransferStepOp transfer) {
  Operation *end = getFirstUser(transfer);
  for (Operation *step = transfer->getNextNode(); step != end; step = step->getNextNode())
    if (isa<plan::LaunchStepOp, plan::MatmulStepOp>(step))
      return true;
  return false;
}

struct AssignStreams : muster::impl::AssignStreamsPassBase<AssignStreams> {
  void runOnOperation() override {
    for (auto entry : getOperation().getOps<plan::EntryOp>())
      if (entry->hasAttr("muster.split"))
        entry.walk([&](plan::TransferStepOp transfer) {
          if (transfer.getAxes().empty() || !hasStepsBeside(transfer))
            return;
          transfer.setStream(1);
          ++moved;
        });
  }
};

} // namespace
