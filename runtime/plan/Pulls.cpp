// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/Pulls.h"

#include "runtime/schema/Elements.h"

#include <algorithm>

namespace muster::plan {

PlacedTerm placedTerm(const count::Program &counts, const schema::Term &term, const Place &place) {
  int64_t coefficient = term.coefficient();
  if (term.position() == schema::Position::Own)
    coefficient *= place.own[term.axis()];
  if (term.position() == schema::Position::Peer)
    coefficient *= place.peer[term.axis()];
  if (term.position() == schema::Position::Listed)
    coefficient *= place.row[term.axis()];
  if (term.slot() < 0)
    return {coefficient, std::nullopt};
  return {coefficient, counts.slotOf(static_cast<uint32_t>(term.slot()), term.index(), place.own, place.peer)};
}

int64_t amountAt(const count::Program &counts, const schema::AmountT &amount, const Place &place,
                 std::span<const int64_t> slots) {
  int64_t value = amount.constant;
  for (const schema::Term &term : amount.terms) {
    PlacedTerm placed = placedTerm(counts, term, place);
    value += placed.coefficient * (placed.slot ? slots[*placed.slot] : 1);
  }
  return value;
}

std::vector<uint32_t> groupOf(const LoadedPlan &plan, const schema::TransferT &transfer, uint32_t rank) {
  const auto &axes = plan.root().mesh->axes;
  std::vector<uint32_t> own = plan.coordinates(rank), strides(axes.size(), 1);
  for (size_t i = axes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * axes[i]->size;
  uint32_t base = rank;
  for (uint8_t axis : transfer.group)
    base -= own[axis] * strides[axis];
  std::vector<uint32_t> ranks{base};
  for (uint8_t axis : transfer.group) {
    std::vector<uint32_t> next;
    for (uint32_t each : ranks)
      for (uint32_t i = 0; i != axes[axis]->size; ++i)
        next.push_back(each + i * strides[axis]);
    ranks = std::move(next);
  }
  return ranks;
}

std::vector<Pull> pullsOf(const LoadedPlan &plan, const schema::TransferT &transfer, uint32_t rank) {
  std::vector<uint32_t> group = groupOf(plan, transfer, rank);
  std::vector<Pull> pulls;
  if (transfer.sources.empty()) {
    for (uint32_t peer : group)
      pulls.push_back({peer, {}});
    return pulls;
  }
  size_t position = static_cast<size_t>(std::find(group.begin(), group.end(), rank) - group.begin());
  size_t numbers = transfer.sources.size() / group.size(), width = size_t(1) + transfer.columns;
  std::span<const int32_t> sources = std::span(transfer.sources).subspan(position * numbers, numbers);
  for (size_t row = 0; row < numbers; row += width)
    if (sources[row] >= 0)
      pulls.push_back({group[static_cast<size_t>(sources[row])], sources.subspan(row + 1, transfer.columns)});
  return pulls;
}

uint64_t pulledBytes(const LoadedPlan &plan, const schema::TransferT &transfer, uint32_t rank, const Pull &pull,
                     std::span<const int64_t> slots) {
  std::vector<uint32_t> own = plan.coordinates(rank), peer = plan.coordinates(pull.rank);
  uint64_t bytes = schema::elementBytes(transfer.element);
  for (const auto &dim : transfer.box)
    bytes *= static_cast<uint64_t>(
        std::max<int64_t>(0, amountAt(plan.counts(), *dim->extent, {own, peer, pull.row}, slots)));
  return bytes;
}

} // namespace muster::plan
