// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Boxes.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cassert>

using namespace muster::layout;

int64_t Sharding::ranks() const {
  int64_t count = 1;
  for (int64_t size : mesh)
    count *= size;
  return count;
}

llvm::SmallVector<int64_t, 4> Sharding::stridesAt(llvm::ArrayRef<int64_t> coordinates) const {
  llvm::SmallVector<int64_t, 4> strides(dims.size());
  int64_t stride = 1;
  for (size_t place = dims.size(); place-- > 0;) {
    size_t dim = order.empty() ? place : order[place];
    strides[dim] = stride;
    stride *= dims[dim].localSize(coordinates);
  }
  return strides;
}

int64_t Sharding::elementsAt(llvm::ArrayRef<int64_t> coordinates) const {
  int64_t count = 1;
  for (const DealtDim &dim : dims)
    count *= dim.localSize(coordinates);
  return count;
}

int64_t Box::elements() const {
  int64_t count = 1;
  for (const Dim &dim : dims)
    count *= dim.extent;
  return count;
}

static Box boxOf(const Redistribution &redistribution, const Coordinates &source, const Coordinates &target,
                 llvm::ArrayRef<Common> commons) {
  auto sourceStrides = redistribution.from.stridesAt(source), targetStrides = redistribution.to.stridesAt(target);
  Box box;
  for (auto [dim, common] : llvm::enumerate(commons)) {
    box.sourceOffset += common.sourceStart * sourceStrides[dim];
    box.targetOffset += common.targetStart * targetStrides[dim];
    box.dims.push_back({common.count, common.sourceStep * sourceStrides[dim], common.targetStep * targetStrides[dim]});
  }
  return box;
}

std::vector<Box> muster::layout::boxesBetween(const Redistribution &redistribution, int64_t source, int64_t target) {
  Coordinates from = coordinatesOf(redistribution.from.mesh, source),
              to = coordinatesOf(redistribution.to.mesh, target);
  std::vector<llvm::SmallVector<Common, 4>> boxes(1);
  for (auto [given, wanted] : llvm::zip_equal(redistribution.from.dims, redistribution.to.dims)) {
    std::vector<llvm::SmallVector<Common, 4>> longer;
    for (const Run &held : runsOf(given, from))
      for (const Run &run : runsOf(wanted, to))
        if (std::optional<Common> common = compose(held, run))
          for (llvm::SmallVector<Common, 4> box : boxes) {
            box.push_back(*common);
            longer.push_back(std::move(box));
          }
    boxes = std::move(longer);
  }
  std::vector<Box> result;
  for (const llvm::SmallVector<Common, 4> &box : boxes)
    result.push_back(boxOf(redistribution, from, to, box));
  return result;
}

namespace {

/// One way to fill a stretch of one dim: which digits of the source's coordinates it asks for, and from which position
/// of which deal.
struct Choice {
  const Segment *from, *to;
  int64_t sourcePosition, targetPosition;
  Common common;
};

/// Chooses among the ranks that hold the same.
class Chooser {
public:
  Chooser(const Redistribution &redistribution, llvm::ArrayRef<int64_t> target)
      : redistribution(redistribution), target(target),
        isOneMesh(redistribution.isOneMachine && redistribution.from.mesh == redistribution.to.mesh) {
    int64_t rank = rankOf(redistribution.to.mesh, target), ranks = redistribution.from.ranks();
    own = coordinatesOf(redistribution.from.mesh, rank % ranks);
    isRankOfBoth = redistribution.isOneMachine && rank < ranks;
  }

  Coordinates choose(llvm::ArrayRef<const Choice *> choices) const;

private:
  bool ownHolds(llvm::ArrayRef<const Choice *> choices) const {
    return isRankOfBoth && llvm::all_of(choices, [&](const Choice *choice) {
             return choice->from->deal.positionOf(own) == choice->sourcePosition;
           });
  }
  void takeInTurn(llvm::ArrayRef<const Choice *> choices, llvm::SmallVectorImpl<AxisDigit> &free,
                  Coordinates &source) const;
  void turnCorrelated(llvm::ArrayRef<const Choice *> choices, llvm::ArrayRef<AxisDigit> free,
                      Coordinates &source) const;

