// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Who needs a transfer's result, before memory is planned: spans are values, and different spans are different memory.

#ifndef MUSTER_COMPILER_TRANSFORMS_TRANSFERUSERS_H
#define MUSTER_COMPILER_TRANSFORMS_TRANSFERUSERS_H

#include "dialects/Plan/IR/PlanDialect.h"

namespace muster {

/// The first step behind `transfer` that touches its destination or writes its source; null where there is none.
mlir::Operation *getFirstUser(plan::TransferStepOp transfer);

} // namespace muster

#endif // MUSTER_COMPILER_TRANSFORMS_TRANSFERUSERS_H
