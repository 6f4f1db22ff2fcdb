// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A graph as somebody writes it who puts layers in functions.

#ifndef MUSTER_TEST_UNIT_MODELS_MUTATION_OUTLINERUNS_H
#define MUSTER_TEST_UNIT_MODELS_MUTATION_OUTLINERUNS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <random>
#include <string>

namespace muster::test {

struct Outlined {
  int64_t calls = 0, functions = 0;
};

/// Runs of operations between operations of kinds that chance chooses become private functions; runs that are the same
/// but for what they take are one function, called more than once. Runs that take numbers, or give numbers or counts,
/// stay where they are. What the entry computes stays as it was.
Outlined outlineRuns(mlir::func::FuncOp entry, std::mt19937 &random);

/// Gives one call of a function other counts than it has: twice as many, or others of the same type. Empty where no
/// call takes any.
std::string editCall(mlir::func::FuncOp entry, std::mt19937 &random);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_MODELS_MUTATION_OUTLINERUNS_H
