// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The movements of a value since the last operation that computed it, and what they mean on one rank.
//
// A program without mesh that a proof speaks of is the text of the program on a mesh of one rank: transpositions are
// the same there, collectives do nothing, and a reshape goes to the sizes that it has there. These are the local sizes
// times or divided by sizes of axes, and nothing but the rest of the program says by which: "4" may be 4, 8 divided by
// 2, or the positions of an axis of 4, of which one rank has 1. An *arrangement* is what the dims of the value hold on
// that one rank, for one choice of the sizes.
//
//   | movement of tensor<2x4>, [t/a, h] on a = 2     | local dims           | mesh      | one rank: sizes | holds   |
//   | ---------------------------------------------- | -------------------- | --------- | --------------- | ------- |
//   | (start)                                        | [t_lo] [h]           | t_hi      | [4, 4]          | t, h    |
//   | reshape to [2, 2, 2]                           | [t_lo] [h_hi] [h_lo] | t_hi      | [4, 1, 4]       | t, -, h |
//   | transpose [1, 0, 2]                            | [h_hi] [t_lo] [h_lo] | t_hi      | [1, 4, 4]       | -, t, h |
//   | exchange                                       | [t_hi] [t_lo] [h_lo] | h_hi      | [1, 4, 4]       | -, t, h |
//   | reshape to [4, 2]                              | [t] [h_lo]           | h_hi      | [4, 4]          | t, h    |
//
// Each mesh digit is a shard of the dim that holds it on one rank. An operation that looks into dims asks for a
// *consistent* arrangement: one where the local digits of each dim and its shards are all of what the dim holds on one
// rank, in its order (of copies that a broadcast made a rank may have been handed some). In the table the first and the
// last line are consistent; the others are on their way.
//
// Sizes are concrete. A value of symbolic sizes, or with segments, has no history; anchors are its readings
// (Readings.h).

#ifndef MUSTER_COMPILER_LAYOUT_HISTORY_H
#define MUSTER_COMPILER_LAYOUT_HISTORY_H

#include "compiler/Layout/Value.h"

namespace muster::layout {

/// What one dim holds on one rank: digits, major first, none of them on the mesh.
using HeldDim = llvm::SmallVector<Digit, 2>;
using Arrangement = llvm::SmallVector<HeldDim, 4>;

/// The last movement of a value, and those before it. Shared by the values that come of it; never changed.
struct History {
  enum class Kind { Start, Reshape, Transpose, TooLong };
  Kind kind = Kind::Start;
  std::shared_ptr<const History> before; ///< of all but Start
  unsigned length = 0;
  std::vector<Arrangement> arrangements;               ///< of Start: it is one of these
  llvm::SmallVector<Size, 4> from, to;                 ///< of Reshape: local sizes
  llvm::SmallVector<std::optional<Size>, 4> onOneRank; ///< of Reshape: sizes there, or empty
  llvm::SmallVector<int64_t, 4> permutation;           ///< of Transpose
};

/// Dims of which an operation does not ask that ranks have their elements in the order of one rank.
struct FreeOrders {
  /// Only the set of elements matters: the dim is summed, and nothing else walks along it.
  llvm::SmallVector<unsigned, 2> any;
  /// Nor does it matter how many copies there are: the greatest or least of such a dim is asked for. Copies that ranks
  /// had are left out of it.
  llvm::SmallVector<unsigned, 1> copied;
  /// The order matters where others walk along the dim: it is given with it (Dim::order).
  llvm::SmallVector<unsigned, 4> told;
};

/// Begins the history of a value all of whose mesh digits stand in their dims. Nothing where it has one, or can have
/// none.
void startHistory(Value &value);

/// `result`, which `value` was reshaped to, continues its history. `from` and `to` are the local sizes, `onOneRank`
/// those on one rank where they are known.
void recordReshape(const Value &value, llvm::ArrayRef<Size> from, llvm::ArrayRef<Size> to,
                   llvm::ArrayRef<std::optional<Size>> onOneRank, Value &result);

/// The same for a transposition. A value without history needs none.
void recordTranspose(const Value &value, llvm::ArrayRef<int64_t> permutation, Value &result);

/// Whether a reshape or transposition has moved the value since its mesh digits stood in their dims, or they do not
/// stand there now: then its dims alone do not say what it is on one rank.
inline bool hasMoved(const Value &value) {
  return value.isUnsettled || !value.floats.empty() || (value.history && value.history->kind != History::Kind::Start);
}

/// The value with each mesh digit in the dim that it is a shard of, for each consistent arrangement; that of the value
/// as it stands comes first. None where no program without mesh moves so. Nullopt where there are too many to tell.
/// The value has a history. Dims of `orders` are given in the order on one rank, whatever order a rank has.
std::optional<llvm::SmallVector<Value, 1>> consistentReadings(const Universe &universe, const Value &value,
                                                              const FreeOrders &orders = {});

/// The value behind a reading of which dims have an order of their own (Dim::order): the local digits as they lie on a
/// rank, and a history that says what one rank has. False where sizes are symbols.
bool restoreOrder(Value &reading);

/// Of the readings of a value only these are right: its history says no more than them. False where there are none, or
/// where a reading has no history.
bool keepReadings(Value &value, llvm::ArrayRef<Value> readings);

/// Whether the ranks hold the same: local digits by dim, and mesh digits wherever they stand.
bool holdsSame(const Value &a, const Value &b);

/// Adds the arrangements of `other`, the same result for another reading of the operands, to those of `value`. False,
/// and nothing is added, where the ranks hold something else then. Neither has moved yet.
bool addArrangements(Value &value, const Value &other);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_HISTORY_H
