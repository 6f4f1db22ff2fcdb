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

/// The tensor that a movement moves; null for other operations.
static mlir::Value movedOperand(Operation *op) {
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
  if (known.kind == Known::Kind::Uniform || known.kind == Known::Kind::Pulled)
    return set(result, known);
  if (known.kind == Known::Kind::Failed)
    return fail(op);
  SmallVector<Size, 4> shape;
  for (unsigned i = 0; i < type.getRank(); ++i) {
    std::optional<Size> size;
    if (!type.isDynamicDim(i)) {
      size = type.getDimSize(i);
    } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
      size = sizeOf(expand.getMixedOutputShape()[i]);
    } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op); collapse && known.kind == Known::Kind::Digits) {
      size = 1;
      auto groups = collapse.getReassociationIndices();
      for (int64_t dim : groups[i])
        *size *= known.value.dims[static_cast<size_t>(dim)].localSize();
    }
    if (!size) {
      Refusal refusal{Refusal::Kind::Unknown, "the size of dim " + std::to_string(i) + " of this reshape is not known",
                      "its size (make it with muster.size)"};
      return report_(op, refusal, 1108);
    }
    shape.push_back(*size);
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
  const layout::Value *input = digitsOf(op, op.getSource());
  if (!input)
    return;
  layout::Value value = *input;
  auto unsupported = [&](const Twine &what) {
    Refusal refusal{Refusal::Kind::Unknown, what.str(), "a collective or a reshape instead of offsets"};
    report_(op, refusal, 1108);
  };
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (unsigned dim = 0; dim < value.dims.size(); ++dim) {
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]),
                        stride = sizeOf(op.getMixedStrides()[dim]);
    Size whole = value.dims[dim].localSize();
    if (!offset || !size || !stride || !stride->isOne())
      return unsupported("a slice of unknown offset or size, or with a stride");
    if (offset->isZero() && *size == whole)
      continue;
    if (!value.dims[dim].isSegmented())
      return unsupported("a slice of part of " + print(scope.universe, value.dims[dim]));
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
      Refusal refusal{Refusal::Kind::Wrong,
                      "the slice [" + offset->print() + ", +" + size->print() + ") cuts segments of " +
                          print(scope.universe, value.dims[dim]),
                      ""};
      return report_(op, refusal, 1104);
    }
    if (taken.size() == 1)
      value.dims[dim] = layout::Dim(taken.front());
    else
      value.dims[dim].segments = std::move(taken);
  }
  for (unsigned dim = static_cast<unsigned>(value.dims.size()); dim-- > 0;)
    if (dropped.test(dim)) {
      // What divides a unit dim that goes belongs to the dim behind it, as in a reshape.
      llvm::SmallVector<layout::Anchor, 1> anchors = value.dims[dim].anchors;
      value.dims.erase(value.dims.begin() + dim);
      if (!value.dims.empty())
        llvm::append_range(value.dims[std::min<size_t>(dim, value.dims.size() - 1)].anchors, anchors);
    }
  layout::normalise(value);
  set(op.getResult(), std::move(value));
}

void FunctionInference::inferConcat(tensor::ConcatOp op) {
  layout::Value result;
  unsigned dim = static_cast<unsigned>(op.getDim());
  std::vector<layout::Dim> segments;
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
      Refusal refusal{Refusal::Kind::Wrong,
                      "concatenates values that differ in more than dim " + std::to_string(dim) + ": " +
                          print(scope.universe, first) + " and " + print(scope.universe, rest),
                      ""};
      return report_(op, refusal, 1106);
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
  if (known.kind == Known::Kind::Uniform && !isa<AllReduceOp, ReduceScatterOp>(op)) {
    set(result, known);
    return true;
  }
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    if (isa<AllReduceOp, ReduceScatterOp, BroadcastOp, PermuteOp>(op)) {
      (void)digitsOf(op, input); // reports
      return true;
    }
    known.kind = Known::Kind::Pulled;
    set(result, std::move(known));
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
    Known pulled;
    pulled.kind = Known::Kind::Pulled;
    pulled.op = op;
    pulled.reason = outcome.getRefusal().message;
    set(result, std::move(pulled));
    return true;
  }
  setOrReport(op, result, std::move(outcome), isa<AllReduceOp, ReduceScatterOp>(op) ? 1105 : 1104);
  return true;
}

//===----------------------------------------------------------------------===//
// Place by place
//===----------------------------------------------------------------------===//

