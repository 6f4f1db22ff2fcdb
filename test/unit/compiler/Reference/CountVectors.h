// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All small vectors of counts: what tests of operations with counts enumerate.
#pragma once

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <vector>

namespace muster::test {

/// Visits all vectors of `size` numbers below `limit`.
inline void forEachVector(size_t size, int64_t limit, llvm::function_ref<void(const std::vector<int64_t> &)> visit) {
  std::vector<int64_t> counts(size);
  while (true) {
    visit(counts);
    size_t i = 0;
    while (i != size && ++counts[i] == limit)
      counts[i++] = 0;
    if (i == size)
      return;
  }
}

} // namespace muster::test
