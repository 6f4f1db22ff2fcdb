// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/History.h"

#include "compiler/Layout/DimGroups.h"
#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/OneRankSizes.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

/// Movements without an operation that computes between them, and arrangements after one of them, that are looked at.
static constexpr unsigned mostMovements = 200;
static constexpr size_t mostArrangements = 1600;

//===-- recording -------------------------------------------------------------------------------------------------===//

static bool isConcrete(const Value &value) {
  return llvm::all_of(value.dims, [](const Dim &dim) {
    return !dim.isSegmented() && llvm::all_of(dim.digits, [](const Digit &digit) {
      return digit.count.isConcrete() && digit.stride.isConcrete() && digit.weight.isConcrete();
    });
  });
}

static void join(HeldDim &digits) {
  llvm::erase_if(digits, [](const Digit &digit) { return digit.count.isOne(); });
  for (size_t i = digits.size(); i-- > 1;)
    if (continues(digits[i - 1], digits[i])) {
      digits[i].count *= digits[i - 1].count;
      digits.erase(digits.begin() + static_cast<ptrdiff_t>(i) - 1);
    }
}

static HeldDim heldBy(const Dim &dim) {
  HeldDim held;
  for (const Digit &digit : dim.digits) {
    if (digit.isPart || (digit.isMesh() && digit.stride.isZero()))
      continue;
    Digit own;
    own.count = digit.count;
    own.stride = digit.stride;
    own.space = digit.space;
    own.isCopy = digit.isCopy;
    held.push_back(own);
  }
  join(held);
  return held;
}

static Arrangement heldBy(llvm::ArrayRef<Dim> dims) {
  Arrangement arrangement;
  for (const Dim &dim : dims)
    arrangement.push_back(heldBy(dim));
  return arrangement;
}

void startHistory(Value &value) {
  if (value.history || !value.floats.empty() || !isConcrete(value))
    return;
  auto start = std::make_shared<History>();
  start->arrangements.push_back(heldBy(value.dims));
  value.history = std::move(start);
}

static std::shared_ptr<History> next(const std::shared_ptr<const History> &before, History::Kind kind) {
  auto result = std::make_shared<History>();
  result->length = before->length + 1;
  result->kind = result->length < mostMovements ? kind : History::Kind::TooLong;
  if (result->kind != History::Kind::TooLong)
    result->before = before;
  return result;
}

void recordReshape(const Value &value, llvm::ArrayRef<Size> from, llvm::ArrayRef<Size> to,
                   llvm::ArrayRef<std::optional<Size>> onOneRank, Value &result) {
  Value start;
  start.history = value.history;
  if (!start.history) {
    start.dims = value.dims;
    start.floats = value.floats;
    startHistory(start);
  }
  if (!start.history)
    return;
  std::shared_ptr<History> history = next(start.history, History::Kind::Reshape);
  history->from.assign(from.begin(), from.end());
  history->to.assign(to.begin(), to.end());
  history->onOneRank.assign(onOneRank.begin(), onOneRank.end());
  result.history = std::move(history);
}

void recordTranspose(const Value &value, llvm::ArrayRef<int64_t> permutation, Value &result) {
  if (!value.history)
    return;
  std::shared_ptr<History> history = next(value.history, History::Kind::Transpose);
  history->permutation.assign(permutation.begin(), permutation.end());
  result.history = std::move(history);
}

//===-- arrangements ----------------------------------------------------------------------------------------------===//

