// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is known of sizes (CountTerms.h) in every step: their order, their bounds, their divisors, and whether a step
// exists in which two of them are not as they should be. Steps are those that the bounds of a position's rows and the
// checks of the program let through.

#ifndef MUSTER_COMPILER_ANALYSIS_COUNTBOUNDS_H
#define MUSTER_COMPILER_ANALYSIS_COUNTBOUNDS_H

#include "compiler/Analysis/CountTerms.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace muster {

class CountBounds {
public:
  /// Takes the bounds of rows from `muster.bounds`, by the names of the arguments' dims.
  CountBounds(CountTerms &terms, mlir::func::FuncOp function);

  /// Steps in which `term` is greater end before anything is launched.
  void ensure(const CountTerm *term, int64_t bound) { ensured.push_back({term, bound}); }

  /// An upper bound of a size on every rank; nothing where none is known.
  std::optional<int64_t> greatest(const CountTerm *term) const;
  /// That a size is at most another in every step, by their form: the whole has room for a part, and padding adds rows.
  bool isAtMost(const CountTerm *part, const CountTerm *whole) const;
  /// A step in which the sizes are not equal, or in which `left` is greater. Nothing where none was found.
  std::optional<CountDifference> findUnequal(const CountTerm *left, const CountTerm *right) const;
  std::optional<CountDifference> findGreater(const CountTerm *left, const CountTerm *right) const;

private:
  /// Of every element of a vector, and how many it has.
  std::optional<int64_t> greatestElement(const CountTerm *vector) const;
  std::optional<int64_t> positionsOf(const CountTerm *vector) const;
  bool isAllowed(const CountSample &sample) const;

  CountTerms &terms;
  llvm::SmallVector<std::pair<const CountTerm *, int64_t>> ensured;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_COUNTBOUNDS_H
