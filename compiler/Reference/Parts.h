// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inside of the interpreter: parts of tensors, as collectives take and join them.
#pragma once

#include "compiler/Reference/Execution.h"

namespace muster::reference {

/// Rows [first, first + count) of a dim.
Tensor takeRows(const Tensor &tensor, int64_t dim, int64_t first, int64_t count);
/// Part `part` of `parts` equal parts of a dim; an error at `op` where there are no such parts.
llvm::Expected<Tensor> takePart(mlir::Operation *op, const Tensor &tensor, int64_t dim, int64_t part, int64_t parts);
/// Side by side in `dim`, at least one.
Tensor concatenate(llvm::ArrayRef<const Tensor *> parts, int64_t dim);
/// All members have the shape of the first, except in dim `free`; an error at `op` where they do not.
llvm::Error checkShapes(mlir::Operation *op, llvm::ArrayRef<const Tensor *> group, int64_t free = -1);
/// Element by element, in the order of the group.
Tensor reduceGroup(llvm::ArrayRef<const Tensor *> group, ReductionKind kind, bool exact);

} // namespace muster::reference