namespace {

/// Dims [inBegin, inEnd) of a reshape become dims [outBegin, outEnd), on the mesh and on one rank.
struct Cluster : DimGroup {
  /// The sizes on one rank are those before.
  bool isFixed;
};

/// Groups of dims whose products are equal on one rank, too. Unit dims that come or go may be taken out of the dims on
/// both sides of them.
llvm::SmallVector<Cluster, 4> clustersOf(llvm::ArrayRef<Size> from, llvm::ArrayRef<Size> to) {
  std::optional<llvm::SmallVector<DimGroup, 4>> groups = pairDims(from, to);
  if (!groups) // of equal product all the same: the value was reshaped so
    return {{{0, from.size(), 0, to.size()}, false}};
  auto isUnit = [&](const DimGroup &group) {
    return group.isOneSided() || (group.isPair() && from[group.inBegin].isOne());
  };
  llvm::SmallVector<bool, 8> joinsNext(groups->size(), false);
  for (size_t i = 0; i < groups->size();) {
    if (!isUnit((*groups)[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    bool isOpen = false;
    for (; end < groups->size() && isUnit((*groups)[end]); ++end)
      isOpen |= (*groups)[end].isOneSided();
    for (size_t k = i > 0 ? i - 1 : 0; isOpen && k < end; ++k)
      joinsNext[k] = true;
    i = end;
  }
  llvm::SmallVector<Cluster, 4> clusters;
  for (size_t i = 0; i < groups->size(); ++i) {
    const DimGroup &group = (*groups)[i];
    if (i > 0 && joinsNext[i - 1]) {
      clusters.back().inEnd = group.inEnd;
      clusters.back().outEnd = group.outEnd;
      clusters.back().isFixed = false;
    } else {
      clusters.push_back({group, group.isPair()});
    }
  }
  return clusters;
}

/// Takes `size` elements from the major side; false where no digit has a boundary there.
bool take(HeldDim &rest, int64_t size, HeldDim &taken) {
  while (size > 1) {
    if (rest.empty())
      return false;
    int64_t count = rest.front().count.getValue();
    if (size % count == 0) {
      taken.push_back(rest.front());
      rest.erase(rest.begin());
      size /= count;
      continue;
    }
    if (count % size != 0)
      return false;
    Digit high = rest.front();
    high.count = size;
    high.stride *= Size(count / size);
    taken.push_back(high);
    rest.front().count = count / size;
    return true;
  }
  return true;
}

bool sameHeld(const HeldDim &a, const HeldDim &b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Digit &x, const Digit &y) { return x.names(y); });
}

bool sameArrangement(const Arrangement &a, const Arrangement &b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), sameHeld);
}

int64_t sizeOf(llvm::ArrayRef<Digit> digits) {
  int64_t size = 1;
  for (const Digit &digit : digits)
    size *= digit.count.getValue();
  return size;
}

class Replay {
public:
  Replay(const Universe &universe, const Value &value) : onOneRank(universe, value) {}

  /// Nullopt where there are too many.
  std::optional<std::vector<Arrangement>> run(const History &last) {
    llvm::SmallVector<const History *, 16> steps;
    for (const History *step = &last; step; step = step->before.get())
      steps.push_back(step);
    if (steps.back()->kind != History::Kind::Start || !onOneRank.isComplete())
      return std::nullopt;
    std::vector<Arrangement> arrangements = steps.pop_back_val()->arrangements;
    while (!steps.empty()) {
      const History &step = *steps.pop_back_val();
      std::vector<Arrangement> results;
      for (const Arrangement &arrangement : arrangements) {
        if (step.kind == History::Kind::Transpose) {
          Arrangement moved;
          for (int64_t dim : step.permutation)
            moved.push_back(arrangement[static_cast<size_t>(dim)]);
          results.push_back(std::move(moved));
        } else {
          reshape(arrangement, step, results);
        }
        if (isTruncated || results.size() > mostArrangements)
          return std::nullopt;
      }
      arrangements = std::move(results);
    }
    return arrangements;
  }

private:
  void reshape(const Arrangement &arrangement, const History &step, std::vector<Arrangement> &results) {
    std::vector<Arrangement> heads{{}};
    for (const Cluster &cluster : clustersOf(step.from, step.to)) {
      HeldDim held;
      for (size_t i = cluster.inBegin; i < cluster.inEnd; ++i)
        llvm::append_range(held, arrangement[i]);
      join(held);
      std::vector<Arrangement> tails;
      if (cluster.isFixed)
        tails.push_back({held});
      else
        cut(held, step, cluster.outBegin, cluster.outEnd, {}, tails);
      std::vector<Arrangement> both;
      for (const Arrangement &head : heads)
        for (const Arrangement &tail : tails) {
          both.push_back(head);
          llvm::append_range(both.back(), tail);
          isTruncated |= both.size() > mostArrangements;
          if (isTruncated)
            return;
        }
      heads = std::move(both);
    }
    for (Arrangement &head : heads)
      if (llvm::none_of(results, [&](const Arrangement &other) { return sameArrangement(head, other); }))
        results.push_back(std::move(head));
  }

