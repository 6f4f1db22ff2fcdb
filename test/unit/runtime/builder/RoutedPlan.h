// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan in which a tensor says how many rows go from whom to whom.

#ifndef MUSTER_TEST_UNIT_RUNTIME_BUILDER_ROUTEDPLAN_H
#define MUSTER_TEST_UNIT_RUNTIME_BUILDER_ROUTEDPLAN_H

#include "test/unit/runtime/builder/PlanBuilder.h"

namespace muster::test {

/// Rows there and home again over axis 0, which has all ranks: inputs x [ranks * rows, routedWidth] and s [ranks *
/// ranks, parts] (I32, or I64 where `isWide`), divided by ranks -> y by s, [ranks * room, routedWidth]; r, the exchange
/// of s; z from y by r, [ranks * rows, routedWidth]. Results y and z.
void buildRouted(PlanBuilder &builder, int64_t rows, int64_t room, int64_t parts, bool isWide = false);
constexpr int64_t routedWidth = 3;

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_BUILDER_ROUTEDPLAN_H
