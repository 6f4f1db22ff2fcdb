// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows in numbers that tensors say, against plain loops: random matrices of senders and receivers, many of them zero,
// on 1 to 4 ranks as threads and as processes; and numbers that are wrong.
#include "test/unit/runtime/builder/RoutedPlan.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>

using namespace muster;
using namespace muster::test;
using executor::Executor;
using executor::ExecutorOptions;

namespace {

constexpr int64_t rows = 700;

struct Counts {
  std::vector<int64_t> numbers; // [sender][receiver][part]
  int64_t ranks, parts;
  int64_t at(int64_t sender, int64_t receiver) const {
    int64_t sum = 0;
    for (int64_t part = 0; part != parts; ++part)
      sum += numbers[static_cast<size_t>((sender * ranks + receiver) * parts + part)];
    return sum;
  }
};

/// Rows for each position from none to all that are left, and now and then none at all.
Counts randomCounts(int64_t ranks, int64_t parts, uint32_t seed) {
  std::mt19937 random(seed);
  Counts counts{std::vector<int64_t>(static_cast<size_t>(ranks * ranks * parts)), ranks, parts};
  for (int64_t sender = 0; sender != ranks; ++sender) {
    int64_t left = random() % 4 == 0 ? 0 : random() % 2 ? 5 : rows;
    for (int64_t i = 0; i != ranks * parts; ++i) {
      int64_t number = random() % 3 == 0 ? 0 : static_cast<int64_t>(random() % static_cast<uint64_t>(left + 1));
      counts.numbers[static_cast<size_t>(sender * ranks * parts + i)] = number;
      left -= number;
    }
  }
  return counts;
}

Status begin(Executor &executor, const Counts &counts, const std::vector<float> &x, bool isWide) {
  MUSTER_RETURN_IF_ERROR(executor.begin(0, {}));
  MUSTER_RETURN_IF_ERROR(executor.setInput(0, x.data(), x.size() * 4));
  std::vector<int32_t> narrow(counts.numbers.begin(), counts.numbers.end());
  return isWide ? executor.setInput(1, counts.numbers.data(), counts.numbers.size() * 8)
                : executor.setInput(1, narrow.data(), narrow.size() * 4);
}

/// 0 where y has the rows for each rank, sender by sender, and z those that were sent at their places.
int check(Executor &executor, const Counts &counts, const std::vector<float> &x, int64_t room) {
  std::vector<float> y(executor.resultBytes(0) / 4), z(executor.resultBytes(1) / 4);
  if (!executor.readResult(0, y.data(), y.size() * 4).isOk() || !executor.readResult(1, z.data(), z.size() * 4).isOk())
    return 1;
  auto isRow = [](const std::vector<float> &a, int64_t i, const std::vector<float> &b, int64_t j) {
    return std::memcmp(&a[static_cast<size_t>(i * routedWidth)], &b[static_cast<size_t>(j * routedWidth)],
                       routedWidth * 4) == 0;
  };
  for (int64_t rank = 0; rank != counts.ranks; ++rank) {
    int64_t next = rank * room, sent = 0;
    for (int64_t sender = 0; sender != counts.ranks; ++sender) {
      int64_t first = sender * rows;
      for (int64_t other = 0; other != rank; ++other)
        first += counts.at(sender, other);
      for (int64_t row = 0; row != counts.at(sender, rank); ++row)
        if (!isRow(y, next++, x, first + row))
          return 2;
      sent += counts.at(rank, sender);
    }
    for (int64_t row = 0; row != sent; ++row)
      if (!isRow(z, rank * rows + row, x, rank * rows + row))
        return 3;
  }
  return 0;
}

std::string plan(const char *name, uint32_t ranks, int64_t room, int64_t parts, bool isWide = false) {
  PlanBuilder builder({{"ep", ranks}});
  buildRouted(builder, rows, room, parts, isWide);
  return builder.write(scratchFolder(), name);
}

std::vector<float> rowsOf(uint32_t ranks) { return randomValues(ranks * rows * routedWidth, 7); }

TEST(RoutedRows, EqualLoops) {
  for (uint32_t ranks : {1u, 2u, 3u, 4u})
    for (uint32_t workers : {1u, 2u})
      for (bool isWide : {false, true}) {
        int64_t parts = workers, room = ranks * rows;
        ExecutorOptions options;
        options.workersPerRank = workers;
        options.delaySeed = isWide ? 3 : 0;
        auto executor = create(load(plan("routed", ranks, room, parts, isWide)), options);
        ASSERT_NE(executor, nullptr);
        std::vector<float> x = rowsOf(ranks);
        for (uint32_t seed = 0; seed != 50; ++seed) {
          Counts counts = randomCounts(ranks, parts, seed);
          ASSERT_TRUE(begin(*executor, counts, x, isWide).isOk());
          Status status = executor->run();
          ASSERT_TRUE(status.isOk()) << status.text();
          EXPECT_EQ(check(*executor, counts, x, room), 0) << ranks << " ranks, seed " << seed;
        }
      }
}

// All three transfers on threads of their own, right and wrong numbers in turn.
TEST(RoutedRows, OnTransferThreads) {
  constexpr uint32_t ranks = 3;
  PlanBuilder builder({{"ep", ranks}});
  buildRouted(builder, rows, ranks * rows, 1);
  for (auto &step : builder.plan.entries[0]->variants[0]->steps)
    step->stream = 1;
  ExecutorOptions options;
  options.transferThreads = executor::TransferThreads::always;
  options.delaySeed = 11;
  auto executor = create(load(builder.write(scratchFolder(), "beside")), options);
  ASSERT_NE(executor, nullptr);
  ASSERT_TRUE(executor->stats().transferThreads);
  std::vector<float> x = rowsOf(ranks);
  for (uint32_t seed = 0; seed != 40; ++seed) {
    Counts counts = randomCounts(ranks, 1, seed);
    if (seed % 3 == 2)
      counts.numbers[4] = -5;
    ASSERT_TRUE(begin(*executor, counts, x, false).isOk());
    Status status = executor->run();
    ASSERT_EQ(status.number(), seed % 3 == 2 ? 2445 : 0) << status.text();
    if (status.isOk()) {
      EXPECT_EQ(check(*executor, counts, x, ranks * rows), 0) << seed;
    }
  }
}

TEST(RoutedRows, EqualLoopsInProcesses) {
  for (uint32_t ranks : {2u, 3u, 4u}) {
    std::string path = plan("routedshm", ranks, ranks * rows, 1);
    auto body = [&](uint32_t rank) {
      ExecutorOptions options;
      options.transport = executor::TransportKind::shm;
      options.group = "routed" + std::to_string(getppid());
      options.rank = rank;
      options.deadlineMs = 10000;
      auto executor = create(load(path), options);
      if (!executor)
        return 10;
      std::vector<float> x = rowsOf(ranks);
      for (uint32_t seed = 0; seed != 30; ++seed) {
        Counts counts = randomCounts(ranks, 1, seed);
        // Now and then more than there are: an error that all ranks have, and the next step is fine.
        bool isWrong = seed % 5 == 4;
        if (isWrong)
          counts.numbers[seed % counts.numbers.size()] = rows + 1;
        if (!begin(*executor, counts, x, false).isOk())
          return 11;
        Status status = executor->run();
        if (isWrong && status.number() != 2445)
          return 12;
        if (isWrong)
          continue;
        if (!status.isOk())
          return 13;
        if (int fault = check(*executor, counts, x, ranks * rows))
          return fault;
      }
      return testing::Test::HasFailure() ? 14 : 0;
    };
    EXPECT_EQ(runProcesses(ranks, body), std::vector<int>(ranks, 0)) << ranks << " ranks";
  }
}

TEST(RoutedRows, WrongNumbersEndTheStep) {
  constexpr uint32_t ranks = 3;
  constexpr int64_t room = rows + 10;
  for (bool isWide : {false, true}) {
    auto executor = create(load(plan("wrong", ranks, room, 1, isWide)), {});
    ASSERT_NE(executor, nullptr);
    std::vector<float> x = rowsOf(ranks);
    const std::vector<int64_t> fine{1, 2, 3, 0, 0, 0, rows, 0, 0};
    auto run = [&](std::vector<int64_t> numbers) {
      Status status = begin(*executor, {std::move(numbers), ranks, 1}, x, isWide);
      return status.isOk() ? executor->run() : status;
    };
    struct {
      std::vector<int64_t> numbers;
      std::string text;
    } cases[] = {
        {{1, 2, 3, 0, -1, 0, 0, 0, 0},
         "expected counts of at least 0 rows of rank 1 in step 0 (layer 0) of variant any but got -1"},
        {{1, 2, 3, 0, 0, 0, rows - 1, 1, 1},
         "expected rank 2 to send at most 700 rows in step 0 (layer 0) of variant any but got 701"},
        {{11, 2, 3, 0, 0, 0, rows, 0, 0},
         "expected rank 0 to receive at most 710 rows in step 0 (layer 0) of variant any but got 711"},
        {{0, 0, 0, 0, 0, 0, 1ll << 31, 1ll << 30, 0}, ""},
        {{0, 0, 0, INT64_MAX, INT64_MAX, INT64_MAX, 0, 0, 0}, ""},
    };
    for (auto &wrong : cases) {
      bool isNarrow = wrong.text.empty() && !isWide; // other numbers then
      if (isNarrow)
        continue;
      Status status = run(wrong.numbers);
      EXPECT_EQ(status.number(), 2445) << status.text();
      if (!wrong.text.empty()) {
        EXPECT_NE(status.text().find(wrong.text), std::string::npos) << status.text();
      }
      std::vector<float> y(executor->resultBytes(0) / 4);
      EXPECT_EQ(executor->readResult(0, y.data(), y.size() * 4).number(), 2414);
      status = run(fine);
      ASSERT_TRUE(status.isOk()) << status.text();
      EXPECT_EQ(check(*executor, {fine, ranks, 1}, x, room), 0);
    }
  }
}

// What stands behind the buffers keeps its bytes, whatever the numbers.
TEST(RoutedRows, WriteNothingBesideTheirBuffers) {
  PlanBuilder builder({{"ep", 2}});
  buildRouted(builder, 4, 5, 1);
  auto executor = create(load(builder.write(scratchFolder(), "beside")), {});
  ASSERT_NE(executor, nullptr);
  std::vector<float> x = randomValues(2 * 4 * routedWidth, 3);
  std::mt19937 random(5);
  int fine = 0, wrong = 0;
  for (int round = 0; round != 2000; ++round) {
    std::vector<int32_t> numbers(4);
    for (int32_t &number : numbers)
      number = static_cast<int32_t>(random() % 7) - 1;
    if (round % 50 == 0)
      numbers[round / 50 % 4] = round % 100 ? INT32_MAX : INT32_MIN;
    ASSERT_TRUE(executor->begin(0, {}).isOk());
    ASSERT_TRUE(executor->setInput(0, x.data(), x.size() * 4).isOk());
    ASSERT_TRUE(executor->setInput(1, numbers.data(), 16).isOk());
    // y has 60 of 64 bytes; the last four are nobody's.
    float guard = -77;
    for (uint32_t rank : {0u, 1u})
      std::memcpy(const_cast<std::byte *>(executor->rankResult(0, rank)) + 60, &guard, 4);
    int64_t n[4];
    std::copy(numbers.begin(), numbers.end(), n);
    bool isRight = n[0] >= 0 && n[1] >= 0 && n[2] >= 0 && n[3] >= 0 && n[0] + n[1] <= 4 && n[2] + n[3] <= 4 &&
                   n[0] + n[2] <= 5 && n[1] + n[3] <= 5;
    EXPECT_EQ(executor->run().number(), isRight ? 0 : 2445);
    ++(isRight ? fine : wrong);
    for (uint32_t rank : {0u, 1u})
      EXPECT_EQ(std::memcmp(executor->rankResult(0, rank) + 60, &guard, 4), 0);
  }
  EXPECT_GT(fine, 50);
  EXPECT_GT(wrong, 50);
}

} // namespace