  /// All ways to cut what a cluster holds into dims [dim, end) of the reshape.
  void cut(const HeldDim &held, const History &step, size_t dim, size_t end, const Arrangement &sofar,
           std::vector<Arrangement> &results) {
    isTruncated |= results.size() > mostArrangements;
    if (isTruncated)
      return;
    if (dim == end) {
      if (held.empty())
        results.push_back(sofar);
      return;
    }
    int64_t left = sizeOf(held);
    for (int64_t size : onOneRank.sizes(step.to[dim].getValue())) {
      bool isKnown = !step.onOneRank.empty() && step.onOneRank[dim];
      if (left % size != 0 || (dim + 1 == end && size != left) || (isKnown && !step.onOneRank[dim]->is(size)))
        continue;
      HeldDim rest = held, taken;
      if (!take(rest, size, taken))
        continue;
      Arrangement more = sofar;
      more.push_back(std::move(taken));
      cut(rest, step, dim + 1, end, more, results);
    }
  }

  OneRankSizes onOneRank;
  bool isTruncated = false; ///< there were more ways than are looked at
};

//===-- placing ---------------------------------------------------------------------------------------------------===//

/// A part of a digit of a value within one digit of an arrangement.
struct Piece {
  Digit digit;
  size_t dim;
  int64_t step; ///< positions of the dim on one rank
};

/// Cuts a digit where the digits that hold it end. False where a part of it is held nowhere in dims [begin, end).
bool coverDigit(const Arrangement &arrangement, const Digit &digit, size_t begin, size_t end,
                llvm::SmallVectorImpl<Piece> &pieces) {
  int64_t low = digit.stride.getValue(), high = low * digit.count.getValue(), covered = 1;
  for (size_t dim = begin; dim < end; ++dim) {
    int64_t weight = 1;
    for (const Digit &held : llvm::reverse(arrangement[dim])) {
      int64_t count = held.count.getValue(), bottom = held.stride.getValue(), top = bottom * count;
      int64_t from = std::max(low, bottom), to = std::min(high, top);
      bool isZero = low == 0 && bottom == 0 && digit.count == held.count;
      if (isZero || (low != 0 && bottom != 0 && held.space == digit.space && from < to)) {
        if (!isZero && (from % low != 0 || from % bottom != 0 || to % from != 0))
          return false;
        Piece piece{digit, dim, isZero ? weight : weight * (from / bottom)};
        if (!isZero) {
          piece.digit.count = to / from;
          piece.digit.stride = from;
          if (digit.isMesh())
            piece.digit.weight = digit.weight * Size(from / low);
        }
        piece.digit.isAmbiguous = false;
        piece.digit.home.reset();
        if (digit.isMesh())
          piece.digit.home = held.stride;
        covered *= piece.digit.count.getValue();
        pieces.push_back(std::move(piece));
        if (isZero)
          return true;
      }
      weight *= count;
    }
  }
  return covered == digit.count.getValue();
}

/// The pieces of the local digits of a dim, as they lie on a rank. False where one is held nowhere, but for copies that
/// may be left out.
bool coverLocal(const Arrangement &arrangement, const Dim &dim, unsigned number, bool skipsCopies,
                llvm::SmallVectorImpl<Piece> &pieces) {
  for (const Digit &digit : dim.digits) {
    bool isSkipped = skipsCopies && digit.stride.isZero() && !digit.isCopy;
    if (digit.isMesh() || digit.isPart || isSkipped)
      continue;
    size_t begin = pieces.size();
    if (!coverDigit(arrangement, digit, number, number + 1, pieces))
      return false;
    auto own = llvm::MutableArrayRef(pieces).drop_front(begin);
    llvm::sort(own,
               [](const Piece &a, const Piece &b) { return a.digit.stride.getValue() > b.digit.stride.getValue(); });
  }
  return true;
}

bool isInOrder(llvm::ArrayRef<Piece> pieces) {
  for (size_t i = 1; i < pieces.size(); ++i)
    if (pieces[i].step >= pieces[i - 1].step)
      return false;
  return true;
}

std::shared_ptr<const LocalOrder> orderOf(const Dim &dim, llvm::ArrayRef<Piece> pieces) {
  auto order = std::make_shared<LocalOrder>();
  llvm::copy_if(dim.digits, std::back_inserter(order->digits), [](const Digit &digit) { return !digit.isMesh(); });
  for (const Piece &piece : pieces) {
    int64_t count = piece.digit.count.getValue();
    if (!order->steps.empty() && order->steps.back().second == count * piece.step)
      order->steps.back() = {order->steps.back().first * count, piece.step};
    else
      order->steps.push_back({count, piece.step});
  }
  return order;
}

