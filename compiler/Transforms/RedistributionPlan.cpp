// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/RedistributionPlan.h"

#include "compiler/Layout/TransferForm.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <queue>

using namespace muster;
using Kind = RedistributionMove::Kind;

namespace {

class Search {
public:
  explicit Search(const RedistributionProblem &problem) : problem(problem), state(problem.from) {}

  std::vector<RedistributionMove> run();

private:
  /// Bytes received in units of 2^-40 of the logical tensor, then moves; integers, so that ties are ties.
  using Cost = std::pair<int64_t, int64_t>;
  struct Way {
    Cost cost;
    std::optional<Spread> before;
    RedistributionMove move;
  };

  int64_t groupSize(llvm::ArrayRef<int> axes) const {
    return std::accumulate(axes.begin(), axes.end(), int64_t(1),
                           [&](int64_t size, int axis) { return size * problem.axisSizes[axis]; });
  }
  /// Share of the logical tensor that a rank holds.
  double share() const { return shareOf(state); }
  double shareOf(const Spread &spread) const {
    double parts = static_cast<double>(groupSize(problem.fixedAxes));
    for (const std::vector<int> &axes : spread.dims)
      parts *= static_cast<double>(groupSize(axes));
    return 1.0 / parts;
  }
  /// The dim that `axis` divides in the end, or -1.
  int64_t home(int axis) const {
    for (auto [dim, axes] : llvm::enumerate(problem.to.dims))
      if (llvm::is_contained(axes, axis))
        return static_cast<int64_t>(dim);
    return -1;
  }
  bool isReplicated(int axis) const {
    return !llvm::is_contained(state.partial, axis) &&
           llvm::none_of(state.dims, [&](const std::vector<int> &axes) { return llvm::is_contained(axes, axis); });
  }
  bool isRagged(int64_t dim) const {
    return static_cast<size_t>(dim) < problem.isRagged.size() && problem.isRagged[static_cast<size_t>(dim)];
  }
  /// Whether `group` may come to a dim: of a ragged one it must be all that divides it in the end.
  bool mayDivide(int64_t dim, llvm::ArrayRef<int> group) const {
    return isRagged(dim) ? problem.to.dims[dim] == group.vec()
                         : isDivisible(dim, groupSize(state.dims[dim]) * groupSize(group));
  }
  bool isDivisible(int64_t dim, int64_t parts) const;

  void relax(RedistributionMove move, double received);
  void addSlices();
  void addReductions();
  void addTransfersAndGathers();
  void addRedistribution();

