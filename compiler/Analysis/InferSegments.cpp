// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parts of a value at offsets: slices, concatenation, insertion and padding. A dim of parts side by side has segments.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/NormalForm.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

//===----------------------------------------------------------------------===//
// Segments
//===----------------------------------------------------------------------===//

/// A dim of elements that are all alike: one constant, or unwritten. It has positions of its own, so that what is
/// computed with it has them too. The tag makes unwritten elements agree with nothing.
layout::Dim FunctionInference::constantDim(const Size &size, const std::string &name, const std::string &tag) {
  layout::Digit digit;
  digit.count = size;
  digit.stride = 1;
  digit.space = scope.universe.addSpace({name, size, tag});
  constantSpaces.insert(digit.space);
  layout::Dim dim;
  dim.digits.push_back(digit);
  return dim;
}

layout::Dim muster::joinSegments(std::vector<layout::Dim> segments) {
  if (segments.size() == 1)
    return std::move(segments.front());
  layout::Dim dim;
  dim.segments = std::move(segments);
  return dim;
}

static std::vector<layout::Dim> segmentsOf(const layout::Dim &dim) {
  return dim.isSegmented() ? dim.segments : std::vector<layout::Dim>{dim};
}

std::optional<std::vector<layout::Dim>> FunctionInference::segmentsIn(const layout::Dim &dim, int64_t begin,
                                                                      int64_t end) {
  std::vector<layout::Dim> taken;
  int64_t position = 0;
  for (const layout::Dim &segment : segmentsOf(dim)) {
    if (!segment.localSize().isConcrete())
      return std::nullopt;
    int64_t length = segment.localSize().getValue(), from = std::max(begin, position),
            to = std::min(end, position + length);
    if (from < to && to - from == length) {
      taken.push_back(segment);
    } else if (from < to) {
      // Of elements that are all alike any part is as good.
      bool isConstant = segment.digits.size() == 1 && constantSpaces.contains(segment.digits.front().space);
      if (!isConstant)
        return std::nullopt;
      layout::Space space = scope.universe.spaces[segment.digits.front().space];
      taken.push_back(constantDim(to - from, space.name, space.tag));
    }
    position += length;
  }
  return taken;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

/// Whole dims, and whole segments of segmented ones.
void FunctionInference::inferSlice(tensor::ExtractSliceOp op) {
  Known known = get(op.getSource());
  if (known.kind == Known::Kind::Uniform)
    return set(op.getResult(), known);
  auto unsupported = [&](const Twine &what) {
    Refusal refusal{Refusal::Kind::Unknown, what.str(), "a collective or a reshape instead of offsets"};
    reportRefusal(op, refusal, 1108);
  };
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    if (!inferPulled(op, known.reason))
      return unsupported("a slice of unknown offset or size, or with a stride");
    if (known.packed)
      sliceParts(op, *known.packed);
    return;
  }
  const layout::Value *input = digitsOf(op, op.getSource());
  if (!input)
    return;
  layout::Value value = *input;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (unsigned dim = 0; dim < value.dims.size(); ++dim) {
    // coordinate * size, from the rank's own place on: what muster.slice does.
    if (auto place = dyn_cast<mlir::Value>(op.getMixedOffsets()[dim]))
      if (std::optional<SmallVector<layout::AxisId, 2>> group =
              groupOfOffset(coordinateTermsOf(place), sizeOf(op.getMixedSizes()[dim]));
          group && !group->empty() && isConstantIntValue(op.getMixedStrides()[dim], 1) &&
          value.dims[dim].localSize() == *sizeOf(op.getMixedSizes()[dim]) * scope.universe.sizeOf(*group)) {
        Outcome<layout::Value> own = layout::slice(scope.universe, value, *group, dim);
        if (!own)
          return reportRefusal(op, own.getRefusal(), 1104);
        value = std::move(*own);
        continue;
      }
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]),
                        stride = sizeOf(op.getMixedStrides()[dim]);
    Size whole = value.dims[dim].localSize();
    if (!offset || !size || !stride || !stride->isOne()) {
      // Where each rank can tell its own place, the elements are followed back.
      if (!inferPulled(op, "this slice takes a part of " + print(scope.universe, value.dims[dim])))
        unsupported("a slice of unknown offset or size, or with a stride");
      return;
    }
    if (offset->isZero() && *size == whole)
      continue;
    if (!value.dims[dim].isSegmented()) {
      if (!inferPulled(op, "this slice takes a part of " + print(scope.universe, value.dims[dim])))
        unsupported("a slice of unknown offset or size, or with a stride");
      return;
    }
    auto taken = segmentsIn(value.dims[dim], offset->getValue(), offset->getValue() + size->getValue());
    if (!taken || taken->empty()) {
      std::string why = "the slice [" + offset->print() + ", +" + size->print() + ") cuts segments of " +
                        print(scope.universe, value.dims[dim]);
      if (!inferPulled(op, why))
        return unsupported(why);
      if (std::optional<layout::Packed> packed = layout::unpack(*input))
        sliceParts(op, *packed);
      return;
    }
    value.dims[dim] = joinSegments(std::move(*taken));
    value.history.reset(); // it tells of the dim that this is a part of
  }
  setOrReport(op, op.getResult(), dropDims(std::move(value), dropped), 1104);
}

