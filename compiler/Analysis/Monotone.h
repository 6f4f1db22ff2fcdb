// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which functions keep or turn the order of numbers, so that the greatest of their results is the result of the
// greatest. NaN is not a number: a function that makes one of numbers is not among them.
#ifndef MUSTER_COMPILER_ANALYSIS_MONOTONE_H
#define MUSTER_COMPILER_ANALYSIS_MONOTONE_H

#include "compiler/Analysis/Known.h"
#include "compiler/Layout/Compute.h"
#include "mlir/IR/Block.h"

namespace muster {

/// How the result of an operation on scalars, or of an elementwise one, moves with a value of which its operands are
/// the functions that `of` tells.
layout::Order orderOf(mlir::Operation *op, llvm::function_ref<layout::Order(mlir::Value)> of);

/// How a value in a body moves with an argument of the body, the others being what they are.
layout::Order orderIn(mlir::Block *body, mlir::Value value, mlir::BlockArgument argument);

/// Whether parts of a maximum or minimum are still to be taken together in a value.
bool isPartOfExtremum(const Known &known);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_MONOTONE_H
