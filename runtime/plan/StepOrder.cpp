// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/StepOrder.h"

#include <algorithm>

namespace muster::plan {

const schema::TransferT *peerTransfer(const schema::StepT &step) {
  const schema::TransferT *transfer = step.action.AsTransfer();
  return transfer && !transfer->group.empty() ? transfer : nullptr;
}

namespace {

/// Everyone who reads in `inner` is someone whom `outer` waits for.
bool covers(const schema::TransferT &outer, const schema::TransferT &inner) {
  if (!outer.sources.empty())
    return false;
  return std::all_of(inner.group.begin(), inner.group.end(), [&](uint8_t axis) {
    return std::find(outer.group.begin(), outer.group.end(), axis) != outer.group.end();
  });
}

Status checkEarlier(const schema::VariantT &variant, uint32_t step) {
  const schema::StepT &own = *variant.steps[step];
  for (uint32_t wait : own.waits)
    if (wait >= step)
      return Status::error(2120, "expected waits below {} for step {} of variant {} but got {}", step, step,
                           variant.name, wait);
  for (uint32_t earlier : own.acknowledgements)
    if (earlier >= step || !peerTransfer(*variant.steps[earlier]))
      return Status::error(
          2120,
          "expected acknowledgements of transfers between ranks below {} for step {} of variant {} but "
          "got {}",
          step, step, variant.name, earlier);
  return Status::ok();
}

} // namespace

// A transfer without listed sources starts when every rank of its group has done all that the transfer waits for, so an
// earlier transfer among that has been read by those ranks.
void StepOrder::addImplied(const schema::VariantT &variant, uint32_t step) {
  const schema::TransferT *outer = peerTransfer(*variant.steps[step]);
  if (!outer)
    return;
  for (uint32_t earlier = 0; earlier != step; ++earlier) {
    const schema::TransferT *inner = peerTransfer(*variant.steps[earlier]);
    if (inner && isOrdered(earlier, step) && covers(*outer, *inner))
      set(acknowledged, step * words, earlier);
  }
}

Result<StepOrder> StepOrder::make(const schema::VariantT &variant) {
  StepOrder order;
  uint32_t steps = static_cast<uint32_t>(variant.steps.size());
  order.words = (steps + 63) / 64;
  order.before.resize(steps * order.words);
  order.acknowledged.resize(steps * order.words);
  for (uint32_t step = 0; step != steps; ++step) {
    MUSTER_RETURN_IF_ERROR(checkEarlier(variant, step));
    for (uint32_t wait : variant.steps[step]->waits) {
      order.addRow(order.before, step, wait);
      order.addRow(order.acknowledged, step, wait);
      set(order.before, step * order.words, wait);
    }
    for (uint32_t earlier : variant.steps[step]->acknowledgements) {
      // To be acknowledged by the peers, the transfer must be done here too (the group holds this rank).
      order.addRow(order.before, step, earlier);
      set(order.before, step * order.words, earlier);
      set(order.acknowledged, step * order.words, earlier);
    }
    order.addImplied(variant, step);
  }
  return order;
}

} // namespace muster::plan
