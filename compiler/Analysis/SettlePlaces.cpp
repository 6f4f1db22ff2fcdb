// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Digits for values that are known place by place: slices at offsets that ranks compute, put together, are often a
// shard of the whole again ([s/cp zigzag] of two slices). Digits are read off the places that differ from the first in
// one index or one coordinate, and taken if they are right at every place.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/Readings.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Size;

/// Places of a value, on all ranks, that are looked at.
static constexpr int64_t mostPlaces = int64_t(1) << 14;

namespace {

using Position = SmallVector<int64_t, 4>; // by space

/// All elements of a value, one after the other, coordinates before indices.
struct Elements {
  SmallVector<int64_t, 8> sizes; ///< of axes, then of dims
  size_t axes = 0;
  std::vector<Position> at;

  size_t stepOf(size_t i) const {
    size_t step = 1;
    for (size_t k = i + 1; k < sizes.size(); ++k)
      step *= static_cast<size_t>(sizes[k]);
    return step;
  }
  layout::Place placeOf(size_t number) const {
    layout::Place place;
    for (size_t i = 0; i < sizes.size(); ++i) {
      int64_t own = static_cast<int64_t>(number / stepOf(i)) % sizes[i];
      (i < axes ? place.coordinates : place.index).push_back(own);
    }
    return place;
  }
};

/// The space in which two positions differ, and by how much: forward, in one space. Nullopt for anything else; the same
/// position is a difference of 0.
std::optional<std::pair<layout::SpaceId, int64_t>> difference(const Position &from, const Position &to) {
  std::pair<layout::SpaceId, int64_t> found{0, 0};
  for (size_t space = 0; space < from.size(); ++space) {
    if (from[space] == to[space])
      continue;
    if (found.second != 0 || to[space] < from[space])
      return std::nullopt;
    found = {static_cast<layout::SpaceId>(space), to[space] - from[space]};
  }
  return found;
}

/// Local digits of positions one after the other, major first.
std::optional<layout::Dim> readDim(SmallVector<Position, 8> positions) {
  layout::Dim dim;
  while (positions.size() > 1) {
    auto step = difference(positions[0], positions[1]);
    if (!step)
      return std::nullopt;
    size_t run = 2;
    while (run < positions.size() && difference(positions[run - 1], positions[run]) == step)
      ++run;
    while (positions.size() % run != 0)
      --run;
    if (run == 1)
      return std::nullopt; // no digit ends where all of them do
    layout::Digit digit;
    digit.count = static_cast<int64_t>(run);
    digit.stride = step->second;
    digit.space = step->first;
    dim.digits.insert(dim.digits.begin(), digit);
    SmallVector<Position, 8> rest;
    for (size_t i = 0; i < positions.size(); i += run)
      rest.push_back(positions[i]);
    positions = std::move(rest);
  }
  return dim;
}

/// The digits that the elements have if they have any.
std::optional<layout::Value> readValue(const Elements &elements) {
  layout::Value value;
  for (size_t i = 0; i < elements.sizes.size(); ++i) {
    SmallVector<Position, 8> line;
    for (int64_t k = 0; k < elements.sizes[i]; ++k)
      line.push_back(elements.at[static_cast<size_t>(k) * elements.stepOf(i)]);
    if (i >= elements.axes) {
      std::optional<layout::Dim> dim = readDim(std::move(line));
      if (!dim)
        return std::nullopt;
      value.dims.push_back(std::move(*dim));
      continue;
    }
    auto step = line.size() > 1 ? difference(line[0], line[1]) : std::pair<layout::SpaceId, int64_t>{0, 0};
    if (!step)
      return std::nullopt;
    if (step->second == 0)
      continue;
    layout::Digit digit;
    digit.count = elements.sizes[i];
    digit.stride = step->second;
    digit.space = step->first;
    digit.axis = static_cast<layout::AxisId>(i);
    digit.home = Size(1);
    value.floats.push_back(digit);
  }
  return value;
}

/// Whether the value has digits of a space or of a chunk order of it.
bool isSpread(const layout::Value &value, const layout::Universe &universe, layout::SpaceId space) {
  auto isOf = [&](const layout::Digit &digit) {
    return !digit.stride.isZero() && universe.spaces[digit.space].twin.value_or(digit.space) == space;
  };
  return llvm::any_of(value.dims, [&](const layout::Dim &dim) { return llvm::any_of(dim.digits, isOf); });
}

} // namespace

