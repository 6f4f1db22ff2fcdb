// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Cutter.h"

namespace muster::layout {

bool Cutter::cut(Size size, llvm::SmallVectorImpl<Digit> &dim) {
  while (!size.isOne()) {
    size_t local = at;
    while (local < rest.size() && rest[local].isMesh())
      ++local;
    if (local == rest.size())
      return false;
    Digit &digit = rest[local];
    if (std::optional<Size> left = divide(size, digit.count)) {
      dim.append(rest.begin() + static_cast<ptrdiff_t>(at), rest.begin() + static_cast<ptrdiff_t>(local) + 1);
      at = local + 1;
      size = *left;
      continue;
    }
    std::optional<Size> low = divide(digit.count, size);
    if (!low)
      return false;
    dim.append(rest.begin() + static_cast<ptrdiff_t>(at), rest.begin() + static_cast<ptrdiff_t>(local));
    if (digit.home && *digit.home == digit.stride)
      digit.home.reset(); // whole: no part of it is away from another
    Digit high = digit;
    high.count = size;
    high.stride = digit.stride * *low;
    dim.push_back(high);
    digit.count = *low;
    at = local;
    return true;
  }
  return true;
}

void Cutter::takeRest(llvm::SmallVectorImpl<Digit> &dim) {
  dim.append(rest.begin() + static_cast<ptrdiff_t>(at), rest.end());
  at = rest.size();
}

} // namespace muster::layout
