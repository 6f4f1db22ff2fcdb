// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the flatbuffers verifier leaves open (2.0): the elements of a vector of structs, or of
// 64-bit numbers, may lie at any address.

#ifndef MUSTER_RUNTIME_PLAN_ALIGNEDSTRUCTS_H
#define MUSTER_RUNTIME_PLAN_ALIGNEDSTRUCTS_H

#include "runtime/schema/plan_generated.h"

namespace muster::plan {

/// Every vector of structs and of 64-bit numbers of a verified plan begins at a multiple of its elements' alignment.
bool hasAlignedStructs(const schema::Plan &plan);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_ALIGNEDSTRUCTS_H
