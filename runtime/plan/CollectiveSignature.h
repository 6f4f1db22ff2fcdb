// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ranks compare before their first collective: which transfers between ranks a plan issues, in which order and
// shape, in every variant. Ranks with equal signatures cannot wait for each other in different collectives.

#ifndef MUSTER_RUNTIME_PLAN_COLLECTIVESIGNATURE_H
#define MUSTER_RUNTIME_PLAN_COLLECTIVESIGNATURE_H

#include "runtime/plan/Digest.h"
#include "runtime/schema/plan_generated.h"

namespace muster::plan {

/// XXH3-128 of the mesh and of every transfer between ranks.
Digest collectiveSignature(const schema::PlanT &plan);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_COLLECTIVESIGNATURE_H
