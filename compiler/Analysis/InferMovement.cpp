// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/NormalForm.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

static layout::Reduction reductionOf(ReductionKind kind) {
  return kind == ReductionKind::Sum   ? layout::Reduction::Sum
         : kind == ReductionKind::Max ? layout::Reduction::Maximum
                                      : layout::Reduction::Minimum;
}

mlir::Value muster::movedOperand(Operation *op) {
  if (isa<ExchangeOp, AllToAllOp, AllGatherOp, SliceOp, AllReduceOp, ReduceScatterOp, BroadcastOp, PermuteOp,
          tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp, tensor::CastOp>(op))
    return op->getOperand(0);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return transpose.getInput();
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

void FunctionInference::inferReshape(Operation *op, mlir::Value input) {
  Known known = get(input);
  mlir::Value result = op->getResult(0);
  auto type = cast<RankedTensorType>(result.getType());
  if (known.kind == Known::Kind::Uniform)
    return set(result, known);
  if (known.kind == Known::Kind::Failed)
    return fail(op);
  SmallVector<Size, 4> shape, before = shapeOf(input);
  for (unsigned i = 0; i < type.getRank(); ++i) {
    std::optional<Size> size;
    if (!type.isDynamicDim(i)) {
      size = type.getDimSize(i);
    } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
      size = sizeOf(expand.getMixedOutputShape()[i]);
    } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
      size = 1;
      SmallVector<ReassociationIndices> groups = collapse.getReassociationIndices();
      for (int64_t dim : groups[i])
        *size *= before[static_cast<size_t>(dim)];
    }
    if (!size) {
      Refusal refusal{Refusal::Kind::Unknown, "the size of dim " + std::to_string(i) + " of this reshape is not known",
                      "its size (make it with muster.size)"};
      return report_(op, refusal, 1108);
    }
    shape.push_back(*size);
  }
  if (known.kind == Known::Kind::Pulled) {
    known.shape = shape;
    return set(result, std::move(known));
  }
  Outcome<layout::Value> reshaped = layout::reshape(scope.universe, known.value, shape);
  if (reshaped)
    return set(result, std::move(*reshaped));
  if (reshaped.getRefusal().kind != Refusal::Kind::Misaligned)
    return report_(op, reshaped.getRefusal(), 1104);
  // Only grouping was lost: a later reshape starts from the same digits.
  if (known.kind != Known::Kind::Waiting) {
    known.kind = Known::Kind::Waiting;
    known.op = op;
    known.reason = reshaped.getRefusal().message;
  }
  known.shape = shape;
  set(result, std::move(known));
}

//===----------------------------------------------------------------------===//
// Redistribution, slices and concatenation
//===----------------------------------------------------------------------===//

/// The axes that divide a dim of a layout, outer first; nullopt for anything but one term.
static std::optional<SmallVector<AxisRefAttr, 2>> axesOf(LayoutDimAttr dim) {
  if (dim.getTerms().size() != 1)
    return std::nullopt;
  return SmallVector<AxisRefAttr, 2>(dim.getTerms().front().getAxes());
}

void FunctionInference::inferRedistribute(RedistributeOp op) {
  const layout::Value *input = digitsOf(op, op.getInput());
  if (!input)
    return;
  layout::Value value = *input;
  auto apply = [&](Outcome<layout::Value> outcome) {
    if (outcome) {
      value = std::move(*outcome);
      return true;
    }
    report_(op, outcome.getRefusal(), 1104);
    return false;
  };
  // The sum first, then what leaves, then what arrives: any other way moves the same elements.
  for (PartialAttr partial : op.getFrom().getPartials())
    for (AxisRefAttr axis : partial.getAxes()) {
      bool stays = llvm::any_of(op.getTo().getPartials(),
                                [&](PartialAttr to) { return llvm::is_contained(to.getAxes(), axis); });
      std::optional<layout::AxisId> id = scope.findAxis(axis.getName());
      if (!stays && id && !apply(layout::allReduce(scope.universe, value, {*id}, reductionOf(partial.getKind()))))
        return;
    }
  unsigned rank = static_cast<unsigned>(value.dims.size());
  for (bool isArriving : {false, true})
    for (unsigned dim = 0; dim < rank; ++dim) {
      LayoutDimAttr from = op.getFrom().getDims()[dim], to = op.getTo().getDims()[dim];
      if (from == to)
        continue;
      auto fromAxes = axesOf(from), toAxes = axesOf(to);
      if (!fromAxes || !toAxes) {
        Refusal refusal{Refusal::Kind::Unknown, "a redistribution of a dim of several terms", "collectives instead"};
        return report_(op, refusal, 1108);
      }
      SmallVector<layout::AxisId, 2> group;
      for (AxisRefAttr axis : isArriving ? *toAxes : *fromAxes)
        group.push_back(*scope.findAxis(axis.getName()));
      if (group.empty())
        continue;
      if (!apply(isArriving ? layout::slice(scope.universe, value, group, dim)
                            : layout::allGather(scope.universe, value, group, dim)))
        return;
    }
  set(op.getResult(), std::move(value));
}

