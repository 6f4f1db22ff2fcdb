// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Movement.h"

#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

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

/// Marks what leads the dim behind each unit dim that the reshape made: the unit dim may be what it shards.
void markAmbiguous(Value &value, llvm::ArrayRef<bool> isNewUnit, llvm::ArrayRef<Anchor> vanished) {
  for (size_t i = 0; i < value.dims.size(); ++i) {
    if (!isNewUnit[i])
      continue;
    llvm::append_range(value.dims[i].anchors, vanished);
    size_t next = i + 1;
    while (next < value.dims.size() && isNewUnit[next])
      ++next;
    if (next == value.dims.size())
      continue;
    for (Digit &digit : value.dims[next].digits) {
      if (!digit.isMesh())
        break;
      digit.isAmbiguous = true;
      value.dims[i].anchors.push_back({digit.space, digit.stride});
    }
  }
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

void makeLocal(Digit &digit) {
  digit.axis = Digit::local;
  digit.weight = 1;
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
      makeLocal(target[i]);
    return true;
  }
  removeDigitsOf(value, group);
  for (Digit &digit : *digits)
    makeLocal(digit);
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
  llvm::SmallVector<bool, 8> isNewUnit(shape.size(), false);
  llvm::SmallVector<Anchor, 2> vanished, carried;
  for (const DimGroup &group : *groups) {
    size_t ins = group.inEnd - group.inBegin, outs = group.outEnd - group.outBegin;
    if (outs == 0) { // a unit dim vanishes; its anchors go to the next dim
      llvm::append_range(vanished, value.dims[group.inBegin].anchors);
      llvm::append_range(carried, value.dims[group.inBegin].anchors);
      continue;
    }
    if (ins == 0) {
      isNewUnit[group.outBegin] = true;
      continue;
    }
    Dim &first = result.dims[group.outBegin];
    llvm::append_range(first.anchors, carried);
    carried.clear();
    for (size_t i = group.inBegin; i < group.inEnd; ++i)
      if (value.dims[i].isSegmented() && (ins > 1 || outs > 1))
        return refuseSegments(universe, value, i);
    if (ins == 1 && outs == 1) {
      first.segments = value.dims[group.inBegin].segments;
      llvm::append_range(first.digits, value.dims[group.inBegin].digits);
      llvm::append_range(first.anchors, value.dims[group.inBegin].anchors);
      continue;
    }
    Digits list;
    for (size_t i = group.inBegin; i < group.inEnd; ++i) {
      llvm::append_range(list, value.dims[i].digits);
      llvm::append_range(first.anchors, value.dims[i].anchors);
      if (before[i].isOne())
        llvm::append_range(vanished, value.dims[i].anchors);
    }
    mergeDigits(list);
    Cutter cutter(list);
    for (size_t j = group.outBegin; j + 1 < group.outEnd; ++j) {
      if (shape[j].isOne())
        isNewUnit[j] = true;
      if (!cutter.cut(shape[j], result.dims[j].digits)) {
        Dim whole;
        whole.digits.append(list.begin(), list.end());
        return Refusal{Refusal::Kind::Misaligned,
                       "this reshape to " + shapeText(shape) + " cuts inside a digit of " + print(universe, whole), ""};
      }
    }
    cutter.takeRest(result.dims[group.outEnd - 1].digits);
    isNewUnit[group.outEnd - 1] = shape[group.outEnd - 1].isOne();
  }
  if (!carried.empty() && !result.dims.empty())
    llvm::append_range(result.dims.back().anchors, carried);
  markAmbiguous(result, isNewUnit, vanished);
  normalise(result);
  return result;
}

Value transpose(const Value &value, llvm::ArrayRef<int64_t> permutation) {
  Value result = value;
  for (size_t i = 0; i < permutation.size(); ++i)
    result.dims[i] = value.dims[static_cast<size_t>(permutation[i])];
  return result;
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
    makeLocal(digit);
  bool hasUnit = llvm::any_of(
      result.dims, [&](const Dim &other) { return &other != &result.dims[dim] && other.localSize().isOne(); });
  // Leaving digits go home wherever that is; the normal form places them.
  auto wasNew = [&](const Digit &digit) {
    return llvm::none_of(value.dims[dim].digits,
                         [&](const Digit &old) { return old.space == digit.space && old.home; });
  };
  llvm::SmallVector<Digit, 4> leaving;
  llvm::append_range(leaving, split->leading);
  llvm::append_range(leaving, split->rest);
  for (Digit &digit : leaving) {
    if (isIn(group, digit) && llvm::any_of(value.dims[dim].digits, [&](const Digit &old) { return old.names(digit); }))
      continue; // an old digit of the group, among the arriving ones
    digit.isAmbiguous |= hasUnit;
    if (hasUnit && wasNew(digit))
      for (size_t i = 0; i < result.dims.size(); ++i)
        if (i != dim && result.dims[i].localSize().isOne())
          result.dims[i].anchors.push_back({digit.space, digit.stride});
    result.floats.push_back(digit);
  }
  result.dims[dim].digits.assign(arriving->begin(), arriving->end());
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