Outcome<layout::Value> FunctionInference::dropDims(layout::Value value, const llvm::SmallBitVector &dropped) {
  if (value.history && dropped.any()) {
    SmallVector<Size, 4> shape;
    for (unsigned dim = 0; dim < value.dims.size(); ++dim)
      if (!dropped.test(dim))
        shape.push_back(value.dims[dim].localSize());
    layout::normalise(value);
    return layout::reshape(scope.universe, value, shape);
  }
  for (unsigned dim = static_cast<unsigned>(value.dims.size()); dim-- > 0;)
    if (dropped.test(dim)) {
      // What divides a unit dim that goes belongs in front of the dim behind it: a slice names the dim that it drops.
      auto anchors = value.dims[dim].anchors;
      value.dims.erase(value.dims.begin() + dim);
      if (value.dims.empty())
        continue;
      bool isLast = dim == value.dims.size();
      layout::Dim &next = value.dims[isLast ? dim - 1 : dim];
      for (const layout::Anchor &anchor : anchors)
        next.anchors.push_back({anchor.space, anchor.stride, isLast ? Size(1) : next.localSize()});
    }
  layout::normalise(value);
  return value;
}

void FunctionInference::inferConcat(tensor::ConcatOp op) {
  unsigned dim = static_cast<unsigned>(op.getDim());
  auto symbolic = [&] {
    Refusal refusal{Refusal::Kind::Unknown, "a concatenation of symbolic sizes", "concrete sizes"};
    reportRefusal(op, refusal, 1108);
  };
  bool isUniform = true;
  for (mlir::Value operand : op.getInputs()) {
    const Known &known = get(operand);
    if (known.kind == Known::Kind::Failed)
      return failQuietly(op, operand);
    if ((known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled)) {
      if (!inferPulled(op, known.reason))
        return symbolic();
      if (std::optional<layout::Packed> packed = concatenate(SmallVector<mlir::Value, 4>(op.getInputs()), dim))
        if (std::optional<Known> joined = knownOf(std::move(*packed), op, true))
          set(op.getResult(), std::move(*joined));
      return;
    }
    isUniform &= known.kind == Known::Kind::Uniform && known.isZero;
  }
  if (isUniform)
    return set(op.getResult(), Known(get(op.getInputs().front())));
  // Each part keeps its history.
  bool hasMoved = llvm::any_of(op.getInputs(), [&](mlir::Value operand) {
    const Known &known = get(operand);
    return known.kind == Known::Kind::Digits && layout::hasMoved(known.value);
  });
  if (hasMoved)
    if (std::optional<layout::Packed> packed = concatenate(SmallVector<mlir::Value, 4>(op.getInputs()), dim))
      if (std::optional<Known> joined = knownOf(std::move(*packed), op, true))
        return set(op.getResult(), std::move(*joined));
  std::optional<layout::Value> result;
  std::vector<layout::Dim> segments;
  for (mlir::Value operand : op.getInputs()) {
    const layout::Value *input = digitsOf(op, operand);
    if (!input)
      return;
    if (!input->dims[dim].localSize().isConcrete())
      return symbolic();
    for (layout::Dim &segment : segmentsOf(input->dims[dim]))
      segments.push_back(std::move(segment));
    layout::Value rest = *input;
    rest.dims[dim] = layout::Dim();
    if (result && !layout::isSame(rest, *result)) {
      std::string why = "this concatenates values that differ in more than dim " + std::to_string(dim);
      if (std::optional<layout::Packed> packed = concatenate(SmallVector<mlir::Value, 4>(op.getInputs()), dim))
        if (std::optional<Known> joined = knownOf(std::move(*packed), op, true))
          return set(op.getResult(), std::move(*joined));
      if (!inferPulled(op, why)) {
        Refusal refusal{Refusal::Kind::Unknown, why, "operands that are reduced and spread alike"};
        reportRefusal(op, refusal, 1108);
      }
      return;
    }
    result = std::move(rest);
  }
  result->dims[dim] = joinSegments(std::move(segments));
  result->history.reset(); // it tells of the parts
  set(op.getResult(), std::move(*result));
}

