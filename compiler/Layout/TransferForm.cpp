// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/TransferForm.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cassert>
#include <numeric>

using namespace muster::layout;

std::optional<int64_t> muster::layout::unitsOf(const Deal &from, const Deal &to) {
  bool hasStripes =
      (from.order == ChunkOrder::Stripe && from.ranks() > 1) || (to.order == ChunkOrder::Stripe && to.ranks() > 1);
  if (hasStripes && !(from == to))
    return std::nullopt;
  return std::lcm(from.chunks(), to.chunks());
}

namespace {

/// One dim without the axes that deal it first in both layouts: they divide it alike.
struct Change {
  bool isAny = false;
  bool isListed = false;
  Segment from, to;
};

Change changeOf(const DealtDim &from, const DealtDim &to) {
  Change change;
  change.isAny = !(from == to);
  if (!change.isAny || from.segments.size() != 1) {
    change.isListed = change.isAny;
    return change;
  }
  change.from = from.segments.front();
  change.to = to.segments.front();
  Deal &given = change.from.deal, &wanted = change.to.deal;
  auto isContiguous = [](const Deal &deal) { return deal.order == ChunkOrder::Contiguous || deal.ranks() == 1; };
  if (isContiguous(given) && isContiguous(wanted))
    while (!given.axes.empty() && !wanted.axes.empty() && given.axes.front() == wanted.axes.front()) {
      change.from.size /= given.axes.front().count;
      change.to.size = change.from.size;
      given.axes.erase(given.axes.begin());
      wanted.axes.erase(wanted.axes.begin());
    }
  auto isPlain = [](const Deal &deal) { return deal.order != ChunkOrder::ZigZag || deal.ranks() == 1; };
  change.isListed = !isPlain(given) || !isPlain(wanted) || (given.ranks() > 1 && wanted.ranks() > 1);
  return change;
}

/// factor * (position of a rank in the group of the deal).
llvm::SmallVector<Linear::Term, 2> positionIn(const Deal &deal, int64_t factor) {
  llvm::SmallVector<Linear::Term, 2> terms;
  for (const AxisDigit &digit : llvm::reverse(deal.axes)) {
    if (digit.count > 1)
      terms.insert(terms.begin(), {digit.axis, factor});
    factor *= digit.count;
  }
  return terms;
}

TransferDim affineDim(const Change &change) {
  TransferDim dim;
  int64_t given = change.from.deal.ranks(), wanted = change.to.deal.ranks(), size = change.from.size / (given * wanted);
  dim.extent.constant = size;
  if (change.from.deal.order == ChunkOrder::Stripe) {
    dim.targetStart.peer = positionIn(change.from.deal, 1);
    dim.targetStep.constant = given;
  } else {
    dim.targetStart.peer = positionIn(change.from.deal, size);
  }
  if (change.to.deal.order == ChunkOrder::Stripe) {
    dim.sourceStart.own = positionIn(change.to.deal, 1);
    dim.sourceStep.constant = wanted;
  } else {
    dim.sourceStart.own = positionIn(change.to.deal, size);
  }
  return dim;
}

void addAxes(llvm::SmallVectorImpl<unsigned> &group, const Deal &deal) {
  for (const AxisDigit &digit : deal.axes)
    if (digit.count > 1 && !llvm::is_contained(group, digit.axis))
      group.push_back(digit.axis);
}

/// The axes of dims that change, in the order of the mesh.
llvm::SmallVector<unsigned, 4> changedAxes(const Redistribution &redistribution) {
  llvm::SmallVector<unsigned, 4> axes;
  for (auto [from, to] : llvm::zip_equal(redistribution.from.dims, redistribution.to.dims)) {
    Change change = changeOf(from, to);
    if (!change.isAny)
      continue;
    if (from.segments.size() == 1) {
      addAxes(axes, change.from.deal);
      addAxes(axes, change.to.deal);
      continue;
    }
    for (const DealtDim *dim : {&from, &to})
      for (const Segment &segment : dim->segments)
        addAxes(axes, segment.deal);
  }
  llvm::sort(axes);
  return axes;
}

/// Calls `visit` with the coordinates of each position of a group, in order; 0 on the other axes.
template <typename Visit>
void forEachPosition(llvm::ArrayRef<int64_t> mesh, llvm::ArrayRef<unsigned> group, Visit visit) {
  int64_t positions = 1;
  for (unsigned axis : group)
    positions *= mesh[axis];
  for (int64_t position = 0; position < positions; ++position) {
    Coordinates coordinates(mesh.size(), 0);
    int64_t rest = position;
    for (unsigned axis : llvm::reverse(group)) {
      coordinates[axis] = rest % mesh[axis];
      rest /= mesh[axis];
    }
    visit(coordinates);
  }
}

/// Lists what each position of the group pulls.
class Listing {
public:
  Listing(const Redistribution &redistribution, TransferForm &form) : redistribution(redistribution), form(form) {}

