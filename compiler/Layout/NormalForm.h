// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The normal form of a value. Two values in normal form say the same iff their digits are equal, up to home marks.
//
// In each dim:
//   1. Digits of count 1 go; mesh digits of stride 0 (replication) go. Local digits of stride 0, duplicates, stay.
//   2. A mesh digit that does not stand directly before the digit that it continues is moved there, wherever in the dim
//      it was written: an exchange back puts an inner shard to the left of an outer one.
//   3. Neighbours that continue each other merge, right to left: local ones if the right one is at home or the left one
//      is also away from home; mesh ones if they are neighbours on one axis, too.
//   4. A mesh digit stays if it is attached: directly behind it stands a local digit, or an attached mesh digit, that
//      it continues; or directly before it a local digit that continues it (rows dealt in stripes). Otherwise it goes
//      to the dim that holds such a digit, or else it floats and leaves an anchor. No mesh digit is ever dropped.
//
// A digit is *away* from home when the run that it was cut from reached further down than it does now and what followed
// stands elsewhere. Such digits must not be merged or flattened as if they were whole.

#ifndef MUSTER_COMPILER_LAYOUT_NORMALFORM_H
#define MUSTER_COMPILER_LAYOUT_NORMALFORM_H

#include "compiler/Layout/Value.h"

namespace muster::layout {

/// Whether the run that the digit was cut from went further down than the digit.
inline bool isAway(const Digit &digit) { return digit.home && !(*digit.home == digit.stride); }

/// A mesh digit of which nothing lay below: it never attaches to anything.
inline bool isBottom(const Digit &digit) { return digit.home && *digit.home == digit.stride; }

/// Steps 1 and 3 on one list of digits.
void mergeDigits(llvm::SmallVectorImpl<Digit> &digits);

void normalise(Value &value);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_NORMALFORM_H
