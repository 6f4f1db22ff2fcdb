// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Prepared.h"

#include "runtime/plan/Pulls.h"
#include "runtime/schema/Elements.h"

#include <algorithm>
#include <map>
#include <optional>

namespace muster::executor {

SizeLists makeSizeLists(const plan::LoadedPlan &plan, const schema::VariantT &variant, uint32_t rank) {
  std::vector<uint32_t> own = plan.coordinates(rank);
  SizeLists lists;
  std::map<std::vector<uint32_t>, uint32_t> places;
  for (const auto &step : variant.steps) {
    const schema::LaunchT *launch = step->action.AsLaunch();
    uint32_t place = 0;
    if (launch) {
      std::vector<uint32_t> slots = launch->sizes;
      for (size_t i = 0; i != launch->size_elements.size(); ++i)
        slots[i] = plan.counts().slotOf(slots[i], schema::Element(launch->size_elements[i]), own, {});
      auto [found, isNew] = places.try_emplace(slots, static_cast<uint32_t>(lists.slots.size()));
      place = found->second;
      if (isNew)
        lists.slots.insert(lists.slots.end(), slots.begin(), slots.end());
    }
    lists.place.push_back(place);
  }
  // A launch without sizes still gets an address.
  lists.values.resize(lists.slots.size() + 1);
  return lists;
}

namespace {

class Preparation {
public:
  Preparation(const plan::LoadedPlan &plan, const schema::VariantT &variant, const SizeLists &sizes,
              const RankView &view)
      : plan(plan), variant(variant), sizes(sizes), view(view), own(plan.coordinates(view.rank)) {}

  Result<PreparedVariant> run();

private:
  uint32_t streamOf(uint32_t step) const { return view.hasStreams ? variant.steps[step]->stream : 0; }
  void placeBarriers();
  void placeBarrierBehind(uint32_t step, uint32_t waiting);
  uint32_t positionBehind(uint32_t step) const;
  Amount fold(const schema::AmountT &amount, const std::vector<uint32_t> &peer, std::span<const int32_t> row = {});
  std::byte *pointer(const schema::Binding &binding, uint32_t rank) const;
  void addLaunch(const schema::LaunchT &launch, uint32_t step);
  Status addMatmul(const schema::MatmulT &matmul);
  void addTransfer(const schema::TransferT &transfer);
  void addPull(const schema::TransferT &transfer, const plan::Pull &peer);
  PreparedRouted addRouted(const schema::TransferT &transfer);
  std::vector<Awaited> awaitedOf(uint32_t step);

