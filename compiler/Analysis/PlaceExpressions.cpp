// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Places as expressions: the element at any place, as quasi-affine expressions of coordinates, local index and symbols.
// Two values are equal if and only if, for every space, no place makes the difference of the positions 1 or more, nor
// -1 or less: two questions whether a set of integers is empty (Presburger arithmetic, decided by MLIR's library).
//
// Products of symbols and divisions by them are outside; so are values that differ from piece to piece (concatenations,
// permutations of ranks, segments, chunk orders). Questions of many divisions are not asked, because the time to answer
// grows fast with them.
#include "compiler/Analysis/FunctionInference.h"

#include "mlir/Analysis/FlatLinearValueConstraints.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IntegerSet.h"

using namespace mlir;
using namespace muster;
using layout::Size;

/// Divisions that one question may have.
static constexpr unsigned mostDivisions = 24;

namespace {

/// An expression, or nothing where it would not be quasi-affine.
class Expression {
public:
  Expression() = default;
  Expression(AffineExpr expression) : expression(expression) {} // NOLINT: an expression is one

  friend Expression operator+(Expression a, Expression b) {
    return a.expression && b.expression ? a.expression + b.expression : Expression();
  }
  friend Expression operator*(Expression a, Expression b) {
    if (!a.expression || !b.expression)
      return {};
    if (isa<AffineConstantExpr>(b.expression))
      return a.expression * b.expression;
    return isa<AffineConstantExpr>(a.expression) ? b.expression * a.expression : Expression();
  }
  Expression floorDiv(Expression by) const {
    return expression && by.isPositive() ? expression.floorDiv(by.expression) : Expression();
  }
  Expression operator%(Expression by) const {
    return expression && by.isPositive() ? expression % by.expression : Expression();
  }
  explicit operator bool() const { return static_cast<bool>(expression); }
  AffineExpr get() const { return expression; }

private:
  bool isPositive() const {
    auto constant = expression ? dyn_cast<AffineConstantExpr>(expression) : AffineConstantExpr();
    return constant && constant.getValue() > 0;
  }
  AffineExpr expression;
};

/// Any place of one program.
class AnyPlace {
public:
  AnyPlace(const layout::Universe &universe, ArrayRef<Size> shape, MLIRContext *context)
      : universe(universe), context(context) {
    unsigned count = 0;
    auto fresh = [&] { return Expression(getAffineDimExpr(count++, context)); };
    for (size_t i = 0; i < universe.symbols.size(); ++i)
      symbols.push_back(fresh());
    for (size_t i = 0; i < universe.axes.size(); ++i)
      coordinates.push_back(fresh());
    for (size_t i = 0; i < shape.size(); ++i)
      index.push_back(fresh());
    variables = count;
    for (Expression symbol : symbols)
      bound(symbol + constant(-1));
    for (auto [coordinate, axis] : llvm::zip(coordinates, universe.axes))
      within(coordinate, axis.size);
    for (auto [position, size] : llvm::zip(index, shape))
      within(position, size);
  }