std::optional<SmallVector<int64_t, 4>> FunctionInference::pull(mlir::Value value, SmallVector<int64_t, 4> coordinates,
                                                               SmallVector<int64_t, 4> index) {
  while (true) {
    const Known &known = get(value);
    if (known.kind == Known::Kind::Digits) {
      layout::Place place;
      place.coordinates = coordinates;
      place.index = index;
      return layout::positionsAt(scope.universe, known.value, place);
    }
    Operation *op = value.getDefiningOp();
    mlir::Value input = op ? movedOperand(op) : nullptr;
    if (!input)
      return std::nullopt;
    auto from = cast<RankedTensorType>(input.getType()), to = cast<RankedTensorType>(value.getType());
    if (!from.hasStaticShape() || !to.hasStaticShape())
      return std::nullopt;
    auto linear = [](ArrayRef<int64_t> at, ArrayRef<int64_t> shape) {
      int64_t offset = 0;
      for (size_t i = 0; i < at.size(); ++i)
        offset = offset * shape[i] + at[i];
      return offset;
    };
    auto delinear = [](int64_t offset, ArrayRef<int64_t> shape) {
      SmallVector<int64_t, 4> at(shape.size());
      for (size_t i = shape.size(); i-- > 0; offset /= shape[i])
        at[i] = offset % shape[i];
      return at;
    };
    auto positionIn = [&](ArrayRef<layout::AxisId> group) {
      int64_t position = 0;
      for (layout::AxisId axis : group)
        position = position * scope.universe.axes[axis].size.getValue() + coordinates[axis];
      return position;
    };
    auto moveTo = [&](ArrayRef<layout::AxisId> group, int64_t position) {
      for (layout::AxisId axis : llvm::reverse(group)) {
        int64_t size = scope.universe.axes[axis].size.getValue();
        coordinates[axis] = position % size;
        position /= size;
      }
    };
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
      index = delinear(linear(index, to.getShape()), from.getShape());
    } else if (isa<tensor::CastOp>(op)) {
    } else if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
      SmallVector<int64_t, 4> at(index.size());
      for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
        at[static_cast<size_t>(dim)] = index[i];
      index = at;
    } else if (auto exchange = dyn_cast<ExchangeOp>(op)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(exchange.getAxes());
      int64_t part = from.getDimSize(0) / scope.universe.sizeOf(group).getValue(), own = positionIn(group);
      int64_t source = index[0] / part;
      index[0] = own * part + index[0] % part;
      moveTo(group, source);
    } else if (auto all = dyn_cast<AllToAllOp>(op)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(all.getAxes());
      int64_t parts = scope.universe.sizeOf(group).getValue(), own = positionIn(group);
      size_t split = static_cast<size_t>(all.getSplit()), concat = static_cast<size_t>(all.getConcat());
      int64_t concatPart = split == concat ? from.getDimSize(static_cast<unsigned>(concat)) / parts
                                           : from.getDimSize(static_cast<unsigned>(concat));
      int64_t source = index[concat] / concatPart;
      index[concat] %= concatPart;
      index[split] += own * (from.getDimSize(static_cast<unsigned>(split)) / parts);
      moveTo(group, source);
    } else if (auto gather = dyn_cast<AllGatherOp>(op)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(gather.getAxes());
      size_t dim = static_cast<size_t>(gather.getDim());
      int64_t part = from.getDimSize(static_cast<unsigned>(dim));
      int64_t source = index[dim] / part;
      index[dim] %= part;
      moveTo(group, source);
    } else if (auto slice = dyn_cast<SliceOp>(op)) {
      size_t dim = static_cast<size_t>(slice.getDim());
      index[dim] += positionIn(scope.groupOf(slice.getAxes())) * to.getDimSize(static_cast<unsigned>(dim));
    } else {
      return std::nullopt;
    }
    value = input;
  }
}

std::optional<LayoutFinding> FunctionInference::comparePlaces(Operation *op, mlir::Value value,
                                                              const layout::Value &declared) {
  LayoutFinding finding;
  finding.op = op;
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t, 4> mesh;
  int64_t places = 1;
  bool isConcrete = type.hasStaticShape();
  for (const layout::Axis &axis : scope.universe.axes) {
    isConcrete &= axis.size.isConcrete();
    mesh.push_back(axis.size.isConcrete() ? axis.size.getValue() : 1);
  }
  auto unknown = [&](const std::string &why) {
    finding.kind = LayoutFinding::Kind::Unknown;
    finding.number = 1108;
    finding.message = "is not known, because a reshape cuts inside a digit and " + why;
    finding.missingFact = "concrete sizes, or a fact that makes the reshape end between digits";
    return finding;
  };
  if (!isConcrete)
    return unknown("the sizes are symbolic");
  if (!declared.isFull())
    return unknown("the declared layout is partial");
  for (int64_t size : type.getShape())
    places *= size;
  for (int64_t size : mesh)
    places *= size;
  // First the corners, where wrong permutations show; then every place, or a sample of them where they are too many.
  constexpr int64_t most = int64_t(1) << 22;
  int64_t step = places <= most ? 1 : places / most * 2 + 1;
  SmallVector<int64_t, 4> shape(type.getShape());
  for (int64_t number = 0; number < places; number += step) {
    int64_t rest = number;
    SmallVector<int64_t, 4> index(shape.size()), coordinates(mesh.size());
    for (size_t i = mesh.size(); i-- > 0; rest /= mesh[i])
      coordinates[i] = rest % mesh[i];
    for (size_t i = shape.size(); i-- > 0; rest /= shape[i])
      index[i] = rest % shape[i];
    layout::Place place;
    place.coordinates = coordinates;
    place.index = index;
    SmallVector<int64_t, 4> wanted = layout::positionsAt(scope.universe, declared, place);
    std::optional<SmallVector<int64_t, 4>> got = pull(value, coordinates, index);
    if (!got)
      return unknown("what it makes cannot be followed back");
    if (*got == wanted)
      continue;
    LayoutCounterexample example;
    for (auto [axis, coordinate] : llvm::zip(scope.universe.axes, coordinates))
      example.coordinates.push_back({axis.name, coordinate});
    example.index = index;
    for (const layout::Dim &dim : declared.dims)
      for (const layout::Digit &digit : dim.digits) {
        std::pair<std::string, int64_t> at{scope.universe.spaces[digit.space].name, wanted[digit.space]};
        if (llvm::is_contained(example.wanted, at))
          continue;
        example.wanted.push_back(at);
        example.got.push_back({at.first, (*got)[digit.space]});
      }
    finding.number = 1104;
    finding.message = "holds the wrong elements";
    finding.counterexample = std::move(example);
    return finding;
  }
  if (step > 1)
    return unknown("the tensor is too large to compare every place (a sample agrees)");
  return std::nullopt;
}
