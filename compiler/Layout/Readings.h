// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Readings: a float may be read as a shard of a dim that holds its anchor (Anchors.h), and an ambiguous digit as such a
// float. An operation that must know takes the first reading that satisfies it; operations that only carry a dim do not
// choose.
//
// Anchors are a guess from where digits stood, and the only one where sizes are symbols. For concrete sizes the history
// of the value tells which dims may hold a shard on one rank (History.h), and readings are its consistent arrangements.

#ifndef MUSTER_COMPILER_LAYOUT_READINGS_H
#define MUSTER_COMPILER_LAYOUT_READINGS_H

#include "compiler/Layout/History.h"
#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// The readings of a value, the most literal first. None where no program without mesh moves so. Refuses (Unknown)
/// where there are too many to tell. `orders`: as of consistentReadings (History.h).
Outcome<llvm::SmallVector<Value, 1>> soundReadingsOf(const Universe &universe, const Value &value,
                                                     const FreeOrders &orders = {});

/// The same; the value as it stands where there is none.
llvm::SmallVector<Value, 1> readingsOf(const Universe &universe, const Value &value);

/// The refusal of a value without readings.
Refusal refuseWithoutReadings();

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_READINGS_H
