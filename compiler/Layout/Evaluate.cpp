// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Evaluate.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

static int64_t valueOf(const Size &size, const Place &place) { return size.evaluate(place.symbols).value_or(0); }

static void addMesh(const Digit &digit, const Place &place, llvm::SmallVectorImpl<int64_t> &positions) {
  int64_t coordinate = place.coordinates[digit.axis];
  int64_t own = coordinate / valueOf(digit.weight, place) % valueOf(digit.count, place);
  positions[digit.space] += own * valueOf(digit.stride, place);
}

static void addDim(const Dim &dim, const Place &place, int64_t index, llvm::SmallVectorImpl<int64_t> &positions) {
  for (const Dim &segment : dim.segments) {
    int64_t size = valueOf(segment.localSize(), place);
    if (index < size)
      return addDim(segment, place, index, positions);
    index -= size;
  }
  for (const Digit &digit : llvm::reverse(dim.digits)) {
    if (digit.isMesh()) {
      addMesh(digit, place, positions);
      continue;
    }
    int64_t count = valueOf(digit.count, place);
    positions[digit.space] += index % count * valueOf(digit.stride, place);
    index /= count;
  }
}

llvm::SmallVector<int64_t, 4> positionsAt(const Universe &universe, const Dim &dim, const Place &place, int64_t index) {
  llvm::SmallVector<int64_t, 4> positions(universe.spaces.size(), 0);
  addDim(dim, place, index, positions);
  return positions;
}

llvm::SmallVector<int64_t, 4> positionsAt(const Universe &universe, const Value &value, const Place &place) {
  llvm::SmallVector<int64_t, 4> positions(universe.spaces.size(), 0);
  for (size_t i = 0; i < value.dims.size(); ++i)
    addDim(value.dims[i], place, place.index[i], positions);
  for (const Digit &digit : value.floats)
    addMesh(digit, place, positions);
  return positions;
}

llvm::SmallVector<int64_t, 4> plainPositionsAt(const Universe &universe, const Value &value, const Place &place) {
  llvm::SmallVector<int64_t, 4> positions = positionsAt(universe, value, place);
  for (size_t i = 0; i < universe.spaces.size(); ++i) {
    const Space &space = universe.spaces[i];
    if (!space.twin)
      continue;
    bool holds = llvm::any_of(value.dims, [&](const Dim &dim) {
      return llvm::any_of(dim.digits, [&](const Digit &digit) { return digit.space == i; });
    });
    if (holds)
      positions[*space.twin] +=
          zigZagPosition(positions[i], valueOf(space.size, place), valueOf(space.zigZagParts, place));
    positions[i] = 0;
  }
  return positions;
}

} // namespace muster::layout
