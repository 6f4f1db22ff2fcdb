// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Sampling/OneRankText.h"

using namespace mlir;
using namespace muster;
using namespace muster::sampling;

size_t Choices::take(size_t count) {
  if (next == taken.size())
    taken.push_back({0, count});
  return taken[next++].first;
}

bool Choices::advance() {
  // What stands behind the last number taken belongs to another combination.
  taken.truncate(next);
  next = 0;
  while (!taken.empty() && taken.back().first + 1 == taken.back().second)
    taken.pop_back();
  if (taken.empty())
    return false;
  ++taken.back().first;
  return true;
}

bool sampling::forEachTextOnOneRank(func::FuncOp function, const LogicalSignature &signature,
                                    llvm::function_ref<bool(ModuleOp, int64_t)> visit) {
  constexpr int64_t mostTries = 4000;
  Choices choices;
  for (int64_t tries = 0; tries < mostTries; ++tries) {
    OwningOpRef<ModuleOp> text;
    int64_t work = 0;
    switch (writeOnOneRank(function, signature, choices, text, work)) {
    case Writing::Unsupported:
      return false;
    case Writing::Written:
      if (!visit(*text, work))
        return false;
      break;
    case Writing::Misfit:
      break;
    }
    if (!choices.advance())
      return true;
  }
  return false;
}
