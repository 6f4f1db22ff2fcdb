// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Ranges.h"

#include "compiler/Layout/History.h"
#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/Readings.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

#include <numeric>

namespace muster::layout {

SpaceId rootOf(const Universe &universe, SpaceId space) {
  while (universe.spaces[space].range)
    space = universe.spaces[space].range->of;
  return space;
}

static bool isRange(const Universe &universe, SpaceId space) { return universe.spaces[space].range.has_value(); }

bool hasRanges(const Universe &universe, const Dim &dim) {
  return !dim.at.empty() ||
         llvm::any_of(dim.segments, [&](const Dim &segment) { return hasRanges(universe, segment); }) ||
         llvm::any_of(dim.digits, [&](const Digit &digit) { return isRange(universe, digit.space); });
}

bool hasRanges(const Universe &universe, const Value &value) {
  return !value.at.empty() || llvm::any_of(value.dims, [&](const Dim &dim) { return hasRanges(universe, dim); }) ||
         llvm::any_of(value.floats, [&](const Digit &digit) { return isRange(universe, digit.space); });
}

/// The space of a range, made if there is none.
static SpaceId addRange(Universe &universe, Range range) {
  // A range of a range is one of the first.
  if (const std::optional<Range> &outer = universe.spaces[range.of].range;
      outer && outer->below == range.below && outer->taken == range.count)
    range = {outer->of,
             range.below,
             outer->count,
             outer->first + range.first * outer->step,
             range.step * outer->step,
             range.taken,
             range.isNested || outer->isNested};
  if (range.first == 0 && range.step == 1 && range.taken == range.count)
    return range.of;
  auto [known, isNew] = universe.ranges.try_emplace(
      std::array<int64_t, 7>{range.of, range.below, range.count, range.first, range.step, range.taken, range.isNested},
      0);
  if (!isNew)
    return known->second;
  const Space &whole = universe.spaces[range.of];
  std::string place =
      "[" + std::to_string(range.first * range.below) + ", +" + std::to_string(range.taken * range.below) + ")";
  if (range.step != 1)
    place += " by " + std::to_string(range.step * range.below);
  if (range.isNested || whole.size.getValue() > range.count * range.below)
    place += " of each " + std::to_string(range.count * range.below);
  Space space;
  space.name = whole.name + place;
  space.size = whole.size.getValue() / range.count * range.taken;
  if (range.isNested || !whole.tag.empty())
    space.tag = whole.tag + "part" + place;
  space.range = range;
  known->second = universe.addSpace(std::move(space));
  return known->second;
}

static bool isConcrete(const Universe &universe, const Digit &digit) {
  return digit.count.isConcrete() && digit.stride.isConcrete() && digit.weight.isConcrete() &&
         universe.spaces[digit.space].size.isConcrete();
}

/// A stride of a space of which `taken` of `count` values of the digit at `below` were taken; nullopt where the digit
/// of this stride and count meets it.
static std::optional<int64_t> scaled(int64_t stride, int64_t count, int64_t below, int64_t from, int64_t to) {
  if (stride * count <= below)
    return stride;
  if (stride % (below * from) != 0)
    return std::nullopt;
  return stride / from * to;
}

/// Moves the digits of `from` that are beside one of `low` positions, values `from` of it, to space `target`, where it
/// has `toCount` values. False where one of them meets it.
static bool moveDigits(Value &value, SpaceId from, SpaceId target, int64_t below, int64_t fromCount, int64_t toCount) {
  auto move = [&](Digit &digit) {
    if (digit.space != from || digit.stride.isZero())
      return true;
    std::optional<int64_t> stride = scaled(digit.stride.getValue(), digit.count.getValue(), below, fromCount, toCount);
    if (!stride)
      return false;
    if (digit.home) {
      std::optional<int64_t> home = scaled(digit.home->getValue(), 1, below, fromCount, toCount);
      if (!home)
        return false;
      digit.home = Size(*home);
    }
    digit.stride = *stride;
    digit.space = target;
    return true;
  };
  for (Dim &dim : value.dims) {
    for (const Dim &segment : dim.segments)
      for (const Digit &digit : segment.digits)
        if (digit.space == from)
          return false;
    for (Digit &digit : dim.digits)
      if (!move(digit))
        return false;
    for (Anchor &anchor : dim.anchors)
      if (anchor.space == from) {
        std::optional<int64_t> stride = scaled(anchor.stride.getValue(), 1, below, fromCount, toCount);
        if (!stride)
          return false;
        anchor.stride = *stride;
        anchor.space = target;
      }
  }
  return llvm::all_of(value.floats, [&](Digit &digit) { return move(digit); });
}

/// Takes `taken` values of a digit, from `first` on, and puts what is left of it to the end of `left`. The digit is no
/// longer in the value.
static bool restrict(Universe &universe, Value &value, const Digit &own, int64_t first, int64_t step, int64_t taken,
                     bool isNested, llvm::SmallVectorImpl<Digit> &left) {
  int64_t below = own.stride.getValue(), count = own.count.getValue();
  SpaceId space = addRange(universe, {own.space, below, count, first, step, taken, isNested});
  if (!moveDigits(value, own.space, space, below, count, taken))
    return false;
  if (universe.spaces[space].size.isOne())
    value.at.push_back(space);
  if (taken == 1)
    return true;
  Digit rest = own;
  rest.space = space;
  rest.count = taken;
  left.push_back(rest);
  return true;
}

/// One reading of a value, as one whose dims are settled.
static std::optional<Value> settled(const Universe &universe, Value reading) {
  if (reading.isLoose)
    return std::nullopt;
  reading.history.reset(); // it tells of the dim that this is a part of
  bool isPlain = reading.floats.empty();
  for (const Dim &dim : reading.dims)
    isPlain &= llvm::all_of(dim.digits, [&](const Digit &digit) { return isConcrete(universe, digit); });
  return isPlain ? std::optional(std::move(reading)) : std::nullopt;
}

std::optional<Value> plainValue(const Universe &universe, const Value &value) {
  Outcome<llvm::SmallVector<Value, 1>> readings = soundReadingsOf(universe, value);
  if (!readings || readings->size() != 1)
    return std::nullopt;
  return settled(universe, std::move(readings->front()));
}

/// takeRange for one reading.
static std::optional<Value> takeRangeOf(Universe &universe, std::optional<Value> plain, unsigned dim, int64_t offset,
                                        int64_t size, int64_t step) {
  if (!plain || plain->dims[dim].isSegmented() || size < 1 || !plain->parts.empty())
    return std::nullopt;
  Value result = std::move(*plain);
  int64_t below = result.dims[dim].localSize().getValue();
  if (offset < 0 || offset + (size - 1) * step >= below)
    return std::nullopt;
  // From the major digit on: one value of a digit, or a range of it and all of those below.
  bool isDone = false, isOfEach = false;
  for (size_t i = 0; i < result.dims[dim].digits.size() && !isDone;) {
    auto &digits = result.dims[dim].digits;
    Digit digit = digits[i];
    if (digit.isMesh()) {
      ++i;
      continue;
    }
    below /= digit.count.getValue();
    int64_t first = offset / below, taken = 1, stepOf = 1;
    bool isPeriodic = false;
    if (first != (offset + (size - 1) * step) / below) {
      isDone = true;
      // The same of each `step` elements, in all of the dim: a digit of its own, of which one value is taken. On one
      // rank the slice with this step is the same.
      if (int64_t count = digit.count.getValue();
          step > 1 && below == 1 && size * step == count && offset < step && !digit.stride.isZero()) {
        Digit each = digit;
        each.count = count / step;
        each.stride = digit.stride * Size(step);
        if (each.home == digit.stride)
          each.home = each.stride;
        digits.insert(digits.begin() + static_cast<ptrdiff_t>(i), std::move(each));
        digit.count = digits[++i].count = step;
        first = offset;
        isPeriodic = true;
      } else if (step == 1 && offset % below == 0 && size % below == 0)
        taken = size / below;
      else if (below == 1)
        taken = size, stepOf = step;
      else
        return std::nullopt;
    }
    offset -= first * below;
    if (digit.stride.isZero()) { // copies: any are as good
      digits[i].count = taken;
      ++i;
      continue;
    }
    // Parts of parts are not in the order of one rank: a part of them is another there.
    if (const std::optional<Range> &range = universe.spaces[digit.space].range;
        (range && range->isNested) || digit.isPart)
      return std::nullopt;
    bool isNested = !isPeriodic && std::any_of(digits.begin(), digits.begin() + static_cast<ptrdiff_t>(i),
                                               [](const Digit &other) { return other.isMesh(); });
    isOfEach |= isNested;
    digits.erase(digits.begin() + static_cast<ptrdiff_t>(i));
    llvm::SmallVector<Digit, 1> left;
    if (!restrict(universe, result, digit, first, stepOf, taken, isNested, left))
      return std::nullopt;
    digits.insert(digits.begin() + static_cast<ptrdiff_t>(i), left.begin(), left.end());
    i += left.size();
  }
  normalise(result);
  // Of one element of each rank's part, the dim is no longer known.
  bool isKnown = result.floats.empty() || (result.history && !isOfEach);
  result.isUnsettled |= !result.floats.empty();
  return isKnown ? std::optional(std::move(result)) : std::nullopt;
}

std::optional<Value> takeRange(Universe &universe, const Value &value, unsigned dim, int64_t offset, int64_t size,
                               int64_t step, Value *source) {
  Outcome<llvm::SmallVector<Value, 1>> readings = soundReadingsOf(universe, value);
  if (!readings)
    return std::nullopt;
  auto isShard = [&](const Value &reading) {
    return llvm::any_of(reading.dims[dim].digits, [](const Digit &digit) { return digit.isMesh(); });
  };
  // Those first in which the dim is whole on every rank.
  llvm::SmallVector<Value, 1> ordered;
  for (bool isOfShards : {false, true})
    llvm::copy_if(*readings, std::back_inserter(ordered),
                  [&](const Value &reading) { return isShard(reading) == isOfShards; });
  std::vector<Value> found, sources; // different results
  for (const Value &reading : ordered) {
    std::optional<Value> plain = settled(universe, reading);
    std::optional<Value> taken = takeRangeOf(universe, plain, dim, offset, size, step);
    if (!taken)
      return std::nullopt;
    startHistory(*plain);
    bool isKnown = false;
    for (size_t i = 0; i < found.size() && !isKnown; ++i) {
      isKnown = addArrangements(found[i], *taken);
      if (isKnown && !addArrangements(sources[i], *plain))
        return std::nullopt;
    }
    if (isKnown)
      continue;
    found.push_back(std::move(*taken));
    sources.push_back(std::move(*plain));
  }
  if (found.empty())
    return std::nullopt;
  if (found.size() == 1)
    return std::move(found.front());
  if (!source)
    return std::nullopt;
  size_t taken = universe.choose(found.size());
  found[taken].isChoice = sources[taken].isChoice = true;
  normalise(sources[taken]);
  *source = std::move(sources[taken]);
  return std::move(found[taken]);
}

//===-- putting together ------------------------------------------------------------------------------------------===//

static llvm::SmallVector<SpaceId, 2> rangesOf(const Universe &universe, const Value &value) {
  llvm::SmallVector<SpaceId, 2> spaces(value.at.begin(), value.at.end());
  auto add = [&](const auto &digits) {
    for (const Digit &digit : digits)
      if (isRange(universe, digit.space) && !llvm::is_contained(spaces, digit.space))
        spaces.push_back(digit.space);
  };
  for (const Dim &dim : value.dims)
    add(dim.digits);
  add(value.floats);
  return spaces;
}

/// The one range that `a` is in and `b` is not.
static std::optional<SpaceId> ownRange(const Universe &universe, const Value &a, const Value &b) {
  llvm::SmallVector<SpaceId, 2> own = rangesOf(universe, a), others = rangesOf(universe, b);
  llvm::erase_if(own, [&](SpaceId space) { return llvm::is_contained(others, space); });
  return own.size() == 1 ? std::optional(own.front()) : std::nullopt;
}

static bool hasSamePlaces(llvm::ArrayRef<SpaceId> a, llvm::ArrayRef<SpaceId> b) {
  return a.size() == b.size() && llvm::all_of(a, [&](SpaceId space) { return llvm::is_contained(b, space); });
}

/// Takes `count` steps of `unit` positions of a space away from the front of a dim. The place where they stood, or
/// nullopt where no digit has them.
static std::optional<size_t> takeChunks(Value &value, unsigned dim, SpaceId space, int64_t unit, int64_t count) {
  auto &digits = value.dims[dim].digits;
  for (size_t i = 0; i < digits.size(); ++i) {
    Digit &digit = digits[i];
    if (digit.isMesh())
      continue;
    int64_t stride = digit.stride.getValue();
    if (digit.space != space || stride == 0 || stride * digit.count.getValue() != unit * count || unit % stride != 0 ||
        (digit.home && *digit.home != digit.stride && stride == unit))
      return std::nullopt;
    if (stride == unit)
      digits.erase(digits.begin() + static_cast<ptrdiff_t>(i));
    else
      digit.count = unit / stride;
    return i;
  }
  return std::nullopt;
}

/// Where a digit that steps over chunks of `unit` positions stands in a dim that is one of them: before the first local
/// digit and what is spread of its run, behind what is spread of the same space above. Nullopt behind anything else.
static std::optional<size_t> placeBefore(const Dim &dim, SpaceId space, int64_t unit) {
  size_t at = 0;
  while (at < dim.digits.size() && dim.digits[at].isMesh())
    ++at;
  auto isBelow = [&](const Digit &digit) { return digit.space != space || digit.stride.getValue() < unit; };
  while (at > 0 && at < dim.digits.size() && isBelow(dim.digits[at - 1]) &&
         continues(dim.digits[at - 1], dim.digits[at]))
    --at;
  for (size_t i = 0; i < at; ++i)
    if (isBelow(dim.digits[i]))
      return std::nullopt;
  return at;
}

/// What was cut along one dim and stands side by side in another may have been one part on one rank: then it is still
/// in the dim where it was cut.
static void addUncut(Value &result, unsigned dim, const Digit &chunks) {
  if (result.history)
    return;
  Value uncut = result;
  llvm::erase_if(uncut.dims[dim].digits, [&](const Digit &digit) { return digit.names(chunks); });
  for (size_t i = 0; i < uncut.dims.size(); ++i)
    for (size_t d = 0; i != dim && d < uncut.dims[i].digits.size(); ++d) {
      if (uncut.dims[i].digits[d].isMesh() || !continues(chunks, uncut.dims[i].digits[d]))
        continue;
      uncut.dims[i].digits.insert(uncut.dims[i].digits.begin() + static_cast<ptrdiff_t>(d), chunks);
      mergeDigits(uncut.dims[i].digits);
      startHistory(result);
      startHistory(uncut);
      if (!result.history || !uncut.history)
        return;
      auto both = std::make_shared<History>(*result.history);
      both->arrangements.push_back(uncut.history->arrangements.front());
      result.history = std::move(both);
      result.isUnsettled = true;
      return;
    }
}

/// Two ranges of one space, the second behind the first, as one.
static std::optional<Value> joinRanges(Universe &universe, const Value &a, const Value &b, unsigned dim) {
  std::optional<SpaceId> first = ownRange(universe, a, b), second = ownRange(universe, b, a);
  if (!first || !second)
    return std::nullopt;
  const Range front = *universe.spaces[*first].range, back = *universe.spaces[*second].range;
  if (front.of != back.of || front.below != back.below || front.count != back.count || front.step != 1 ||
      back.step != 1 || back.first != front.first + front.taken || front.isNested != back.isNested)
    return std::nullopt;
  // Both in chunks of one length: whole numbers of them are in front of the dim.
  int64_t chunk = std::gcd(front.taken, back.taken), unit = chunk * front.below;
  int64_t counts[] = {front.taken / chunk, back.taken / chunk}, taken = front.taken + back.taken;
  SpaceId target = addRange(universe, {front.of, front.below, front.count, front.first, 1, taken, front.isNested});
  std::optional<size_t> at;
  Value sides[] = {a, b};
  for (unsigned i : {0u, 1u}) {
    SpaceId own = i == 0 ? *first : *second;
    if (counts[i] > 1) {
      std::optional<size_t> own_at = takeChunks(sides[i], dim, own, unit, counts[i]);
      if (!own_at)
        return std::nullopt;
      if (!at)
        at = own_at;
    }
    llvm::erase(sides[i].at, own);
    if (!moveDigits(sides[i], own, target, unit, counts[i], counts[0] + counts[1]))
      return std::nullopt;
  }
  if (!at)
    at = placeBefore(sides[0].dims[dim], target, unit * (counts[0] + counts[1]));
  if (!at || !hasSamePlaces(sides[0].at, sides[1].at))
    return std::nullopt;
  sides[1].at = sides[0].at;
  if (!isSame(sides[0], sides[1]))
    return std::nullopt;
  Value result = std::move(sides[0]);
  Digit chunks;
  chunks.count = counts[0] + counts[1];
  chunks.stride = unit;
  chunks.space = target;
  auto &digits = result.dims[dim].digits;
  digits.insert(digits.begin() + static_cast<ptrdiff_t>(*at), chunks);
  result.history.reset();
  normalise(result);
  if (target == front.of)
    addUncut(result, dim, chunks);
  return result;
}

bool areDisjointRanges(const Universe &universe, const Dim &dim) {
  llvm::SmallVector<Range, 4> ranges;
  for (const Dim &segment : dim.segments) {
    Value value;
    value.dims.push_back(segment);
    value.at = segment.at;
    llvm::SmallVector<SpaceId, 2> own = rangesOf(universe, value);
    if (own.size() != 1)
      return false;
    ranges.push_back(*universe.spaces[own.front()].range);
  }
  llvm::sort(ranges, [](const Range &a, const Range &b) { return a.first < b.first; });
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Range &range = ranges[i], &last = ranges[i > 0 ? i - 1 : 0];
    if (range.of != last.of || range.below != last.below || range.count != last.count || range.step != 1 ||
        (i > 0 && range.first < last.first + last.taken))
      return false;
  }
  return !ranges.empty();
}

