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
/// the functions that `of` tells. With `joint`, with several values of which that reduction is taken: that of the
/// results is the result of those of the values (a maximum of maxima is, a sum is not).
layout::Order orderOf(mlir::Operation *op, llvm::function_ref<layout::Order(mlir::Value)> of,
                      std::optional<layout::Reduction> joint = {});

/// How a value in a body moves with arguments of the body, the others being what they are.
layout::Order orderIn(mlir::Block *body, mlir::Value value, llvm::ArrayRef<mlir::BlockArgument> arguments,
                      std::optional<layout::Reduction> joint = {});

/// Whether parts of a maximum or minimum are still to be taken together in a value.
bool isPartOfExtremum(const Known &known);

/// Fills in the orders of a rule in which parts of maxima or minima take part. `orderIn` tells how what is computed
/// moves with some of the operands.
void setOrders(layout::ComputeRule &rule, llvm::ArrayRef<Known> operands,
               llvm::function_ref<layout::Order(llvm::ArrayRef<size_t>, std::optional<layout::Reduction>)> orderIn);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_MONOTONE_H
