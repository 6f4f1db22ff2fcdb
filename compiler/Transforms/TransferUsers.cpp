// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/TransferUsers.h"

using namespace mlir;

namespace muster {

static bool writes(Operation *step, Value span) {
  if (auto launch = dyn_cast<plan::LaunchStepOp>(step))
    return llvm::any_of(launch.getWrites(), [&](int64_t index) { return launch.getSpans()[index] == span; });
  if (auto matmul = dyn_cast<plan::MatmulStepOp>(step))
    return matmul.getResult() == span;
  if (auto exchange = dyn_cast<plan::ExchangeRowsStepOp>(step))
    return exchange.getDestination() == span;
  auto transfer = dyn_cast<plan::TransferStepOp>(step);
  return transfer && transfer.getDestination() == span;
}

Operation *getFirstUser(plan::TransferStepOp transfer) {
  for (Operation *step = transfer->getNextNode(); step; step = step->getNextNode())
    if (llvm::is_contained(step->getOperands(), transfer.getDestination()) || writes(step, transfer.getSource()))
      return step;
  return nullptr;
}

} // namespace muster
