// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Strided boxes: copied, permuted, or combined from several sources. What transfers do once their amounts are numbers.

#ifndef MUSTER_RUNTIME_EXECUTOR_COPY_H
#define MUSTER_RUNTIME_EXECUTOR_COPY_H

#include "runtime/schema/plan_generated.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace muster::executor {

/// One dimension of a box; strides in elements.
struct BoxDim {
  int64_t extent;
  int64_t sourceStride;
  int64_t destinationStride;
};

/// Brings `dims` into the form in which it is fastest to walk, in place: without extents of 1, ordered by destination
/// stride, neighbours merged where both sides are contiguous. Returns the number of dimensions left; 0 for a box of one
/// element; -1 for an empty box.
int normalise(std::span<BoxDim> dims);

/// How copies write. What is too large to stay in a cache until it is read had better not go through one.
enum class Stores : uint8_t { cached, streamed };
/// For a copy, of one or several boxes, that brings `receivedBytes` to a rank.
Stores storesFor(uint64_t receivedBytes);

/// Copies worker `worker`'s share of a normalised box of elements of `elementBytes` (1, 2, 4 or 8). Shares are disjoint
/// and together the box. Source and destination do not overlap.
void copyBox(const std::byte *source, std::byte *destination, std::span<const BoxDim> dims, uint64_t elementBytes,
             uint32_t worker, uint32_t workers, Stores stores = Stores::cached);

/// destination = sources[0] op sources[1] op ..., from the left, element by element, for worker `worker`'s share of a
/// normalised box. Sums of F16 and BF16 are accumulated in float and rounded once; a NaN of any source wins. Bits do
/// not depend on how the box is shared. Supports F32, F64, F16, BF16, I32, I64.
void reduceBox(std::span<const std::byte *const> sources, std::byte *destination, std::span<const BoxDim> dims,
               schema::ElementType element, schema::Reduction reduction, uint32_t worker, uint32_t workers);

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_COPY_H
