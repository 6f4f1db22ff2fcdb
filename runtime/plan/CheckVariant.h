// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a variant must satisfy, for every step record within the bounds of the count program and of the variant:
//
//   - spans lie in the arena at multiples of 64 (E2107, E2108); inputs and results hold their ports (E2121)
//   - launches fit their kernels (E2111); no weight is written (E2112); matrix products (E2118) and the boxes of
//     transfers (E2116) stay inside their spans for all coordinates and sizes; transfers are well formed (E2117)
//   - what a step writes does not overlap its other operands, except where a launch names the same span twice (E2119)
//   - waits and acknowledgements name earlier steps (E2120); streams are 0, or 1 for transfers (E2127)
//   - every byte that is read was written before, or is an input (E2113)
//   - steps that touch the same bytes, one of them writing, are ordered by waits, transitively (E2114)
//   - a step that overwrites what peers read in an earlier transfer knows that they have: it, or a step that it waits
//     for, acknowledges the transfer, or pulls from those peers something that they made after it (E2115)
//
// Method: a walk over the steps with an interval map from arena bytes to their last writer and the readers since; order
// and acknowledgements are bit sets, one row a step.

#ifndef MUSTER_RUNTIME_PLAN_CHECKVARIANT_H
#define MUSTER_RUNTIME_PLAN_CHECKVARIANT_H

#include "runtime/count/CountProgram.h"
#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

namespace muster::plan {

/// Everything else of `plan` must have been checked. Errors as above; E2101 and E2102 for enumerators and indices;
/// E2122 for more than greatestSteps steps.
Status checkVariant(const schema::PlanT &plan, const count::Program &counts, const schema::EntryT &entry,
                    const schema::VariantT &variant);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_CHECKVARIANT_H