  const plan::LoadedPlan &plan;
  const schema::VariantT &variant;
  const SizeLists &sizes;
  const RankView &view;
  std::vector<uint32_t> own;
  PreparedVariant out;
  std::vector<bool> barrierBefore;         // in the stream of the step
  std::vector<bool> isNeeded[streamCount]; // positions that somebody waits for
  std::vector<uint32_t> nextOfStream;      // the next step of a step's stream, or the number of steps
};

void Preparation::placeBarriers() {
  uint32_t steps = static_cast<uint32_t>(variant.steps.size());
  barrierBefore.assign(steps, false);
  nextOfStream.resize(steps);
  uint32_t next[streamCount] = {steps, steps}, last[streamCount] = {0, 0};
  for (uint32_t step = steps; step-- != 0; next[streamOf(step)] = step)
    nextOfStream[step] = next[streamOf(step)];
  for (uint32_t step = 0; step != steps; ++step) {
    uint32_t stream = streamOf(step);
    for (const auto *earlier : {&variant.steps[step]->waits, &variant.steps[step]->acknowledgements})
      for (uint32_t other : *earlier)
        if (streamOf(other) != stream)
          placeBarrierBehind(other, step);
        else if (other >= last[stream])
          barrierBefore[step] = true;
    if (barrierBefore[step])
      last[stream] = step;
  }
  for (std::vector<bool> &needed : isNeeded)
    needed.assign(steps + 1, false);
}

/// Of another stream than `waiting`, which is behind it: so that a barrier promises no step behind `waiting`.
void Preparation::placeBarrierBehind(uint32_t step, uint32_t waiting) {
  for (uint32_t next = nextOfStream[step]; next < waiting; next = nextOfStream[next])
    if (barrierBefore[next])
      return;
  if (nextOfStream[step] != variant.steps.size())
    barrierBefore[nextOfStream[step]] = true;
}

/// The first barrier of its stream behind `step`. There is one before any step that waits for it, or the end.
uint32_t Preparation::positionBehind(uint32_t step) const {
  uint32_t position = nextOfStream[step];
  while (position < barrierBefore.size() && !barrierBefore[position])
    position = nextOfStream[position];
  return position;
}

Amount Preparation::fold(const schema::AmountT &amount, const std::vector<uint32_t> &peer,
                         std::span<const int32_t> row) {
  Amount folded{amount.constant, static_cast<uint32_t>(out.terms.size()), 0};
  for (const schema::Term &term : amount.terms) {
    plan::PlacedTerm placed = plan::placedTerm(plan.counts(), term, {own, peer, row});
    if (!placed.slot) {
      folded.constant += placed.coefficient;
    } else if (placed.coefficient != 0) {
      out.terms.push_back({placed.coefficient, *placed.slot});
      ++folded.termCount;
    }
  }
  return folded;
}

std::byte *Preparation::pointer(const schema::Binding &binding, uint32_t rank) const {
  switch (binding.memory()) {
  case schema::Memory::Weight:
    // Kernels take pointers to non-const; the loader has checked that no step writes a weight.
    return const_cast<std::byte *>(plan.weight(rank, binding.index()));
  case schema::Memory::State:
    return view.state(binding.index());
  default:
    return view.arena(rank) + binding.offset();
  }
}

void Preparation::addLaunch(const schema::LaunchT &launch, uint32_t step) {
  PreparedLaunch prepared;
  prepared.kernel = plan.kernel(launch.kernel);
  prepared.firstBinding = static_cast<uint32_t>(out.bindings.size());
  prepared.sizes = sizes.values.data() + sizes.place[step];
  prepared.isLimited = launch.grid != nullptr;
  if (launch.grid)
    prepared.grid = fold(*launch.grid, own);
  for (const schema::Binding &binding : launch.bindings)
    out.bindings.push_back(pointer(binding, view.rank));
  out.launches.push_back(prepared);
}

Status Preparation::addMatmul(const schema::MatmulT &matmul) {
  PreparedMatmul prepared;
  MUSTER_ASSIGN_OR_RETURN(prepared.binding, view.bindMatmul(matmul, plan.weight(view.rank, matmul.weight->index())));
  prepared.source = reinterpret_cast<const float *>(pointer(*matmul.source, view.rank));
  prepared.result = reinterpret_cast<float *>(pointer(*matmul.result, view.rank));
  prepared.rows = fold(*matmul.rows, own);
  out.matmuls.push_back(prepared);
  return Status::ok();
}

void Preparation::addPull(const schema::TransferT &transfer, const plan::Pull &peer) {
  std::vector<uint32_t> coordinates = plan.coordinates(peer.rank);
  Pull pull{pointer(*transfer.source, peer.rank), static_cast<uint32_t>(out.amounts.size())};
  out.amounts.push_back(fold(*transfer.source_offset, coordinates, peer.row));
  out.amounts.push_back(fold(*transfer.destination_offset, coordinates, peer.row));
  for (const auto &dim : transfer.box)
    for (const auto *amount : {&dim->extent, &dim->source_stride, &dim->destination_stride})
      out.amounts.push_back(fold(**amount, coordinates, peer.row));
  out.pulls.push_back(pull);
}

PreparedRouted Preparation::addRouted(const schema::TransferT &transfer) {
  const schema::RoutedRowsT &routed = *transfer.routed;
  std::vector<uint32_t> group = plan::groupOf(plan, transfer, view.rank);
  PreparedRouted prepared;
  prepared.firstCounts = static_cast<uint32_t>(out.counts.size());
  for (uint32_t rank : group)
    out.counts.push_back({pointer(*routed.counts, rank), rank});
  prepared.ownPosition = static_cast<uint32_t>(std::find(group.begin(), group.end(), view.rank) - group.begin());
  prepared.parts = routed.parts;
  prepared.areWide = routed.element == schema::ElementType::I64;
  prepared.sourceRows = static_cast<int64_t>(routed.source_rows);
  prepared.room = transfer.box[0]->extent->constant;
  prepared.rowElements = transfer.box[1]->extent->constant;
  return prepared;
}

void Preparation::addTransfer(const schema::TransferT &transfer) {
  PreparedTransfer prepared;
  prepared.destination = pointer(*transfer.destination, view.rank);
  prepared.firstPull = static_cast<uint32_t>(out.pulls.size());
  for (const plan::Pull &peer : plan::pullsOf(plan, transfer, view.rank))
    addPull(transfer, peer);
  prepared.pullCount = static_cast<uint32_t>(out.pulls.size()) - prepared.firstPull;
  prepared.dims = static_cast<uint32_t>(transfer.box.size());
  prepared.element = transfer.element;
  prepared.elementBytes = static_cast<uint32_t>(schema::elementBytes(transfer.element));
  prepared.reduction = transfer.reduction;
  if (transfer.routed)
    prepared.routed = addRouted(transfer);
  out.mostPulls = std::max(out.mostPulls, prepared.pullCount);
  out.transfers.push_back(prepared);
}

/// What `step` waits for besides its own stream: the other stream of this rank, peers that must have read, and peers
/// that it pulls from. Notes the positions that are needed, which are the same on all ranks.
std::vector<Awaited> Preparation::awaitedOf(uint32_t step) {
  const schema::StepT &own = *variant.steps[step];
  std::vector<Awaited> awaited;
  std::optional<uint32_t> latest[streamCount];
  for (const auto *earlier : {&own.waits, &own.acknowledgements})
    for (uint32_t other : *earlier)
      latest[streamOf(other)] = std::max(latest[streamOf(other)].value_or(0), positionBehind(other));
  for (uint32_t earlier : own.acknowledgements) {
    uint32_t stream = streamOf(earlier), position = positionBehind(earlier);
    isNeeded[stream][position] = true;
    for (uint32_t rank : plan::groupOf(plan, *variant.steps[earlier]->action.AsTransfer(), view.rank))
      if (rank != view.rank)
        awaited.push_back({rank, stream, position});
  }
  for (uint32_t stream = 0; stream != streamCount; ++stream)
    if (latest[stream] && stream != streamOf(step)) {
      isNeeded[stream][*latest[stream]] = true;
      awaited.push_back({view.rank, stream, *latest[stream]});
    }
  const schema::TransferT *transfer = own.action.AsTransfer();
  if (!transfer || transfer->group.empty())
    return awaited;
  // Where it waits for nothing: until the peers have begun, and so have their inputs.
  if (std::none_of(std::begin(latest), std::end(latest), [](const auto &position) { return position.has_value(); }))
    latest[streamOf(step)] = 0;
  std::vector<uint32_t> peers;
  for (const plan::Pull &peer : plan::pullsOf(plan, *transfer, view.rank))
    if (peer.rank != view.rank && std::find(peers.begin(), peers.end(), peer.rank) == peers.end())
      peers.push_back(peer.rank);
  for (uint32_t stream = 0; stream != streamCount; ++stream)
    if (latest[stream]) {
      isNeeded[stream][*latest[stream]] = true;
      for (uint32_t rank : peers)
        awaited.push_back({rank, stream, *latest[stream]});
    }
  return awaited;
}

Result<PreparedVariant> Preparation::run() {
  placeBarriers();
  for (uint32_t i = 0; i != variant.steps.size(); ++i) {
    const schema::StepT &step = *variant.steps[i];
    std::vector<Awaited> awaited = awaitedOf(i);
    if (streamOf(i) != view.stream)
      continue;
    Op op{};
    op.step = i;
    op.barrier = barrierBefore[i];
    op.firstAwaited = static_cast<uint32_t>(out.awaited.size());
    op.awaitedCount = static_cast<uint32_t>(awaited.size());
    out.awaited.insert(out.awaited.end(), awaited.begin(), awaited.end());
    switch (step.action.type) {
    case schema::Action::Matmul:
      op.kind = OpKind::matmul;
      op.index = static_cast<uint32_t>(out.matmuls.size());
      MUSTER_RETURN_IF_ERROR(addMatmul(*step.action.AsMatmul()));
      break;
    case schema::Action::Transfer:
      op.kind = OpKind::transfer;
      op.index = static_cast<uint32_t>(out.transfers.size());
      addTransfer(*step.action.AsTransfer());
      break;
    default:
      op.kind = OpKind::launch;
      op.index = static_cast<uint32_t>(out.launches.size());
      addLaunch(*step.action.AsLaunch(), i);
    }
    out.ops.push_back(op);
  }
  for (Op &op : out.ops)
    op.publishes = op.barrier && isNeeded[view.stream][op.step];
  return std::move(out);
}

} // namespace

Result<PreparedVariant> prepareVariant(const plan::LoadedPlan &plan, const schema::VariantT &variant,
                                       const SizeLists &sizes, const RankView &view) {
  return Preparation(plan, variant, sizes, view).run();
}

} // namespace muster::executor