bool FunctionInference::hasOneRank(mlir::Value value, unsigned depth) {
  constexpr unsigned deepest = 64;
  const Known &known = get(value);
  if (known.kind == Known::Kind::Digits) {
    if (!layout::hasMoved(known.value))
      return true;
    Outcome<SmallVector<layout::Value, 1>> readings = layout::soundReadingsOf(scope.universe, known.value);
    return readings && !readings->empty();
  }
  Operation *op = value.getDefiningOp();
  if (known.kind != Known::Kind::Pulled || !op)
    return true;
  return depth < deepest && llvm::all_of(
                                op->getOperands(),
                                [&](mlir::Value operand) {
                                  return !isa<RankedTensorType>(operand.getType()) || hasOneRank(operand, depth + 1);
                                });
}

std::optional<layout::Value> FunctionInference::settle(mlir::Value value) {
  Operation *op = value.getDefiningOp();
  const layout::Universe &universe = scope.universe;
  if (get(value).kind != Known::Kind::Pulled || !isa_and_nonnull<tensor::ExtractSliceOp, tensor::ConcatOp>(op) ||
      universe.symbols.size() != 0 || !get(value).value.parts.empty() || // a part of a sum is none of its elements
      !hasOneRank(value))
    return std::nullopt;
  Elements elements;
  elements.axes = universe.axes.size();
  int64_t places = 1;
  auto add = [&](const Size &size) {
    elements.sizes.push_back(size.getValue());
    return size.isConcrete() && size.getValue() > 0 && !llvm::MulOverflow(places, size.getValue(), places) &&
           places <= mostPlaces;
  };
  for (const layout::Axis &axis : universe.axes)
    if (!add(axis.size))
      return std::nullopt;
  for (const Size &size : shapeOf(value))
    if (!add(size))
      return std::nullopt;
  std::optional<PulledElement> first;
  for (size_t number = 0; number < static_cast<size_t>(places); ++number) {
    std::optional<PulledElement> element = pull(value, elements.placeOf(number));
    if (!element || (first && (element->source != first->source || element->segments != first->segments)))
      return std::nullopt;
    elements.at.push_back(element->positions);
    if (!first)
      first = std::move(element);
  }
  // In the plain order, and in each chunk order.
  SmallVector<std::optional<layout::SpaceId>, 4> orders{std::nullopt};
  for (size_t space = 0; space < universe.spaces.size(); ++space)
    if (universe.spaces[space].twin && universe.spaces[space].size.isConcrete())
      orders.push_back(static_cast<layout::SpaceId>(space));
  for (std::optional<layout::SpaceId> order : orders) {
    Elements own = elements;
    if (order) {
      const layout::Space &chunks = universe.spaces[*order];
      int64_t size = chunks.size.getValue();
      if (size > mostPlaces)
        continue;
      SmallVector<int64_t, 32> numbers(static_cast<size_t>(size));
      for (int64_t i = 0; i < size; ++i)
        numbers[static_cast<size_t>(layout::zigZagPosition(i, size, chunks.zigZagParts.getValue()))] = i;
      for (Position &position : own.at) {
        position[*order] = numbers[static_cast<size_t>(position[*chunks.twin])];
        position[*chunks.twin] = 0;
      }
    }
    std::optional<layout::Value> settled = readValue(own);
    if (!settled)
      continue;
    // Copies of one element: whether one rank has them is not told by places.
    if (llvm::any_of(settled->dims, [](const layout::Dim &dim) {
          return llvm::any_of(dim.digits, [](const layout::Digit &digit) { return digit.stride.isZero(); });
        }))
      continue;
    layout::normalise(*settled);
    if (!settled->floats.empty())
      continue;
    settled->history.reset();
    settled->isUnsettled = false;
    bool isRight = true;
    for (size_t number = 0; number < elements.at.size() && isRight; ++number) {
      Position at = layout::plainPositionsAt(universe, *settled, elements.placeOf(number));
      // Where no digit is, it is one position for all.
      for (size_t space = 0; space < at.size(); ++space)
        isRight &= at[space] == elements.at[number][space] ||
                   (at[space] == 0 && !isSpread(*settled, universe, static_cast<layout::SpaceId>(space)) &&
                    elements.at[number][space] == elements.at[0][space]);
    }
    if (!isRight)
      continue;
    layout::copyReduction(get(value).value, *settled);
    return settled;
  }
  return std::nullopt;
}
