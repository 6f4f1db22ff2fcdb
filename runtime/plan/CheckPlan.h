// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a decoded plan must satisfy apart from its variants (CheckVariant.h): enumerators are known, indices refer to
// something, sizes are what shapes say, sections lie in the file, the count program is evaluated in order and cannot
// overflow. A plan that passes can be walked without further checks.

#ifndef MUSTER_RUNTIME_PLAN_CHECKPLAN_H
#define MUSTER_RUNTIME_PLAN_CHECKPLAN_H

#include "runtime/count/CountProgram.h"
#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <optional>

namespace muster::plan {

/// Bounds that keep products of sizes far from overflow and checks cheap.
inline constexpr uint32_t greatestRanks = 65536;
inline constexpr uint32_t greatestAxes = 16;
inline constexpr uint32_t greatestSteps = 16384;
inline constexpr uint32_t greatestBoxDims = 16;
inline constexpr uint32_t greatestPortDims = 16;

/// Checks `plan`, whose file has `fileBytes` bytes, the flatbuffer ending at `planEnd`; then every variant. Returns its
/// count program. Errors:
/// E2101 unknown enumerator, E2102 index, E2103 mesh, E2104 section, E2105 weight, E2106 state, E2109, E2110 and E2126
/// counts,
/// E2121 entry, E2124 matmul rows, and those of CheckVariant.h.
Result<count::Program> checkPlan(const schema::PlanT &plan, uint64_t planEnd, uint64_t fileBytes);

/// Bytes of `shape` in `packing`; nullopt where the element is unknown, a dimension is negative, the packing does not
/// fit the rank, or the size exceeds 2^62.
std::optional<uint64_t> packedBytes(schema::ElementType element, const std::vector<int64_t> &shape,
                                    schema::Packing packing);

/// The product of the mesh's axes; nullopt above greatestRanks or with an axis of size 0.
std::optional<uint32_t> rankCount(const schema::MeshT &mesh);

/// Slots, axes and positions of `amount` exist. `allowPeer`: Peer may be used. `what` names it in the error (E2102,
/// E2101).
Status checkAmount(const schema::AmountT &amount, const schema::PlanT &plan, const count::Program &counts,
                   bool allowPeer, const char *what, uint32_t columns = 0);

/// That `slot` is one, and what `element` says of it: Own (or Peer) of the first slot of a vector.
Status checkSlot(const count::Program &counts, int64_t slot, schema::Element element, bool allowPeer, const char *what);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_CHECKPLAN_H
