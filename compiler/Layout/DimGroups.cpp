// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/DimGroups.h"

namespace muster::layout {

std::optional<llvm::SmallVector<DimGroup, 4>> pairDims(llvm::ArrayRef<Size> in, llvm::ArrayRef<Size> out) {
  llvm::SmallVector<DimGroup, 4> groups;
  size_t i = 0, j = 0;
  while (i < in.size() || j < out.size()) {
    if (i < in.size() && j < out.size() && in[i] == out[j]) {
      groups.push_back({i, i + 1, j, j + 1});
      ++i, ++j;
      continue;
    }
    if (j < out.size() && out[j].isOne()) {
      groups.push_back({i, i, j, j + 1});
      ++j;
      continue;
    }
    if (i < in.size() && in[i].isOne()) {
      groups.push_back({i, i + 1, j, j});
      ++i;
      continue;
    }
    if (i == in.size() || j == out.size())
      return std::nullopt;
    DimGroup group{i, i + 1, j, j + 1};
    Size inSize = in[i], outSize = out[j];
    while (!(inSize == outSize)) {
      // Take from the side that is smaller; where symbols leave that open, from both.
      bool inIsSmaller = divides(inSize, outSize), outIsSmaller = divides(outSize, inSize);
      if (!inIsSmaller && !outIsSmaller && inSize.isConcrete() && outSize.isConcrete())
        (inSize.getValue() < outSize.getValue() ? inIsSmaller : outIsSmaller) = true;
      bool takeIn = !outIsSmaller, takeOut = !inIsSmaller;
      if ((takeIn && group.inEnd == in.size()) || (takeOut && group.outEnd == out.size()))
        return std::nullopt;
      if (takeIn)
        inSize *= in[group.inEnd++];
      if (takeOut)
        outSize *= out[group.outEnd++];
    }
    groups.push_back(group);
    i = group.inEnd, j = group.outEnd;
  }
  return groups;
}

} // namespace muster::layout
