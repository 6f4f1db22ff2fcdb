// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inside of the interpreter: collectives whose parts have the lengths that counts say.
#pragma once

#include "compiler/Reference/Execution.h"

namespace muster::reference {

/// The counts operand of a collective; null where its parts are equal.
mlir::Value countsOf(mlir::Operation *op);

/// What the rank at `position` gets: of the values of a group in the order of position, and one count a position. Fails
/// with both numbers where a part is not as long as its count.
llvm::Expected<Tensor> runRagged(mlir::Operation *op, llvm::ArrayRef<const Tensor *> group,
                                 llvm::ArrayRef<int64_t> counts, int64_t position, bool exact);

/// What the rank at `position` gets by routed counts: of the rows of a group, of what each of them sends, and of what
/// this one is told to receive, where it is (else what is sent). Fails with both numbers where that is not what is
/// sent, or there is no room for it.
llvm::Expected<Tensor> runRouted(mlir::Operation *op, llvm::ArrayRef<const Tensor *> group,
                                 llvm::ArrayRef<const Tensor *> sent, const Tensor *received, int64_t position);

} // namespace muster::reference
