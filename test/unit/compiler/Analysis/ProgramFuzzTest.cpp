// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The proof of layouts against the reference interpreter, on random programs and single edits of them.
//
// Five blocks of programs, the same on every machine; for each there is a ceiling on every sort of fault, which is what
// there is now. Each should be 0. Lower a ceiling where its faults are mended; none may rise. The last block has
// operations of nn, masks, positions, parts side by side, loops, branches and calls as well (WideSteps.cpp). Unknown are
// there, too, edits of which the fault may be sliced away or not matter to a sum, and branches of which one lost a dim
// of one element: they are for a run to refute.
//
// MUSTER_FUZZ_PROGRAMS (with MUSTER_FUZZ_SEED, 1 where it is not given) fuzzes so many other programs, without
// ceilings; MUSTER_FUZZ_WIDE makes them like those of the last block. MUSTER_FUZZ_SHOW_UNKNOWN and
// MUSTER_FUZZ_SHOW_EQUAL show programs of these sorts.
#include "test/unit/compiler/Analysis/ProgramJudge.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <mutex>
#include <optional>
#include <thread>

using namespace muster::test;

namespace {

/// The most that there may be of each sort (see FuzzCounts).
struct Ceilings {
  int64_t falseAlarms, rightUnknown, provedButDifferent, refutedButEqual, unknown, idleExamples, unjudged;
};

struct Block {
  uint64_t firstSeed, programs;
  std::optional<Ceilings> ceilings;
  bool isWide = false;
};

constexpr Block blocks[] = {
    {1, 12000, Ceilings{0, 0, 0, 268, 2549, 12, 31}},         {12001, 12000, Ceilings{0, 1, 0, 277, 2616, 9, 22}},
    {24001, 12000, Ceilings{0, 1, 0, 285, 2577, 9, 19}},      {36001, 12000, Ceilings{0, 2, 0, 289, 2633, 16, 22}},
    {48001, 12000, Ceilings{0, 2, 0, 583, 2934, 6, 6}, true},
};

FuzzCounts fuzz(uint64_t first, uint64_t programs, bool isWide) {
  FuzzCounts counts;
  std::map<std::string, int64_t> unknownReasons;
  std::vector<std::string> faults;
  std::mutex lock;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 2; ++thread)
    threads.emplace_back([&, thread] {
      ProgramJudge judge;
      for (uint64_t seed = first + thread; seed < first + programs; seed += 2)
        judge.judge(seed, isWide);
      std::lock_guard<std::mutex> guard(lock);
      counts.add(judge.counts);
      for (const auto &[reason, count] : judge.unknownReasons)
        unknownReasons[reason] += count;
      faults.insert(faults.end(), judge.faults.begin(), judge.faults.end());
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const auto &[reason, count] : unknownReasons)
    std::printf("  %ld unknown, %s\n", long(count), reason.c_str());
  for (const std::string &fault : faults)
    std::printf("%s\n", fault.c_str());
  std::printf("%s\n", counts.text().c_str());
  return counts;
}

std::optional<uint64_t> numberOf(const char *variable) {
  const char *text = std::getenv(variable);
  return text ? std::optional<uint64_t>(std::strtoull(text, nullptr, 10)) : std::nullopt;
}

/// The blocks, or what the environment asks for.
std::vector<Block> chosenBlocks() {
  if (std::optional<uint64_t> programs = numberOf("MUSTER_FUZZ_PROGRAMS"))
    return {{numberOf("MUSTER_FUZZ_SEED").value_or(1), *programs, std::nullopt,
             std::getenv("MUSTER_FUZZ_WIDE") != nullptr}};
  return {std::begin(blocks), std::end(blocks)};
}

class ProgramFuzz : public testing::TestWithParam<Block> {};

TEST_P(ProgramFuzz, ProofsAgreeWithRuns) {
  FuzzCounts counts = fuzz(GetParam().firstSeed, GetParam().programs, GetParam().isWide);
  EXPECT_EQ(counts.generatorFaults, 0);
  if (!GetParam().ceilings)
    return;
  const Ceilings &most = *GetParam().ceilings;
  EXPECT_LE(counts.falseAlarms, most.falseAlarms);
  EXPECT_LE(counts.rightUnknown, most.rightUnknown);
  EXPECT_LE(counts.provedButDifferent, most.provedButDifferent);
  EXPECT_LE(counts.refutedButEqual, most.refutedButEqual);
  EXPECT_LE(counts.unknown, most.unknown);
  EXPECT_LE(counts.idleExamples, most.idleExamples);
  EXPECT_LE(counts.unjudged, most.unjudged);
  // So many that are judged, so many that are wrong: else the ceilings say little.
  EXPECT_GE(counts.mutants, GetParam().programs * 19 / 10);
  EXPECT_GE(counts.refuted * (GetParam().isWide ? 4 : 3), counts.mutants);
  EXPECT_GE(counts.examples * 12, counts.refuted);
}

INSTANTIATE_TEST_SUITE_P(, ProgramFuzz, testing::ValuesIn(chosenBlocks()),
                         [](const auto &info) { return "From" + std::to_string(info.param.firstSeed); });

} // namespace
