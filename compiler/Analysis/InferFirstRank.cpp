// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One rank's term of a sum: a bias, or a residual, that the first rank of a group adds to its part.
#include "compiler/Analysis/FunctionInference.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using layout::ComputeRule;
using layout::Size;

/// The axes of which a condition asks for the first position: coordinate == 0, which is true on one rank.
std::optional<SmallVector<layout::AxisId, 2>> FunctionInference::firstRankOf(mlir::Value condition) {
  auto compare = condition.getDefiningOp<arith::CmpIOp>();
  if (!compare || compare.getPredicate() != arith::CmpIPredicate::eq)
    return std::nullopt;
  for (auto [own, other] :
       {std::pair(compare.getLhs(), compare.getRhs()), std::pair(compare.getRhs(), compare.getLhs())}) {
    auto coordinate = own.getDefiningOp<CoordinateOp>();
    if (coordinate && matchPattern(other, m_Zero()))
      return scope.groupOf(coordinate.getAxis());
  }
  return std::nullopt;
}

/// What only the first rank of a group has, beside zeros on the others, is the sum over the group of what each has.
/// Nullopt where the ranks do not have the same.
std::optional<Known> FunctionInference::onFirstRank(Known known, ArrayRef<layout::AxisId> group) {
  bool isSame = known.kind == Known::Kind::Digits && known.value.parts.empty();
  auto isIn = [&](layout::AxisId axis) { return llvm::is_contained(group, axis); };
  known.value.forEachMeshDigit([&](const layout::Digit &digit) { isSame &= !isIn(digit.axis); });
  for (const layout::Pending &pending : known.value.pending)
    isSame &= !isIn(pending.axis);
  if (!isSame)
    return std::nullopt;
  for (layout::AxisId axis : group)
    known.value.pending.push_back({scope.universe.axes[axis].size, axis, Size(1), layout::Reduction::Sum});
  return known;
}

/// `select(rank == 0, x, 0)`, or `select(rank == 0, part + x, part)`: x, added to a sum by one rank. False for others.
bool FunctionInference::inferFirstRank(arith::SelectOp op) {
  std::optional<SmallVector<layout::AxisId, 2>> group;
  if (isa<RankedTensorType>(op.getType()) && !isa<RankedTensorType>(op.getCondition().getType()))
    group = firstRankOf(op.getCondition());
  if (!group)
    return false;
  mlir::Value part = op.getFalseValue(), term = op.getTrueValue();
  auto sum = term.getDefiningOp<arith::AddFOp>();
  bool isSum = sum && llvm::is_contained(sum->getOperands(), part);
  if (isSum)
    term = sum.getLhs() == part ? sum.getRhs() : sum.getLhs();
  else if (!get(part).isZero || get(part).isUnwritten)
    return false;
  std::optional<Known> own = onFirstRank(get(term), *group);
  if (!own)
    return false;
  markUncovered("what only the first rank adds to a sum");
  if (!isSum) {
    set(op.getResult(), std::move(*own));
    return true;
  }
  if (!mayCompute(op, part))
    return true;
  ComputeRule rule;
  SmallVector<int64_t, 4> dims;
  for (int64_t dim = 0; dim < cast<RankedTensorType>(op.getType()).getRank(); ++dim) {
    rule.iterators.push_back(layout::IteratorKind::Parallel);
    rule.names.push_back("d" + std::to_string(dim));
    dims.push_back(dim);
  }
  rule.operands = {dims, dims};
  rule.results = {dims};
  rule.linearity = layout::Linearity::Additive;
  if (std::optional<SmallVector<Known, 1>> results = applyRule(op, rule, {get(part), *own}))
    set(op.getResult(), std::move(results->front()));
  return true;
}

/// Whether a sum is taken by selections alone that ask which rank adds the term: they judge it.
bool FunctionInference::isFirstRanksSum(arith::AddFOp op) {
  auto isChosen = [&](Operation *user) {
    auto select = dyn_cast<arith::SelectOp>(user);
    return select && select.getTrueValue() == op.getResult() && select.getFalseValue() != op.getResult() &&
           llvm::is_contained(op->getOperands(), select.getFalseValue()) && firstRankOf(select.getCondition());
  };
  return !op->use_empty() && llvm::all_of(op->getUsers(), isChosen);
}
