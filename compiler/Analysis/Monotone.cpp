// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/Monotone.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using layout::Order;

static Order turned(Order order) {
  return order == Order::Kept ? Order::Reversed : order == Order::Reversed ? Order::Kept : order;
}

/// Of a function that grows with both.
static Order joined(Order a, Order b) {
  return a == Order::Independent ? b : b == Order::Independent || a == b ? a : Order::Unknown;
}

/// The sign of a finite constant other than zero; 0 for anything else.
static int signOf(Value value) {
  llvm::APFloat constant(0.0f);
  if (!matchPattern(value, m_ConstantFloat(&constant)) || constant.isZero() || !constant.isFinite())
    return 0;
  return constant.isNegative() ? -1 : 1;
}

Order muster::orderOf(Operation *op, llvm::function_ref<Order(Value)> of, std::optional<layout::Reduction> joint) {
  bool isMaximum = isa<arith::MaximumFOp, arith::MaxNumFOp>(op),
       isMinimum = isa<arith::MinimumFOp, arith::MinNumFOp>(op);
  auto joined = [&](Order a, Order b) {
    if (!joint || a == Order::Independent || b == Order::Independent || a != b)
      return ::joined(a, b);
    bool takesGreatest = (a == Order::Kept) == (*joint == layout::Reduction::Maximum);
    return (takesGreatest ? isMaximum : isMinimum) ? a : Order::Unknown;
  };
  auto scaled = [&](Value value, Value by) {
    int sign = signOf(by);
    return sign > 0 ? of(value) : sign < 0 ? turned(of(value)) : Order::Unknown;
  };
  if (isa<arith::AddFOp>(op) || isMaximum || isMinimum)
    return joined(of(op->getOperand(0)), of(op->getOperand(1)));
  if (auto difference = dyn_cast<arith::SubFOp>(op))
    return joined(of(difference.getLhs()), turned(of(difference.getRhs())));
  if (isa<arith::NegFOp>(op))
    return turned(of(op->getOperand(0)));
  if (isa<arith::ExtFOp, arith::TruncFOp, math::ExpOp, math::Exp2Op, math::ExpM1Op, math::TanhOp, math::ErfOp,
          math::AtanOp, math::FloorOp, math::CeilOp, math::RoundOp, math::RoundEvenOp, math::TruncOp>(op))
    return of(op->getOperand(0));
  if (auto choice = dyn_cast<arith::SelectOp>(op); choice && of(choice.getCondition()) == Order::Independent)
    return joined(of(choice.getTrueValue()), of(choice.getFalseValue()));
  bool isIndependent =
      op->getNumRegions() == 0 && llvm::all_of(op->getOperands(), [&](Value v) { return of(v) == Order::Independent; });
  if (isIndependent)
    return Order::Independent;
  if (auto product = dyn_cast<arith::MulFOp>(op)) {
    Order order = scaled(product.getLhs(), product.getRhs());
    return order == Order::Unknown ? scaled(product.getRhs(), product.getLhs()) : order;
  }
  if (auto quotient = dyn_cast<arith::DivFOp>(op))
    return scaled(quotient.getLhs(), quotient.getRhs());
  return Order::Unknown;
}

Order muster::orderIn(Block *body, Value value, ArrayRef<BlockArgument> arguments,
                      std::optional<layout::Reduction> joint) {
  llvm::DenseMap<Value, Order> known;
  for (BlockArgument argument : arguments)
    known[argument] = Order::Kept;
  std::function<Order(Value)> of = [&](Value next) {
    if (auto found = known.find(next); found != known.end())
      return found->second;
    Operation *op = next.getDefiningOp();
    Order order = op && op->getBlock() == body ? orderOf(op, of, joint) : Order::Independent;
    return known[next] = order;
  };
  return of(value);
}

bool muster::isPartOfExtremum(const Known &known) {
  auto isExtremum = [](const layout::Pending &part) { return part.reduction != layout::Reduction::Sum; };
  auto holds = [&](const layout::Value &value) {
    return llvm::any_of(value.pending, isExtremum) || llvm::any_of(value.parts, isExtremum);
  };
  return holds(known.value) || (known.packed && llvm::any_of(known.packed->parts, holds));
}

void muster::setOrders(layout::ComputeRule &rule, ArrayRef<Known> operands,
                       llvm::function_ref<Order(ArrayRef<size_t>, std::optional<layout::Reduction>)> orderIn) {
  SmallVector<size_t, 2> parts;
  for (auto [i, operand] : llvm::enumerate(operands))
    if (isPartOfExtremum(operand))
      parts.push_back(i);
  if (parts.empty())
    return;
  rule.orders.assign(operands.size(), Order::Unknown);
  for (size_t i : parts)
    rule.orders[i] = orderIn(i, std::nullopt);
  if (parts.size() == 1)
    return;
  // Of several at once, of which one kind is to be taken.
  for (auto reduction : {layout::Reduction::Maximum, layout::Reduction::Minimum}) {
    bool isOnly = llvm::all_of(parts, [&](size_t i) {
      return llvm::all_of(llvm::concat<const layout::Pending>(operands[i].value.pending, operands[i].value.parts),
                          [&](const layout::Pending &part) { return part.reduction == reduction; });
    });
    Order order = isOnly ? orderIn(parts, reduction) : Order::Unknown;
    rule.isJoint |= order == Order::Kept || order == Order::Reversed;
  }
}
