// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Positions that a program computes: where a rank's part begins, as sums of coordinates times sizes, and tables of
// them.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/NormalForm.h"

using namespace mlir;
using namespace muster;
using layout::Refusal;
using layout::Size;

std::optional<FunctionInference::CoordinateTerms>
FunctionInference::coordinateTermsOf(mlir::Value index, mlir::Value own, unsigned divisions) {
  CoordinateTerms terms;
  bool hasOwn = false;
  unsigned depth = 0;
  std::function<bool(mlir::Value, Size)> collect = [&](mlir::Value value, Size factor) {
    if (++depth > 4 * mostArithmetic)
      return false;
    if (own && value == own) {
      bool isFirst = !hasOwn;
      hasOwn = true;
      return isFirst && factor.isOne();
    }
    Operation *defining = value.getDefiningOp();
    if (!defining)
      return false;
    if (auto constant = dyn_cast<arith::ConstantIndexOp>(defining))
      return constant.value() == 0;
    if (auto coordinate = dyn_cast<CoordinateOp>(defining)) {
      SmallVector<layout::AxisId, 2> group = scope.groupOf(coordinate.getAxis());
      for (layout::AxisId axis : llvm::reverse(group)) {
        terms.push_back({axis, factor});
        factor *= scope.universe.axes[axis].size;
      }
      return true;
    }
    // Of a group of one rank: nobody's rows are in front.
    auto isAlone = [&](auto axes) { return scope.universe.sizeOf(scope.groupOf(axes)).isOne(); };
    if (auto own = dyn_cast<OwnOffsetOp>(defining)) {
      ArrayRef<StringAttr> axes = own.getOffsets().getType().getAxes();
      return isAlone(ArrayAttr::get(own.getContext(), SmallVector<Attribute>(axes.begin(), axes.end())));
    }
    if (auto own = dyn_cast<FirstRowOp>(defining))
      return isAlone(own.getRows().getAxes());
    if (isa<arith::IndexCastOp>(defining))
      return collect(defining->getOperand(0), factor);
    if (isa<arith::AddIOp>(defining))
      return collect(defining->getOperand(0), factor) && collect(defining->getOperand(1), factor);
    if (isa<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp, arith::RemUIOp, arith::RemSIOp>(defining)) {
      // Coordinates are no less than zero: of each term, steps of the divisor are the quotient and the others the rest.
      std::optional<CoordinateTerms> divided = divisions < mostArithmetic
                                                   ? coordinateTermsOf(defining->getOperand(0), nullptr, divisions + 1)
                                                   : std::nullopt;
      std::optional<Size> divisor = sizeOf(defining->getOperand(1));
      if (!divided || !divisor || !divisor->isConcrete() || divisor->getValue() < 1)
        return false;
      int64_t by = divisor->getValue(), most = 0;
      bool isQuotient = !isa<arith::RemUIOp, arith::RemSIOp>(defining);
      for (auto [axis, step] : *divided) {
        const Size &size = scope.universe.axes[axis].size;
        if (!step.isConcrete() || !size.isConcrete())
          return false;
        bool isStep = step.getValue() % by == 0;
        if (!isStep)
          most += step.getValue() * (size.getValue() - 1);
        if (isStep == isQuotient)
          terms.push_back({axis, factor * (isQuotient ? Size(step.getValue() / by) : step)});
      }
      return most < by;
    }
    if (isa<arith::MulIOp>(defining))
      for (unsigned i : {0u, 1u})
        if (std::optional<Size> size = sizeOf(defining->getOperand(i)); size && !scope.isOfRows(*size))
          return collect(defining->getOperand(1 - i), factor * *size);
    return false;
  };
  if (!collect(index, 1) || hasOwn != static_cast<bool>(own))
    return std::nullopt;
  return terms;
}

std::optional<SmallVector<layout::AxisId, 2>> FunctionInference::groupOfOffset(std::optional<CoordinateTerms> terms,
                                                                               std::optional<Size> size) {
  auto isConcrete = [](auto &term) { return term.second.isConcrete(); };
  if (!terms || !size || !size->isConcrete() || !llvm::all_of(*terms, isConcrete))
    return std::nullopt;
  // Outer axes have the greater steps; the innermost steps by the size of a part.
  llvm::sort(*terms, [](auto &a, auto &b) { return a.second.getValue() > b.second.getValue(); });
  int64_t step = size->getValue();
  SmallVector<layout::AxisId, 2> group;
  for (auto [axis, factor] : llvm::reverse(*terms)) {
    const Size &axisSize = scope.universe.axes[axis].size;
    if (!(factor == Size(step)) || !axisSize.isConcrete())
      return std::nullopt;
    group.insert(group.begin(), axis);
    step *= axisSize.getValue();
  }
  return group;
}

std::optional<layout::Value> FunctionInference::positionTable(const Size &size, const CoordinateTerms &terms) {
  // The identity on a space of its own, of which the rank has its part.
  layout::Digit own;
  own.count = size;
  own.stride = 1;
  Size whole = size;
  layout::Dim dim;
  if (!terms.empty()) {
    std::optional<SmallVector<layout::AxisId, 2>> group = groupOfOffset(terms, size);
    if (!group)
      return std::nullopt;
    for (layout::AxisId axis : llvm::reverse(*group)) {
      layout::Digit digit;
      digit.count = scope.universe.axes[axis].size;
      digit.stride = whole;
      digit.axis = axis;
      digit.home = Size(1);
      dim.digits.insert(dim.digits.begin(), digit);
      whole *= digit.count;
    }
  }
  dim.digits.push_back(own);
  layout::SpaceId space = scope.universe.addSpace({"positions", whole});
  for (layout::Digit &digit : dim.digits)
    digit.space = space;
  layout::Value value;
  value.dims.push_back(std::move(dim));
  layout::normalise(value);
  return value;
}

void FunctionInference::inferGenerate(tensor::GenerateOp op) {
  auto unknown = [&] {
    Refusal refusal{Refusal::Kind::Unknown, "unsupported table: expected positions, index + coordinate * size",
                    "the table as an argument with a layout"};
    reportRefusal(op, refusal, 1108);
  };
  auto type = cast<RankedTensorType>(op.getType());
  Block &body = op.getBody().front();
  mlir::Value yielded = body.getTerminator()->getOperand(0);
  while (Operation *cast = yielded.getDefiningOp()) {
    if (!isa<arith::IndexCastOp, arith::SIToFPOp, arith::UIToFPOp, arith::ExtSIOp, arith::TruncIOp>(cast))
      break;
    yielded = cast->getOperand(0);
  }
  if (type.getRank() != 1)
    return unknown();
  std::optional<Size> size =
      type.isDynamicDim(0) ? sizeOf(op.getDynamicExtents()[0]) : std::optional<Size>(type.getDimSize(0));
  std::optional<CoordinateTerms> terms = coordinateTermsOf(yielded, body.getArgument(0));
  if (!size || !terms)
    return unknown();
  std::optional<layout::Value> table = positionTable(*size, *terms);
  if (!table)
    return unknown();
  set(op.getResult(), std::move(*table));
}