/// Whole dims, and whole segments of segmented ones.
void FunctionInference::inferSlice(tensor::ExtractSliceOp op) {
  Known known = get(op.getSource());
  if (known.kind == Known::Kind::Uniform)
    return set(op.getResult(), known);
  auto unsupported = [&](const Twine &what) {
    Refusal refusal{Refusal::Kind::Unknown, what.str(), "a collective or a reshape instead of offsets"};
    report_(op, refusal, 1108);
  };
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    if (!inferPulled(op, known.reason))
      unsupported("a slice of unknown offset or size, or with a stride");
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
          group && !group->empty()) {
        Outcome<layout::Value> own = layout::slice(scope.universe, value, *group, dim);
        if (!own)
          return report_(op, own.getRefusal(), 1104);
        value = std::move(*own);
        continue;
      }
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]),
                        stride = sizeOf(op.getMixedStrides()[dim]);
    Size whole = value.dims[dim].localSize();
    if (!offset || !size || !stride || !stride->isOne())
      return unsupported("a slice of unknown offset or size, or with a stride");
    if (offset->isZero() && *size == whole)
      continue;
    if (!value.dims[dim].isSegmented()) {
      if (!inferPulled(op, "this slice takes a part of " + print(scope.universe, value.dims[dim])))
        unsupported("a slice of unknown offset or size, or with a stride");
      return;
    }
    // Segments [first, last) side by side.
    std::vector<layout::Dim> taken;
    int64_t position = 0;
    for (const layout::Dim &segment : value.dims[dim].segments) {
      int64_t length = segment.localSize().getValue();
      if (position >= offset->getValue() && position + length <= offset->getValue() + size->getValue())
        taken.push_back(segment);
      position += length;
    }
    int64_t covered = 0;
    for (const layout::Dim &segment : taken)
      covered += segment.localSize().getValue();
    if (covered != size->getValue()) {
      (void)inferPulled(op, "the slice [" + offset->print() + ", +" + size->print() + ") cuts segments of " +
                                print(scope.universe, value.dims[dim]));
      return;
    }
    if (taken.size() == 1)
      value.dims[dim] = layout::Dim(taken.front());
    else
      value.dims[dim].segments = std::move(taken);
  }
  for (unsigned dim = static_cast<unsigned>(value.dims.size()); dim-- > 0;)
    if (dropped.test(dim)) {
      // What divides a unit dim that goes belongs in front of the dim behind it, as in a reshape.
      llvm::SmallVector<layout::Anchor, 1> anchors = value.dims[dim].anchors;
      value.dims.erase(value.dims.begin() + dim);
      if (value.dims.empty())
        continue;
      bool isLast = dim == value.dims.size();
      layout::Dim &next = value.dims[isLast ? dim - 1 : dim];
      for (const layout::Anchor &anchor : anchors)
        next.anchors.push_back({anchor.space, anchor.stride, isLast ? Size(1) : next.localSize()});
    }
  layout::normalise(value);
  set(op.getResult(), std::move(value));
}

void FunctionInference::inferConcat(tensor::ConcatOp op) {
  layout::Value result;
  unsigned dim = static_cast<unsigned>(op.getDim());
  std::vector<layout::Dim> segments;
  for (mlir::Value operand : op.getInputs()) {
    Known known = get(operand);
    if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
      if (!inferPulled(op, known.reason)) {
        Refusal refusal{Refusal::Kind::Unknown, "a concatenation of symbolic sizes", "concrete sizes"};
        report_(op, refusal, 1108);
      }
      return;
    }
  }
  for (auto [index, operand] : llvm::enumerate(op.getInputs())) {
    const layout::Value *input = digitsOf(op, operand);
    if (!input)
      return;
    const layout::Dim &own = input->dims[dim];
    if (!own.localSize().isConcrete()) {
      Refusal refusal{Refusal::Kind::Unknown, "a concatenation of symbolic sizes", "concrete sizes"};
      return report_(op, refusal, 1108);
    }
    if (own.isSegmented())
      segments.insert(segments.end(), own.segments.begin(), own.segments.end());
    else
      segments.push_back(own);
    if (index == 0) {
      result = *input;
      continue;
    }
    layout::Value rest = *input, first = result;
    rest.dims[dim] = first.dims[dim] = layout::Dim();
    if (!layout::isSame(rest, first)) {
      (void)inferPulled(op, "this concatenates values that differ in more than dim " + std::to_string(dim));
      return;
    }
  }
  result.dims[dim] = layout::Dim();
  result.dims[dim].segments = std::move(segments);
  set(op.getResult(), std::move(result));
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