/// Where the `left` positions that no piece of a dim covers yet are copies down to `step` (a broadcast made them, and
/// each rank was handed one): `step`, else `left`.
int64_t skipCopies(const HeldDim &held, int64_t left, int64_t step) {
  int64_t weight = 1;
  for (const Digit &digit : llvm::reverse(held)) {
    int64_t top = weight * digit.count.getValue();
    bool isInside = digit.isCopy && weight <= step && left <= top && step % weight == 0 && left % step == 0;
    if (isInside)
      return step;
    weight = top;
  }
  return left;
}

/// A shard of a bound space that stands before what it continues stays there: its space is not two dims.
bool keepsBoundRuns(const Universe &universe, const Value &value, const Value &reading) {
  auto isFollowed = [](const Dim &dim, const Digit &digit) {
    for (size_t i = 0; i + 1 < dim.digits.size(); ++i)
      if (dim.digits[i].names(digit))
        return continues(digit, dim.digits[i + 1]);
    return false;
  };
  for (const Dim &dim : value.dims)
    for (const Digit &digit : dim.digits)
      if (digit.isMesh() && universe.spaces[digit.space].isBound && isFollowed(dim, digit) &&
          llvm::none_of(reading.dims, [&](const Dim &other) { return isFollowed(other, digit); }))
        return false;
  return true;
}

/// The value with its mesh digits in the dims that hold them; nullopt where the arrangement is not consistent with it.
/// `isHandedCopies` is set where ranks were handed copies.
std::optional<Value> place(const Universe &universe, const Arrangement &arrangement, const Value &value,
                           const FreeOrders &orders, bool &isHandedCopies) {
  if (arrangement.size() != value.dims.size())
    return std::nullopt;
  llvm::SmallVector<Piece, 8> pieces;
  llvm::SmallVector<std::shared_ptr<const LocalOrder>, 4> own(value.dims.size());
  for (unsigned dim = 0; dim < value.dims.size(); ++dim) {
    size_t first = pieces.size();
    if (!coverLocal(arrangement, value.dims[dim], dim, llvm::is_contained(orders.copied, dim), pieces))
      return std::nullopt;
    auto local = llvm::ArrayRef(pieces).drop_front(first);
    if (isInOrder(local) || llvm::is_contained(orders.any, dim))
      continue;
    // Parts of a reduction have no place on one rank that could be told.
    bool hasParts = llvm::any_of(value.dims[dim].digits, [](const Digit &digit) { return digit.isPart; });
    if (hasParts || !llvm::is_contained(orders.told, dim))
      return std::nullopt; // in another order than on one rank
    own[dim] = orderOf(value.dims[dim], local);
  }
  bool isHeld = true;
  value.forEachMeshDigit(
      [&](const Digit &digit) { isHeld &= coverDigit(arrangement, digit, 0, arrangement.size(), pieces); });
  if (!isHeld)
    return std::nullopt;
  llvm::sort(pieces, [](const Piece &a, const Piece &b) { return a.step > b.step; });
  Value reading = value;
  reading.floats.clear();
  reading.history.reset();
  reading.isUnsettled = false;
  for (size_t dim = 0; dim < value.dims.size(); ++dim) {
    // One rank has one part, so parts may stand anywhere; only those in front of the rest keep their place here.
    bool isInFront = !value.dims[dim].digits.empty() && value.dims[dim].digits.front().isPart;
    llvm::erase_if(reading.dims[dim].digits, [](const Digit &digit) { return !digit.isPart; });
    if (!isInFront && !reading.dims[dim].digits.empty())
      return std::nullopt;
    reading.dims[dim].anchors.clear();
    reading.dims[dim].order = own[dim];
    int64_t left = sizeOf(arrangement[dim]);
    for (const Piece &piece : pieces) {
      if (piece.dim != dim)
        continue;
      int64_t top = piece.step * piece.digit.count.getValue();
      if (top < left) {
        left = skipCopies(arrangement[dim], left, top);
        isHandedCopies = true;
      }
      if (top != left)
        return std::nullopt; // a gap, or held twice
      left = piece.step;
      reading.dims[dim].digits.push_back(piece.digit);
    }
    isHandedCopies |= left != 1;
    if (skipCopies(arrangement[dim], left, 1) != 1)
      return std::nullopt;
    mergeDigits(reading.dims[dim].digits);
  }
  if (!keepsBoundRuns(universe, value, reading))
    return std::nullopt;
  return reading;
}

} // namespace