  const RedistributionProblem &problem;
  /// The state that is being left.
  Spread state;
  std::map<Spread, Way> ways;
  using Entry = std::pair<Cost, Spread>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> open;
};

/// A known size divides or not; an unknown one is a multiple of what divides it in the beginning and in the end.
bool Search::isDivisible(int64_t dim, int64_t parts) const {
  if (problem.sizes[dim] >= 0)
    return problem.sizes[dim] % parts == 0;
  return std::lcm(groupSize(problem.from.dims[dim]), groupSize(problem.to.dims[dim])) % parts == 0;
}

/// `received` in parts of the rank's tensor before the move.
void Search::relax(RedistributionMove move, double received) {
  const Way &here = ways.at(state);
  Cost cost = here.cost;
  // Rounding must decide nothing: of equal bytes one collective comes before a redistribution, and that before two.
  cost.first += std::llround(std::ldexp(received * share(), 40)) + (move.kind == Kind::Redistribute ? 12 : 8);
  cost.second += 1;
  auto [way, isNew] = ways.try_emplace(move.after);
  if (!isNew && way->second.cost <= cost)
    return;
  open.emplace(cost, move.after);
  way->second = {cost, state, std::move(move)};
}

void Search::addSlices() {
  for (auto [dim, axes] : llvm::enumerate(problem.to.dims))
    for (size_t first = 0; first < axes.size(); ++first)
      for (size_t count = 1; first + count <= axes.size(); ++count) {
        llvm::ArrayRef<int> group = llvm::ArrayRef(axes).slice(first, count);
        if (!llvm::all_of(group, [&](int axis) { return isReplicated(axis); }))
          break;
        if (!mayDivide(static_cast<int64_t>(dim), group))
          continue;
        RedistributionMove move{Kind::Slice, group.vec(), static_cast<int64_t>(dim), -1, state};
        move.after.dims[dim].insert(move.after.dims[dim].end(), group.begin(), group.end());
        relax(std::move(move), 0.0);
      }
}

void Search::addReductions() {
  auto reduce = [&](Kind kind, llvm::ArrayRef<int> group, int64_t dim) {
    double size = static_cast<double>(groupSize(group));
    RedistributionMove move{kind, group.vec(), dim, -1, state};
    llvm::erase_if(move.after.partial, [&](int axis) { return llvm::is_contained(group, axis); });
    if (dim >= 0)
      move.after.dims[dim].insert(move.after.dims[dim].end(), group.begin(), group.end());
    relax(std::move(move), (dim >= 0 ? 1.0 : 2.0) * (size - 1.0) / size);
  };
  for (auto [dim, axes] : llvm::enumerate(problem.to.dims))
    for (size_t first = 0; first < axes.size(); ++first)
      for (size_t count = 1; first + count <= axes.size(); ++count) {
        llvm::ArrayRef<int> group = llvm::ArrayRef(axes).slice(first, count);
        if (!llvm::all_of(group, [&](int axis) { return llvm::is_contained(state.partial, axis); }))
          break;
        if (mayDivide(static_cast<int64_t>(dim), group))
          reduce(Kind::ReduceScatter, group, static_cast<int64_t>(dim));
      }
  std::vector<int> leaving;
  llvm::copy_if(state.partial, std::back_inserter(leaving),
                [&](int axis) { return !llvm::is_contained(problem.to.partial, axis); });
  for (size_t subset = 1; subset < size_t(1) << leaving.size(); ++subset) {
    std::vector<int> group;
    for (auto [index, axis] : llvm::enumerate(leaving))
      if (subset >> index & 1)
        group.push_back(axis);
    reduce(Kind::AllReduce, group, -1);
  }
}

/// What is innermost in a dim goes to another dim or leaves.
void Search::addTransfersAndGathers() {
  for (auto [dim, axes] : llvm::enumerate(state.dims))
    for (size_t first = 0; first < axes.size(); ++first) {
      if (first > 0 && isRagged(static_cast<int64_t>(dim)))
        break;
      llvm::ArrayRef<int> group = llvm::ArrayRef(axes).drop_front(first);
      double size = static_cast<double>(groupSize(group));
      RedistributionMove gather{Kind::AllGather, group.vec(), static_cast<int64_t>(dim), -1, state};
      gather.after.dims[dim].resize(first);
      int64_t target = home(group.front());
      if (target >= 0 && target != static_cast<int64_t>(dim) &&
          llvm::all_of(group, [&](int axis) { return home(axis) == target; }) &&
          !(isRagged(target) && isRagged(static_cast<int64_t>(dim))) && mayDivide(target, group)) {
        RedistributionMove transfer{Kind::AllToAll, group.vec(), target, static_cast<int64_t>(dim), gather.after};
        transfer.after.dims[target].insert(transfer.after.dims[target].end(), group.begin(), group.end());
        relax(std::move(transfer), (size - 1.0) / size);
      }
      relax(std::move(gather), size - 1.0);
    }
}

/// All at once, where nothing is left to reduce.
void Search::addRedistribution() {
  if (state.partial != problem.to.partial)
    return;
  layout::Redistribution redistribution;
  redistribution.from.mesh.assign(problem.axisSizes.begin(), problem.axisSizes.end());
  redistribution.to.mesh = redistribution.from.mesh;
  auto dealOf = [&](const std::vector<int> &axes) {
    layout::Deal deal;
    for (int axis : axes)
      deal.axes.push_back({static_cast<unsigned>(axis), problem.axisSizes[axis]});
    return deal;
  };
  for (auto [now, then] : llvm::zip_equal(state.dims, problem.to.dims)) {
    layout::Deal from = dealOf(now), to = dealOf(then);
    int64_t units = *layout::unitsOf(from, to);
    redistribution.from.dims.push_back({{{units, from}}});
    redistribution.to.dims.push_back({{{units, to}}});
  }
  // Of parts of unequal length only what is pulled from a whole group is proved.
  bool movesRows = false;
  for (size_t dim = 0; dim < state.dims.size(); ++dim)
    movesRows |= isRagged(static_cast<int64_t>(dim)) && state.dims[dim] != problem.to.dims[dim];
  if (movesRows && layout::formOf(redistribution)->pulls != 0)
    return;
  RedistributionMove move{Kind::Redistribute, {}};
  move.after = problem.to;
  relax(std::move(move), layout::receivedShare(redistribution) * shareOf(problem.to) / share());
}

std::vector<RedistributionMove> Search::run() {
  ways.try_emplace(state, Way{{0, 0}, std::nullopt, {}});
  open.emplace(Cost{0, 0}, state);
  while (!open.empty()) {
    auto [cost, next] = open.top();
    open.pop();
    if (next == problem.to)
      break;
    if (ways.at(next).cost != cost)
      continue; // Reached more cheaply meanwhile.
    state = next;
    addSlices();
    addReductions();
    addTransfersAndGathers();
    addRedistribution();
  }
  std::vector<RedistributionMove> moves;
  for (Spread at = problem.to; ways.at(at).before; at = *ways.at(at).before)
    moves.push_back(ways.at(at).move);
  std::reverse(moves.begin(), moves.end());
  return moves;
}

} // namespace

std::vector<RedistributionMove> muster::planRedistribution(const RedistributionProblem &problem) {
  if (problem.hasOtherChanges) {
    std::vector<RedistributionMove> moves;
    RedistributionMove reduce{Kind::AllReduce, {}};
    reduce.after = problem.from;
    reduce.after.partial = problem.to.partial;
    llvm::copy_if(problem.from.partial, std::back_inserter(reduce.axes),
                  [&](int axis) { return !llvm::is_contained(problem.to.partial, axis); });
    if (!reduce.axes.empty())
      moves.push_back(std::move(reduce));
    RedistributionMove move{Kind::Redistribute, {}};
    move.after = problem.to;
    moves.push_back(std::move(move));
    return moves;
  }
  return Search(problem).run();
}
