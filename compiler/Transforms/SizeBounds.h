// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The greatest value of a size, from which spans get their bytes. The loader of plans computes the same from the count
// program (runtime/count/Bounds.h) and refuses a plan whose spans are smaller.
#pragma once

#include "dialects/Plan/IR/PlanDialect.h"

namespace muster {

/// Bounds under a variant: `{t = 8, "t.total" = 12}` limits a field that all ranks agree on or each position's value of
/// a record, and with ".total" the sum of a record. Checks of counts limit too: a step in which one fails is not run.
///
/// Sizes are monotone in the counts (sums, products, quotients by constants, minima, maxima, counts padded or scaled),
/// so that the greatest counts make the greatest size.
class SizeBounds {
public:
  explicit SizeBounds(mlir::DictionaryAttr bounds) : bounds(bounds) {}

  /// Of an index value of an entry. Errors, as diagnostics: E4031 a size that cannot be bounded, E4032 one beyond 2^63.
  mlir::FailureOr<int64_t> getGreatest(mlir::Value size) const;

private:
  /// Of counts on axes: each element, and all together.
  struct Counts {
    int64_t element = 0, sum = 0, positions = 1;
  };
  mlir::FailureOr<Counts> getGreatestCounts(mlir::Value counts) const;
  mlir::FailureOr<int64_t> getGreatestOf(mlir::Operation *op) const;
  std::optional<int64_t> findBound(llvm::StringRef name) const;

  mlir::DictionaryAttr bounds;
};

} // namespace muster
