// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Movement.h"

#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

#include <atomic>

namespace muster::layout {

namespace {

using Digits = llvm::SmallVector<Digit, 4>;

std::string nameOf(const Universe &universe, Group group) {
  if (group.size() == 1)
    return "'" + universe.axes[group[0]].name + "'";
  std::string text = "(";
  for (AxisId axis : group)
    text += (text.size() > 1 ? ", " : "") + universe.axes[axis].name;
  return text + ")";
}

Refusal refuseSegments(const Universe &universe, const Value &value, size_t dim) {
  return Refusal{Refusal::Kind::Misaligned, "this moves a dim of segments: " + print(universe, value.dims[dim]),
                 "which segment is meant (take it out with tensor.extract_slice)"};
}

bool isIn(Group group, const Digit &digit) { return digit.isMesh() && llvm::is_contained(group, digit.axis); }

/// A dim of segments that the digits of a group leave, or (dim `target`) that they would enter.
std::optional<Refusal> refuseSpreadSegments(const Universe &universe, const Value &value, Group group, size_t target) {
  for (size_t i = 0; i < value.dims.size(); ++i)
    for (const Dim &segment : value.dims[i].segments)
      if (i == target || llvm::any_of(segment.digits, [&](const Digit &digit) { return isIn(group, digit); }))
        return refuseSegments(universe, value, i);
  return std::nullopt;
}

std::string sizeText(const Universe &universe, const Size &size) { return size.print(universe.symbols.getNames()); }

//===-- reshape ---------------------------------------------------------------------------------------------------===//

/// Takes local elements of a list from the major side.
class Cutter {
public:
  explicit Cutter(llvm::ArrayRef<Digit> digits) : rest(digits.begin(), digits.end()) {}