bool FunctionInference::inferMovement(Operation *op) {
  if (auto redistribute = dyn_cast<RedistributeOp>(op)) {
    inferRedistribute(redistribute);
    return true;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    inferSlice(slice);
    return true;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    inferConcat(concat);
    return true;
  }
  mlir::Value input = movedOperand(op);
  if (!input)
    return false;
  mlir::Value result = op->getResult(0);
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
    inferReshape(op, input);
    return true;
  }
  Known known = get(input);
  if (known.kind == Known::Kind::Failed) {
    fail(op);
    return true;
  }
  if (known.kind == Known::Kind::Uniform) {
    auto kind = isa<AllReduceOp>(op)       ? cast<AllReduceOp>(op).getKind()
                : isa<ReduceScatterOp>(op) ? cast<ReduceScatterOp>(op).getKind()
                                           : ReductionKind::Max;
    if (kind == ReductionKind::Sum && !known.isZero) {
      Refusal refusal{Refusal::Kind::Wrong, "adds up a number that is the same on every rank", ""};
      report_(op, refusal, 1105);
      return true;
    }
    set(result, known);
    return true;
  }
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    if (isa<AllReduceOp, ReduceScatterOp, BroadcastOp, PermuteOp>(op)) {
      (void)digitsOf(op, input); // reports
      return true;
    }
    (void)inferPulled(op, known.reason);
    return true;
  }
  if (isa<tensor::CastOp>(op)) {
    set(result, known);
    return true;
  }
  const layout::Universe &universe = scope.universe;
  const layout::Value &value = known.value;
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    set(result, layout::transpose(value, transpose.getPermutation()));
    return true;
  }
  auto outcome =
      llvm::TypeSwitch<Operation *, Outcome<layout::Value>>(op)
          .Case([&](ExchangeOp own) -> Outcome<layout::Value> {
            SmallVector<layout::AxisId, 2> group = scope.groupOf(own.getAxes());
            Size size = universe.sizeOf(group);
            if (value.dims.empty() || value.dims[0].localSize() == size)
              return layout::exchange(universe, value, group);
            // Equal parts of the leading dim: cut it, exchange, and join again.
            std::optional<Size> part = layout::divide(value.dims[0].localSize(), size);
            if (!part)
              return Refusal{Refusal::Kind::Unknown, "the leading dim has no equal parts for all sizes",
                             size.print(universe.symbols.getNames()) + " divides " +
                                 value.dims[0].localSize().print(universe.symbols.getNames())};
            SmallVector<Size, 4> shape = value.localShape(), cut = shape;
            cut[0] = *part;
            cut.insert(cut.begin(), size);
            Outcome<layout::Value> parts = layout::reshape(universe, value, cut);
            if (!parts)
              return parts;
            Outcome<layout::Value> exchanged = layout::exchange(universe, *parts, group);
            if (!exchanged)
              return exchanged;
            return layout::reshape(universe, *exchanged, shape);
          })
          .Case([&](AllToAllOp own) {
            return layout::allToAll(universe, value, scope.groupOf(own.getAxes()),
                                    static_cast<unsigned>(own.getSplit()), static_cast<unsigned>(own.getConcat()));
          })
          .Case([&](AllGatherOp own) {
            return layout::allGather(universe, value, scope.groupOf(own.getAxes()),
                                     static_cast<unsigned>(own.getDim()));
          })
          .Case([&](SliceOp own) {
            return layout::slice(universe, value, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getDim()));
          })
          .Case([&](AllReduceOp own) {
            return layout::allReduce(universe, value, scope.groupOf(own.getAxes()), reductionOf(own.getKind()));
          })
          .Case([&](ReduceScatterOp own) {
            return layout::reduceScatter(universe, value, scope.groupOf(own.getAxes()),
                                         static_cast<unsigned>(own.getDim()), reductionOf(own.getKind()));
          })
          .Case([&](BroadcastOp own) { return layout::broadcast(universe, value, scope.groupOf(own.getAxes())); })
          .Default([&](Operation *other) -> Outcome<layout::Value> {
            return Refusal{Refusal::Kind::Unknown,
                           "unsupported movement '" + other->getName().getStringRef().str() + "'",
                           "an exchange or all_to_all instead"};
          });
  if (!outcome && outcome.getRefusal().kind == Refusal::Kind::Misaligned) {
    (void)inferPulled(op, outcome.getRefusal().message);
    return true;
  }
  setOrReport(op, result, std::move(outcome), isa<AllReduceOp, ReduceScatterOp>(op) ? 1105 : 1104);
  return true;
}
