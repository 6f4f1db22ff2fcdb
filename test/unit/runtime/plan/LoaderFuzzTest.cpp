// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Flatbuffers with bytes changed at random and the digest made to agree: the loader says no or yes, and never crashes.
// Runs under the sanitizers in the asan preset.
#include "runtime/plan/LoadedPlan.h"

#include "test/unit/runtime/plan/SoundPlan.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace muster;
using namespace muster::test;

namespace {

TEST(LoaderFuzz, TenThousandMutations) {
  PlanBuilder builder = soundPlan();
  builder.write(scratchFolder(), "fuzz");
  const std::vector<uint8_t> sound = builder.flatbuffer();
  std::mt19937 random(20260722);
  auto below = [&](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  const uint8_t interesting[] = {0, 1, 2, 0x7f, 0x80, 0xfe, 0xff};
  std::map<int, int> numbers;
  std::string path = scratchFolder() + "/fuzz.plan";
  for (int round = 0; round != 10000; ++round) {
    std::vector<uint8_t> mutant = sound;
    for (size_t change = 0, changes = 1 + below(3); change != changes; ++change) {
      size_t at = below(mutant.size());
      switch (below(4)) {
      case 0:
        mutant[at] = static_cast<uint8_t>(random());
        break;
      case 1:
        mutant[at] = interesting[below(std::size(interesting))];
        break;
      case 2:
        mutant[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      default: { // a word
        uint32_t word = below(2) ? static_cast<uint32_t>(random()) : static_cast<uint32_t>(below(200)) - 100;
        at = at / 4 * 4;
        if (at + 4 <= mutant.size())
          std::memcpy(&mutant[at], &word, 4);
      }
      }
    }
    writeFile(path, builder.container(mutant));
    plan::LoadOptions options;
    options.inspectOnly = round % 8 != 0; // linking is slow, and after all checks
    ++numbers[plan::loadPlan(path, options).status().number()];
  }
  // Both outcomes, and most rules, must have been met, or this tests nothing.
  EXPECT_GT(numbers[0], 100);
  EXPECT_GT(numbers[2006], 100);
  EXPECT_GT(numbers.size(), 15u);
}

} // namespace
