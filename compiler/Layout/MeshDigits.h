// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Digits between a rank's index and the mesh: the leading local elements of a dim become mesh digits of a group, the
// mesh digits of a group become local ones. Collectives (Movement.cpp) are made of these.

#ifndef MUSTER_COMPILER_LAYOUT_MESHDIGITS_H
#define MUSTER_COMPILER_LAYOUT_MESHDIGITS_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

inline bool isIn(Group group, const Digit &digit) { return digit.isMesh() && llvm::is_contained(group, digit.axis); }

/// A mesh digit over which the value differs between positions of the group.
std::optional<Digit> varyingDigit(const Value &value, Group group);

/// A dim whose leading local elements, one for each position of a group, became mesh digits of it.
struct SplitDim {
  /// Mesh digits: the new ones, and those that stood among the leading elements before.
  llvm::SmallVector<Digit, 4> leading;
  /// What stood behind the leading elements.
  llvm::SmallVector<Digit, 4> rest;
};

/// Each new mesh digit has its home: the stride down to which its run reached. The value is not changed. Refuses a dim
/// that has no equal parts (Wrong; Unknown for symbols), and parts that end inside a digit or between axes of the group
/// where no digit ends (Misaligned).
Outcome<SplitDim> splitLeading(const Universe &universe, const Value &value, Group group, unsigned dim);

/// The coordinates of a group as digits of the value, major first, as they are on the mesh. Where the value does not
/// vary, duplicates. Nullopt where symbols have no order.
std::optional<llvm::SmallVector<Digit, 4>> groupDigits(const Universe &universe, const Value &value, Group group);

void removeDigitsOf(Value &value, Group group);

/// A mesh digit comes back as a local one of `dim`, a dim of `dims`. One that may as well be a shard of that dim comes
/// back as a dim of its own.
void makeLocal(const Universe &universe, Digit &digit, llvm::ArrayRef<Dim> dims, unsigned dim, bool isExchange);

/// The group's digits become the front of `dim`; in place where they lead it already. False where symbols have no
/// order.
bool fromMesh(const Universe &universe, Value &value, Group group, unsigned dim);

/// "'tp'" or "(tp, sp)", and "2*b": for messages.
std::string nameOf(const Universe &universe, Group group);
std::string sizeText(const Universe &universe, const Size &size);

/// The refusal of an operation that would look inside a dim of segments.
Refusal refuseSegments(const Universe &universe, const Value &value, size_t dim);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_MESHDIGITS_H
