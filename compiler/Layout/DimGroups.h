// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which dims of a reshape become which: the smallest groups of dims, in order, of equal product.
//
//   | from        | to          | groups                                   |
//   | ----------- | ----------- | ---------------------------------------- |
//   | [12, 4, 5]  | [3, 16, 5]  | [12, 4] -> [3, 16], [5] -> [5]           |
//   | [1, 6]      | [6, 1]      | [1] -> none, [6] -> [6], none -> [1]     |

#ifndef MUSTER_COMPILER_LAYOUT_DIMGROUPS_H
#define MUSTER_COMPILER_LAYOUT_DIMGROUPS_H

#include "compiler/Layout/Size.h"

#include "llvm/ADT/SmallVector.h"

namespace muster::layout {

/// Dims [inBegin, inEnd) become dims [outBegin, outEnd): equal products, neither of which splits further.
struct DimGroup {
  size_t inBegin, inEnd, outBegin, outEnd;
  bool isPair() const { return inEnd - inBegin == 1 && outEnd - outBegin == 1; }
  /// A unit dim that comes or goes.
  bool isOneSided() const { return inBegin == inEnd || outBegin == outEnd; }
};

/// Pairs dims of equal product from the left. Unit dims that have no partner are groups with an empty side. Nullopt
/// where the products differ or symbols leave them open.
std::optional<llvm::SmallVector<DimGroup, 4>> pairDims(llvm::ArrayRef<Size> in, llvm::ArrayRef<Size> out);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_DIMGROUPS_H
