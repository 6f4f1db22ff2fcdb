// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A value read at one place: which element a rank holds at a local index. This is the definition that every other rule
// is tested against, and what a counterexample shows.

#ifndef MUSTER_COMPILER_LAYOUT_EVALUATE_H
#define MUSTER_COMPILER_LAYOUT_EVALUATE_H

#include "compiler/Layout/Value.h"

namespace muster::layout {

/// A choice of the symbols and a place: everything concrete.
struct Place {
  llvm::SmallVector<int64_t, 4> symbols;     ///< by symbol index
  llvm::SmallVector<int64_t, 4> coordinates; ///< by axis
  llvm::SmallVector<int64_t, 4> index;       ///< local, by dim
};

/// The position in each space, by space id (0 where the value has no digit of the space).
llvm::SmallVector<int64_t, 4> positionsAt(const Universe &universe, const Value &value, const Place &place);

/// The same with positions of chunk orders as positions of the spaces that they order.
llvm::SmallVector<int64_t, 4> plainPositionsAt(const Universe &universe, const Value &value, const Place &place);

/// The positions that one dim names at a local index, by space id.
llvm::SmallVector<int64_t, 4> positionsAt(const Universe &universe, const Dim &dim, const Place &place, int64_t index);

/// Spaces, by number, of which the value has positions at a place: of others nothing is known there.
llvm::SmallVector<bool, 8> spacesAt(const Universe &universe, const Value &value, const Place &place);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_EVALUATE_H
