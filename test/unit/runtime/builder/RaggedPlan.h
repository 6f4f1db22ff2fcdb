// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan in which ranks have rows in unequal numbers.

#ifndef MUSTER_TEST_UNIT_RUNTIME_BUILDER_RAGGEDPLAN_H
#define MUSTER_TEST_UNIT_RUNTIME_BUILDER_RAGGEDPLAN_H

#include "test/unit/runtime/builder/PlanBuilder.h"

namespace muster::test {

/// Rows that ranks of axis dp have in unequal numbers: x [rows, raggedWidth] replicated -> each rank takes its own rows
/// (up to `bound`) -> affine kernel on as many -> all_gather -> reduce_scatter (sums of equal copies) -> all_gather ->
/// y replicated. The record has the rows of each rank; a step has up to `total` in all.
/// With `isDivided`, x and y are in these parts, and each rank takes and leaves its own (y before the last all_gather).
void buildRagged(PlanBuilder &builder, int64_t bound, int64_t total, bool isDivided = false);
constexpr int64_t raggedWidth = 5;

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_BUILDER_RAGGEDPLAN_H
