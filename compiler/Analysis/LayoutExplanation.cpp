// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutExplanation.h"

using namespace mlir;
using namespace muster;

/// Where edits are tried first: what the finding names, else what made the operand that is wrong.
static Operation *partingOf(const LayoutFinding &finding) {
  if (finding.parting)
    return finding.parting;
  for (mlir::Value operand : finding.op->getOperands())
    if (Operation *source = operand.getDefiningOp())
      return source;
  return finding.op;
}

/// A note where each operand comes from.
static void noteOperands(LayoutFinding &finding) {
  constexpr unsigned most = 4;
  for (unsigned i = 0; i < finding.op->getNumOperands() && i < most; ++i) {
    mlir::Value operand = finding.op->getOperand(i);
    if (!isa<RankedTensorType>(operand.getType()) || operand.getDefiningOp<tensor::EmptyOp>())
      continue;
    auto argument = dyn_cast<BlockArgument>(operand);
    finding.explanations.push_back(
        {operand.getLoc(), "operand " + std::to_string(i) +
                               (argument ? " is argument " + std::to_string(argument.getArgNumber()) : " made here")});
  }
}

void muster::explainFindings(LayoutReport &report, FixObserver onFix) {
  constexpr int64_t fixBudget = 20000;
  llvm::SmallDenseSet<Operation *, 4> explained;
  for (LayoutFinding &finding : report.findings) {
    if (finding.kind != LayoutFinding::Kind::Refuted || isa<func::FuncOp>(finding.op))
      continue;
    if (finding.number == 1106)
      noteOperands(finding);
    llvm::append_range(finding.notes, finding.explanations);
    finding.explanations.clear();
    auto function = finding.op->getParentOfType<func::FuncOp>();
    if (!explained.insert(function).second)
      continue;
    if (finding.number == 1104)
      finding.condition = findCondition(function);
    finding.fixes = findFixes(function, partingOf(finding), fixBudget, onFix);
  }
}
