// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/MemoryOrder.h"

namespace muster::plan {

std::string stepName(const schema::PlanT &plan, const schema::VariantT &variant, uint32_t step) {
  uint32_t location = variant.steps[step]->location;
  return fmt::format("step {} ({}) of variant {}", step,
                     location < plan.locations.size() ? plan.locations[location] : std::string("unknown"),
                     variant.name);
}

MemoryOrder::MemoryOrder(const schema::PlanT &plan, const schema::VariantT &variant, const StepOrder &order)
    : plan(plan), variant(variant), order(order) {
  arena.emplace(0, Piece());
  states.resize(plan.states.size());
  for (Pieces &state : states)
    state.emplace(0, Piece{beforeTheFirst, {}, {}});
}

MemoryOrder::Pieces *MemoryOrder::piecesOf(const Access &access) {
  switch (access.memory) {
  case schema::Memory::Arena:
    return &arena;
  case schema::Memory::State:
    return &states[access.index];
  default:
    return nullptr; // weights are never written
  }
}

MemoryOrder::Pieces::iterator MemoryOrder::split(Pieces &pieces, uint64_t at) {
  auto next = pieces.lower_bound(at);
  if (next != pieces.end() && next->first == at)
    return next;
  return pieces.emplace_hint(next, at, std::prev(next)->second);
}

Status MemoryOrder::checkOrdered(int64_t earlier, uint32_t step, const Access &access) const {
  if (earlier < 0 || order.isOrdered(static_cast<uint32_t>(earlier), step))
    return Status::ok();
  return Status::error(
      2114, "expected {} to wait for step {}, which touches the same bytes [{}, {}), but nothing orders them",
      stepName(plan, variant, step), earlier, access.begin, access.end);
}

Status MemoryOrder::addInput(const schema::Span &span) {
  if (span.length() == 0)
    return Status::ok();
  auto begin = split(arena, span.offset());
  auto end = split(arena, span.offset() + span.length());
  for (auto piece = begin; piece != end; ++piece) {
    if (piece->second.writer != nobody)
      return Status::error(2119, "expected the inputs of variant {} apart but two of them share byte {}", variant.name,
                           piece->first);
    piece->second.writer = beforeTheFirst;
  }
  return Status::ok();
}

Status MemoryOrder::read(uint32_t step, const Access &access, bool byPeers) {
  Pieces *pieces = piecesOf(access);
  if (!pieces || access.begin == access.end)
    return Status::ok();
  auto begin = split(*pieces, access.begin);
  auto end = split(*pieces, access.end);
  for (auto piece = begin; piece != end; ++piece) {
    if (piece->second.writer == nobody)
      return Status::error(2113, "expected bytes [{}, {}) written before {} reads them but nobody wrote byte {}",
                           access.begin, access.end, stepName(plan, variant, step), piece->first);
    MUSTER_RETURN_IF_ERROR(checkOrdered(piece->second.writer, step, access));
    piece->second.readers.push_back(step);
    if (byPeers)
      piece->second.peerReaders.push_back(step);
  }
  return Status::ok();
}

Status MemoryOrder::write(uint32_t step, const Access &access) {
  Pieces *pieces = piecesOf(access);
  if (!pieces || access.begin == access.end)
    return Status::ok();
  auto begin = split(*pieces, access.begin);
  auto end = split(*pieces, access.end);
  for (auto piece = begin; piece != end; ++piece) {
    MUSTER_RETURN_IF_ERROR(
        checkOrdered(piece->second.writer == step ? beforeTheFirst : piece->second.writer, step, access));
    for (uint32_t reader : piece->second.readers)
      if (reader != step)
        MUSTER_RETURN_IF_ERROR(checkOrdered(reader, step, access));
    for (uint32_t transfer : piece->second.peerReaders)
      if (transfer != step && !order.isAcknowledged(transfer, step))
        return Status::error(
            2115,
            "expected {} to have the acknowledgement of step {}, in which peers read bytes [{}, {}) that it "
            "overwrites, but it has not",
            stepName(plan, variant, step), transfer, access.begin, access.end);
    piece->second = Piece{static_cast<int64_t>(step), {}, {}};
  }
  // Neighbours with the same writer and no readers are one piece again, so that the map stays small.
  for (auto piece = begin; std::next(piece) != end;)
    piece = std::prev(pieces->erase(std::next(piece)));
  return Status::ok();
}

Status MemoryOrder::checkResult(const schema::Span &span, const std::string &name) const {
  if (span.length() == 0)
    return Status::ok();
  for (auto piece = std::prev(arena.upper_bound(span.offset()));
       piece != arena.end() && piece->first < span.offset() + span.length(); ++piece)
    if (piece->second.writer == nobody)
      return Status::error(2113, "expected bytes [{}, +{}) of result {} of variant {} written but nobody wrote byte {}",
                           span.offset(), span.length(), name, variant.name, piece->first);
  return Status::ok();
}

} // namespace muster::plan
