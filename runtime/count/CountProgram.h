// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The count program of a plan: integers that are a pure function of the step record, evaluated once a step before
// anything is launched. The same record gives the same slots on every rank.
//
// Nothing is checked for overflow here: Bounds.h proves at load, from the bounds of the record's fields, that no slot
// and no amount can leave 62 bits. What remains to be checked in a step is that the record keeps its bounds, that no
// divisor is zero, and the capacities.

#ifndef MUSTER_RUNTIME_COUNT_COUNTPROGRAM_H
#define MUSTER_RUNTIME_COUNT_COUNTPROGRAM_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <optional>
#include <span>

namespace muster::count {

/// Evaluates `program` on `record` (one value an input) into `slots` (one an instruction); allocates nothing unless it
/// fails. Errors: E2410 (record has the wrong length, or a field outside [0, bound]), E2417 (division by a value below
/// 1), E2411 (a capacity check failed).
Status evaluate(const schema::CountProgramT &program, std::span<const int64_t> record, std::span<int64_t> slots);

/// The first variant of `entry` whose bounds all hold, if there is one.
std::optional<uint32_t> chooseVariant(const schema::EntryT &entry, std::span<const int64_t> slots);

} // namespace muster::count

#endif // MUSTER_RUNTIME_COUNT_COUNTPROGRAM_H
