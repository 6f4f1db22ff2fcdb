// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the amounts of a transfer's box mean for one row: sums of products of symbols, and the dims of a tensor that an
// offset begins in and a stride walks. Symbolic sizes: a dim of c * u elements, u a product of symbols, is walked in
// units of u.

#ifndef MUSTER_COMPILER_ANALYSIS_TRANSFERAMOUNTS_H
#define MUSTER_COMPILER_ANALYSIS_TRANSFERAMOUNTS_H

#include "compiler/Layout/Size.h"

#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace muster::amounts {

/// The product of symbols in a size, without its number.
layout::Size symbolsOf(const layout::Size &size);

/// A sum of sizes: products of symbols, each with a number.
using Sum = llvm::SmallVector<std::pair<layout::Size, int64_t>, 4>;

/// The amount of a transfer for one row; dims are numbers there. Nullopt where it is no sum of products.
std::optional<Sum> evaluate(mlir::AffineExpr expression, llvm::ArrayRef<int64_t> dims,
                            llvm::ArrayRef<layout::Size> symbols);
/// A sum of at most one product that is not negative.
std::optional<layout::Size> single(const std::optional<Sum> &sum);

/// A dim of the source or of the result as memory: `count` units of `unit` elements.
struct MemoryDim {
  int64_t count = 1;
  layout::Size unit = 1;
  layout::Size stride = 1; ///< from one unit to the next
};
llvm::SmallVector<MemoryDim, 4> memoryOf(llvm::ArrayRef<layout::Size> shape);

/// The first place along each dim, in units; nullopt where the offset is none.
std::optional<llvm::SmallVector<int64_t, 4>> startsAt(llvm::ArrayRef<MemoryDim> dims, Sum offset);

/// One row: for each dim of a tensor where the box begins and how it goes on.
struct Walked {
  llvm::SmallVector<int64_t, 4> starts, extents, steps; ///< in units
};

/// Where box dims walk: dims of a tensor, by box dim; a box dim of one element may have none.
struct Walker {
  llvm::SmallVector<MemoryDim, 4> dims;

  /// The dim that is walked at this stride, and the units of a step.
  std::optional<std::pair<unsigned, int64_t>> dimAt(const layout::Size &stride,
                                                    const llvm::SmallBitVector &taken) const;
};

} // namespace muster::amounts

#endif // MUSTER_COMPILER_ANALYSIS_TRANSFERAMOUNTS_H
