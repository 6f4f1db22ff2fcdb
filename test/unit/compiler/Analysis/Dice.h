// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random choices that are the same on every machine.

#ifndef MUSTER_TEST_UNIT_COMPILER_ANALYSIS_DICE_H
#define MUSTER_TEST_UNIT_COMPILER_ANALYSIS_DICE_H

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace muster::test {

class Dice {
public:
  explicit Dice(uint64_t seed) : random(seed) {}

  int64_t below(int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }
  bool chance(int64_t n) { return below(n) == 0; }
  template <typename T>
  const T &pick(const std::vector<T> &from) {
    return from[static_cast<size_t>(below(static_cast<int64_t>(from.size())))];
  }
  template <typename T>
  void shuffle(std::vector<T> &items) {
    std::shuffle(items.begin(), items.end(), random);
  }

private:
  std::mt19937_64 random;
};

/// 0 to count - 1.
inline std::vector<int> iota(size_t count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_ANALYSIS_DICE_H
