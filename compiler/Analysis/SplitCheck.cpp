// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/SplitCheck.h"

#include "compiler/Analysis/CountInference.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace muster;

bool muster::areExclusive(Operation *left, Operation *right) {
  for (Operation *parent = left->getParentOp(); parent; parent = parent->getParentOp())
    if (auto branch = dyn_cast<scf::IfOp>(parent); branch && branch->isAncestor(right))
      return branch.getThenRegion().isAncestor(left->getParentRegion()) !=
             branch.getThenRegion().isAncestor(right->getParentRegion());
  return false;
}

std::vector<StepFinding> muster::checkFields(func::FuncOp function, const BatchSplit &split) {
  std::vector<StepFinding> findings;
  // By batch, the names of fields without what tells the children apart, and the arguments.
  llvm::StringMap<BlockArgument> fields[2];
  auto report = [&](BlockArgument argument, const Twine &text) {
    std::string field = std::to_string(argument.getArgNumber());
    if (auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), attribute::name))
      field = "'" + name.str() + "'";
    StepFinding finding{
        1215, function, ("expected field " + field + " of batch @" + split.parent + " to " + text).str(), {}};
    finding.notes.push_back({argument.getLoc(), "the field"});
    findings.push_back(std::move(finding));
  };
  for (BlockArgument argument : function.getArguments()) {
    unsigned index = argument.getArgNumber();
    std::optional<FieldClass> kind = fieldClassOf(function, index);
    if (!kind) {
      report(argument, "be sliced, recomputed or inherited but got no class");
      continue;
    }
    LayoutTermAttr rows;
    auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
    for (LayoutDimAttr dim : layout ? layout.getDims() : ArrayRef<LayoutDimAttr>())
      if (LayoutTermAttr term = raggedTermOf(dim))
        rows = term;
    bool isHalved = *kind == FieldClass::Slice || *kind == FieldClass::Recompute;
    if (isHalved != (rows && split.isChild(rows.getEpoch()))) {
      report(argument, isHalved ? "have rows of a child but got " +
                                      (rows ? "rows of batch @" + rows.getEpoch().str() : std::string("none"))
                                : "have no rows of a child but got class " + stringifyFieldClass(*kind).str() +
                                      " and rows of batch @" + rows.getEpoch().str());
      continue;
    }
    auto name = function.getArgAttrOfType<StringAttr>(index, attribute::name);
    if (!isHalved || !name)
      continue;
    StringRef own = name.getValue(), suffix = split.suffixOf(rows.getEpoch());
    if (!suffix.empty() && own.ends_with(suffix))
      own = own.drop_back(suffix.size());
    fields[rows.getEpoch() == split.first ? 0 : 1][own] = argument;
  }
  if (!findings.empty())
    return findings;
  for (unsigned child : {0u, 1u})
    for (const auto &field : fields[child])
      if (!fields[1 - child].contains(field.getKey()))
        report(field.getValue(),
               "be in both children but got it in @" + (child == 0 ? split.first : split.second) + " only");
  return findings;
}

std::optional<StepFinding> StateOrder::visit(Operation &op, StringRef batch, const BatchSplit &split) {
  if (!split.isChild(batch))
    return std::nullopt;
  std::optional<StepFinding> found;
  auto effects = dyn_cast<MemoryEffectOpInterface>(op);
  bool mayWrite = !effects || effects.hasEffect<MemoryEffects::Write>();
  for (NamedAttribute attr : op.getAttrs()) {
    auto state = dyn_cast<FlatSymbolRefAttr>(attr.getValue());
    if (!state || !SymbolTable::lookupNearestSymbolFrom<StateOp>(&op, state))
      continue;
    if (batch == split.second && !mayWrite) {
      readForSecond.push_back({state, &op});
      continue;
    }
    if (batch == split.second || !mayWrite)
      continue;
    for (const Read &read : readForSecond) {
      if (read.state != state || areExclusive(read.op, &op))
        continue;
      found = StepFinding{1211,
                          &op,
                          "expected state " + ("@" + state.getValue()).str() + " to be written for the first child, @" +
                              split.first + ", before it is read for the second, but got it read before",
                          {}};
      found->notes.push_back({read.op->getLoc(), "it is read for @" + split.second +
                                                     " here: a sequence that is cut lacks what the first child adds"});
      break;
    }
  }
  return found;
}