  Expression constant(int64_t value) const { return Expression(getAffineConstantExpr(value, context)); }
  Expression number(const Size &size) const {
    Expression result = constant(size.getCoefficient());
    if (!size.isConcrete())
      for (unsigned symbol : size.getSymbols())
        result = result * symbols[symbol];
    return result;
  }
  Expression positionIn(ArrayRef<layout::AxisId> group) const {
    Expression position = constant(0);
    for (layout::AxisId axis : group)
      position = position * number(universe.axes[axis].size) + coordinates[axis];
    return position;
  }
  void moveTo(ArrayRef<layout::AxisId> group, Expression position) {
    for (size_t i = group.size(); i-- > 0;) {
      Expression size = number(universe.axes[group[i]].size);
      coordinates[group[i]] = i == 0 ? position : position % size;
      if (i > 0)
        position = position.floorDiv(size);
    }
  }
  void regroup(ArrayRef<Size> from, ArrayRef<Size> to) {
    Expression offset = constant(0);
    for (auto [position, size] : llvm::zip(index, from))
      offset = offset * number(size) + position;
    index.assign(to.size(), constant(0));
    for (size_t i = to.size(); i-- > 0;) {
      index[i] = i == 0 ? offset : offset % number(to[i]);
      if (i > 0)
        offset = offset.floorDiv(number(to[i]));
    }
  }
  /// Positions of a value here, by space; nothing where it is in pieces.
  std::optional<SmallVector<Expression, 8>> positionsOf(const layout::Value &value) const {
    SmallVector<Expression, 8> positions(universe.spaces.size(), constant(0));
    auto add = [&](const layout::Digit &digit, Expression own) {
      positions[digit.space] = positions[digit.space] + own * number(digit.stride);
      return !universe.spaces[digit.space].twin;
    };
    auto meshDigit = [&](const layout::Digit &digit) {
      Expression own = coordinates[digit.axis];
      if (!digit.weight.isOne())
        own = own.floorDiv(number(digit.weight));
      if (!(digit.count * digit.weight == universe.axes[digit.axis].size))
        own = own % number(digit.count);
      return add(digit, own);
    };
    for (auto [dim, position] : llvm::zip(value.dims, index)) {
      if (dim.isSegmented())
        return std::nullopt;
      size_t left = llvm::count_if(dim.digits, [](const layout::Digit &digit) { return !digit.isMesh(); });
      Expression rest = position;
      for (const layout::Digit &digit : llvm::reverse(dim.digits)) {
        bool isLast = !digit.isMesh() && --left == 0;
        if (digit.isMesh() ? !meshDigit(digit) : !add(digit, isLast ? rest : rest % number(digit.count)))
          return std::nullopt;
        if (!digit.isMesh() && !isLast)
          rest = rest.floorDiv(number(digit.count));
      }
    }
    for (const layout::Digit &digit : value.floats)
      if (!meshDigit(digit))
        return std::nullopt;
    return positions;
  }

  const layout::Universe &universe;
  MLIRContext *context;
  SmallVector<Expression, 4> symbols, coordinates, index;
  SmallVector<AffineExpr> constraints; ///< each 0 or more
  unsigned variables = 0;              ///< symbols, coordinates and index, in this order

private:
  void bound(Expression expression) {
    isBounded &= static_cast<bool>(expression);
    if (expression)
      constraints.push_back(expression.get());
  }
  void within(Expression expression, const Size &size) {
    bound(expression);
    bound(number(size) + expression * constant(-1) + constant(-1));
  }

public:
  bool isBounded = true; ///< every size is a number or a symbol times a number
};

} // namespace

/// Moves a place of the result of `op` back to `input`. False for what is in pieces.
static bool moveBack(Operation *op, mlir::Value input, AnyPlace &place, const LayoutScope &scope, ArrayRef<Size> from,
                     ArrayRef<Size> to) {
  const layout::Universe &universe = scope.universe;
  auto at = [&](uint64_t dim) -> Expression & { return place.index[static_cast<size_t>(dim)]; };
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op)) {
    place.regroup(to, from);
  } else if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    SmallVector<Expression, 4> index(place.index.size());
    for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
      index[static_cast<size_t>(dim)] = place.index[i];
    place.index = index;
  } else if (auto exchange = dyn_cast<ExchangeOp>(op)) {
    SmallVector<layout::AxisId, 2> group = scope.groupOf(exchange.getAxes());
    std::optional<Size> part = layout::divide(from[0], universe.sizeOf(group));
    if (!part)
      return false;
    Expression own = place.positionIn(group), length = place.number(*part);
    Expression source = part->isOne() ? at(0) : at(0).floorDiv(length);
    at(0) = part->isOne() ? own : own * length + at(0) % length;
    place.moveTo(group, source);
  } else if (auto all = dyn_cast<AllToAllOp>(op)) {
    SmallVector<layout::AxisId, 2> group = scope.groupOf(all.getAxes());
    Size parts = universe.sizeOf(group);
    uint64_t split = all.getSplit(), concat = all.getConcat();
    std::optional<Size> concatPart = split == concat ? layout::divide(from[concat], parts) : from[concat],
                        splitPart = layout::divide(from[split], parts);
    if (!concatPart || !splitPart)
      return false;
    Expression own = place.positionIn(group), length = place.number(*concatPart);
    Expression source = concatPart->isOne() ? at(concat) : at(concat).floorDiv(length);
    at(concat) = concatPart->isOne() ? place.constant(0) : at(concat) % length;
    at(split) = at(split) + own * place.number(*splitPart);
    place.moveTo(group, source);
  } else if (auto gather = dyn_cast<AllGatherOp>(op)) {
    uint64_t dim = gather.getDim();
    Expression length = place.number(from[dim]);
    Expression source = at(dim).floorDiv(length);
    at(dim) = at(dim) % length;
    place.moveTo(scope.groupOf(gather.getAxes()), source);
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    uint64_t dim = slice.getDim();
    at(dim) = at(dim) + place.positionIn(scope.groupOf(slice.getAxes())) * place.number(to[dim]);
  } else {
    return isa<tensor::CastOp>(op);
  }
  return true;
}

