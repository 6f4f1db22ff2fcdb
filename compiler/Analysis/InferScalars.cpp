// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalars: which of them may differ between ranks, and which are sizes.
#include "compiler/Analysis/FunctionInference.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using layout::Refusal;
using layout::Size;

//===----------------------------------------------------------------------===//
// Divergence
//===----------------------------------------------------------------------===//

Operation *FunctionInference::divergenceOf(mlir::Value scalar) const { return divergent.lookup(scalar); }

/// Whether a number is a size of this mesh: of a part that one rank has as a whole, or of an axis.
static bool isSizeOfMesh(Operation *source) { return isa<tensor::DimOp, SizeOp, OwnCountOp>(source); }

bool FunctionInference::isSizeOfPart(tensor::DimOp op) {
  const Known &known = get(op.getSource());
  std::optional<int64_t> index = op.getConstantIndex();
  if (known.kind == Known::Kind::Uniform) {
    auto empty = op.getSource().getDefiningOp<tensor::EmptyOp>();
    return empty && llvm::any_of(empty.getDynamicSizes(), [&](mlir::Value size) { return divergenceOf(size); });
  }
  if (known.kind != Known::Kind::Digits || !index || *index >= static_cast<int64_t>(known.value.dims.size()))
    return known.kind != Known::Kind::Failed;
  auto isSpread = [](const layout::Dim &dim) {
    return llvm::any_of(dim.digits, [](const layout::Digit &digit) { return digit.isMesh(); });
  };
  const layout::Dim &dim = known.value.dims[static_cast<size_t>(*index)];
  return isSpread(dim) || llvm::any_of(dim.segments, isSpread) || !known.value.floats.empty();
}

bool FunctionInference::isWholeOnRanks(const Known &known) const {
  const layout::Universe &universe = scope.universe;
  if (known.kind != Known::Kind::Digits || !known.value.isFull() || !known.value.floats.empty())
    return false;
  // Chunks, parts of parts, and copies that ranks had stand elsewhere on one rank, or not at all.
  auto isPlain = [&](const layout::Digit &digit) {
    const layout::Space &space = universe.spaces[digit.space],
                        &root = universe.spaces[layout::rootOf(universe, digit.space)];
    bool isOrdered = !space.twin && space.tag.empty() && !root.twin && root.tag.empty();
    return !digit.isMesh() && !digit.isPart && isOrdered && (digit.isCopy || !digit.stride.isZero());
  };
  for (const layout::Dim &dim : known.value.dims) {
    if (!llvm::all_of(dim.digits, isPlain))
      return false;
    for (const layout::Dim &segment : dim.segments)
      if (!llvm::all_of(segment.digits, isPlain))
        return false;
  }
  if (!layout::hasMoved(known.value))
    return true;
  auto readings = layout::soundReadingsOf(universe, known.value);
  return readings && readings->size() == 1 && layout::isSame(readings->front(), known.value);
}

Operation *FunctionInference::divergenceOf(Operation *op) {
  if (auto coordinate = dyn_cast<CoordinateOp>(op))
    return scope.universe.sizeOf(scope.groupOf(coordinate.getAxis())).isOne() ? nullptr : op;
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    return isSizeOfPart(dim) ? op : nullptr;
  if (auto size = dyn_cast<SizeOp>(op)) {
    auto isAxis = [&](StringRef name) {
      return llvm::any_of(scope.universe.axes,
                          [&](const layout::Axis &axis) { return axis.name == name || axis.whole == name; });
    };
    bool isDivided = size.getDivisor() && isAxis(*size.getDivisor()) &&
                     !scope.universe.sizeOf(scope.groupOf(*size.getDivisor())).isOne();
    return isDivided || isAxis(size.getDividend()) ? op : nullptr;
  }
  // Counts are known to a group after an exchange: what may differ then is told axis by axis.
  if (isa<ExchangeCountsOp, OwnCountOp, OwnOffsetOp, FirstRowOp, TotalOp, MaximumOp>(op))
    if (const Uniformity *varying = uniformityAt(op)) {
      bool isSame =
          llvm::all_of(op->getResults(), [&](mlir::Value result) { return varying->of(result).elements.empty(); });
      return isSame ? nullptr : op;
    }
  Operation *found = nullptr; // what differs between ranks before what they all have
  for (mlir::Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType())) {
      if (Operation *source = divergenceOf(operand))
        if (!found || isSizeOfMesh(found))
          found = source;
      continue;
    }
    const Known &known = get(operand);
    if (known.kind == Known::Kind::Uniform)
      continue;
    if (!isWholeOnRanks(known))
      return op;
  }
  return found;
}

