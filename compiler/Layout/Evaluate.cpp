// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Evaluate.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

static int64_t valueOf(const Size &size, const Place &place) { return size.evaluate(place.symbols).value_or(0); }

namespace {

/// Positions by space, and which spaces the value has digits of at the place.
struct Positions {
  explicit Positions(size_t spaces) : at(spaces, 0), isHeld(spaces, false) {}
  llvm::SmallVector<int64_t, 4> at;
  llvm::SmallVector<bool, 8> isHeld;

  void add(SpaceId space, int64_t position) {
    at[space] += position;
    isHeld[space] = true;
  }
  void addMesh(const Digit &digit, const Place &place) {
    int64_t coordinate = place.coordinates[digit.axis];
    int64_t own = coordinate / valueOf(digit.weight, place) % valueOf(digit.count, place);
    add(digit.space, own * valueOf(digit.stride, place));
  }
  void addDim(const Dim &dim, const Place &place, int64_t index) {
    for (SpaceId space : dim.at)
      add(space, 0);
    for (const Dim &segment : dim.segments) {
      int64_t size = valueOf(segment.localSize(), place);
      if (index < size)
        return addDim(segment, place, index);
      index -= size;
    }
    for (const Digit &digit : llvm::reverse(dim.digits)) {
      if (digit.isMesh()) {
        addMesh(digit, place);
        continue;
      }
      int64_t count = valueOf(digit.count, place);
      add(digit.space, index % count * valueOf(digit.stride, place));
      index /= count;
    }
  }
  /// Positions of ranges as positions of what they are a part of. A range comes behind what it is a part of.
  void leaveRanges(const Universe &universe) {
    if (universe.ranges.empty())
      return;
    for (size_t i = universe.spaces.size(); i-- > 0;) {
      const std::optional<Range> &range = universe.spaces[i].range;
      if (!range || !isHeld[i])
        continue;
      int64_t low = at[i] % range->below, middle = at[i] / range->below;
      int64_t own = range->first + middle % range->taken * range->step;
      add(range->of, (middle / range->taken * range->count + own) * range->below + low);
      at[i] = 0;
    }
  }
};

Positions positionsOf(const Universe &universe, const Value &value, const Place &place) {
  Positions positions(universe.spaces.size());
  for (size_t i = 0; i < value.dims.size(); ++i)
    positions.addDim(value.dims[i], place, place.index[i]);
  for (const Digit &digit : value.floats)
    positions.addMesh(digit, place);
  for (SpaceId space : value.at)
    positions.add(space, 0);
  positions.leaveRanges(universe);
  return positions;
}

} // namespace

llvm::SmallVector<int64_t, 4> positionsAt(const Universe &universe, const Dim &dim, const Place &place, int64_t index) {
  Positions positions(universe.spaces.size());
  positions.addDim(dim, place, index);
  positions.leaveRanges(universe);
  return positions.at;
}

llvm::SmallVector<int64_t, 4> positionsAt(const Universe &universe, const Value &value, const Place &place) {
  Positions positions = positionsOf(universe, value, place);
  return positions.at;
}

llvm::SmallVector<bool, 8> spacesAt(const Universe &universe, const Value &value, const Place &place) {
  Positions positions = positionsOf(universe, value, place);
  for (size_t i = 0; i < universe.spaces.size(); ++i)
    if (universe.spaces[i].twin && positions.isHeld[i])
      positions.isHeld[*universe.spaces[i].twin] = true;
  return positions.isHeld;
}

llvm::SmallVector<int64_t, 4> plainPositionsAt(const Universe &universe, const Value &value, const Place &place) {
  llvm::SmallVector<int64_t, 4> positions = positionsAt(universe, value, place);
  for (size_t i = 0; i < universe.spaces.size(); ++i) {
    const Space &space = universe.spaces[i];
    if (!space.twin)
      continue;
    // Position 0 of a chunk order is position 0: where the value has no digit of it, nothing is added.
    if (positions[i] != 0)
      positions[*space.twin] +=
          zigZagPosition(positions[i], valueOf(space.size, place), valueOf(space.zigZagParts, place));
    positions[i] = 0;
  }
  return positions;
}

} // namespace muster::layout
