// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/Entries.h"

#include "dialects/Muster/IR/MusterDialect.h"

using namespace mlir;
using namespace muster;

static bool hasLayouts(func::FuncOp function) {
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (function.getArgAttr(i, attribute::layout))
      return true;
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (function.getResultAttr(i, attribute::layout))
      return true;
  return false;
}

SmallVector<func::FuncOp> muster::entriesOf(ModuleOp module) {
  llvm::DenseSet<StringRef> called, reached;
  module.walk([&](func::CallOp call) { called.insert(call.getCallee()); });
  SmallVector<func::FuncOp> entries;
  auto enter = [&](func::FuncOp function) {
    entries.push_back(function);
    SmallVector<func::FuncOp> open = {function};
    while (!open.empty()) {
      func::FuncOp next = open.pop_back_val();
      if (!reached.insert(next.getSymName()).second)
        continue;
      next.walk([&](func::CallOp call) {
        if (auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee()))
          open.push_back(callee);
      });
    }
  };
  auto isChecked = [](func::FuncOp function) { return !function.isExternal() && getMesh(function); };
  for (auto function : module.getOps<func::FuncOp>())
    if (isChecked(function) &&
        (!called.contains(function.getSymName()) || (function.isPublic() && hasLayouts(function))))
      enter(function);
  for (auto function : module.getOps<func::FuncOp>())
    if (isChecked(function) && !reached.contains(function.getSymName()))
      enter(function);
  return entries;
}
