// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Refutation by running, on random programs that are right and single edits of them: no right program is refuted,
// whatever the rules say of it. A program is right where its ranks hold what the generator's own text for one rank
// computes. Edits are compared on one set of data; a few that are refuted are equal on it (a broadcast before a maximum
// that rank 0 happens to hold), and these are counted.
//
// MUSTER_FUZZ_PROGRAMS (with MUSTER_FUZZ_SEED and MUSTER_FUZZ_WIDE) fuzzes so many other programs;
// MUSTER_FUZZ_SHOW_UNKNOWN shows edits that differ and stay unknown.
#include "compiler/Sampling/DecideByRunning.h"
#include "test/unit/compiler/Analysis/ProgramEdits.h"
#include "test/unit/compiler/Analysis/ProgramRunner.h"
#include "test/unit/compiler/Analysis/RightProgram.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <mutex>
#include <optional>
#include <thread>

using namespace mlir;
using namespace muster;
using namespace muster::test;

namespace {

struct Counts {
  int64_t right = 0, rightEqual = 0, rightRefuted = 0;
  int64_t edits = 0, unknown = 0, refuted = 0, refutedButEqual = 0, stillUnknown = 0, stillUnknownButEqual = 0;

  void add(const Counts &other) {
    for (auto member :
         {&Counts::right, &Counts::rightEqual, &Counts::rightRefuted, &Counts::edits, &Counts::unknown,
          &Counts::refuted, &Counts::refutedButEqual, &Counts::stillUnknown, &Counts::stillUnknownButEqual})
      this->*member += other.*member;
  }
};

class Judge {
public:
  void judge(uint64_t seed, bool isWide) {
    Dice dice(seed);
    Program right = makeRight(dice, isWide);
    runner.forget();
    judgeRight(right, seed);
    for (int i = 0; i < 2; ++i) {
      std::string edit;
      if (std::optional<Program> mutant = mutate(right, dice, edit))
        judgeEdit(*mutant, "seed " + std::to_string(seed) + ", " + edit);
    }
  }

  Counts counts;
  std::vector<std::string> faults;

private:
  void fault(const std::string &what, const Program &program) {
    if (faults.size() < 6)
      faults.push_back(what + "\n" + program.text(program.mesh));
  }

  void judgeRight(const Program &program, uint64_t seed) {
    OwningOpRef<ModuleOp> module = runner.parse(program.text(program.mesh));
    ASSERT_TRUE(module);
    ++counts.right;
    auto function = *module->getOps<func::FuncOp>().begin();
    for (auto own : module->getOps<func::FuncOp>())
      if (own.isPublic())
        function = own;
    auto outcome = sampling::compareWithOneRank(function).outcome;
    counts.rightEqual += outcome == sampling::Comparison::Outcome::Equal;
    if (outcome != sampling::Comparison::Outcome::Different)
      return;
    ++counts.rightRefuted;
    fault("a right program is refuted: seed " + std::to_string(seed), program);
  }

  void judgeEdit(const Program &program, const std::string &edit) {
    OwningOpRef<ModuleOp> module = runner.parse(program.text(program.mesh));
    ASSERT_TRUE(module);
    ++counts.edits;
    LayoutReport report = inferLayouts(*module);
    if (!report.has(LayoutFinding::Kind::Unknown) || report.has(LayoutFinding::Kind::Refuted))
      return;
    ++counts.unknown;
    sampling::decideByRunning(report);
    ProgramRun got = runner.run(program, *module);
    const ProgramRun *wanted = runner.runSingle(program);
    bool hasNan = false;
    bool isEqual =
        wanted && wanted->logical && got.logical && isClose(*got.logical, *wanted->logical, hasNan) && !hasNan;
    if (!report.has(LayoutFinding::Kind::Refuted)) {
      ++counts.stillUnknown;
      counts.stillUnknownButEqual += isEqual;
      if (!isEqual && std::getenv("MUSTER_FUZZ_SHOW_UNKNOWN"))
        fault("unknown, and different: " + edit, program);
      return;
    }
    ++counts.refuted;
    if (!isEqual)
      return;
    ++counts.refutedButEqual;
    fault("refuted, but equal: " + edit, program);
  }

  ProgramRunner runner;
};

Counts fuzz(uint64_t first, uint64_t programs, bool isWide) {
  Counts counts;
  std::mutex lock;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 2; ++thread)
    threads.emplace_back([&, thread] {
      Judge judge;
      for (uint64_t seed = first + thread; seed < first + programs; seed += 2)
        judge.judge(seed, isWide);
      std::lock_guard<std::mutex> guard(lock);
      counts.add(judge.counts);
      for (const std::string &fault : judge.faults)
        std::printf("%s\n", fault.c_str());
    });
  for (std::thread &thread : threads)
    thread.join();
  std::printf("%ld right programs, %ld equal in a run, %ld refuted; %ld edits, %ld unknown to the rules, of which %ld "
              "are refuted "
              "by running (%ld of them equal) and %ld stay unknown (%ld of them equal)\n",
              long(counts.right), long(counts.rightEqual), long(counts.rightRefuted), long(counts.edits),
              long(counts.unknown), long(counts.refuted), long(counts.refutedButEqual), long(counts.stillUnknown),
              long(counts.stillUnknownButEqual));
  return counts;
}

std::optional<uint64_t> numberOf(const char *variable) {
  const char *text = std::getenv(variable);
  return text ? std::optional<uint64_t>(std::strtoull(text, nullptr, 10)) : std::nullopt;
}

struct Block {
  uint64_t firstSeed, programs;
  bool isWide;
  int64_t leastRefuted = 0, leastEqual = 0; ///< else the test says little
  int64_t mostRefutedButEqual = 1 << 20;
};

std::vector<Block> chosenBlocks() {
  if (std::optional<uint64_t> programs = numberOf("MUSTER_FUZZ_PROGRAMS"))
    return {{numberOf("MUSTER_FUZZ_SEED").value_or(1), *programs, std::getenv("MUSTER_FUZZ_WIDE") != nullptr}};
  return {{1, 4000, false, 740, 3750, 1}, {48001, 4000, true, 510, 2640, 1}};
}

class SamplingFuzz : public testing::TestWithParam<Block> {};

TEST_P(SamplingFuzz, NothingRightIsRefuted) {
  Counts counts = fuzz(GetParam().firstSeed, GetParam().programs, GetParam().isWide);
  EXPECT_EQ(counts.rightRefuted, 0);
  EXPECT_LE(counts.refutedButEqual, GetParam().mostRefutedButEqual);
  EXPECT_GE(counts.refuted, GetParam().leastRefuted);
  EXPECT_GE(counts.rightEqual, GetParam().leastEqual);
}

INSTANTIATE_TEST_SUITE_P(, SamplingFuzz, testing::ValuesIn(chosenBlocks()),
                         [](const auto &info) { return "From" + std::to_string(info.param.firstSeed); });

} // namespace
