// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/OneRankSizes.h"

#include <numeric>

namespace muster::layout {

static constexpr size_t mostFactors = 729;

OneRankSizes::OneRankSizes(const Universe &universe, const Value &value) : factors{{1, 1}} {
  for (AxisId axis = 0; axis < universe.axes.size(); ++axis) {
    const Size &size = universe.axes[axis].size;
    if (!size.isConcrete() || size.isOne())
      continue;
    if (factors.size() > mostFactors) {
      hasAll = false;
      return;
    }
    std::set<int64_t> counts{size.getValue()};
    value.forEachMeshDigit([&](const Digit &digit) {
      if (digit.axis == axis)
        counts.insert(digit.count.getValue());
    });
    std::set<std::pair<int64_t, int64_t>> more = factors;
    auto add = [&](int64_t numerator, int64_t denominator) {
      int64_t common = std::gcd(numerator, denominator);
      more.insert({numerator / common, denominator / common});
    };
    for (const auto &[numerator, denominator] : factors)
      for (int64_t count : counts) {
        add(numerator * count, denominator);
        add(numerator, denominator * count);
      }
    factors = std::move(more);
  }
}

llvm::SmallVector<int64_t, 8> OneRankSizes::sizes(int64_t local) const {
  llvm::SmallVector<int64_t, 8> result;
  for (const auto &[numerator, denominator] : factors)
    if (local * numerator % denominator == 0)
      result.push_back(local * numerator / denominator);
  return result;
}

} // namespace muster::layout
