// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Flatbuffers with bytes changed at random and the digest made to agree: the loader says no or yes, and never crashes.
// Runs under the sanitizers in the asan preset.
#include "runtime/plan/LoadedPlan.h"

#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/builder/RoutedPlan.h"
#include "test/unit/runtime/plan/SoundPlan.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace muster;
using namespace muster::test;

namespace {

/// Loads 10,000 plans that are `builder`'s but for some bytes; how often each error, and none, was the answer.
std::map<int, int> mutate(PlanBuilder builder) {
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
  return numbers;
}

// Both outcomes, and most rules, must have been met, or these test nothing.
TEST(LoaderFuzz, TenThousandMutations) {
  std::map<int, int> numbers = mutate(soundPlan());
  EXPECT_GT(numbers[0], 100);
  EXPECT_GT(numbers[2006], 100);
  EXPECT_GT(numbers.size(), 15u);
}

TEST(LoaderFuzz, TenThousandMutationsOfVectors) {
  PlanBuilder builder({{"dp", 3}});
  buildRagged(builder, 5, 9);
  std::map<int, int> numbers = mutate(std::move(builder));
  EXPECT_GT(numbers[0], 100);
  EXPECT_GT(numbers[2126], 10);
  EXPECT_GT(numbers.size(), 15u);
}

TEST(LoaderFuzz, TenThousandMutationsOfRoutedRows) {
  PlanBuilder builder({{"ep", 3}});
  buildRouted(builder, 5, 9, 2);
  std::map<int, int> numbers = mutate(std::move(builder));
  EXPECT_GT(numbers[0], 100);
  EXPECT_GT(numbers[2117], 50);
  EXPECT_GT(numbers.size(), 10u);
}

} // namespace
