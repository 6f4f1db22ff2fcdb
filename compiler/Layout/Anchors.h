// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Anchors: which dims a mesh digit that continues no local digit may be a shard of.
//
// A shard of a dim of local size 1 leaves nothing local to hang on, and a unit dim that a reshape makes beside shards
// may be what they divide: `[t, 4] -> [t, 1, 4]` on ranks that hold one head each does not say whether heads or
// head_dim is divided. A dim's anchors name the digits that it may own; Readings.h tries them.
//
//   | operation           | anchors                                                                              |
//   | ------------------- | ------------------------------------------------------------------------------------ |
//   | a digit floats      | left in the dim where it stood (normal form)                                         |
//   | reshape             | keep their place; a new unit dim gets the shards on both sides of it                 |
//   | transpose           | move with their dim                                                                  |
//   | to the mesh         | what may claim a digit may claim the one that it continues                           |

#ifndef MUSTER_COMPILER_LAYOUT_ANCHORS_H
#define MUSTER_COMPILER_LAYOUT_ANCHORS_H

#include "compiler/Layout/DimGroups.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// Gives the dims of a reshape's result `to`, of local sizes `after`, the anchors of its operand `from`, of local sizes
/// `before`. Anchors keep their flat place. Which of the unit dims at one place is which, a reshape that changes their
/// number does not say: each gets all. Where none is left, the dims on both sides get them.
void passAnchors(const Universe &universe, const Value &from, llvm::ArrayRef<Size> before, Value &to,
                 llvm::ArrayRef<Size> after, llvm::ArrayRef<DimGroup> groups);

/// Mesh digits that a dim may claim by an anchor are ambiguous where they are attached. What claims a digit may claim
/// the digit that it continues, too.
void markClaimed(Value &value);

/// A dim of which nothing is local any more: its shards may continue a digit of another dim, and go there, but they may
/// as well be all of this dim.
void markEmptied(Dim &dim);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_ANCHORS_H
