// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parts of a value at offsets: slices, concatenation, insertion and padding. A dim of parts side by side has segments.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/NormalForm.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/RegionUtils.h"

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

uint64_t FunctionInference::tensorOf(mlir::Value value, unsigned depth) {
  if (auto carried = carriedTensors.find(value); carried != carriedTensors.end())
    return carried->second;
  auto [known, isNew] = tensors.try_emplace(value, 0);
  if (!isNew)
    return known->second;
  Operation *op = value.getDefiningOp();
  // What is not looked into is a tensor of its own, in each iteration of a loop that is followed another.
  bool isFollowed = llvm::any_of(loopIndices, [&](const auto &index) {
    mlir::Value induction = index.first;
    Operation *loop = induction.getParentBlock()->getParentOp();
    return loop->isAncestor(value.getParentBlock()->getParentOp());
  });
  auto keyOf = [](const void *pointer) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer)); };
  enum : uint64_t { itself, computed, loopIndex }; // what a key begins with
  auto numberOf = [&](std::vector<uint64_t> key) {
    return tensorNumbers.try_emplace(std::move(key), tensorNumbers.size() + 1).first->second;
  };
  std::vector<uint64_t> ownKey{itself, keyOf(value.getAsOpaquePointer()),
                               isFollowed ? static_cast<uint64_t>(followed) + 1 : 0};
  uint64_t number = numberOf(std::move(ownKey));
  constexpr unsigned deepest = 500;
  if (depth < deepest && op) {
    if (mlir::Value moved = isa<AllReduceOp, ReduceScatterOp>(op) ? mlir::Value() : movedOperand(op)) {
      number = tensorOf(moved, depth + 1);
    } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      number = tensorOf(slice.getSource(), depth + 1);
    } else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      uint64_t own = tensorOf(insert.getSource(), depth + 1);
      if (get(insert.getDest()).kind == Known::Kind::Uniform || own == tensorOf(insert.getDest(), depth + 1))
        number = own;
    } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
      uint64_t own = tensorOf(concat.getInputs().front(), depth + 1);
      if (llvm::all_of(concat.getInputs(), [&](mlir::Value input) { return tensorOf(input, depth + 1) == own; }))
        number = own;
    } else if (!isa<scf::ForOp, scf::IfOp, func::CallOp, AssertLayoutOp>(op)) {
      // One function of the same operands.
      std::vector<uint64_t> function{computed, op->getNumResults(), cast<OpResult>(value).getResultNumber()};
      llvm::DenseMap<mlir::Value, size_t> own;
      op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
        function.insert(function.end(), {keyOf(inner->getName().getAsOpaquePointer()),
                                         keyOf(inner->getAttrDictionary().getAsOpaquePointer()), inner->getNumResults(),
                                         inner->getNumOperands(), inner->getNumRegions()});
        // Parts of one dim may be of other sizes.
        for (Type type : inner->getResultTypes())
          function.push_back(keyOf(getElementTypeOrSelf(type).getAsOpaquePointer()));
        if (inner != op)
          for (mlir::Value operand : inner->getOperands())
            function.push_back(own.try_emplace(operand, own.size() + 1).first->second);
        for (Region &region : inner->getRegions())
          for (BlockArgument argument : region.getArguments())
            own.try_emplace(argument, own.size() + 1);
        for (mlir::Value result : inner->getResults())
          own.try_emplace(result, own.size() + 1);
      });
      SetVector<mlir::Value> taken;
      getUsedValuesDefinedAbove(op->getRegions(), taken);
      for (mlir::Value operand : llvm::concat<mlir::Value>(SmallVector<mlir::Value, 4>(op->getOperands()),
                                                           SmallVector<mlir::Value, 4>(taken.getArrayRef()))) {
        const Known &given = get(operand);
        // Of unwritten elements nothing is read.
        bool isUnwritten =
            isa<RankedTensorType>(operand.getType()) && given.kind == Known::Kind::Uniform && given.isUnwritten;
        function.push_back(isUnwritten ? 0 : tensorOf(operand, depth + 1));
      }
      number = numberOf(std::move(function));
    }
  } else if (depth < deepest && loopIndices.contains(value)) {
    number = numberOf({loopIndex, static_cast<uint64_t>(loopIndices.lookup(value))});
  }
  tensors[value] = number;
  return number;
}