bool FunctionInference::refuseDivergence(Operation *op, mlir::Value scalar) {
  Operation *source = divergenceOf(scalar);
  if (!source)
    return false;
  if (isSizeOfMesh(source)) {
    Refusal refusal{Refusal::Kind::Unknown,
                    "this computes with a size of this mesh, a number that one rank does not have",
                    "that the number cancels; the size of the whole is muster.size <t>, or that of a gathered dim"};
    reportRefusal(op, refusal, 1108);
    report.findings.back().notes.push_back({source->getLoc(), "the size is taken here"});
    return true;
  }
  std::string from = isa<CoordinateOp>(source)
                         ? "on the coordinate on '" + cast<CoordinateOp>(source).getAxis().str() + "'"
                         : "on elements that differ between ranks";
  Refusal refusal{
      Refusal::Kind::Unknown, "this depends " + from + ", so ranks compute different functions",
      "that the result is the same on every rank (positions of a rank: tensor.generate or linalg.index plus "
      "muster.coordinate times the size of a part)"};
  reportRefusal(op, refusal, 1108);
  report.findings.back().notes.push_back({source->getLoc(), "it differs between ranks from here on"});
  return true;
}

bool FunctionInference::refuseOperands(Operation *op) {
  for (mlir::Value operand : op->getOperands()) {
    if (isa<ShapedType, CountsType, OffsetsType>(operand.getType()))
      continue; // counts are judged with the rows that they count
    // Sizes make shapes: those of parts are what parts have.
    Operation *source = divergenceOf(operand);
    bool isShape = operand.getType().isIndex() && !isa<tensor::SplatOp, tensor::FromElementsOp, linalg::LinalgOp>(op);
    if (source && !(isSizeOfMesh(source) && isShape) && refuseDivergence(op, operand))
      return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

std::optional<Size> FunctionInference::localSizeOf(mlir::Value tensor, unsigned dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return Size(type.getDimSize(dim));
  const Known &known = get(tensor);
  if (known.kind == Known::Kind::Digits)
    return known.value.dims[dim].localSize();
  return std::nullopt;
}

std::optional<Size> FunctionInference::sizeOf(OpFoldResult size) {
  if (auto attr = dyn_cast<Attribute>(size))
    return Size(cast<IntegerAttr>(attr).getInt());
  return sizeOf(cast<mlir::Value>(size));
}

std::optional<int64_t> FunctionInference::indexAt(OpFoldResult index, const layout::Place *place) {
  if (auto attr = dyn_cast<Attribute>(index))
    return cast<IntegerAttr>(attr).getInt();
  return indexAt(cast<mlir::Value>(index), place);
}

std::optional<int64_t> FunctionInference::indexAt(mlir::Value index, const layout::Place *place, unsigned depth) {
  if (auto own = loopIndices.find(index); own != loopIndices.end())
    return own->second;
  Operation *op = index.getDefiningOp();
  if (!op || depth > mostArithmetic)
    return std::nullopt;
  APInt constant;
  if (matchPattern(index, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  if (auto coordinate = dyn_cast<CoordinateOp>(op)) {
    if (!place)
      return std::nullopt;
    int64_t position = 0;
    for (layout::AxisId axis : scope.groupOf(coordinate.getAxis())) {
      std::optional<int64_t> size = scope.universe.axes[axis].size.evaluate(place->symbols);
      if (!size)
        return std::nullopt;
      position = position * *size + place->coordinates[axis];
    }
    return position;
  }
  if (isa<SizeOp, plan::CountOp, tensor::DimOp>(op)) {
    std::optional<Size> size = sizeOf(index, depth + 1);
    if (!size || (!place && !size->isConcrete()))
      return std::nullopt;
    return size->isConcrete() ? size->getValue() : size->evaluate(place->symbols);
  }
  if (isa<arith::IndexCastOp>(op))
    return indexAt(op->getOperand(0), place, depth + 1);
  if (op->getNumOperands() != 2 || op->getNumResults() != 1 || !index.getType().isIndex())
    return std::nullopt;
  std::optional<int64_t> a = indexAt(op->getOperand(0), place, depth + 1),
                         b = indexAt(op->getOperand(1), place, depth + 1);
  if (!a || !b)
    return std::nullopt;
  int64_t result = 0;
  if (isa<arith::AddIOp>(op))
    return llvm::AddOverflow(*a, *b, result) ? std::nullopt : std::optional(result);
  if (isa<arith::SubIOp>(op))
    return llvm::SubOverflow(*a, *b, result) ? std::nullopt : std::optional(result);
  if (isa<arith::MulIOp>(op))
    return llvm::MulOverflow(*a, *b, result) ? std::nullopt : std::optional(result);
  if (isa<arith::MinSIOp>(op))
    return std::min(*a, *b);
  if (isa<arith::MaxSIOp>(op))
    return std::max(*a, *b);
  // Signed and unsigned quotients are one where nothing is negative.
  if (*a < 0 || *b <= 0)
    return std::nullopt;
  if (isa<arith::DivUIOp, arith::DivSIOp>(op))
    return *a / *b;
  if (isa<arith::RemUIOp, arith::RemSIOp>(op))
    return *a % *b;
  return std::nullopt;
}

bool FunctionInference::isKnownOnRanks(OpFoldResult index) {
  layout::Place first;
  first.symbols.assign(scope.universe.symbols.size(), 1);
  first.coordinates.assign(scope.universe.axes.size(), 0);
  return indexAt(index, &first).has_value();
}

std::optional<Size> FunctionInference::sizeOf(mlir::Value index, unsigned depth) {
  if (auto own = loopIndices.find(index); own != loopIndices.end())
    return own->second < 0 ? std::nullopt : std::optional<Size>(own->second);
  Operation *op = index.getDefiningOp();
  if (!op || depth > mostArithmetic)
    return std::nullopt;
  if (auto constant = dyn_cast<arith::ConstantIndexOp>(op))
    return constant.value() < 0 ? std::nullopt : std::optional<Size>(constant.value());
  if (auto size = dyn_cast<SizeOp>(op)) {
    std::optional<Size> dividend = scope.sizeOf(size.getDividend());
    if (!dividend || !size.getDivisor())
      return dividend;
    std::optional<Size> divisor = scope.sizeOf(*size.getDivisor());
    return divisor ? layout::divide(*dividend, *divisor) : std::nullopt;
  }
  if (auto count = dyn_cast<plan::CountOp>(op))
    return scope.sizeOf(count.getName());
  if (isa<OwnCountOp, TotalOp>(op))
    if (std::optional<layout::SpaceId> space = spaceOfCounts(op->getOperand(0))) {
      const layout::Space &own = scope.universe.spaces[*space];
      if (refuseSource(op->getOperand(0), *space))
        return std::nullopt;
      return isa<OwnCountOp>(op) ? own.rows->part : own.size;
    }
  if (isa<arith::MulIOp, arith::DivUIOp>(op)) {
    std::optional<Size> a = sizeOf(op->getOperand(0), depth + 1), b = sizeOf(op->getOperand(1), depth + 1);
    if (!a || !b || scope.isOfRows(*a) || scope.isOfRows(*b)) // a quotient of unequal parts is none of theirs
      return std::nullopt;
    return isa<arith::MulIOp>(op) ? std::optional<Size>(*a * *b) : layout::divide(*a, *b);
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    if (std::optional<int64_t> constant = dim.getConstantIndex())
      return localSizeOf(dim.getSource(), static_cast<unsigned>(*constant));
  if (isa<arith::AddIOp, arith::SubIOp, arith::RemUIOp, arith::RemSIOp, arith::MinSIOp, arith::MaxSIOp>(op))
    if (std::optional<int64_t> number = indexAt(index, nullptr, depth); number && *number >= 0)
      return Size(*number);
  return std::nullopt;
}
