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

void muster::explainFindings(LayoutReport &report, FixObserver onFix) {
  constexpr int64_t fixBudget = 20000;
  llvm::SmallDenseSet<Operation *, 4> explained;
  for (LayoutFinding &finding : report.findings) {
    if (finding.kind != LayoutFinding::Kind::Refuted || isa<func::FuncOp>(finding.op))
      continue;
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
