// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Grouped-query attention: which query head meets which key-value head.
//
// A rank pairs its query head j with its key-value head j / (local query heads / local key-value heads). With H query
// and K key-value heads in all, query head h belongs to group h / (H / K). So each digit of the query heads, divided by
// the group size, is a digit of the key-value heads or vanishes:
//
//   | query heads, H = 8            | key-value heads, K = 2        | says                                   |
//   | ----------------------------- | ----------------------------- | -------------------------------------- |
//   | (2 : 4 @h, tp) (4 : 1 @h)     | (2 : 1 @k, tp)                | right: one group on each rank          |
//   | (4 : 2 @h, tp) (2 : 1 @h)     | (2 : 1 @k, tp/2)              | right: heads replicated, interleaved   |
//   | (4 : 2 @h, tp) (2 : 1 @h)     | (2 : 1 @k, tp)                | wrong: tiled                           |

#ifndef MUSTER_COMPILER_LAYOUT_GROUPEDHEADS_H
#define MUSTER_COMPILER_LAYOUT_GROUPEDHEADS_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// Nullopt where each rank's query head is paired with the key-value head of its group.
std::optional<Refusal> groupedHeadsDisagreement(const Universe &universe, const Dim &queryHeads, const Dim &kvHeads);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_GROUPEDHEADS_H
