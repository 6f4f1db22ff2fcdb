// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on scalars.
#pragma once

#include "compiler/Reference/Execution.h"

#include <functional>
#include <optional>

namespace muster::reference {

/// Computes the only result of an operation from its scalar operands, in order. What is undefined (division by zero)
/// sets `failure`.
using ScalarFunction = std::function<Number(const Number *operands, std::string &failure)>;

/// The function of an arith, math or affine operation; null where it is not supported. Results are rounded to the
/// result's element type unless `exact`.
ScalarFunction getScalarFunction(mlir::Operation *op, bool exact);

/// The value of a scalar constant; nothing for other operations.
std::optional<Number> getScalarConstant(mlir::Operation *op, bool exact);

/// An affine expression of dims and constants.
int64_t evaluateAffine(mlir::AffineExpr expression, llvm::ArrayRef<int64_t> dims);

} // namespace muster::reference