bool restoreOrder(Value &reading) {
  if (!isConcrete(reading))
    return false;
  auto start = std::make_shared<History>();
  start->arrangements.push_back(heldBy(reading.dims));
  for (Dim &dim : reading.dims) {
    if (!dim.order)
      continue;
    llvm::erase_if(dim.digits, [](const Digit &digit) { return !digit.isMesh(); });
    dim.digits.append(dim.order->digits.begin(), dim.order->digits.end());
    dim.order.reset();
  }
  reading.history = std::move(start);
  reading.isUnsettled = true;
  return true;
}

bool keepReadings(Value &value, llvm::ArrayRef<Value> readings) {
  auto start = std::make_shared<History>();
  for (const Value &reading : readings) {
    if (reading.isLoose || !isConcrete(reading))
      return false;
    start->arrangements.push_back(heldBy(reading.dims));
  }
  value.history = std::move(start);
  value.isUnsettled = true;
  return !readings.empty();
}

bool holdsSame(const Value &a, const Value &b) {
  auto meshOf = [](const Value &value) {
    llvm::SmallVector<Digit, 4> digits;
    value.forEachMeshDigit([&](const Digit &digit) { digits.push_back(digit); });
    return digits;
  };
  auto localOf = [](const Dim &dim) {
    HeldDim digits;
    llvm::copy_if(dim.digits, std::back_inserter(digits), [](const Digit &digit) { return !digit.isMesh(); });
    join(digits);
    return digits;
  };
  llvm::SmallVector<Digit, 4> mesh = meshOf(a), others = meshOf(b);
  bool isSame = a.dims.size() == b.dims.size() && mesh.size() == others.size() && isReducedAlike(a, b);
  for (const Digit &digit : mesh)
    isSame &= llvm::any_of(others, [&](const Digit &other) { return other.names(digit); });
  for (size_t i = 0; isSame && i < a.dims.size(); ++i)
    isSame = !a.dims[i].isSegmented() && !b.dims[i].isSegmented() && sameHeld(localOf(a.dims[i]), localOf(b.dims[i]));
  return isSame;
}

bool addArrangements(Value &value, const Value &other) {
  Value first = value, second = other;
  startHistory(first);
  startHistory(second);
  if (!first.history || !second.history)
    return isSame(value, other);
  if (!holdsSame(value, other))
    return false;
  auto start = std::make_shared<History>(*first.history);
  for (const Arrangement &arrangement : second.history->arrangements)
    if (llvm::none_of(start->arrangements,
                      [&](const Arrangement &known) { return sameArrangement(known, arrangement); }))
      start->arrangements.push_back(arrangement);
  if (start->arrangements.size() == 1)
    return true;
  value.history = std::move(start);
  value.isUnsettled = true;
  return true;
}

std::optional<llvm::SmallVector<Value, 1>> consistentReadings(const Universe &universe, const Value &value,
                                                              const FreeOrders &orders) {
  std::optional<std::vector<Arrangement>> arrangements = Replay(universe, value).run(*value.history);
  if (!arrangements)
    return std::nullopt;
  llvm::SmallVector<Value, 1> readings;
  bool hasHandedCopies = false;
  for (const Arrangement &arrangement : *arrangements) {
    bool isHandedCopies = false;
    std::optional<Value> reading = place(universe, arrangement, value, orders, isHandedCopies);
    hasHandedCopies |= reading && isHandedCopies;
    if (!reading || llvm::any_of(readings, [&](const Value &other) { return isSame(other, *reading); }))
      continue;
    bool isLiteral = isSame(*reading, value);
    readings.insert(isLiteral ? readings.begin() : readings.end(), std::move(*reading));
  }
  // So many copies are made as this mesh has ranks: on one rank there are others, and what was copied may be in no dim.
  if (hasHandedCopies && !value.floats.empty()) {
    Value loose = value;
    loose.history.reset();
    loose.isUnsettled = false;
    loose.isLoose = true;
    readings.push_back(std::move(loose));
  }
  return readings;
}

} // namespace muster::layout
