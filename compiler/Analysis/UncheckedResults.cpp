// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/UncheckedResults.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace muster;

std::vector<LayoutMessage> muster::findUnchecked(ModuleOp module) {
  llvm::StringSet<> called;
  module.walk([&](func::CallOp call) { called.insert(call.getCallee()); });
  std::vector<LayoutMessage> messages;
  auto add = [&](const Twine &text, Location location) {
    messages.push_back({LayoutMessage::Severity::Remark, ("unchecked: " + text).str(), location, {}});
  };
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal() || function.getNumResults() == 0)
      continue;
    bool declares = false;
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      declares |= static_cast<bool>(function.getArgAttr(i, attribute::layout));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      declares |= static_cast<bool>(function.getResultAttr(i, attribute::layout));
    std::string of = " of @" + function.getSymName().str();
    if (!declares && !called.contains(function.getSymName()))
      add("the results" + of + ", which declares no layout", function.getLoc());
    for (unsigned i = 0; declares && i < function.getNumResults(); ++i) {
      if (function.getResultAttr(i, attribute::layout))
        continue;
      bool isTensor = isa<RankedTensorType>(function.getResultTypes()[i]);
      add("result " + Twine(i) + of + (isTensor ? " has no layout" : " is no tensor"),
          function.getBody().back().getTerminator()->getLoc());
    }
  }
  return messages;
}
