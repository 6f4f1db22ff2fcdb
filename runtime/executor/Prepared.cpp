// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Prepared.h"

#include "runtime/plan/Pulls.h"
#include "runtime/schema/Elements.h"

#include <algorithm>
#include <map>

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
  void placeBarriers();
  uint32_t positionBehind(uint32_t step) const;
  Amount fold(const schema::AmountT &amount, const std::vector<uint32_t> &peer, std::span<const int32_t> row = {});
  std::byte *pointer(const schema::Binding &binding, uint32_t rank) const;
  void addLaunch(const schema::LaunchT &launch, uint32_t step);
  Status addMatmul(const schema::MatmulT &matmul);
  void addTransfer(const schema::TransferT &transfer);
  void addPull(const schema::TransferT &transfer, const plan::Pull &peer);
  void addAwaited(Op &op, const schema::StepT &step);
  void awaitGroup(const schema::TransferT &transfer, uint32_t position);

  const plan::LoadedPlan &plan;
  const schema::VariantT &variant;
  const SizeLists &sizes;
  const RankView &view;
  std::vector<uint32_t> own;
  PreparedVariant out;
  std::vector<bool> barrierBefore;
  std::vector<bool> isNeeded; // positions that some rank waits for
};

void Preparation::placeBarriers() {
  barrierBefore.assign(variant.steps.size(), false);
  uint32_t last = 0;
  for (uint32_t step = 0; step != variant.steps.size(); ++step) {
    auto isBehind = [&](uint32_t earlier) { return earlier >= last; };
    const schema::StepT &own = *variant.steps[step];
    if (std::any_of(own.waits.begin(), own.waits.end(), isBehind) ||
        std::any_of(own.acknowledgements.begin(), own.acknowledgements.end(), isBehind)) {
      barrierBefore[step] = true;
      last = step;
    }
  }
  isNeeded.assign(variant.steps.size() + 1, false);
}

/// The first barrier behind `step`. There is one before any step that waits for it.
uint32_t Preparation::positionBehind(uint32_t step) const {
  uint32_t position = step + 1;
  while (position < barrierBefore.size() && !barrierBefore[position])
    ++position;
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
  out.mostPulls = std::max(out.mostPulls, prepared.pullCount);
  out.transfers.push_back(prepared);
}

void Preparation::awaitGroup(const schema::TransferT &transfer, uint32_t position) {
  isNeeded[position] = true;
  for (uint32_t rank : plan::groupOf(plan, transfer, view.rank))
    if (rank != view.rank)
      out.awaited.push_back({rank, position});
}

void Preparation::addAwaited(Op &op, const schema::StepT &step) {
  op.firstAwaited = static_cast<uint32_t>(out.awaited.size());
  for (uint32_t earlier : step.acknowledgements)
    awaitGroup(*variant.steps[earlier]->action.AsTransfer(), positionBehind(earlier));
  const schema::TransferT *transfer = step.action.AsTransfer();
  if (transfer && !transfer->group.empty()) {
    uint32_t position = 0;
    for (uint32_t wait : step.waits)
      position = std::max(position, positionBehind(wait));
    for (uint32_t earlier : step.acknowledgements)
      position = std::max(position, positionBehind(earlier));
    isNeeded[position] = true;
    std::vector<uint32_t> peers;
    for (const plan::Pull &peer : plan::pullsOf(plan, *transfer, view.rank))
      if (peer.rank != view.rank && std::find(peers.begin(), peers.end(), peer.rank) == peers.end())
        peers.push_back(peer.rank);
    for (uint32_t rank : peers)
      out.awaited.push_back({rank, position});
  }
  op.awaitedCount = static_cast<uint32_t>(out.awaited.size()) - op.firstAwaited;
}

Result<PreparedVariant> Preparation::run() {
  placeBarriers();
  for (uint32_t i = 0; i != variant.steps.size(); ++i) {
    const schema::StepT &step = *variant.steps[i];
    Op op{};
    op.step = i;
    op.barrier = barrierBefore[i];
    addAwaited(op, step);
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
    op.publishes = op.barrier && isNeeded[op.step];
  return std::move(out);
}

} // namespace

Result<PreparedVariant> prepareVariant(const plan::LoadedPlan &plan, const schema::VariantT &variant,
                                       const SizeLists &sizes, const RankView &view) {
  return Preparation(plan, variant, sizes, view).run();
}

} // namespace muster::executor
