// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two children of a batch: that they are all of it, and which comes first. That is said by `muster.split` of the
// function, by muster.split_counts, or by the first operation that cuts rows or joins them; all others must say the
// same, because counts that were exchanged for each child add up in either order. What touches a state has an order,
// too: of a sequence that is cut the second child reads what the first has written.
#include "compiler/Analysis/CountChecker.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

static std::string batchOf(Value counts) { return cast<CountsType>(counts.getType()).getEpoch().getValue().str(); }

/// The children that operations of a function, or of what it calls, name first; nothing where there are none, or no
/// states.
static std::optional<BatchSplit> findChildren(func::FuncOp function) {
  auto module = function->getParentOfType<ModuleOp>();
  if (module.getOps<StateOp>().empty())
    return std::nullopt;
  std::optional<BatchSplit> found;
  llvm::DenseSet<Operation *> seen = {function};
  SmallVector<func::FuncOp> open = {function};
  while (!open.empty() && !found)
    open.pop_back_val().walk([&](Operation *op) {
      if (auto call = dyn_cast<func::CallOp>(op))
        if (auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee()); callee && seen.insert(callee).second)
          open.push_back(callee);
      if (auto counts = dyn_cast<SplitCountsOp>(op))
        found = BatchSplit{batchOf(counts.getParent()), batchOf(counts.getFirst()), batchOf(counts.getSecondChild())};
      else if (auto rows = dyn_cast<SplitRowsOp>(op))
        found = BatchSplit{"", batchOf(rows.getFirst()), batchOf(rows.getSecond())};
      else if (auto rows = dyn_cast<JoinRowsOp>(op))
        found = BatchSplit{batchOf(rows.getTo()), batchOf(rows.getFirst()), batchOf(rows.getSecond())};
      return found ? WalkResult::interrupt() : WalkResult::advance();
    });
  return found;
}

void CountChecker::startChildren(func::FuncOp function) {
  children.clear();
  states = {};
  split = BatchSplit::of(function);
  isSplitSaid = split.has_value();
  if (!split) {
    split = findChildren(function);
    return;
  }
  children[split->parent] = {split->first, split->second, function};
  llvm::append_range(report.findings, checkFields(function, *split));
}

bool CountChecker::areInOrder(Operation &op, StringRef parent, Value first, Value second) {
  Children own{batchOf(first), batchOf(second), &op};
  auto [said, isNew] = children.try_emplace(parent.str(), own);
  if (isNew || said->second.first != own.second || said->second.second != own.first)
    return true;
  add(1211, op, "expected the rows of the first child in front but got those of the second",
      {{said->second.op->getLoc(), "@" + said->second.first + " is the first child here"}});
  return false;
}

void CountChecker::checkChildren(Frame frame, Operation &op, const CountTerm *whole, Value first, Value second) {
  const CountTerm *front = frame.inference.termOf(first), *behind = frame.inference.termOf(second);
  if (isUndefined(op, front, "the counts of the first child") ||
      isUndefined(op, behind, "the counts of the second child") || isUndefined(op, whole, "the number of rows"))
    return;
  if (front->kind == Kind::Rest && front->operands[1] == behind) {
    add(1211, op, "expected the rows of the first child in front but got those of the second",
        {{first.getLoc(), "the children are made here"}});
    return;
  }
  const CountTerm *rows = findTerm(whole, Kind::Rows);
  auto join = dyn_cast<JoinRowsOp>(op);
  if (!areInOrder(op, join ? batchOf(join.getTo()) : rows ? rows->what.epoch : "", first, second))
    return;
  const CountTerm *together =
      terms->binary(Kind::Add, terms->elementOf(Kind::Own, front), terms->elementOf(Kind::Own, behind));
  if (together == whole)
    return;
  auto difference = bounds->findUnequal(whole, together);
  if (!difference) {
    add(1220, op,
        "cannot prove that the children have the rows of their batch: that " + together->print() + " is " +
            whole->print());
    return;
  }
  add(1211, op, "expected children of " + whole->print() + " together but got " + together->print(),
      {{op.getLoc(), difference->print() + ", the batch has " + std::to_string(difference->left) +
                         " rows at position " + std::to_string(difference->position) + " and its children have " +
                         std::to_string(difference->right)}});
}

/// A state is written for the first child before it is read for the second.
void CountChecker::checkState(Frame frame, Operation &op) {
  for (Value operand : op.getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    const CountTerm *rows = findTerm(frame.inference.sizeOf(operand, 0), Kind::Rows);
    if (!rows)
      continue;
    std::optional<StepFinding> finding = states.visit(op, rows->what.epoch, *split);
    if (finding && !isSplitSaid) {
      finding->number = 1220;
      finding->message = "cannot prove that no sequence is in both children: " + finding->message;
    }
    if (finding && reported.insert({&op, finding->number}).second)
      report.findings.push_back(std::move(*finding));
    return;
  }
}
