// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values that no list of digits describes: a place of the result is followed back through the operations to a value of
// known digits. Decides chains of movement at concrete sizes; for symbolic ones it finds an instance that is wrong.
#include "compiler/Analysis/FunctionInference.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace muster;
using layout::Size;

SmallVector<Size, 4> FunctionInference::shapeOf(mlir::Value value) {
  const Known &known = get(value);
  if (known.kind == Known::Kind::Digits)
    return known.value.localShape();
  if (!known.shape.empty())
    return known.shape;
  SmallVector<Size, 4> shape;
  for (int64_t size : cast<RankedTensorType>(value.getType()).getShape())
    shape.push_back(ShapedType::isDynamic(size) ? Size(-1) : Size(size));
  return shape;
}

bool FunctionInference::inferPulled(Operation *op, const std::string &reason) {
  Known pulled;
  pulled.kind = Known::Kind::Pulled;
  pulled.op = op;
  pulled.reason = reason;
  if (mlir::Value input = movedOperand(op)) {
    const Known &known = get(input);
    layout::copyReduction(known.value, pulled.value);
    // Parts of a sum that change places between the ranks that are to add them up.
    if (ArrayAttr axes = collectiveAxesOf(op))
      for (layout::AxisId axis : scope.groupOf(axes))
        if (llvm::any_of(known.value.pending, [&](const layout::Pending &one) { return one.axis == axis; })) {
          fail(op);
          return false;
        }
    if (known.op)
      pulled.op = known.op; // where the maps parted first
    pulled.shape = shapeOf(input);
    auto scale = [&](int64_t dim, std::optional<Size> size) {
      if (size)
        pulled.shape[static_cast<size_t>(dim)] = *size;
      return size.has_value();
    };
    auto at = [&](int64_t dim) { return pulled.shape[static_cast<size_t>(dim)]; };
    auto groupSize = [&](ArrayAttr axes) { return scope.universe.sizeOf(scope.groupOf(axes)); };
    bool isKnown = true;
    if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
      SmallVector<Size, 4> shape;
      for (int64_t dim : transpose.getPermutation())
        shape.push_back(at(dim));
      pulled.shape = shape;
    } else if (auto all = dyn_cast<AllToAllOp>(op)) {
      Size size = groupSize(all.getAxes());
      int64_t split = static_cast<int64_t>(all.getSplit()), concat = static_cast<int64_t>(all.getConcat());
      isKnown = scale(split, layout::divide(at(split), size)) && scale(concat, at(concat) * size);
    } else if (auto gather = dyn_cast<AllGatherOp>(op)) {
      int64_t dim = static_cast<int64_t>(gather.getDim());
      isKnown = scale(dim, at(dim) * groupSize(gather.getAxes()));
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      int64_t dim = static_cast<int64_t>(slice.getDim());
      isKnown = scale(dim, layout::divide(at(dim), groupSize(slice.getAxes())));
    }
    if (!isKnown) {
      fail(op);
      return false;
    }
  } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (get(slice.getSource()).op)
      pulled.op = get(slice.getSource()).op;
    layout::copyReduction(get(slice.getSource()).value, pulled.value);
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    for (unsigned dim = 0; dim < static_cast<unsigned>(slice.getSourceType().getRank()); ++dim) {
      std::optional<Size> size = sizeOf(slice.getMixedSizes()[dim]), stride = sizeOf(slice.getMixedStrides()[dim]);
      OpFoldResult offset = slice.getMixedOffsets()[dim];
      if (!size || !stride || !(sizeOf(offset) || isKnownOnRanks(offset))) {
        fail(op);
        return false;
      }
      if (!dropped.test(dim))
        pulled.shape.push_back(*size);
    }
  } else {
    // Values side by side, all reduced alike.
    auto concat = dyn_cast<tensor::ConcatOp>(op);
    SmallVector<mlir::Value, 4> parts;
    if (concat)
      parts.append(concat.getInputs().begin(), concat.getInputs().end());
    else
      parts = {cast<tensor::InsertSliceOp>(op).getDest(), cast<tensor::InsertSliceOp>(op).getSource()};
    layout::copyReduction(get(parts.front()).value, pulled.value);
    bool isKnown = true;
    for (mlir::Value part : parts)
      isKnown &= get(part).kind != Known::Kind::Failed && layout::isReducedAlike(get(part).value, pulled.value);
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      pulled.shape = shapeOf(insert.getDest());
      isKnown &= insert.getSourceType().getRank() == insert.getDestType().getRank();
      for (unsigned dim = 0; dim < static_cast<unsigned>(insert.getDestType().getRank()); ++dim)
        isKnown &= sizeOf(insert.getMixedSizes()[dim]) &&
                   (sizeOf(insert.getMixedOffsets()[dim]) || isKnownOnRanks(insert.getMixedOffsets()[dim])) &&
                   isConstantIntValue(insert.getMixedStrides()[dim], 1);
    } else {
      auto type = cast<RankedTensorType>(concat.getType());
      for (unsigned dim = 0; dim < type.getRank() && isKnown; ++dim) {
        isKnown &= dim != concat.getDim() || !type.isDynamicDim(dim);
        pulled.shape.push_back(type.isDynamicDim(dim) ? shapeOf(parts[0])[dim] : Size(type.getDimSize(dim)));
      }
    }
    if (!isKnown) {
      fail(op);
      return false;
    }
  }
  set(op->getResult(0), std::move(pulled));
  return true;
}