std::optional<Value> joinAlong(Universe &universe, llvm::ArrayRef<Value> parts, unsigned dim,
                               llvm::function_ref<bool(size_t, size_t)> isOneTensor) {
  std::vector<Value> pieces;
  size_t number = 0, last = 0;
  auto add = [&](Value piece) {
    if (!pieces.empty() && (hasRanges(universe, piece) || hasRanges(universe, pieces.back())))
      if (std::optional<Value> joined = joinRanges(universe, pieces.back(), piece, dim);
          joined && isOneTensor(last, number)) {
        pieces.back() = std::move(*joined);
        return;
      }
    pieces.push_back(std::move(piece));
    last = number;
  };
  for (number = 0; number < parts.size(); ++number) {
    const Value &part = parts[number];
    if (!part.dims[dim].isSegmented()) {
      add(part);
      continue;
    }
    for (const Dim &segment : part.dims[dim].segments) {
      Value piece = part;
      piece.dims[dim] = segment;
      llvm::append_range(piece.at, segment.at);
      piece.dims[dim].at.clear();
      add(std::move(piece));
    }
  }
  if (pieces.size() == 1)
    return std::move(pieces.front());
  Value result = pieces.front();
  for (const Value &piece : pieces)
    llvm::erase_if(result.at, [&](SpaceId space) { return !llvm::is_contained(piece.at, space); });
  result.dims[dim] = Dim();
  std::vector<Dim> segments;
  for (Value &piece : pieces) {
    Dim segment = std::move(piece.dims[dim]);
    for (SpaceId space : piece.at)
      if (!llvm::is_contained(result.at, space))
        segment.at.push_back(space);
    piece.dims[dim] = Dim();
    piece.at = result.at;
    if (!isSame(piece, result))
      return std::nullopt;
    segments.push_back(std::move(segment));
  }
  result.dims[dim].segments = std::move(segments);
  result.history.reset();
  return result;
}

} // namespace muster::layout