bool FunctionInference::addPieces(const layout::Value &value, unsigned dim, int64_t begin, int64_t end,
                                  std::vector<layout::Value> &parts) {
  int64_t position = 0;
  for (const layout::Dim &segment : segmentsOf(value.dims[dim])) {
    int64_t length = segment.localSize().getValue(), from = std::max(begin, position),
            to = std::min(end, position + length);
    layout::Value part = value;
    part.dims[dim] = segment;
    part.dims[dim].at.clear();
    llvm::append_range(part.at, segment.at);
    if (from < to && to - from < length) {
      if (auto constant = segmentsIn(segment, from - position, to - position); constant && constant->size() == 1) {
        part.dims[dim] = constant->front();
      } else if (auto taken = layout::takeRange(scope.universe, part, dim, from - position, to - from, 1)) {
        part = std::move(*taken);
      } else {
        return false;
      }
    }
    if (from < to)
      parts.push_back(std::move(part));
    position += length;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

/// Whether a number is made of quotients or remainders, as far as it is read through.
static bool isOfQuotient(mlir::Value number) {
  SmallVector<mlir::Value, 4> work{number};
  for (unsigned i = 0; i < work.size() && i < 16; ++i) {
    Operation *op = work[i].getDefiningOp();
    if (op && isa<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp, arith::RemUIOp, arith::RemSIOp>(op))
      return true;
    if (op)
      work.append(op->operand_begin(), op->operand_end());
  }
  return work.size() > 16;
}

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
  bool isWhole = true;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (unsigned dim = 0; dim < value.dims.size(); ++dim) {
    // coordinate * size, from the rank's own place on: what muster.slice does.
    // A dim that goes with a quotient of coordinates has no place on one rank.
    if (auto place = dyn_cast<mlir::Value>(op.getMixedOffsets()[dim]);
        place && !(dropped.test(dim) && isOfQuotient(place)))
      if (std::optional<SmallVector<layout::AxisId, 2>> group =
              groupOfOffset(coordinateTermsOf(place), sizeOf(op.getMixedSizes()[dim]));
          group && !group->empty() && isConstantIntValue(op.getMixedStrides()[dim], 1) &&
          value.dims[dim].localSize() == *sizeOf(op.getMixedSizes()[dim]) * scope.universe.sizeOf(*group)) {
        Outcome<layout::Value> own = layout::slice(scope.universe, value, *group, dim);
        if (!own)
          return reportRefusal(op, own.getRefusal(), 1104);
        value = std::move(*own);
        isWhole = false;
        continue;
      }
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]),
                        stride = sizeOf(op.getMixedStrides()[dim]);
    Size whole = value.dims[dim].localSize();
    if (offset && offset->isZero() && size && *size == whole && stride && stride->isOne())
      continue;
    bool isConcrete = offset && size && stride && offset->isConcrete() && size->isConcrete() && stride->isConcrete();
    if (isConcrete && !value.dims[dim].isSegmented() && !isConstantPart(value, dim)) {
      layout::Value source;
      if (std::optional<layout::Value> taken =
              layout::takeRange(scope.universe, value, dim, offset->getValue(), size->getValue(), stride->getValue(),
                                isWhole ? &source : nullptr)) {
        // Other slices of the value are of the reading that this one is of.
        if (!source.dims.empty())
          set(op.getSource(), std::move(source));
        value = std::move(*taken);
        isWhole = false;
        continue;
      }
    }
    if (!offset || !size || !stride || !stride->isOne()) {
      // Where each rank can tell its own place, the elements are followed back.
      if (!inferPulled(op, "this slice takes a part of " + print(scope.universe, value.dims[dim])))
        unsupported("a slice of unknown offset or size, or with a stride");
      return;
    }
    if (!value.dims[dim].isSegmented() && !isConstantPart(value, dim)) {
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
    llvm::append_range(value.at, value.dims[dim].at);
    value.dims[dim].at.clear();
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

/// One value between constants: what tensor.pad makes.
bool FunctionInference::padByConcat(tensor::ConcatOp op) {
  unsigned dim = static_cast<unsigned>(op.getDim());
  const layout::Value *padded = nullptr;
  std::vector<layout::Dim> segments;
  bool isZero = true;
  for (mlir::Value operand : op.getInputs()) {
    const Known &known = get(operand);
    if (known.kind == Known::Kind::Digits && !padded) {
      padded = &known.value;
      llvm::append_range(segments, segmentsOf(known.value.dims[dim]));
      continue;
    }
    auto type = cast<RankedTensorType>(operand.getType());
    if (known.kind != Known::Kind::Uniform || known.isUnwritten || type.isDynamicDim(dim))
      return false;
    isZero &= known.isZero;
    segments.push_back(constantDim(Size(type.getDimSize(dim)), "padding"));
  }
  if (!padded || segments.size() == 1 || (!isZero && !padded->isFull()) || !padded->dims[dim].localSize().isConcrete())
    return false;
  layout::Value value = *padded;
  value.dims[dim] = joinSegments(std::move(segments));
  value.history.reset(); // it tells of the dim that this is a part of
  markUncovered("a concatenation with constants");
  set(op.getResult(), std::move(value));
  return true;
}

void FunctionInference::inferConcat(tensor::ConcatOp op) {
  unsigned dim = static_cast<unsigned>(op.getDim());
  SmallVector<mlir::Value, 4> operands(op.getInputs());
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
      if (std::optional<layout::Packed> packed = concatenate(operands, dim))
        if (std::optional<Known> joined = knownOf(std::move(*packed), op, true))
          set(op.getResult(), std::move(*joined));
      return;
    }
    isUniform &= known.kind == Known::Kind::Uniform && known.isZero;
  }
  if (isUniform)
    return set(op.getResult(), Known(get(op.getInputs().front())));
  if (padByConcat(op))
    return;
  auto isOneTensor = [&](size_t a, size_t b) { return tensorOf(operands[a]) == tensorOf(operands[b]); };
  // What was cut and is whole again.
  std::vector<layout::Value> cut;
  for (mlir::Value operand : operands)
    if (const Known &known = get(operand); known.kind == Known::Kind::Digits)
      if (std::optional<layout::Value> plain = layout::plainValue(scope.universe, known.value);
          plain && layout::hasRanges(scope.universe, *plain))
        cut.push_back(std::move(*plain));
  if (cut.size() == operands.size())
    if (std::optional<layout::Value> joined = layout::joinAlong(scope.universe, cut, dim, isOneTensor);
        joined && !joined->dims[dim].isSegmented())
      return set(op.getResult(), std::move(*joined));
  // Each part keeps its history.
  bool hasMoved = llvm::any_of(op.getInputs(), [&](mlir::Value operand) {
    const Known &known = get(operand);
    return known.kind == Known::Kind::Digits && layout::hasMoved(known.value);
  });
  if (hasMoved)
    if (std::optional<layout::Packed> packed = concatenate(operands, dim))
      if (std::optional<Known> joined = knownOf(std::move(*packed), op, true))
        return set(op.getResult(), std::move(*joined));
  std::vector<layout::Value> parts;
  for (mlir::Value operand : op.getInputs()) {
    const layout::Value *input = digitsOf(op, operand);
    if (!input)
      return;
    if (!input->dims[dim].localSize().isConcrete())
      return symbolic();
    parts.push_back(*input);
  }
  if (std::optional<layout::Value> joined = layout::joinAlong(scope.universe, parts, dim, isOneTensor)) {
    Known known;
    known.kind = Known::Kind::Digits;
    known.isOneTensor = joined->dims[dim].isSegmented() && layout::hasRanges(scope.universe, joined->dims[dim]);
    for (size_t i = 1; i < operands.size(); ++i)
      known.isOneTensor = known.isOneTensor && isOneTensor(0, i);
    known.value = std::move(*joined);
    return set(op.getResult(), std::move(known));
  }
  if (std::optional<layout::Packed> packed = concatenate(operands, dim))
    if (std::optional<Known> joined = knownOf(std::move(*packed), op, true))
      return set(op.getResult(), std::move(*joined));
  std::string why = "this concatenates values that differ in more than dim " + std::to_string(dim);
  if (!inferPulled(op, why)) {
    Refusal refusal{Refusal::Kind::Unknown, why, "operands that are reduced and spread alike"};
    reportRefusal(op, refusal, 1108);
  }
}

