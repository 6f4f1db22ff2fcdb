// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which steps of a variant are known to be done before which, by their waits; and which transfers are known to have
// been read by all peers.

#ifndef MUSTER_RUNTIME_PLAN_STEPORDER_H
#define MUSTER_RUNTIME_PLAN_STEPORDER_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <vector>

namespace muster::plan {

class StepOrder {
public:
  /// Errors: E2120 (waits and acknowledgements must name earlier steps, acknowledgements transfers with peers).
  static Result<StepOrder> make(const schema::VariantT &variant);

  /// Step `earlier` is done, on this rank, before step `later` begins.
  bool isOrdered(uint32_t earlier, uint32_t later) const { return test(before, later, earlier); }
  /// All peers have read what step `transfer` pulls from this rank before step `later` writes.
  bool isAcknowledged(uint32_t transfer, uint32_t later) const { return test(acknowledged, later, transfer); }

private:
  using Bits = std::vector<uint64_t>;
  bool test(const Bits &bits, uint32_t row, uint32_t column) const {
    return bits[row * words + column / 64] >> (column % 64) & 1;
  }
  static void set(Bits &bits, size_t row, uint32_t column) { bits[row + column / 64] |= uint64_t(1) << (column % 64); }
  void addRow(Bits &bits, uint32_t row, uint32_t other) {
    for (size_t i = 0; i != words; ++i)
      bits[row * words + i] |= bits[other * words + i];
  }
  void addImplied(const schema::VariantT &variant, uint32_t step);

  size_t words = 0;
  Bits before;
  Bits acknowledged;
};

/// The transfer of a step that pulls from other ranks; null for other steps.
const schema::TransferT *peerTransfer(const schema::StepT &step);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_STEPORDER_H