//===----------------------------------------------------------------------===//
// One place
//===----------------------------------------------------------------------===//

namespace {

/// A place that moves back through operations.
class Follower {
public:
  Follower(const layout::Universe &universe, layout::Place &place) : universe(universe), place(place) {}

  int64_t number(const Size &size) const { return size.evaluate(place.symbols).value_or(1); }
  int64_t axisSize(layout::AxisId axis) const { return number(universe.axes[axis].size); }
  int64_t groupSize(ArrayRef<layout::AxisId> group) const {
    int64_t size = 1;
    for (layout::AxisId axis : group)
      size *= axisSize(axis);
    return size;
  }
  int64_t positionIn(ArrayRef<layout::AxisId> group) const {
    int64_t position = 0;
    for (layout::AxisId axis : group)
      position = position * axisSize(axis) + place.coordinates[axis];
    return position;
  }
  void moveTo(ArrayRef<layout::AxisId> group, int64_t position) {
    for (layout::AxisId axis : llvm::reverse(group)) {
      place.coordinates[axis] = position % axisSize(axis);
      position /= axisSize(axis);
    }
  }
  void regroup(ArrayRef<Size> from, ArrayRef<Size> to) {
    int64_t offset = 0;
    for (auto [position, size] : llvm::zip(place.index, from))
      offset = offset * number(size) + position;
    place.index.assign(to.size(), 0);
    for (size_t i = to.size(); i-- > 0; offset /= number(to[i]))
      place.index[i] = offset % number(to[i]);
  }
  int64_t &index(uint64_t dim) { return place.index[static_cast<size_t>(dim)]; }

private:
  const layout::Universe &universe;
  layout::Place &place;
};

} // namespace

SmallVector<unsigned, 4> muster::segmentsAt(const layout::Value &value, const layout::Place &place) {
  SmallVector<unsigned, 4> segments;
  for (auto [dim, index] : llvm::zip(value.dims, place.index)) {
    int64_t left = index;
    unsigned segment = 0;
    while (segment + 1 < dim.segments.size()) {
      int64_t size = dim.segments[segment].localSize().evaluate(place.symbols).value_or(0);
      if (left < size)
        break;
      left -= size;
      ++segment;
    }
    segments.push_back(segment);
  }
  return segments;
}

bool muster::isPlainMovement(Operation *op) {
  if (!op || isa<AllReduceOp, ReduceScatterOp, BroadcastOp, PermuteOp>(op))
    return false;
  return isa<tensor::ExtractSliceOp, tensor::ConcatOp, tensor::InsertSliceOp>(op) || movedOperand(op);
}

std::optional<PulledElement> FunctionInference::pull(mlir::Value value, layout::Place place) {
  CutElement cut;
  std::optional<PulledElement> element = pullWhole(value, std::move(place), cut);
  return element ? element : cut.element;
}