/// Each rank's part at its place among zeros: a gather by hand, once it is added up. Over the ranks of the group, all
/// but one add zeros at each place, so the whole is what is pending; one rank alone inserts all there is at 0.
std::optional<layout::Value> FunctionInference::embed(tensor::InsertSliceOp op) {
  const Known &source = get(op.getSource()), &into = get(op.getDest());
  if (source.kind != Known::Kind::Digits || into.kind != Known::Kind::Uniform || !into.isZero || into.isUnwritten ||
      op.getSourceType().getRank() != op.getDestType().getRank() || !source.value.parts.empty() ||
      layout::hasMoved(source.value))
    return std::nullopt;
  std::optional<unsigned> place;
  SmallVector<layout::AxisId, 2> group;
  for (unsigned dim = 0; dim < static_cast<unsigned>(op.getDestType().getRank()); ++dim) {
    Size local = source.value.dims[dim].localSize();
    std::optional<Size> offset = sizeOf(op.getMixedOffsets()[dim]), size = sizeOf(op.getMixedSizes()[dim]);
    int64_t whole = op.getDestType().getDimSize(dim);
    if (!size || !(*size == local) || !isConstantIntValue(op.getMixedStrides()[dim], 1) || whole < 0)
      return std::nullopt;
    if (offset && offset->isZero() && local == Size(whole))
      continue;
    auto index = dyn_cast<mlir::Value>(op.getMixedOffsets()[dim]);
    std::optional<SmallVector<layout::AxisId, 2>> found =
        index ? groupOfOffset(coordinateTermsOf(index), local) : std::nullopt;
    if (place || !found || found->empty() || !(local * scope.universe.sizeOf(*found) == Size(whole)))
      return std::nullopt;
    place = dim;
    group = std::move(*found);
  }
  if (!place)
    return std::nullopt;
  // Ranks that hold the same would each add it at a place of its own, where one rank has it once.
  const layout::Dim &dim = source.value.dims[*place];
  for (layout::AxisId axis : group) {
    bool isSpread = llvm::any_of(dim.digits, [&](const layout::Digit &digit) {
      return digit.axis == axis && digit.weight.isOne() && digit.count == scope.universe.axes[axis].size;
    });
    bool isPending = llvm::any_of(source.value.pending, [&](const layout::Pending &one) { return one.axis == axis; });
    if (!isSpread || isPending)
      return std::nullopt;
  }
  Outcome<layout::Value> gathered = layout::allGather(scope.universe, source.value, group, *place);
  if (!gathered)
    return std::nullopt;
  for (layout::AxisId axis : group)
    gathered->pending.push_back({scope.universe.axes[axis].size, axis, Size(1), layout::Reduction::Sum});
  markUncovered("parts at their places among zeros");
  return std::move(*gathered);
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
  if (std::optional<layout::Value> parts = embed(op))
    return set(op.getResult(), std::move(*parts));
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
  for (Known *known : {&source, &into})
    if (known->kind == Known::Kind::Digits && layout::hasMoved(known->value)) {
      std::optional<layout::Value> plain = layout::plainValue(scope.universe, known->value);
      if (!plain)
        return unsupported("this inserts a value, or into one, of which the dims are not known");
      known->value = std::move(*plain);
    }
  // A constant takes the dims of the other, and may be a part of a sum if it is zero.
  auto adopt = [&](Known &constant, const layout::Value &other, Size size) {
    bool isPart = constant.isUnwritten || constant.isZero || other.isFull();
    constant.value = other;
    constant.value.at.clear();
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
  if (!into.value.dims[*partial].localSize().isConcrete())
    return unsupported("this inserts into a dim of symbolic size");
  std::vector<layout::Value> parts;
  int64_t whole = into.value.dims[*partial].localSize().getValue();
  if (!addPieces(into.value, *partial, 0, begin, parts))
    return unsupported("this overwrites a part of " + print(scope.universe, into.value.dims[*partial]));
  size_t own = parts.size();
  parts.push_back(source.value);
  if (!addPieces(into.value, *partial, end, whole, parts))
    return unsupported("this overwrites a part of " + print(scope.universe, into.value.dims[*partial]));
  auto isOneTensor = [&](size_t a, size_t b) {
    return (a != own && b != own) || tensorOf(op.getSource()) == tensorOf(op.getDest());
  };
  std::optional<layout::Value> joined = layout::joinAlong(scope.universe, parts, *partial, isOneTensor);
  if (!joined)
    return unsupported("this inserts a value that differs in more than dim " + std::to_string(*partial));
  set(op.getResult(), std::move(*joined));
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
