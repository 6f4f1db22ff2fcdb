// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The texts that a function may be on one rank. There collectives do nothing, coordinates are 0, and tensors have their
// logical shapes; but the numbers in the text were written for a mesh, and 3 may be 12 divided by four ranks as well as
// 3. So each number that makes a shape is tried as it stands and times quotients of divisors of the number of ranks;
// the declared shapes of the results and the operations between say which fit:
//
//   | on four ranks                                   | on one                                                |
//   | ----------------------------------------------- | ----------------------------------------------------- |
//   | all_to_all, [3, 8] to [12, 2]                   | the value itself, [12, 8]                             |
//   | expand_shape [8] into [4, 2]                    | [4, 2], [1, 8], [2, 4], ...                           |
//   | extract_slice [0, 12] [3, 4] of [3, 20]         | any part of [12, 20 or 80] of these numbers' multiples |
//
// Not every number has such a meaning. Where one may say more of the mesh than a shape does, nothing is tried at all:
// blocks that travel in a ring, chunk orders, conditions on coordinates, ranges that integers are compared with, parts
// cut out of what was gathered and joined in another order, dims of one element that go away, loops over more than
// whole tensors.

#ifndef MUSTER_COMPILER_SAMPLING_ONERANKTEXT_H
#define MUSTER_COMPILER_SAMPLING_ONERANKTEXT_H

#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace muster::sampling {

inline constexpr llvm::StringLiteral oneRankEntry = "one_rank";

/// What there is on one rank: logical shapes of arguments and results, and sizes of dims by name.
struct LogicalSignature {
  llvm::SmallVector<llvm::SmallVector<int64_t>> arguments, results;
  llvm::StringMap<int64_t> sizes;
};

/// Numbers taken one after the other, and then all combinations of them.
class Choices {
public:
  /// One of `count` > 0.
  size_t take(size_t count);
  /// To the next combination; false where all were taken.
  bool advance();

private:
  llvm::SmallVector<std::pair<size_t, size_t>> taken; ///< of how many
  size_t next = 0;
};

enum class Writing {
  Written,
  Misfit,     ///< with these choices operations do not fit their operands
  Unsupported ///< nobody knows what the function means on one rank
};

/// Writes the function `oneRankEntry` to `text` as the choices say. `work`: multiplications that it does, about.
Writing writeOnOneRank(mlir::func::FuncOp function, const LogicalSignature &signature, Choices &choices,
                       mlir::OwningOpRef<mlir::ModuleOp> &text, int64_t &work);

/// Calls `visit` with each text that fits until it returns false. True where all that may be meant were visited; false
/// where there are too many, it was stopped, or nobody knows what the function means on one rank.
bool forEachTextOnOneRank(mlir::func::FuncOp function, const LogicalSignature &signature,
                          llvm::function_ref<bool(mlir::ModuleOp text, int64_t work)> visit);

} // namespace muster::sampling

#endif // MUSTER_COMPILER_SAMPLING_ONERANKTEXT_H