  void run() {
    std::vector<std::vector<Share>> shares;
    forEachPosition(redistribution.from.mesh, form.group, [&](const Coordinates &own) {
      shares.push_back(sharesOf(redistribution, own));
      form.pulls = std::max(form.pulls, static_cast<int64_t>(shares.back().size()));
    });
    for (const std::vector<Share> &own : shares)
      for (int64_t pull = 0; pull < form.pulls; ++pull)
        listed.push_back(pull < static_cast<int64_t>(own.size()) ? &own[static_cast<size_t>(pull)] : nullptr);
    form.dims.resize(redistribution.to.dims.size());
    for (auto [dim, made] : llvm::enumerate(form.dims)) {
      made.extent = amount(dim, [](const Common &common) { return common.count; });
      made.sourceStart = amount(dim, [](const Common &common) { return common.sourceStart; });
      made.targetStart = amount(dim, [](const Common &common) { return common.targetStart; });
      // One element has no next.
      made.sourceStep = amount(dim, [](const Common &common) { return common.count > 1 ? common.sourceStep : 1; });
      made.targetStep = amount(dim, [](const Common &common) { return common.count > 1 ? common.targetStep : 1; });
    }
    form.columns = static_cast<unsigned>(columns.size());
    for (auto [row, share] : llvm::enumerate(listed)) {
      int64_t position = share ? 0 : -1;
      for (unsigned axis : share ? form.group : llvm::SmallVector<unsigned, 4>())
        position = position * redistribution.from.mesh[axis] + share->source[axis];
      form.rows.push_back(position);
      for (const std::vector<int64_t> &column : columns)
        form.rows.push_back(column[row]);
    }
  }

private:
  /// The same in every row, or a column.
  Linear amount(size_t dim, llvm::function_ref<int64_t(const Common &)> read) {
    std::vector<int64_t> column;
    std::optional<int64_t> first;
    bool isConstant = true;
    for (const Share *share : listed) {
      column.push_back(share ? read(share->dims[dim]) : 0);
      if (!share)
        continue;
      isConstant &= !first || *first == column.back();
      first = column.back();
    }
    if (isConstant)
      return {first.value_or(0)};
    auto found = llvm::find(columns, column);
    unsigned index = static_cast<unsigned>(found - columns.begin());
    if (found == columns.end())
      columns.push_back(std::move(column));
    Linear linear;
    linear.column = index;
    return linear;
  }

  const Redistribution &redistribution;
  TransferForm &form;
  std::vector<const Share *> listed;
  std::vector<std::vector<int64_t>> columns;
};

} // namespace

std::optional<TransferForm> muster::layout::formOf(const Redistribution &redistribution,
                                                   llvm::ArrayRef<unsigned> reduced) {
  const Sharding &from = redistribution.from, &to = redistribution.to;
  assert(from.mesh == to.mesh && redistribution.isOneMachine);
  TransferForm form;
  llvm::SmallVector<Change, 4> changes;
  for (auto [given, wanted] : llvm::zip_equal(from.dims, to.dims))
    changes.push_back(changeOf(given, wanted));
  if (llvm::any_of(changes, [](const Change &change) { return change.isListed; })) {
    if (!reduced.empty())
      return std::nullopt;
    form.group = changedAxes(redistribution);
    Listing(redistribution, form).run();
    return form;
  }
  for (auto [change, given] : llvm::zip_equal(changes, from.dims)) {
    if (change.isAny) {
      form.dims.push_back(affineDim(change));
      addAxes(form.group, change.from.deal);
      continue;
    }
    TransferDim dim;
    dim.extent.constant = given.localSize(Coordinates(from.mesh.size(), 0));
    form.dims.push_back(dim);
  }
  form.group.append(reduced.begin(), reduced.end());
  return form;
}

double muster::layout::receivedShare(const Redistribution &redistribution) {
  double own = 0, all = 0;
  forEachPosition(redistribution.from.mesh, changedAxes(redistribution), [&](const Coordinates &coordinates) {
    double common = 1, wanted = 1;
    for (auto [from, to] : llvm::zip_equal(redistribution.from.dims, redistribution.to.dims)) {
      int64_t held = 0;
      for (const Run &source : runsOf(from, coordinates))
        for (const Run &target : runsOf(to, coordinates))
          if (std::optional<Common> met = compose(source, target))
            held += met->count;
      common *= static_cast<double>(held);
      wanted *= static_cast<double>(to.localSize(coordinates));
    }
    own += common;
    all += wanted;
  });
  return all > 0 ? (all - own) / all : 0;
}
