// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sizes that a dim may have on one rank: its local size times or divided by sizes of axes, each once. Nothing but the
// rest of the program says by which (History.h).

#ifndef MUSTER_COMPILER_LAYOUT_ONERANKSIZES_H
#define MUSTER_COMPILER_LAYOUT_ONERANKSIZES_H

#include "compiler/Layout/Value.h"

#include <set>

namespace muster::layout {

class OneRankSizes {
public:
  /// Of an axis that digits of `value` cover in part, also so much of it. Axes of symbolic size are left out.
  OneRankSizes(const Universe &universe, const Value &value);

  /// Sizes on one rank of a dim of a local size.
  llvm::SmallVector<int64_t, 8> sizes(int64_t local) const;
  /// False where there were too many axes: sizes are missing, and that none fits says nothing.
  bool isComplete() const { return hasAll; }

private:
  std::set<std::pair<int64_t, int64_t>> factors; ///< in lowest terms
  bool hasAll = true;
};

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_ONERANKSIZES_H