  const Redistribution &redistribution;
  llvm::ArrayRef<int64_t> target;
  bool isOneMesh, isRankOfBoth;
  Coordinates own;
};

/// Digits of the mesh that `digits` do not name; parts of an axis split what is left of it.
llvm::SmallVector<AxisDigit, 4> othersOf(llvm::ArrayRef<int64_t> mesh, llvm::ArrayRef<AxisDigit> digits) {
  llvm::SmallVector<AxisDigit, 4> others;
  for (auto [axis, size] : llvm::enumerate(mesh)) {
    llvm::SmallVector<AxisDigit, 2> named;
    llvm::copy_if(digits, std::back_inserter(named), [&](const AxisDigit &digit) { return digit.axis == axis; });
    llvm::sort(named, [](const AxisDigit &a, const AxisDigit &b) { return a.weight < b.weight; });
    int64_t weight = 1;
    for (const AxisDigit &digit : named) {
      if (digit.weight > weight)
        others.push_back({static_cast<unsigned>(axis), digit.weight / weight, weight});
      weight = digit.weight * digit.count;
    }
    if (weight < size)
      others.push_back({static_cast<unsigned>(axis), size / weight, weight});
  }
  return others;
}

int64_t digitAt(const AxisDigit &digit, llvm::ArrayRef<int64_t> coordinates) {
  return coordinates[digit.axis] / digit.weight % digit.count;
}
void setDigit(const AxisDigit &digit, int64_t value, Coordinates &coordinates) {
  coordinates[digit.axis] += (value - digitAt(digit, coordinates)) * digit.weight;
}
/// The number that digits spell, the first slowest.
int64_t numberAt(llvm::ArrayRef<AxisDigit> digits, llvm::ArrayRef<int64_t> coordinates) {
  return Deal{llvm::SmallVector<AxisDigit, 2>(digits)}.positionOf(coordinates);
}
void setNumber(llvm::ArrayRef<AxisDigit> digits, int64_t number, Coordinates &coordinates) {
  for (const AxisDigit &digit : llvm::reverse(digits)) {
    setDigit(digit, number % digit.count, coordinates);
    number /= digit.count;
  }
}
int64_t productOf(llvm::ArrayRef<AxisDigit> digits) { return Deal{llvm::SmallVector<AxisDigit, 2>(digits)}.ranks(); }

/// What both of two lists of digits name, in parts of the first.
bool meet(const AxisDigit &a, const AxisDigit &b) {
  return a.axis == b.axis && a.weight < b.weight * b.count && b.weight < a.weight * a.count;
}

} // namespace

Coordinates Chooser::choose(llvm::ArrayRef<const Choice *> choices) const {
  Coordinates source = own;
  if (ownHolds(choices))
    return source;
  llvm::SmallVector<AxisDigit, 4> asked;
  for (const Choice *choice : choices) {
    llvm::append_range(asked, choice->from->deal.axes);
    setNumber(choice->from->deal.axes, choice->sourcePosition, source);
  }
  llvm::SmallVector<AxisDigit, 4> free = othersOf(redistribution.from.mesh, asked);
  if (isOneMesh)
    turnCorrelated(choices, free, source);
  else
    takeInTurn(choices, free, source);
  return source;
}

/// Between meshes no holder is nearer than another: the ranks that ask for the same go through the holders in turn.
void Chooser::takeInTurn(llvm::ArrayRef<const Choice *> choices, llvm::SmallVectorImpl<AxisDigit> &free,
                         Coordinates &source) const {
  llvm::SmallVector<AxisDigit, 4> named;
  int64_t number = 0;
  for (const Choice *choice : choices) {
    llvm::append_range(named, choice->to->deal.axes);
    number = number * choice->to->deal.ranks() + choice->targetPosition;
  }
  llvm::SmallVector<AxisDigit, 4> replicas = othersOf(redistribution.to.mesh, named);
  number = number * productOf(replicas) + numberAt(replicas, target);
  setNumber(free, number % std::max<int64_t>(1, productOf(free)), source);
}