/// One part of a dim is overwritten: segments before it, the source, segments behind it.
void FunctionInference::inferInsertSlice(tensor::InsertSliceOp op) {
  Known source = get(op.getSource()), into = get(op.getDest());
  for (mlir::Value operand : {op.getSource(), op.getDest()})
    if (get(operand).kind == Known::Kind::Failed)
      return failQuietly(op, operand);
  auto unsupported = [&](const std::string &what) {
    if (inferPulled(op, what))
      return;
    Refusal refusal{Refusal::Kind::Unknown, what, "tensor.concat, or a collective or reshape instead of offsets"};
    reportRefusal(op, refusal, 1108);
  };
  if (source.kind == Known::Kind::Uniform && into.kind == Known::Kind::Uniform) {
    if (source.isZero && into.isZero)
      return set(op.getResult(), std::move(into));
    return unsupported("this overwrites a part of a constant with another");
  }
  if (op.getSourceType().getRank() != op.getDestType().getRank())
    return unsupported("this inserts a slice of lower rank");
  std::optional<unsigned> partial;
  int64_t begin = 0, end = 0;
  auto type = op.getDestType();
  for (unsigned dim = 0; dim < static_cast<unsigned>(type.getRank()); ++dim) {
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]),
                        whole = into.kind == Known::Kind::Digits ? std::optional<Size>(into.value.dims[dim].localSize())
                                : type.isDynamicDim(dim)         ? std::nullopt
                                                                 : std::optional<Size>(type.getDimSize(dim));
    if (!offset || !size || !whole || !isConstantIntValue(op.getMixedStrides()[dim], 1))
      return unsupported("this inserts at an unknown place");
    if (offset->isZero() && *size == *whole)
      continue;
    if (partial || !offset->isConcrete() || !size->isConcrete())
      return unsupported("this overwrites a part of more than one dim");
    partial = dim;
    begin = offset->getValue();
    end = begin + size->getValue();
  }
  if (!partial)
    return set(op.getResult(), std::move(source));
  if (source.kind != Known::Kind::Digits && source.kind != Known::Kind::Uniform)
    return unsupported(source.reason);
  if (into.kind != Known::Kind::Digits && into.kind != Known::Kind::Uniform)
    return unsupported(into.reason);
  // A constant takes the dims of the other, and may be a part of a sum if it is zero.
  auto adopt = [&](Known &constant, const layout::Value &other, Size size) {
    bool isPart = constant.isUnwritten || constant.isZero || other.isFull();
    constant.value = other;
    constant.value.dims[*partial] =
        constant.isUnwritten ? constantDim(size, "unwritten", "unwritten") : constantDim(size, "constant");
    return isPart;
  };
  bool isPart = true;
  if (into.kind == Known::Kind::Uniform)
    isPart = !type.isDynamicDim(*partial) && adopt(into, source.value, Size(type.getDimSize(*partial)));
  else if (source.kind == Known::Kind::Uniform)
    isPart = adopt(source, into.value, Size(end - begin));
  if (!isPart)
    return unsupported("this puts a constant beside parts of a sum");
  layout::Value rest = into.value, other = source.value;
  rest.dims[*partial] = other.dims[*partial] = layout::Dim();
  if (!layout::isSame(rest, other))
    return unsupported("this inserts a value that differs in more than dim " + std::to_string(*partial));
  const layout::Dim &whole = into.value.dims[*partial];
  if (!whole.localSize().isConcrete())
    return unsupported("this inserts into a dim of symbolic size");
  auto before = segmentsIn(whole, 0, begin), behind = segmentsIn(whole, end, whole.localSize().getValue());
  if (!before || !behind)
    return unsupported("this overwrites a part of " + print(scope.universe, whole));
  std::vector<layout::Dim> segments = std::move(*before);
  for (layout::Dim &segment : segmentsOf(source.value.dims[*partial]))
    segments.push_back(std::move(segment));
  segments.insert(segments.end(), behind->begin(), behind->end());
  layout::Value result = std::move(into.value);
  result.dims[*partial] = joinSegments(std::move(segments));
  set(op.getResult(), std::move(result));
}

