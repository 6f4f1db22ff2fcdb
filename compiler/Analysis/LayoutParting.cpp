// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a wrong value and its declared layout part. The declared layout is followed back through the movement that made
// the value: each operation is undone. Movement maps places one to one, so that the two never meet again further back;
// but what tells a reader most is the reshape at which the declared layout would have to be cut where the value has no
// boundary (or that cannot be undone), and where there is none, the last operation that reorders.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

/// What the operand of `op` must hold for its result to hold `wanted`; a refusal where that has no digits.
static Outcome<layout::Value> undo(const LayoutScope &scope, Operation *op, const layout::Value &wanted,
                                   ArrayRef<Size> inputShape) {
  const layout::Universe &universe = scope.universe;
  return llvm::TypeSwitch<Operation *, Outcome<layout::Value>>(op)
      .Case<AssertLayoutOp, tensor::CastOp>([&](auto) -> Outcome<layout::Value> { return wanted; })
      .Case<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(
          [&](auto) { return layout::reshape(universe, wanted, inputShape); })
      .Case([&](linalg::TransposeOp own) -> Outcome<layout::Value> {
        SmallVector<int64_t> inverse(own.getPermutation().size());
        for (auto [i, dim] : llvm::enumerate(own.getPermutation()))
          inverse[static_cast<size_t>(dim)] = static_cast<int64_t>(i);
        return layout::transpose(wanted, inverse);
      })
      .Case([&](ExchangeOp own) { return layout::exchange(universe, wanted, scope.groupOf(own.getAxes())); })
      .Case([&](AllToAllOp own) {
        return layout::allToAll(universe, wanted, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getConcat()),
                                static_cast<unsigned>(own.getSplit()));
      })
      .Case([&](AllGatherOp own) {
        return layout::slice(universe, wanted, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getDim()));
      })
      .Case([&](SliceOp own) {
        return layout::allGather(universe, wanted, scope.groupOf(own.getAxes()), static_cast<unsigned>(own.getDim()));
      })
      .Default([](Operation *) -> Outcome<layout::Value> { return Refusal{Refusal::Kind::Unknown, "", ""}; });
}

/// The first digit of `wanted` whose lower boundary lies inside a digit of `held`.
static std::optional<layout::Digit> cutInside(const layout::Value &wanted, const layout::Value &held) {
  for (const layout::Dim &dim : wanted.dims)
    for (const layout::Digit &digit : dim.digits)
      for (const layout::Dim &other : held.dims)
        for (const layout::Digit &own : other.digits) {
          if (own.space != digit.space || own.isMesh() || own.stride == digit.stride || own.stride.isZero())
            continue;
          std::optional<Size> steps = layout::divide(digit.stride, own.stride);
          if (steps && !steps->isOne() && layout::divide(own.count, *steps) && !(*steps == own.count))
            return own;
        }
  return std::nullopt;
}

std::optional<std::pair<Operation *, std::string>> FunctionInference::findParting(mlir::Value value,
                                                                                  layout::Value wanted) {
  std::optional<std::pair<Operation *, std::string>> reordering;
  while (Operation *op = value.getDefiningOp()) {
    bool isReshape = isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(op);
    if (op->getNumOperands() == 0)
      break;
    const Known &result = get(value);
    if (!reordering && !isReshape && result.kind == Known::Kind::Digits &&
        isa<linalg::TransposeOp, ExchangeOp, AllToAllOp, AllGatherOp, SliceOp>(op))
      for (auto [i, dims] : llvm::enumerate(llvm::zip(result.value.dims, wanted.dims))) {
        std::string held = print(scope.universe, std::get<0>(dims)), needed = print(scope.universe, std::get<1>(dims));
        if (held == needed)
          continue;
        reordering = {op, "the maps part here or before: dim " + std::to_string(i) + " holds " + held +
                              ", the declared layout needs " + needed};
        break;
      }
    mlir::Value input = op->getOperand(0);
    auto type = dyn_cast<RankedTensorType>(input.getType());
    const Known &before = get(input);
    SmallVector<Size, 4> shape;
    for (unsigned i = 0; type && i < type.getRank(); ++i) {
      std::optional<Size> size = localSizeOf(input, i);
      if (!size)
        return reordering;
      shape.push_back(*size);
    }
    Outcome<layout::Value> needed = undo(scope, op, wanted, shape);
    if (!needed) {
      if (isReshape && needed.getRefusal().kind == Refusal::Kind::Misaligned)
        return std::pair(op, "the maps part here: undone, " + needed.getRefusal().message);
      break;
    }
    if (before.kind == Known::Kind::Digits && isReshape)
      if (std::optional<layout::Digit> digit = cutInside(*needed, before.value))
        return std::pair(op, "the maps part here: for the declared layout this reshape would have to cut inside " +
                                 print(scope.universe, *digit));
    wanted = std::move(*needed);
    value = input;
  }
  return reordering;
}
