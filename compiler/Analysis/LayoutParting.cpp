// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a wrong value and its declared layout part. The declared layout is followed back through the movement that made
// the value: each operation is undone. Movement maps places one to one, so that the two never meet again further back;
// but what tells a reader most is the reshape at which the declared layout would have to be cut where the value has no
// boundary (or that cannot be undone), and where there is none, the last operation that reorders. The same for what is
// not reduced, or too often: where that begins.
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

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// The values from which an operation may have passed a reduction on: operands, and what its regions yield.
static SmallVector<mlir::Value, 4> sourcesOf(mlir::Value value) {
  SmallVector<mlir::Value, 4> sources;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()); loop && argument.getArgNumber() > 0)
      sources.push_back(loop.getInitArgs()[argument.getArgNumber() - 1]);
    return sources;
  }
  Operation *op = value.getDefiningOp();
  if (isa<scf::ForOp, scf::IfOp>(op)) {
    unsigned number = cast<OpResult>(value).getResultNumber();
    for (Region &region : op->getRegions())
      if (!region.empty() && number < region.front().getTerminator()->getNumOperands())
        sources.push_back(region.front().getTerminator()->getOperand(number));
    return sources;
  }
  sources.append(op->operand_begin(), op->operand_end());
  return sources;
}

void FunctionInference::noteReduction(mlir::Value value, LayoutFinding &finding) {
  constexpr unsigned most = 10000;
  // Back to the operation of which no operand is as `holds` says.
  auto follow = [&](mlir::Value from, llvm::function_ref<bool(const layout::Value &)> holds) {
    for (unsigned i = 0; i < most; ++i) {
      SmallVector<mlir::Value, 4> sources = sourcesOf(from);
      auto *next = llvm::find_if(sources, [&](mlir::Value source) { return holds(get(source).value); });
      if (next == sources.end())
        break;
      from = *next;
    }
    return from;
  };
  auto note = [&](mlir::Value at, std::string text) {
    std::pair<Location, std::string> own(at.getLoc(), std::move(text));
    if (!llvm::is_contained(finding.explanations, own))
      finding.explanations.push_back(std::move(own));
  };
  const layout::Value &known = get(value).value;
  for (const auto *list : {&known.pending, &known.parts})
    for (const layout::Pending &pending : *list) {
      mlir::Value begin = follow(value, [&](const layout::Value &other) {
        return llvm::any_of(other.pending, [&](const auto &own) { return own.axis == pending.axis; }) ||
               llvm::any_of(other.parts, [&](const auto &own) { return own.axis == pending.axis; });
      });
      const std::string &axis = scope.universe.axes[pending.axis].name;
      note(begin, isa<BlockArgument>(begin) ? "declared as parts over '" + axis + "' here"
                                            : "from here on each rank along '" + axis + "' has its part only");
    }
  if (known.multiplicity.isOne())
    return;
  mlir::Value begin = follow(value, [](const layout::Value &other) { return !other.multiplicity.isOne(); });
  Operation *again = begin.getDefiningOp();
  if (!again)
    return;
  note(begin, "this reduces what every rank has in full: it is " +
                  known.multiplicity.numerator.print(scope.universe.symbols.getNames()) + "x too large from here on");
  // The operation that had reduced it, as far as one operand leads there.
  ArrayAttr axes = collectiveAxesOf(again);
  mlir::Value before = again->getNumOperands() > 0 ? again->getOperand(0) : mlir::Value();
  for (unsigned i = 0; axes && before && i < most; ++i) {
    Operation *op = before.getDefiningOp();
    if (!op || op->getNumOperands() == 0)
      return;
    if (isa<AllReduceOp, ReduceScatterOp>(op)) {
      SmallVector<layout::AxisId, 2> own = scope.groupOf(collectiveAxesOf(op)), other = scope.groupOf(axes);
      if (llvm::any_of(own, [&](layout::AxisId axis) { return llvm::is_contained(other, axis); }))
        return note(before, "it was reduced here already");
    }
    before = op->getOperand(0);
  }
}

void FunctionInference::noteOperands(Operation *op, LayoutFinding &finding) {
  constexpr unsigned most = 4;
  for (unsigned i = 0; i < op->getNumOperands() && i < most; ++i) {
    mlir::Value operand = op->getOperand(i);
    const Known &known = get(operand);
    if (!isa<RankedTensorType>(operand.getType()) || known.kind == Known::Kind::Uniform)
      continue;
    auto argument = dyn_cast<BlockArgument>(operand);
    bool isOfEntry = argument && argument.getOwner() == &entry.getBody().front();
    finding.explanations.push_back(
        {operand.getLoc(),
         "operand " + std::to_string(i) +
             (isOfEntry ? " is argument " + std::to_string(argument.getArgNumber()) : std::string(" is made here")) +
             (known.kind == Known::Kind::Digits ? ", it holds " + print(scope.universe, known.value) : "")});
  }
}