std::optional<PulledElement> FunctionInference::pullWhole(mlir::Value value, layout::Place place, CutElement &cut) {
  Follower follower(scope.universe, place);
  auto offsetAt = [&](OpFoldResult offset) -> std::optional<int64_t> {
    if (std::optional<Size> size = sizeOf(offset))
      return follower.number(*size);
    return indexAt(offset, &place);
  };
  while (true) {
    const Known &known = get(value);
    if (known.kind == Known::Kind::Digits) {
      PulledElement element{layout::plainPositionsAt(scope.universe, known.value, place), value,
                            segmentsAt(known.value, place)};
      if (!scope.universe.ranges.empty())
        element.isHeld = layout::spacesAt(scope.universe, known.value, place);
      if (!layout::hasRanges(scope.universe, known.value))
        return element;
      // What was cut is told by what it was cut from, if it was only moved since; else by the parts of one tensor.
      if (!cut.element || (known.isOneTensor && !cut.isOneTensor)) {
        for (auto [dim, segment] : llvm::zip(known.value.dims, element.segments))
          if (known.isOneTensor && layout::areDisjointRanges(scope.universe, dim))
            segment = 0; // its positions tell
        cut = {std::move(element), known.isOneTensor};
      }
      if (!isPlainMovement(value.getDefiningOp()))
        return std::nullopt;
    } else if (known.packed && !known.packed->isCut) {
      auto [part, index] = layout::placeIn(*known.packed, place.index[known.packed->dim]);
      SmallVector<unsigned, 4> segments(place.index.size(), 0);
      segments[known.packed->dim] = static_cast<unsigned>(part);
      layout::Place before = place;
      place.index[known.packed->dim] = index;
      PulledElement element{layout::plainPositionsAt(scope.universe, known.packed->parts[part], place), value,
                            segments};
      if (!scope.universe.ranges.empty())
        element.isHeld = layout::spacesAt(scope.universe, known.packed->parts[part], place);
      // They may be of one tensor, if they were only moved.
      if (!cut.element)
        cut.element = std::move(element);
      place = std::move(before);
    } else if (known.kind != Known::Kind::Waiting && known.kind != Known::Kind::Pulled) {
      return std::nullopt;
    }
    Operation *op = value.getDefiningOp();
    if (!op)
      return std::nullopt;
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      llvm::SmallBitVector dropped = slice.getDroppedDims();
      layout::Place before = place;
      place.index.clear();
      for (unsigned dim = 0, own = 0; dim < static_cast<unsigned>(slice.getSourceType().getRank()); ++dim) {
        std::optional<int64_t> offset = offsetAt(slice.getMixedOffsets()[dim]);
        int64_t stride = follower.number(*sizeOf(slice.getMixedStrides()[dim]));
        int64_t at = offset.value_or(-1) + (dropped.test(dim) ? 0 : before.index[own++] * stride);
        if (!offset || at < 0 || at >= follower.number(shapeOf(slice.getSource())[dim]))
          return std::nullopt; // outside the tensor
        place.index.push_back(at);
      }
      value = slice.getSource();
      continue;
    }
    if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
      uint64_t dim = concat.getDim();
      for (mlir::Value input : concat.getInputs()) {
        value = input;
        int64_t size = follower.number(shapeOf(input)[static_cast<size_t>(dim)]);
        if (follower.index(dim) < size)
          break;
        follower.index(dim) -= size;
      }
      continue;
    }
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      SmallVector<int64_t, 4> inside;
      for (unsigned dim = 0; dim < place.index.size(); ++dim) {
        std::optional<int64_t> offset = offsetAt(insert.getMixedOffsets()[dim]);
        if (!offset)
          return std::nullopt;
        int64_t at = place.index[dim] - *offset;
        if (at >= 0 && at < follower.number(*sizeOf(insert.getMixedSizes()[dim])))
          inside.push_back(at);
      }
      value = insert.getDest();
      if (inside.size() == place.index.size()) {
        place.index = inside;
        value = insert.getSource();
      }
      continue;
    }
    mlir::Value input = movedOperand(op);
    if (!input)
      return std::nullopt;
    SmallVector<Size, 4> from = shapeOf(input), to = shapeOf(value);
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
      follower.regroup(to, from);
    } else if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
      SmallVector<int64_t, 4> at(place.index.size());
      for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
        at[static_cast<size_t>(dim)] = place.index[i];
      place.index = at;
    } else if (auto exchange = dyn_cast<ExchangeOp>(op)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(exchange.getAxes());
      int64_t part = follower.number(from[0]) / follower.groupSize(group), own = follower.positionIn(group);
      follower.moveTo(group, place.index[0] / part);
      place.index[0] = own * part + place.index[0] % part;
    } else if (auto all = dyn_cast<AllToAllOp>(op)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(all.getAxes());
      int64_t parts = follower.groupSize(group), own = follower.positionIn(group);
      uint64_t split = all.getSplit(), concat = all.getConcat();
      int64_t concatPart = follower.number(from[concat]) / (split == concat ? parts : 1);
      int64_t source = follower.index(concat) / concatPart;
      follower.index(concat) %= concatPart;
      follower.index(split) += own * (follower.number(from[split]) / parts);
      follower.moveTo(group, source);
    } else if (auto gather = dyn_cast<AllGatherOp>(op)) {
      uint64_t dim = gather.getDim();
      int64_t part = follower.number(from[dim]), source = follower.index(dim) / part;
      follower.index(dim) %= part;
      follower.moveTo(scope.groupOf(gather.getAxes()), source);
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      follower.index(slice.getDim()) +=
          follower.positionIn(scope.groupOf(slice.getAxes())) * follower.number(to[slice.getDim()]);
    } else if (auto permute = dyn_cast<PermuteOp>(op)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(permute.getAxes());
      int64_t source = permute.getSources()[static_cast<size_t>(follower.positionIn(group))];
      if (source < 0)
        return std::nullopt; // zeros
      follower.moveTo(group, source);
    } else if (!isa<tensor::CastOp>(op)) {
      return std::nullopt;
    }
    value = input;
  }
}
