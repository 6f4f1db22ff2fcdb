// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Readings: a float may be read as a shard of a dim that holds its anchor (Anchors.h), and an ambiguous digit as such a
// float. An operation that must know takes the first reading that satisfies it; operations that only carry a dim do not
// choose.

#ifndef MUSTER_COMPILER_LAYOUT_READINGS_H
#define MUSTER_COMPILER_LAYOUT_READINGS_H

#include "compiler/Layout/Value.h"

namespace muster::layout {

/// The readings of a value, the most literal first; at least one, at most `limit`.
llvm::SmallVector<Value, 1> readingsOf(const Universe &universe, const Value &value, size_t limit = 24);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_READINGS_H
