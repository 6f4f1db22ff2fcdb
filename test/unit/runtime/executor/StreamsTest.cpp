// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transfers on a thread of their own: the results are those of one walk, for any choice of transfers, and nothing waits
// for ever.
#include "test/unit/runtime/executor/SmallPlans.h"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

using namespace muster;
using namespace muster::test;
using executor::ExecutorOptions;
using executor::TransferThreads;

namespace {

schema::VariantT &variantOf(PlanBuilder &builder) { return *builder.plan.entries[0]->variants[0]; }

ExecutorOptions withThreads(uint32_t workers = 1, uint64_t delaySeed = 0) {
  ExecutorOptions options;
  options.workersPerRank = workers;
  options.transferThreads = TransferThreads::always;
  options.delaySeed = delaySeed;
  options.deadlineMs = 20000;
  return options;
}

// Random steps, random streams; delays in every fourth, since each takes milliseconds.
TEST(Streams, EqualOneWalk) {
  uint32_t both = 0;
  for (uint32_t seed = 0; seed != 1000; ++seed) {
    RandomSteps steps(2 + seed % 2, seed);
    PlanBuilder builder({{"tp", steps.ranks}});
    steps.build(builder);
    assignStreams(variantOf(builder), seed);
    auto plan = load(builder.write(scratchFolder(), "streams"));
    ASSERT_NE(plan, nullptr) << "seed " << seed;
    auto executor = create(plan, withThreads(1 + seed / 2 % 2, seed % 4 == 3 ? seed : 0));
    ASSERT_NE(executor, nullptr);
    both += executor->stats().transferThreads;
    for (uint32_t run = 0; run != 3; ++run) {
      std::vector<float> x = randomValues(steps.ranks * steps.width, seed + run);
      std::vector<std::vector<float>> expected = steps.reference(x);
      ASSERT_EQ(runOnce(*executor, {}, x), expected[0]) << "seed " << seed;
      for (uint32_t result = 1; result != RandomSteps::spans; ++result) {
        std::vector<float> got(x.size());
        ASSERT_TRUE(executor->readResult(result, got.data(), got.size() * 4).isOk());
        ASSERT_EQ(got, expected[result]) << "seed " << seed << " result " << result;
      }
    }
  }
  EXPECT_GT(both, 900u); // few have no transfer in stream 1
}

// A ring in which every transfer goes beside a kernel that waits for it: the streams take turns.
TEST(Streams, RingTakesTurns) {
  constexpr uint32_t ranks = 3, width = 3001, rounds = 20;
  PlanBuilder builder({{"tp", ranks}});
  buildRing(builder, width, rounds);
  for (auto &step : variantOf(builder).steps)
    step->stream = step->action.AsTransfer() != nullptr;
  auto plan = load(builder.write(scratchFolder(), "ringstreams"));
  for (uint32_t workers : {1u, 2u})
    for (uint64_t seed : {0u, 5u}) {
      auto executor = create(plan, withThreads(workers, seed));
      for (uint32_t run = 0; run != 5; ++run) {
        std::vector<float> x = randomValues(ranks * width, run);
        EXPECT_EQ(runOnce(*executor, {}, x), ringReference(ranks, width, rounds, x));
      }
    }
}

// Without a CPU for each thread the workers take all steps.
TEST(Streams, WorkersTakeThemWhereCpusAreFew) {
  PlanBuilder builder({{"tp", 2}});
  buildLayer(builder, 64, schema::Packing::RowMajor, mostTokens);
  std::string plain = builder.write(scratchFolder(), "onestream");
  variantOf(builder).steps.back()->stream = 1;
  auto plan = load(builder.write(scratchFolder(), "twostreams"));
  std::vector<float> x = randomValues(7 * features, 1), expected = runOnce(*create(load(plain), {}), {7}, x);
  uint32_t cpus = std::max(std::thread::hardware_concurrency(), 1u);
  for (auto [threads, workers, has] :
       {std::tuple(TransferThreads::always, 1u, true), std::tuple(TransferThreads::never, 1u, false),
        std::tuple(TransferThreads::automatic, cpus, false)}) {
    ExecutorOptions options;
    options.workersPerRank = workers;
    options.transferThreads = threads;
    auto executor = create(plan, options);
    ASSERT_NE(executor, nullptr);
    EXPECT_EQ(executor->stats().transferThreads, has);
    EXPECT_EQ(runOnce(*executor, {7}, x), expected);
  }
  // A plan without such transfers needs no such thread.
  EXPECT_FALSE(create(load(plain), withThreads())->stats().transferThreads);
}

TEST(Streams, TraceHasATrackForTransfers) {
  PlanBuilder builder({{"tp", 2}});
  buildLayer(builder, 64, schema::Packing::RowMajor, mostTokens);
  variantOf(builder).steps.back()->stream = 1;
  ExecutorOptions options = withThreads(2);
  options.trace = true;
  auto executor = create(load(builder.write(scratchFolder(), "streamtrace")), options);
  runOnce(*executor, {3}, randomValues(3 * features, 1));
  std::string path = scratchFolder() + "/streams.json";
  ASSERT_TRUE(executor->writeTrace(path).isOk());
  nlohmann::json trace = nlohmann::json::parse(std::ifstream(path));
  std::set<std::string> names[2];
  for (const auto &event : trace["traceEvents"]) {
    if (event["name"] == "thread_name")
      names[event["pid"].get<int>()].insert(event["args"]["name"]);
    if (event["ph"] == "X") {
      EXPECT_EQ(event["args"]["kind"] == "all_reduce", event["tid"] == 2) << event;
    }
  }
  for (const auto &ofRank : names)
    EXPECT_EQ(ofRank, (std::set<std::string>{"worker 0", "worker 1", "transfers"}));
}

// A rank that does not come on in its kernel ends the run at the deadline, with the transfer threads asleep.
TEST(Streams, StuckWorkerEndsTheRun) {
  ExecutorOptions options = withThreads();
  options.deadlineMs = 150;
  auto executor = create(load(dawdlePlan("dawdlestreams", 3, 1)), options);
  ASSERT_TRUE(executor->begin(0, {}).isOk());
  std::vector<float> x{0, 1500, 0};
  ASSERT_TRUE(executor->setInput(0, x.data(), 12).isOk());
  Status status = executor->run();
  EXPECT_EQ(status.number(), 2502);
  EXPECT_NE(status.text().find("expected rank 1 to go on within 150 ms"), std::string::npos) << status.text();
  EXPECT_EQ(executor->begin(0, {}).text(), status.text());
}

} // namespace