PlaceQuestion FunctionInference::askPresburger(mlir::Value value, const layout::Value &declared) {
  AnyPlace place(scope.universe, declared.localShape(), entry.getContext());
  std::optional<SmallVector<Expression, 8>> wanted = place.positionsOf(declared), got;
  while (wanted && place.isBounded) {
    const Known &known = get(value);
    if (known.kind == Known::Kind::Digits && !layout::hasRanges(scope.universe, known.value)) {
      got = place.positionsOf(known.value);
      break;
    }
    Operation *op = value.getDefiningOp();
    if (!op || known.kind == Known::Kind::Failed || known.kind == Known::Kind::Uniform)
      return {};
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      llvm::SmallBitVector dropped = slice.getDroppedDims();
      SmallVector<Expression, 4> before = place.index;
      place.index.clear();
      for (unsigned dim = 0, own = 0; dim < static_cast<unsigned>(slice.getSourceType().getRank()); ++dim) {
        std::optional<Size> offset = sizeOf(slice.getMixedOffsets()[dim]),
                            stride = sizeOf(slice.getMixedStrides()[dim]);
        if (!offset || !stride)
          return {};
        Expression index = dropped.test(dim) ? place.constant(0) : before[own++] * place.number(*stride);
        place.index.push_back(place.number(*offset) + index);
      }
      value = slice.getSource();
      continue;
    }
    mlir::Value input = movedOperand(op);
    if (!input || !moveBack(op, input, place, scope, shapeOf(input), shapeOf(value)))
      return {};
    value = input;
  }
  if (!got)
    return {};
  // Each difference is asked for alone.
  for (auto [space, own] : llvm::enumerate(*got)) {
    Expression difference = own + (*wanted)[space] * place.constant(-1);
    if (!difference)
      return {};
    AffineExpr simple = simplifyAffineExpr(difference.get(), place.variables, 0);
    if (auto constant = dyn_cast<AffineConstantExpr>(simple); constant && constant.getValue() == 0)
      continue;
    // Positions of a space that is not declared may all be one; that is not asked.
    if (!PlaceComparison(scope.universe, declared).isDeclared[space])
      return {};
    for (int64_t sign : {1, -1}) {
      SmallVector<AffineExpr> constraints(place.constraints);
      constraints.push_back(simple * sign - 1);
      SmallVector<bool> isEquality(constraints.size(), false);
      FlatLinearValueConstraints question(IntegerSet::get(place.variables, 0, constraints, isEquality));
      if (question.getNumLocalVars() > mostDivisions)
        return {};
      auto sample = question.findIntegerSample();
      if (!sample)
        continue;
      PlaceQuestion answer;
      answer.difference.emplace();
      auto take = [&, next = size_t(0)](auto &numbers, size_t count) mutable {
        for (size_t i = 0; i < count; ++i)
          numbers.push_back(int64_t((*sample)[next++]));
      };
      take(answer.difference->symbols, scope.universe.symbols.size());
      take(answer.difference->coordinates, scope.universe.axes.size());
      take(answer.difference->index, declared.dims.size());
      return answer;
    }
  }
  return {.isEqual = true, .difference = std::nullopt};
}
