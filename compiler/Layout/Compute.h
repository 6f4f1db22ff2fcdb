// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rule of operations that compute. Such an operation walks iterators; each dim of an operand or result belongs to
// one.
//
//   - All operand dims of an iterator name the same positions (Compare.h).
//   - An axis serves one iterator, float or pending reduction: if rows and columns of a product are both sharded over
//   tp,
//     only the diagonal blocks are computed.
//   - Multilinear: a partial operand gives a partial result.
//   - Additive: operands are partial alike (a full value added to a partial one would count once per rank).
//   - Non-linear: operands are full.
//   - Parts of a maximum or minimum pass through what keeps or turns their order, and through maxima of it.
//   - A reduced iterator's mesh digits become pending; what is needed whole has none.
//   - What is consumed (reduced, or needed whole) holds a bound space entirely or not at all.
//
// The first combination of the operands' readings (Readings.h) that satisfies the operation stands for it.

#ifndef MUSTER_COMPILER_LAYOUT_COMPUTE_H
#define MUSTER_COMPILER_LAYOUT_COMPUTE_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

enum class IteratorKind : uint8_t { Parallel, Sum, Maximum, Minimum, Product, Whole };
enum class Linearity : uint8_t { Multilinear, Additive, NonLinear };
enum class Order : uint8_t { Unknown, Independent, Kept, Reversed };

/// `iterators` of a dim that is walked by none.
inline constexpr int64_t noIterator = -1;

struct ComputeRule {
  llvm::SmallVector<IteratorKind, 6> iterators;
  llvm::SmallVector<std::string, 6> names; ///< of the iterators, for messages
  /// By operand or result, by dim: its iterator or noIterator.
  llvm::SmallVector<llvm::SmallVector<int64_t, 4>, 4> operands, results;
  Linearity linearity = Linearity::NonLinear;
  /// NonLinear: bit i where the operation is linear in operand i.
  uint32_t linearOperands = 0;
  /// By operand, how what is computed of its elements moves with them; unknown where there is no entry.
  llvm::SmallVector<Order, 4> orders;
  /// They hold of all operands at once of which a maximum is to be taken (or a minimum): that of the results is the
  /// result of the maxima.
  bool isJoint = false;
};

/// The results of an operation on `operands`, by result. A result dim of an iterator that no operand has is local, a
/// plain space of its own (made in `universe`), of size `freshSizes[iterator]` if given.
Outcome<llvm::SmallVector<Value, 1>> compute(Universe &universe, const ComputeRule &rule,
                                             llvm::ArrayRef<const Value *> operands,
                                             llvm::ArrayRef<std::optional<Size>> freshSizes = {});

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_COMPUTE_H
