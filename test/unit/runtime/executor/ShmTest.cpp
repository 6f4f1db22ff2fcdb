// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as processes. Children report by exit code; each checks its own results.
#include "runtime/executor/Executor.h"

#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace muster;
using namespace muster::test;
using executor::Executor;
using executor::ExecutorOptions;

namespace {

ExecutorOptions shmOptions(const std::string &group, uint32_t rank) {
  ExecutorOptions options;
  options.transport = executor::TransportKind::shm;
  options.group = group + std::to_string(getppid());
  options.rank = rank;
  options.deadlineMs = 10000;
  return options;
}

Result<std::unique_ptr<Executor>> join(const std::string &path, const ExecutorOptions &options) {
  MUSTER_ASSIGN_OR_RETURN(auto plan, plan::loadPlan(path, {}));
  return Executor::create(std::move(plan), options);
}

/// 0 when `status` has the number.
int expect(const Status &status, int number) {
  if (status.number() != number)
    std::fprintf(stderr, "expected E%04d but got %s\n", number, status.text().c_str());
  return status.number() == number ? 0 : 1;
}

bool leavesNothing(const std::string &group) {
  int file = shm_open(("/muster-" + group + std::to_string(getpid())).c_str(), O_RDONLY, 0);
  if (file >= 0)
    close(file);
  return file < 0;
}

TEST(Shm, EqualsThreadsToTheBit) {
  constexpr uint32_t ranks = 3, width = 3001, rounds = 20;
  std::string layer = layerPlan("shmlayer", ranks, 131, schema::Packing::BlockedN64K16);
  PlanBuilder builder({{"tp", ranks}});
  buildRing(builder, width, rounds);
  std::string ring = builder.write(scratchFolder(), "shmring");
  std::vector<float> x = randomValues(7 * features, 1), rest = randomValues(ranks * width, 2);
  std::vector<float> expected = runOnce(*create(load(layer), {}), {7}, x);
  for (uint32_t workers : {1u, 2u})
    for (uint64_t seed : {0u, 3u}) {
      auto body = [&](uint32_t rank) {
        ExecutorOptions options = shmOptions("layer", rank);
        options.workersPerRank = workers;
        options.delaySeed = seed;
        auto executor = join(layer, options);
        if (!executor)
          return expect(executor.status(), 0) + 1;
        for (int run = 0; run != 20; ++run)
          if (std::vector<float> y = runOnce(**executor, {7}, x);
              std::memcmp(y.data(), expected.data(), y.size() * 4) != 0)
            return 3;
        options.group += "ring";
        auto other = join(ring, options);
        if (!other)
          return expect(other.status(), 0) + 1;
        for (int run = 0; run != 10; ++run)
          if (runOnce(**other, {}, rest) != ringReference(ranks, width, rounds, rest))
            return 4;
        return testing::Test::HasFailure() ? 5 : 0;
      };
      EXPECT_EQ(runProcesses(ranks, body), (std::vector<int>{0, 0, 0})) << workers << " workers, seed " << seed;
      EXPECT_TRUE(leavesNothing("layer"));
    }
}

// Transfers on threads of their own, where all ranks have one; else on none.
TEST(Shm, StreamsEqualOneWalk) {
  for (uint32_t seed = 0; seed != 12; ++seed) {
    RandomSteps steps(3, seed);
    PlanBuilder builder({{"tp", steps.ranks}});
    steps.build(builder);
    assignStreams(*builder.plan.entries[0]->variants[0], seed);
    std::string path = builder.write(scratchFolder(), "shmstreams");
    std::vector<float> x = randomValues(steps.ranks * steps.width, seed);
    std::vector<std::vector<float>> expected = steps.reference(x);
    auto body = [&](uint32_t rank) {
      ExecutorOptions options = shmOptions("streams", rank);
      options.workersPerRank = 1 + seed % 2;
      options.delaySeed = seed % 3;
      options.transferThreads =
          seed % 4 == 3 && rank == 1 ? executor::TransferThreads::never : executor::TransferThreads::always;
      auto executor = join(path, options);
      if (!executor)
        return expect(executor.status(), 0) + 1;
      if ((*executor)->stats().transferThreads != (seed % 4 != 3))
        return 2;
      for (int run = 0; run != 10; ++run)
        if (runOnce(**executor, {}, x) != expected[0])
          return 3;
      return testing::Test::HasFailure() ? 4 : 0;
    };
    EXPECT_EQ(runProcesses(3, body), (std::vector<int>{0, 0, 0})) << "seed " << seed;
  }
  EXPECT_TRUE(leavesNothing("streams"));
}

TEST(Shm, RanksAgreeOnRecordsAndRefusals) {
  std::string layer = layerPlan("shmrecords", 2, 64, schema::Packing::RowMajor);
  auto body = [&](uint32_t rank) {
    auto executor = join(layer, shmOptions("records", rank));
    if (!executor)
      return 1;
    std::vector<float> x = randomValues(7 * features, 1);
    if (runOnce(**executor, {7}, x).size() != x.size())
      return 2;
    // One refuses, both return its error, both go on.
    Status status = rank == 0
                        ? (*executor)->begin(0, std::vector<int64_t>{3})
                        : (*executor)->refuse(Status::error(2499, "no tokens").withExitCode(ExitCode::unsupported));
    if (expect(status, 2499) || status.exitCode() != ExitCode::unsupported ||
        status.text() != (rank == 0 ? "E2499 rank 1 refused the step: no tokens" : "E2499 no tokens"))
      return 3;
    // Both refuse: the lower rank's.
    if (expect((*executor)->refuse(Status::error(rank == 0 ? 2497 : 2498, "no")), 2497))
      return 4;
    // A record of the wrong length, and one beyond the bounds.
    if (expect((*executor)->begin(0, std::vector<int64_t>(1 + rank, 3)), 2410) ||
        expect((*executor)->begin(0, std::vector<int64_t>{99}), 2410) ||
        expect((*executor)->begin(rank, std::vector<int64_t>{3}), 2418))
      return 5;
    // What must be equal and is not.
    status = (*executor)->begin(0, std::vector<int64_t>{static_cast<int64_t>(rank) + 1});
    if (expect(status, 2503) ||
        status.text() != "E2503 expected 1 in tokens of the step record as on rank 0 on rank 1 but got 2")
      return 6;
    return runOnce(**executor, {7}, x).size() != x.size() ? 7 : 0;
  };
  EXPECT_EQ(runProcesses(2, body), (std::vector<int>{0, 0}));
}

// Each process knows its own rows only; those of a group must say the same.
TEST(Shm, RanksGatherWhatEachKnows) {
  PlanBuilder builder({{"dp", 3}, {"tp", 2}});
  buildRagged(builder, 40, 90);
  std::string path = builder.write(scratchFolder(), "shmragged");
  auto body = [&](uint32_t rank) {
    auto executor = join(path, shmOptions("ragged", rank));
    if (!executor)
      return 1;
    auto local = create(load(path), {});
    for (int64_t step = 0; step != 30; ++step) {
      const int64_t rows[] = {step % 7, step % 5 == 0 ? 0 : 40, 3 * step % 41};
      std::vector<int64_t> all;
      for (uint32_t other = 0; other != 6; ++other)
        all.push_back(rows[other / 2]);
      std::vector<float> x =
          randomValues(static_cast<size_t>((rows[0] + rows[1] + rows[2]) * raggedWidth), static_cast<uint32_t>(step));
      if (runOnce(**executor, {rows[rank / 2]}, x) != runOnce(*local, all, x))
        return 2;
    }
    Status status = (*executor)->begin(0, std::vector<int64_t>{rank == 3 ? 4 : 5});
    if (expect(status, 2503) ||
        status.text() != "E2503 expected 5 in rows of the step record as on rank 2 on rank 3 but got 4")
      return 3;
    status = (*executor)->begin(0, std::vector<int64_t>{rank / 2 == 1 ? 41 : 0});
    if (expect(status, 2410) ||
        status.text() != "E2410 expected rows of the step record in [0, 40] at position 1 but got 41")
      return 4;
    if (expect((*executor)->begin(0, std::vector<int64_t>{31}), 2411))
      return 5;
    return testing::Test::HasFailure() ? 6 : 0;
  };
  EXPECT_EQ(runProcesses(6, body), std::vector<int>(6, 0));
}

TEST(Shm, RanksMustHaveTheSamePlan) {
  std::string one = layerPlan("shmone", 2, 64, schema::Packing::RowMajor);
  std::string other = layerPlan("shmother", 2, 128, schema::Packing::RowMajor);
  auto body = [&](uint32_t rank) {
    return expect(join(rank == 0 ? one : other, shmOptions("plans", rank)).status(), 2501);
  };
  EXPECT_EQ(runProcesses(2, body), (std::vector<int>{0, 0}));
  EXPECT_TRUE(leavesNothing("plans"));
}

TEST(Shm, AbsentRankIsNamed) {
  std::string layer = layerPlan("shmabsent", 3, 64, schema::Packing::RowMajor);
  auto body = [&](uint32_t rank) {
    ExecutorOptions options = shmOptions("absent", rank);
    options.deadlineMs = 200;
    if (rank == 2)
      return 0;
    Status status = join(layer, options).status();
    return expect(status, 2501) + (status.text().find("rank 2") == std::string::npos ? 2 : 0);
  };
  EXPECT_EQ(runProcesses(3, body), (std::vector<int>{0, 0, 0}));
  EXPECT_TRUE(leavesNothing("absent"));
  ExecutorOptions options = shmOptions("x", 3);
  EXPECT_EQ(join(layer, options).status().number(), 2401);
  options.rank = 0;
  options.group = "a/b";
  EXPECT_EQ(join(layer, options).status().number(), 2401);
}

class ShmStreams : public testing::TestWithParam<uint8_t> {};
INSTANTIATE_TEST_SUITE_P(Shm, ShmStreams, testing::Values(uint8_t(0), uint8_t(1)));

// A rank is killed in the middle of a step: the others return within a fraction of the deadline.
TEST_P(ShmStreams, KilledRankIsNoticedAtOnce) {
  std::string plan = dawdlePlan("shmkill", 3, GetParam());
  auto body = [&](uint32_t rank) {
    ExecutorOptions options = shmOptions("kill", rank);
    options.transferThreads = executor::TransferThreads::always;
    auto executor = join(plan, options);
    if (!executor)
      return 1;
    std::vector<float> x{0, 5000, 0};
    if (!(*executor)->begin(0, {}).isOk() || !(*executor)->setInput(0, x.data(), 12).isOk())
      return 2;
    if (rank == 1) {
      alarm(1); // SIGALRM kills
      (void)(*executor)->run();
      return 3;
    }
    auto begin = std::chrono::steady_clock::now();
    Status status = (*executor)->run();
    auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (expect(status, 2505) || status.text().find("rank 1 has died") == std::string::npos)
      return 4;
    return seconds < 4 ? expect((*executor)->begin(0, {}), 2505) : 5;
  };
  EXPECT_EQ(runProcesses(3, body), (std::vector<int>{0, 128 + SIGALRM, 0}));
  EXPECT_TRUE(leavesNothing("kill"));
}

TEST_P(ShmStreams, StoppedRankEndsTheRunAtTheDeadline) {
  std::string plan = dawdlePlan("shmstop", 3, GetParam());
  auto body = [&](uint32_t rank) {
    ExecutorOptions options = shmOptions("stop", rank);
    options.deadlineMs = 1000; // room for a busy machine
    options.transferThreads = executor::TransferThreads::always;
    auto executor = join(plan, options);
    if (!executor)
      return 1;
    std::vector<float> x{0, 0, 3000};
    if (!(*executor)->begin(0, {}).isOk() || !(*executor)->setInput(0, x.data(), 12).isOk())
      return 2;
    Status status = (*executor)->run();
    if (rank == 2)
      return 0; // it wakes up to find the run aborted, or finished
    return expect(status, 2502) + (status.text().find("expected rank 2 to go on") == std::string::npos ? 2 : 0);
  };
  EXPECT_EQ(runProcesses(3, body), (std::vector<int>{0, 0, 0}));
}

} // namespace
