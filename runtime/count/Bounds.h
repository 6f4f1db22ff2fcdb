// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Interval bounds of count slots and amounts, for checks at load: whatever a step record within its bounds may say, the
// value lies in the interval. Plain interval arithmetic in 128 bits; nothing that passes can overflow 62 bits, and no
// intermediate sum of an amount either.

#ifndef MUSTER_RUNTIME_COUNT_BOUNDS_H
#define MUSTER_RUNTIME_COUNT_BOUNDS_H

#include "runtime/count/CountProgram.h"

namespace muster::count {

/// Values from `low` to `high`, both included; never empty. Within +-2^62.
struct Interval {
  int64_t low = 0;
  int64_t high = 0;
};

struct SlotBounds {
  std::vector<Interval> slots;
  /// By first slot of a vector: the greatest sum of its elements, which may be less than the sum of the greatest
  /// elements: a check or a variant bounds it.
  std::vector<int64_t> sums;
};

/// Bounds of every slot of `program` when each value of the record is in [0, bound]. Errors: E2110 where a slot may
/// leave +-2^62.
Result<SlotBounds> slotBounds(const Program &program);

/// Bounds of every slot in steps that pass the program's capacity checks and fit `variant`, whose slots must have been
/// checked. A slot that those rule out altogether (its least value is above a bound) has its bound as its only value.
SlotBounds variantBounds(const Program &program, const schema::VariantT &variant);

/// Bounds of any element of the vector that begins at `slot`.
Interval anyElement(const Program &program, const SlotBounds &bounds, uint32_t slot);

/// Bounds of an amount whose own and peer coordinates are anything on the mesh, with the columns of `row`. Slots, axes
/// and columns must have been checked.
/// Errors: E2110 where it may leave +-2^62.
Result<Interval> amountBounds(const schema::AmountT &amount, const Program &program, const SlotBounds &bounds,
                              const schema::MeshT &mesh, std::span<const int32_t> row = {});

} // namespace muster::count

#endif // MUSTER_RUNTIME_COUNT_BOUNDS_H
