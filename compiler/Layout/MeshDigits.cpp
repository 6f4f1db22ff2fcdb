// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/MeshDigits.h"

#include "compiler/Layout/Cutter.h"
#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

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

std::string sizeText(const Universe &universe, const Size &size) { return size.print(universe.symbols.getNames()); }

std::optional<Digit> varyingDigit(const Value &value, Group group) {
  std::optional<Digit> varying;
  value.forEachMeshDigit([&](const Digit &digit) {
    if (isIn(group, digit))
      varying = digit;
  });
  return varying;
}

/// The stride down to which the run of `digit` reaches, wherever in the value its parts stand.
static Size bottomOf(const Value &value, const Digit &digit) {
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
static std::optional<Digits> toMesh(const Universe &universe, llvm::ArrayRef<Digit> digits, Group group) {
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

void makeLocal(const Universe &universe, Digit &digit, llvm::ArrayRef<Dim> dims, unsigned dim, bool isExchange) {
  digit.axis = Digit::local;
  digit.weight = 1;
  auto claims = [&](const Dim &other) { return other.mayClaim(digit); };
  bool isClaimed = claims(dims[dim]);
  if (!isClaimed && isBottom(digit) && (!isExchange || llvm::any_of(dims, claims)))
    digit.home = Size(0); // a shard of another dim: not whole here, whatever lay below it
  if (digit.isAmbiguous && isClaimed && !universe.spaces[digit.space].isBound)
    digit.home = digit.stride;
  digit.isAmbiguous = false;
}

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
  value.isUnsettled = true;
  removeDigitsOf(value, group);
  for (Digit &digit : *digits)
    makeLocal(universe, digit, value.dims, dim, false);
  target.insert(target.begin(), digits->begin(), digits->end());
  return true;
}

Outcome<SplitDim> splitLeading(const Universe &universe, const Value &value, Group group, unsigned dim) {
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
  SplitDim split;
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

} // namespace muster::layout