/// A rank keeps its coordinates on the axes over which the source is replicated. But where the target deals the same
/// dim over one of these, only ranks at a few of its coordinates ask for this part of the source: they would all go to
/// the holders at those. The rank's coordinates on the axes that the source deals the dim over, of which the target
/// makes nothing, tell such ranks apart, and shift the holder; by nothing where the rank is a holder itself.
void Chooser::turnCorrelated(llvm::ArrayRef<const Choice *> choices, llvm::ArrayRef<AxisDigit> free,
                             Coordinates &source) const {
  llvm::SmallVector<AxisDigit, 4> wanted;
  for (const Choice *choice : choices)
    llvm::append_range(wanted, choice->to->deal.axes);
  for (const Choice *choice : choices) {
    const Deal &given = choice->from->deal, &dealt = choice->to->deal;
    llvm::SmallVector<AxisDigit, 4> turned;
    llvm::copy_if(free, std::back_inserter(turned), [&](const AxisDigit &digit) {
      return llvm::any_of(dealt.axes, [&](const AxisDigit &other) { return meet(digit, other); });
    });
    if (turned.empty() || given.ranks() == 1)
      continue;
    int64_t shift = 0;
    for (const AxisDigit &digit : given.axes) {
      bool isWanted = llvm::any_of(wanted, [&](const AxisDigit &other) { return meet(digit, other); });
      int64_t difference = isWanted ? 0 : digitAt(digit, own) - digitAt(digit, source);
      shift = shift * digit.count + difference;
    }
    int64_t holders = productOf(turned);
    shift *= std::max<int64_t>(1, dealt.ranks() / given.ranks());
    int64_t number = (numberAt(turned, source) + shift) % holders;
    setNumber(turned, (number + holders) % holders, source);
  }
}

std::vector<Share> muster::layout::sharesOf(const Redistribution &redistribution, llvm::ArrayRef<int64_t> target) {
  Chooser chooser(redistribution, target);
  std::vector<llvm::SmallVector<Choice, 4>> ways(redistribution.to.dims.size());
  for (auto [dim, given, wanted] : llvm::enumerate(redistribution.from.dims, redistribution.to.dims)) {
    assert(given.size() == wanted.size() && given.segments.size() == wanted.segments.size());
    for (const Run &run : runsOf(wanted, target)) {
      // A run lies in one segment.
      int64_t first = 0;
      size_t index = 0;
      while (run.start >= first + given.segments[index].size)
        first += given.segments[index++].size;
      const Segment &from = given.segments[index], &to = wanted.segments[index];
      int64_t position = to.deal.positionOf(target);
      forEachHolder(from, {run.start - first, run.step, run.count, run.local}, [&](int64_t holder, Common common) {
        ways[dim].push_back({&from, &to, holder, position, common});
      });
    }
  }
  std::vector<Share> shares;
  llvm::SmallVector<const Choice *, 4> chosen;
  auto extend = [&](auto &&self) -> void {
    if (chosen.size() == ways.size()) {
      Share share{chooser.choose(chosen), {}};
      for (const Choice *choice : chosen)
        share.dims.push_back(choice->common);
      // The runs of a segment lie behind what the rank holds of the segments in front of it.
      for (auto [dim, choice] : llvm::enumerate(chosen))
        for (const Segment &before : redistribution.from.dims[dim].segments) {
          if (&before == choice->from)
            break;
          for (const Run &run : runsOf(before, before.deal.positionOf(share.source)))
            share.dims[dim].sourceStart += run.count;
        }
      shares.push_back(std::move(share));
      return;
    }
    for (const Choice &choice : ways[chosen.size()]) {
      chosen.push_back(&choice);
      self(self);
      chosen.pop_back();
    }
  };
  extend(extend);
  return shares;
}

std::vector<Pull> muster::layout::pullsOf(const Redistribution &redistribution, int64_t target) {
  Coordinates coordinates = coordinatesOf(redistribution.to.mesh, target);
  std::vector<Pull> pulls;
  for (const Share &share : sharesOf(redistribution, coordinates))
    pulls.push_back(
        {rankOf(redistribution.from.mesh, share.source), boxOf(redistribution, share.source, coordinates, share.dims)});
  return pulls;
}