  /// Appends digits with `size` local elements to `dim`; false where no digit has a boundary there.
  bool cut(Size size, llvm::SmallVectorImpl<Digit> &dim) {
    while (!size.isOne()) {
      size_t local = at;
      while (local < rest.size() && rest[local].isMesh())
        ++local;
      if (local == rest.size())
        return false;
      Digit &digit = rest[local];
      if (std::optional<Size> left = divide(size, digit.count)) {
        dim.append(rest.begin() + static_cast<ptrdiff_t>(at), rest.begin() + static_cast<ptrdiff_t>(local) + 1);
        at = local + 1;
        size = *left;
        continue;
      }
      std::optional<Size> low = divide(digit.count, size);
      if (!low)
        return false;
      dim.append(rest.begin() + static_cast<ptrdiff_t>(at), rest.begin() + static_cast<ptrdiff_t>(local));
      if (digit.home && *digit.home == digit.stride)
        digit.home.reset(); // whole: no part of it is away from another
      Digit high = digit;
      high.count = size;
      high.stride = digit.stride * *low;
      dim.push_back(high);
      digit.count = *low;
      at = local;
      return true;
    }
    return true;
  }
  void takeRest(llvm::SmallVectorImpl<Digit> &dim) {
    dim.append(rest.begin() + static_cast<ptrdiff_t>(at), rest.end());
    at = rest.size();
  }

private:
  Digits rest;
  size_t at = 0;
};

/// Dims [inBegin, inEnd) become dims [outBegin, outEnd): equal products, neither of which splits further.
struct DimGroup {
  size_t inBegin, inEnd, outBegin, outEnd;
};

/// Pairs dims of equal product from the left. Unit dims that have no partner are groups with an empty side.
std::optional<llvm::SmallVector<DimGroup, 4>> pairDims(llvm::ArrayRef<Size> in, llvm::ArrayRef<Size> out) {
  llvm::SmallVector<DimGroup, 4> groups;
  size_t i = 0, j = 0;
  while (i < in.size() || j < out.size()) {
    if (i < in.size() && j < out.size() && in[i] == out[j]) {
      groups.push_back({i, i + 1, j, j + 1});
      ++i, ++j;
      continue;
    }
    if (j < out.size() && out[j].isOne()) {
      groups.push_back({i, i, j, j + 1});
      ++j;
      continue;
    }
    if (i < in.size() && in[i].isOne()) {
      groups.push_back({i, i + 1, j, j});
      ++i;
      continue;
    }
    if (i == in.size() || j == out.size())
      return std::nullopt;
    DimGroup group{i, i + 1, j, j + 1};
    Size inSize = in[i], outSize = out[j];
    while (!(inSize == outSize)) {
      // Take from the side that is smaller; where symbols leave that open, from both.
      bool inIsSmaller = divides(inSize, outSize), outIsSmaller = divides(outSize, inSize);
      if (!inIsSmaller && !outIsSmaller && inSize.isConcrete() && outSize.isConcrete())
        (inSize.getValue() < outSize.getValue() ? inIsSmaller : outIsSmaller) = true;
      bool takeIn = !outIsSmaller, takeOut = !inIsSmaller;
      if ((takeIn && group.inEnd == in.size()) || (takeOut && group.outEnd == out.size()))
        return std::nullopt;
      if (takeIn)
        inSize *= in[group.inEnd++];
      if (takeOut)
        outSize *= out[group.outEnd++];
    }
    groups.push_back(group);
    i = group.inEnd, j = group.outEnd;
  }
  return groups;
}

/// A flat local position: how many local elements stand behind it in a shape.
llvm::SmallVector<Size, 8> behindEach(llvm::ArrayRef<Size> shape) {
  llvm::SmallVector<Size, 8> behind(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    behind[i - 1] = behind[i] * shape[i];
  return behind;
}

int64_t unitsAt(llvm::ArrayRef<Size> shape, llvm::ArrayRef<Size> behind, const Size &at) {
  int64_t count = 0;
  for (size_t i = 0; i < shape.size(); ++i)
    count += shape[i].isOne() && behind[i] == at;
  return count;
}

void addAnchor(Dim &dim, Anchor anchor) {
  if (!llvm::is_contained(dim.anchors, anchor))
    dim.anchors.push_back(std::move(anchor));
}

/// Anchors keep their flat place. Which of the unit dims at one place is which, a reshape that changes their number
/// does not say: each gets all. Where none is left, the dims on both sides get them.
void passAnchors(const Value &from, llvm::ArrayRef<Size> before, Value &to, llvm::ArrayRef<Size> after,
                 llvm::ArrayRef<DimGroup> groups) {
  static std::atomic<uint64_t> groups_{0};
  const uint64_t groupId = ++groups_;
  llvm::SmallVector<Size, 8> behindIn = behindEach(before), behindOut = behindEach(after);
  int64_t items = 1;
  constexpr int64_t beforeAll = 0, behindAll = int64_t(1) << 32;
  auto unitOf = [&](size_t dim) {
    int64_t unit = 0;
    for (size_t j = 0; j < dim; ++j)
      unit += after[j].isOne() && behindOut[j] == behindOut[dim];
    return unit;
  };
  auto changes = [&](const Size &at) { return unitsAt(before, behindIn, at) != unitsAt(after, behindOut, at); };
  for (const DimGroup &group : groups) {
    bool isPair = group.inEnd - group.inBegin == 1 && group.outEnd - group.outBegin == 1;
    for (size_t i = group.inBegin; i < group.inEnd; ++i)
      for (const Anchor &anchor : from.dims[i].anchors) {
        Size at = anchor.behind * behindIn[i];
        bool isFree = before[i].isOne() && changes(at);
        const int64_t item = items++;
        for (size_t j = 0; j < after.size(); ++j) {
          Size low = behindOut[j], high = low * after[j];
          bool isOwn = j >= group.outBegin && j < group.outEnd;
          bool isUnitThere = after[j].isOne() && low == at && changes(at);
          bool isNeighbour = isFree && !after[j].isOne() && (low == at || high == at);
          bool isInside = !isPair && isOwn && divides(low, at) && divides(at, high);
          if (isUnitThere)
            addAnchor(to.dims[j], {anchor.space, anchor.stride, 1, groupId, item, unitOf(j)});
          else if (isPair && isOwn)
            addAnchor(to.dims[j], anchor);
          else if (isNeighbour || isInside)
            if (std::optional<Size> own = divide(at, low)) {
              addAnchor(to.dims[j], {anchor.space, anchor.stride, *own});
              // Joined with the dim that it was a shard of: no longer away.
              for (Digit &digit : to.dims[j].digits)
                if (!digit.isMesh() && digit.space == anchor.space && digit.stride == anchor.stride)
                  digit.home.reset();
            }
        }
      }
  }
  // A new unit dim may be what the digits around it shard: what leads the dim behind it, and what ends the one before
  // it, once that is on the mesh.
  for (size_t j = 0; j < after.size(); ++j) {
    if (!after[j].isOne() || unitsAt(before, behindIn, behindOut[j]) >= unitsAt(after, behindOut, behindOut[j]))
      continue;
    size_t next = j + 1, previous = j;
    while (next < after.size() && after[next].isOne())
      ++next;
    while (previous > 0 && after[previous - 1].isOne())
      --previous;
    if (next < after.size())
      for (Digit &digit : to.dims[next].digits) {
        if (!digit.isMesh())
          break;
        digit.isAmbiguous = true;
        addAnchor(to.dims[j], {digit.space, digit.stride, 1, groupId, behindAll + items++, unitOf(j)});
      }
    if (previous > 0 && !to.dims[previous - 1].digits.empty()) {
      const Digit &digit = to.dims[previous - 1].digits.back();
      addAnchor(to.dims[j], {digit.space, digit.stride, 1, groupId, beforeAll, unitOf(j)});
    }
  }
}

/// Mesh digits that a dim may claim by an anchor are ambiguous where they are attached. What claims a digit may claim
/// the digit that it continues, too.
void markClaimed(Value &value) {
  llvm::SmallVector<Digit, 8> digits;
  value.forEachMeshDigit([&](const Digit &digit) { digits.push_back(digit); });
  for (bool isChanged = !digits.empty(); isChanged;) {
    isChanged = false;
    for (const Digit &major : digits)
      for (const Digit &minor : digits)
        if (continues(major, minor))
          for (Dim &dim : value.dims)
            for (size_t a = 0; a < dim.anchors.size(); ++a) {
              Anchor anchor = dim.anchors[a];
              if (anchor.space != minor.space || !(anchor.stride == minor.stride))
                continue;
              anchor.stride = major.stride;
              if (llvm::is_contained(dim.anchors, anchor))
                continue;
              dim.anchors.insert(dim.anchors.begin() + static_cast<ptrdiff_t>(a), anchor);
              isChanged = true;
              break;
            }
  }
  for (Digit &digit : value.floats)
    digit.isAmbiguous |= llvm::any_of(value.dims, [&](const Dim &dim) {
      return llvm::any_of(dim.anchors, [&](const Anchor &anchor) {
        return anchor.space == digit.space && anchor.stride == digit.stride;
      });
    });
  for (size_t d = 0; d < value.dims.size(); ++d)
    for (Digit &digit : value.dims[d].digits)
      if (digit.isMesh())
        for (size_t other = 0; other < value.dims.size(); ++other)
          digit.isAmbiguous |= other != d && llvm::any_of(value.dims[other].anchors, [&](const Anchor &anchor) {
                                 return anchor.space == digit.space && anchor.stride == digit.stride;
                               });
}

//===-- to and from the mesh --------------------------------------------------------------------------------------===//

/// The stride down to which the run of `digit` reaches among `digits` behind position `at`, or anywhere in the value.
Size bottomOf(const Value &value, const Digit &digit) {
  Digit last = digit;
  for (bool isExtended = true; isExtended;) {
    isExtended = false;
    for (const Dim &dim : value.dims)
      for (const Digit &next : dim.digits)
        if (!isExtended && continues(last, next)) {
          last = next;
          isExtended = true;
        }
  }
  return last.stride;
}

/// Assigns local digits, major first, to the axes of a group, outer to inner. Nullopt where no digit has a boundary
/// between two axes.
std::optional<Digits> toMesh(const Universe &universe, llvm::ArrayRef<Digit> digits, Group group) {
  Digits result;
  size_t axis = group.size();
  Size left = 1, weight = 1;
  auto nextAxis = [&] {
    while (left.isOne() && axis > 0) {
      left = universe.axes[group[--axis]].size;
      weight = 1;
    }
  };
  auto assign = [&](Digit digit, Size count, Size stride) {
    digit.count = count;
    digit.stride = stride;
    digit.axis = group[axis];
    digit.weight = weight;
    digit.isAmbiguous = false;
    result.insert(result.begin(), digit);
    weight *= count;
  };
  for (const Digit &digit : llvm::reverse(digits)) {
    if (digit.isMesh()) {
      result.insert(result.begin(), digit);
      continue;
    }
    Size count = digit.count, stride = digit.stride;
    while (!count.isOne()) {
      nextAxis();
      if (left.isOne())
        return std::nullopt;
      if (std::optional<Size> rest = divide(left, count)) {
        assign(digit, count, stride);
        left = *rest;
        count = 1;
      } else if (std::optional<Size> high = divide(count, left)) {
        assign(digit, left, stride);
        stride *= left;
        count = *high;
        left = 1;
      } else {
        return std::nullopt;
      }
    }
  }
  return result;
}

/// The coordinates of a group as digits of the value, major first. Where the value does not vary, duplicates.
std::optional<Digits> groupDigits(const Universe &universe, const Value &value, Group group) {
  Digits result;
  for (AxisId axis : llvm::reverse(group)) {
    Digits own;
    value.forEachMeshDigit([&](const Digit &digit) {
      if (digit.axis == axis)
        own.push_back(digit);
    });
    auto addGap = [&](const Size &count) {
      if (count.isOne())
        return;
      Digit gap;
      gap.count = count;
      gap.stride = 0;
      result.push_back(gap);
    };
    Size covered = 1;
    while (!own.empty()) {
      // The one with the least weight above what is covered; by contiguity where symbols have no order.
      size_t best = own.size();
      std::optional<Size> bestGap;
      for (size_t i = 0; i < own.size(); ++i) {
        std::optional<Size> gap = divide(own[i].weight, covered);
        if (gap && (!bestGap || divides(*gap, *bestGap))) {
          best = i;
          bestGap = gap;
        }
      }
      if (best == own.size())
        return std::nullopt;
      addGap(*bestGap);
      result.push_back(own[best]);
      covered = own[best].weight * own[best].count;
      own.erase(own.begin() + static_cast<ptrdiff_t>(best));
    }
    std::optional<Size> gap = divide(universe.axes[axis].size, covered);
    if (!gap)
      return std::nullopt;
    addGap(*gap);
  }
  std::reverse(result.begin(), result.end());
  return result;
}

void removeDigitsOf(Value &value, Group group) {
  for (Dim &dim : value.dims)
    llvm::erase_if(dim.digits, [&](const Digit &digit) { return isIn(group, digit); });
  llvm::erase_if(value.floats, [&](const Digit &digit) { return isIn(group, digit); });
}

/// A digit that may as well be the shard of `dim` comes back as a dim of its own.
void makeLocal(const Universe &universe, Digit &digit, llvm::ArrayRef<Dim> dims, unsigned dim, bool isExchange) {
  digit.axis = Digit::local;
  digit.weight = 1;
  auto claims = [&](const Dim &other) {
    return llvm::any_of(other.anchors, [&](const Anchor &anchor) {
      return anchor.space == digit.space && anchor.stride == digit.stride;
    });
  };
  bool isClaimed = claims(dims[dim]);
  if (!isClaimed && isBottom(digit) && (!isExchange || llvm::any_of(dims, claims)))
    digit.home = Size(0); // a shard of another dim: not whole here, whatever lay below it
  if (digit.isAmbiguous && isClaimed && !universe.spaces[digit.space].isBound)
    digit.home = digit.stride;
  digit.isAmbiguous = false;
}

/// The group's digits become the front of `dim`; in place where they lead it already. `isOld` tells them from digits of
/// the same axes that go to the mesh in the same operation.
bool fromMesh(const Universe &universe, Value &value, Group group, unsigned dim) {
  std::optional<Digits> digits = groupDigits(universe, value, group);
  if (!digits)
    return false;
  llvm::SmallVectorImpl<Digit> &target = value.dims[dim].digits;
  bool isInPlace = digits->size() <= target.size() &&
                   std::equal(digits->begin(), digits->end(), target.begin(),
                              [](const Digit &a, const Digit &b) { return a.isMesh() && a.names(b); });
  if (isInPlace) {
    for (size_t i = 0; i < digits->size(); ++i)
      makeLocal(universe, target[i], value.dims, dim, false);
    return true;
  }
  removeDigitsOf(value, group);
  for (Digit &digit : *digits)
    makeLocal(universe, digit, value.dims, dim, false);
  target.insert(target.begin(), digits->begin(), digits->end());
  return true;
}

/// The leading local elements of a dim, one for each position of the group, as mesh digits. What is left of the dim,
/// and the mesh digits that stood among the leading ones, in `rest`.
struct Split {
  Digits leading;
  Digits rest;
};

Outcome<Split> splitLeading(const Universe &universe, const Value &value, Group group, unsigned dim) {
  Size size = universe.sizeOf(group);
  if (value.dims[dim].isSegmented())
    return refuseSegments(universe, value, dim);
  Size local = value.dims[dim].localSize();
  if (!divides(size, local)) {
    Refusal refusal{Refusal::Kind::Wrong,
                    "dim " + std::to_string(dim) + " of local size " + sizeText(universe, local) +
                        " has no equal parts for the " + sizeText(universe, size) + " positions of " +
                        nameOf(universe, group),
                    ""};
    if (!local.isConcrete() || !size.isConcrete()) {
      refusal.kind = Refusal::Kind::Unknown;
      refusal.missingFact = sizeText(universe, size) + " divides " + sizeText(universe, local);
    }
    return refusal;
  }
  Cutter cutter(value.dims[dim].digits);
  Split split;
  if (!cutter.cut(size, split.leading))
    return Refusal{Refusal::Kind::Misaligned,
                   "the " + sizeText(universe, size) + " parts of dim " + std::to_string(dim) + " " +
                       print(universe, value.dims[dim]) + " end inside a digit",
                   ""};
  cutter.takeRest(split.rest);
  for (Digit &digit : split.leading)
    if (!digit.isMesh() && !digit.home)
      digit.home = bottomOf(value, digit);
  // The lower part of a digit that was cut is in no dim of the value; the run goes through it.
  for (size_t i = 0; i < split.leading.size(); ++i)
    if (!split.leading[i].isMesh())
      for (const Digit &low : split.rest)
        if (continues(split.leading[i], low) && *split.leading[i].home == split.leading[i].stride)
          split.leading[i].home = low.home ? *low.home : bottomOf(value, low);
  std::optional<Digits> onMesh = toMesh(universe, split.leading, group);
  if (!onMesh)
    return Refusal{Refusal::Kind::Misaligned,
                   "dim " + std::to_string(dim) + " " + print(universe, value.dims[dim]) +
                       " has no digit boundary between the axes of " + nameOf(universe, group),
                   ""};
  split.leading = std::move(*onMesh);
  return split;
}

std::optional<Refusal> refusePending(const Universe &universe, const Value &value, Group group, const char *operation) {
  for (const Pending &pending : value.pending)
    if (llvm::is_contained(group, pending.axis))
      return Refusal{Refusal::Kind::Wrong,
                     std::string(operation) + " over axis '" + universe.axes[pending.axis].name +
                         "', over which the value is still to be reduced",
                     ""};
  return std::nullopt;
}

} // namespace

Outcome<Value> reshape(const Universe &universe, const Value &value, llvm::ArrayRef<Size> shape) {
  llvm::SmallVector<Size, 4> before = value.localShape();
  auto groups = pairDims(before, shape);
  auto shapeText = [&](llvm::ArrayRef<Size> sizes) {
    std::string text;
    for (const Size &size : sizes)
      text += (text.empty() ? "" : ", ") + sizeText(universe, size);
    return "[" + text + "]";
  };
  if (!groups)
    return Refusal{Refusal::Kind::Misaligned,
                   "the sizes " + shapeText(before) + " and " + shapeText(shape) + " have no common boundaries", ""};
  Value result;
  result.dims.resize(shape.size());
  result.floats = value.floats;
  result.pending = value.pending;
  result.multiplicity = value.multiplicity;
  result.isChoice = value.isChoice;
  for (const DimGroup &group : *groups) {
    size_t ins = group.inEnd - group.inBegin, outs = group.outEnd - group.outBegin;
    if (ins == 0 || outs == 0) // a unit dim comes or goes
      continue;
    for (size_t i = group.inBegin; i < group.inEnd; ++i)
      if (value.dims[i].isSegmented() && (ins > 1 || outs > 1))
        return refuseSegments(universe, value, i);
    if (ins == 1 && outs == 1) {
      result.dims[group.outBegin].segments = value.dims[group.inBegin].segments;
      result.dims[group.outBegin].digits = value.dims[group.inBegin].digits;
      continue;
    }
    Digits list;
    for (size_t i = group.inBegin; i < group.inEnd; ++i)
      llvm::append_range(list, value.dims[i].digits);
    mergeDigits(list);
    Cutter cutter(list);
    for (size_t j = group.outBegin; j + 1 < group.outEnd; ++j)
      if (!cutter.cut(shape[j], result.dims[j].digits)) {
        Dim whole;
        whole.digits.append(list.begin(), list.end());
        return Refusal{Refusal::Kind::Misaligned,
                       "this reshape to " + shapeText(shape) + " cuts inside a digit of " + print(universe, whole), ""};
      }
    cutter.takeRest(result.dims[group.outEnd - 1].digits);
  }
  passAnchors(value, before, result, shape, *groups);
  normalise(result);
  return result;
}

Value transpose(const Value &value, llvm::ArrayRef<int64_t> permutation) {
  Value result = value;
  for (size_t i = 0; i < permutation.size(); ++i)
    result.dims[i] = value.dims[static_cast<size_t>(permutation[i])];
  return result;
}

/// A dim of which nothing is local any more: its shards may continue a digit of another dim, and go there, but they may
/// as well be all of this dim.
static void markEmptied(Dim &dim) {
  if (llvm::any_of(dim.digits, [](const Digit &digit) { return !digit.isMesh(); }))
    return;
  for (Digit &digit : dim.digits)
    digit.isAmbiguous = true;
}

Outcome<Value> slice(const Universe &universe, const Value &value, Group group, unsigned dim) {
  if (auto refusal = refusePending(universe, value, group, "slice"))
    return *refusal;
  std::optional<Digit> varying;
  value.forEachMeshDigit([&](const Digit &digit) {
    if (isIn(group, digit))
      varying = digit;
  });
  if (varying)
    return Refusal{Refusal::Kind::Wrong,
                   "slice over " + nameOf(universe, group) +
                       " of a value that already varies over it: " + print(universe, *varying),
                   ""};
  Outcome<Split> split = splitLeading(universe, value, group, dim);
  if (!split)
    return split.getRefusal();
  Value result = value;
  result.dims[dim].digits.assign(split->leading.begin(), split->leading.end());
  result.dims[dim].digits.append(split->rest.begin(), split->rest.end());
  markEmptied(result.dims[dim]);
  markClaimed(result);
  normalise(result);
  return result;
}

static Refusal cannotOrder(const Universe &universe, Group group) {
  return Refusal{Refusal::Kind::Unknown, "the digits of " + nameOf(universe, group) + " have no order for all sizes",
                 "concrete sizes"};
}

Outcome<Value> allGather(const Universe &universe, const Value &value, Group group, unsigned dim) {
  if (auto refusal = refusePending(universe, value, group, "all_gather"))
    return *refusal;
  if (auto refusal = refuseSpreadSegments(universe, value, group, dim))
    return *refusal;
  Value result = value;
  if (!fromMesh(universe, result, group, dim))
    return cannotOrder(universe, group);
  normalise(result);
  return result;
}

Outcome<Value> allToAll(const Universe &universe, const Value &value, Group group, unsigned split, unsigned concat) {
  if (split == concat && value.dims[split].localSize() == universe.sizeOf(group))
    return exchange(universe, value, group, split);
  if (auto refusal = refusePending(universe, value, group, "all_to_all"))
    return *refusal;
  if (auto refusal = refuseSpreadSegments(universe, value, group, concat))
    return *refusal;
  Outcome<Split> parts = splitLeading(universe, value, group, split);
  if (!parts)
    return parts.getRefusal();
  // What goes to the mesh is kept aside, so that only the group's old digits come back.
  Value result = value;
  result.dims[split].digits.assign(parts->rest.begin(), parts->rest.end());
  Digits leadingOld; // mesh digits of the group's axes that stood among the leading ones come back as well
  for (const Digit &digit : parts->leading)
    if (digit.isMesh() && llvm::any_of(value.dims[split].digits, [&](const Digit &old) { return old.names(digit); }))
      leadingOld.push_back(digit);
  Digits gone;
  for (const Digit &digit : parts->leading)
    if (!llvm::any_of(leadingOld, [&](const Digit &old) { return old.names(digit); }))
      gone.push_back(digit);
  result.dims[split].digits.insert(result.dims[split].digits.begin(), leadingOld.begin(), leadingOld.end());
  if (!fromMesh(universe, result, group, concat))
    return cannotOrder(universe, group);
  // The new mesh digits stand before what is left of the split dim; the normal form sends each to what it continues.
  size_t at = 0;
  if (split == concat) {
    // Behind what came from the mesh.
    Size arrived = 1;
    while (at < result.dims[split].digits.size() && !(arrived == universe.sizeOf(group))) {
      const Digit &digit = result.dims[split].digits[at++];
      if (!digit.isMesh())
        arrived *= digit.count;
    }
  }
  result.dims[split].digits.insert(result.dims[split].digits.begin() + static_cast<ptrdiff_t>(at), gone.begin(),
                                   gone.end());
  markEmptied(result.dims[split]);
  markClaimed(result);
  normalise(result);
  return result;
}

Outcome<Value> exchange(const Universe &universe, const Value &value, Group group, unsigned dim) {
  if (auto refusal = refusePending(universe, value, group, "exchange"))
    return *refusal;
  if (auto refusal = refuseSpreadSegments(universe, value, group, dim))
    return *refusal;
  if (!(value.dims[dim].localSize() == universe.sizeOf(group)))
    return Refusal{Refusal::Kind::Wrong,
                   "exchange over " + nameOf(universe, group) + " of " + sizeText(universe, universe.sizeOf(group)) +
                       " positions of a dim of " + sizeText(universe, value.dims[dim].localSize()) + " elements",
                   ""};
  Outcome<Split> split = splitLeading(universe, value, group, dim);
  if (!split)
    return split.getRefusal();
  std::optional<Digits> arriving = groupDigits(universe, value, group);
  if (!arriving)
    return cannotOrder(universe, group);
  Value result = value;
  result.dims[dim].digits.clear();
  removeDigitsOf(result, group);
  for (Digit &digit : *arriving)
    makeLocal(universe, digit, value.dims, dim, true);
  // Leaving digits go home wherever that is; the normal form places them.
  llvm::SmallVector<Digit, 4> leaving;
  llvm::append_range(leaving, split->leading);
  llvm::append_range(leaving, split->rest);
  for (Digit &digit : leaving) {
    if (isIn(group, digit) && llvm::any_of(value.dims[dim].digits, [&](const Digit &old) { return old.names(digit); }))
      continue; // an old digit of the group, among the arriving ones
    result.floats.push_back(digit);
  }
  result.dims[dim].digits.assign(arriving->begin(), arriving->end());
  markClaimed(result);
  normalise(result);
  return result;
}

Outcome<Value> allReduce(const Universe &universe, const Value &value, Group group, Reduction reduction) {
  std::optional<Digit> varying;
  value.forEachMeshDigit([&](const Digit &digit) {
    if (isIn(group, digit))
      varying = digit;
  });
  if (varying)
    return Refusal{Refusal::Kind::Wrong,
                   "this adds different elements: over " + nameOf(universe, group) + " the value holds " +
                       print(universe, *varying),
                   ""};
  Value result = value;
  Size covered = 1;
  for (const Pending &pending : value.pending) {
    if (!llvm::is_contained(group, pending.axis))
      continue;
    if (pending.reduction != reduction)
      return Refusal{Refusal::Kind::Wrong,
                     "reduces over axis '" + universe.axes[pending.axis].name +
                         "' by another operation than the one "
                         "that is pending there",
                     ""};
    covered *= pending.count;
  }
  llvm::erase_if(result.pending, [&](const Pending &pending) { return llvm::is_contained(group, pending.axis); });
  if (reduction == Reduction::Sum)
    result.multiplicity = result.multiplicity * Ratio{universe.sizeOf(group), covered};
  else if (reduction == Reduction::Product && !(covered == universe.sizeOf(group)))
    return Refusal{Refusal::Kind::Unknown, "a product over ranks that hold equal values", ""};
  return result;
}

Outcome<Value> reduceScatter(const Universe &universe, const Value &value, Group group, unsigned dim,
                             Reduction reduction) {
  Outcome<Value> reduced = allReduce(universe, value, group, reduction);
  if (!reduced)
    return reduced;
  return slice(universe, *reduced, group, dim);
}

Outcome<Value> broadcast(const Universe &universe, const Value &value, Group group) {
  if (auto refusal = refusePending(universe, value, group, "broadcast"))
    return *refusal;
  std::optional<Digit> varying;
  value.forEachMeshDigit([&](const Digit &digit) {
    if (isIn(group, digit))
      varying = digit;
  });
  if (varying)
    return Refusal{Refusal::Kind::Unknown,
                   "broadcast over " + nameOf(universe, group) +
                       " of a value that varies over it: " + print(universe, *varying),
                   ""};
  return value;
}

} // namespace muster::layout
