// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Anchors.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

/// A flat local position: how many local elements stand behind it in a shape.
static llvm::SmallVector<Size, 8> behindEach(llvm::ArrayRef<Size> shape) {
  llvm::SmallVector<Size, 8> behind(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    behind[i - 1] = behind[i] * shape[i];
  return behind;
}

static int64_t unitsAt(llvm::ArrayRef<Size> shape, llvm::ArrayRef<Size> behind, const Size &at) {
  int64_t count = 0;
  for (size_t i = 0; i < shape.size(); ++i)
    count += shape[i].isOne() && behind[i] == at;
  return count;
}

static void addAnchor(Dim &dim, Anchor anchor) {
  if (!llvm::is_contained(dim.anchors, anchor))
    dim.anchors.push_back(std::move(anchor));
}

void passAnchors(const Universe &universe, const Value &from, llvm::ArrayRef<Size> before, Value &to,
                 llvm::ArrayRef<Size> after, llvm::ArrayRef<DimGroup> groups) {
  const uint64_t groupId = universe.newAnchorGroup();
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
          bool isInside = !group.isPair() && isOwn && divides(low, at) && divides(at, high);
          if (isUnitThere)
            addAnchor(to.dims[j], {anchor.space, anchor.stride, 1, groupId, item, unitOf(j)});
          else if (group.isPair() && isOwn)
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
              if (!anchor.claims(minor))
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
    digit.isAmbiguous |= llvm::any_of(value.dims, [&](const Dim &dim) { return dim.mayClaim(digit); });
  for (size_t d = 0; d < value.dims.size(); ++d)
    for (Digit &digit : value.dims[d].digits)
      if (digit.isMesh())
        for (size_t other = 0; other < value.dims.size(); ++other)
          digit.isAmbiguous |= other != d && value.dims[other].mayClaim(digit);
}

void markEmptied(Dim &dim) {
  if (llvm::any_of(dim.digits, [](const Digit &digit) { return !digit.isMesh(); }))
    return;
  for (Digit &digit : dim.digits)
    digit.isAmbiguous = true;
}

} // namespace muster::layout