/// Padding is a segment of one number in front or behind.
void FunctionInference::inferPad(tensor::PadOp op) {
  auto unsupported = [&](const std::string &what) {
    Refusal refusal{Refusal::Kind::Unknown, what, "concrete sizes and a constant as padding"};
    reportRefusal(op, refusal, 1108);
  };
  mlir::Value number = op.getConstantPaddingValue();
  if (!number)
    return unsupported("the padding is no constant");
  if (refuseDivergence(op, number))
    return;
  bool isZero = isZeroNumber(number);
  Known known = get(op.getSource());
  if (known.kind == Known::Kind::Uniform && known.isZero && isZero)
    return set(op.getResult(), std::move(known));
  const layout::Value *input = digitsOf(op, op.getSource());
  if (!input)
    return;
  if (!isZero && !input->isFull())
    return unsupported("this pads parts of a sum with a number that each rank would add");
  layout::Value value = *input;
  for (unsigned dim = 0; dim < value.dims.size(); ++dim) {
    std::optional<Size> low = sizeOf(op.getMixedLowPad()[dim]), high = sizeOf(op.getMixedHighPad()[dim]);
    if (!low || !high || !low->isConcrete() || !high->isConcrete())
      return unsupported("the padding of dim " + std::to_string(dim) + " is of unknown size");
    if (low->isZero() && high->isZero())
      continue;
    if (!value.dims[dim].localSize().isConcrete())
      return unsupported("the padded dim " + std::to_string(dim) + " is of symbolic size");
    std::vector<layout::Dim> segments = segmentsOf(value.dims[dim]);
    if (!low->isZero())
      segments.insert(segments.begin(), constantDim(*low, "padding"));
    if (!high->isZero())
      segments.push_back(constantDim(*high, "padding"));
    value.dims[dim] = joinSegments(std::move(segments));
    value.history.reset(); // it tells of the dim that this is a part of
  }
  set(op.getResult(), std::move(value));
}
