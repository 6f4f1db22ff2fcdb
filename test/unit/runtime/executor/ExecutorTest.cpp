// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Executor.h"

#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <cstring>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <numeric>

using namespace muster;
using namespace muster::test;
using executor::Executor;
using executor::ExecutorOptions;
using schema::CountOp;
using schema::Position;
using testing::HasSubstr;

namespace {

class LayerTest : public testing::TestWithParam<std::tuple<uint32_t, uint32_t, uint64_t, schema::Packing>> {};

TEST_P(LayerTest, EqualsPlainLoops) {
  auto [ranks, workers, hidden, packing] = GetParam();
  std::string name =
      "layer" + std::to_string(ranks) + "_" + std::to_string(hidden) + "_" + std::to_string(int(packing));
  auto plan = load(layerPlan(name, ranks, hidden, packing));
  ASSERT_NE(plan, nullptr);
  ExecutorOptions options;
  options.workersPerRank = workers;
  auto executor = create(plan, options);
  ASSERT_NE(executor, nullptr);
  for (int64_t tokens : {1, 5, 37, 2, 19, 0, 1}) {
    std::vector<float> x = randomValues(static_cast<size_t>(tokens) * features, static_cast<uint32_t>(tokens));
    std::vector<float> y = runOnce(*executor, {tokens}, x);
    std::vector<double> expected = layerReference(ranks, hidden, x);
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i != y.size(); ++i)
      ASSERT_NEAR(y[i], expected[i], 1e-3) << "tokens " << tokens << " element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Executor, LayerTest,
                         testing::Combine(testing::Values(1u, 3u), testing::Values(1u, 2u), testing::Values(64u, 131u),
                                          testing::Values(schema::Packing::RowMajor, schema::Packing::BlockedN64K16)));

TEST(Executor, SameBitsForAnyWorkersAndDelays) {
  for (auto packing : {schema::Packing::RowMajor, schema::Packing::BlockedN64K16}) {
    auto plan = load(layerPlan("bits" + std::to_string(int(packing)), 3, 192, packing));
    std::vector<std::vector<float>> first;
    for (uint32_t workers : {1u, 2u, 3u})
      for (uint64_t seed : {0u, 1u, 2u}) {
        ExecutorOptions options;
        options.workersPerRank = workers;
        options.delaySeed = seed;
        auto executor = create(plan, options);
        for (int64_t tokens : {1, 7, 37}) {
          std::vector<float> x = randomValues(static_cast<size_t>(tokens) * features, 9);
          std::vector<float> y = runOnce(*executor, {tokens}, x);
          size_t which = tokens == 1 ? 0 : tokens == 7 ? 1 : 2;
          if (first.size() <= which)
            first.push_back(y);
          EXPECT_EQ(std::memcmp(first[which].data(), y.data(), y.size() * sizeof(float)), 0)
              << workers << " workers, seed " << seed << ", " << tokens << " tokens";
        }
      }
  }
}

// A row's result does not depend on how many rows come with it.
TEST(Executor, SameBitsAloneAndInBatch) {
  for (auto packing : {schema::Packing::RowMajor, schema::Packing::BlockedN64K16}) {
    auto executor = create(load(layerPlan("batch" + std::to_string(int(packing)), 2, 128, packing)), {});
    std::vector<float> x = randomValues(37 * features, 5);
    std::vector<float> together = runOnce(*executor, {37}, x);
    for (size_t row = 0; row != 37; ++row) {
      std::vector<float> alone = runOnce(*executor, {1},
                                         {x.begin() + static_cast<ptrdiff_t>(row * features),
                                          x.begin() + static_cast<ptrdiff_t>((row + 1) * features)});
      EXPECT_EQ(std::memcmp(alone.data(), &together[row * features], features * sizeof(float)), 0) << "row " << row;
    }
  }
}

class RaggedTest : public testing::TestWithParam<std::tuple<uint32_t, uint32_t, uint64_t, bool>> {};

// Ranks with unequal and with no rows; launches of other sizes on each.
TEST_P(RaggedTest, EqualsPlainLoops) {
  auto [ranks, workers, seed, isDivided] = GetParam();
  PlanBuilder builder({{"dp", ranks}});
  int64_t bound = 700, total = 3 * bound / 2;
  buildRagged(builder, bound, total, isDivided);
  ExecutorOptions options;
  options.workersPerRank = workers;
  options.delaySeed = seed;
  auto executor = create(load(builder.write(scratchFolder(), "ragged" + std::to_string(ranks))), options);
  ASSERT_NE(executor, nullptr);
  for (uint32_t step = 0; step != 20; ++step) {
    std::vector<int64_t> rows(ranks);
    int64_t left = step % 4 == 3 ? total : 17;
    for (uint32_t rank = 0; rank != ranks; ++rank) {
      rows[(rank + step) % ranks] = std::min<int64_t>(left, step % 5 == 0 ? 0 : rank % 2 == 0 ? bound : 3);
      left -= rows[(rank + step) % ranks];
    }
    int64_t all = std::accumulate(rows.begin(), rows.end(), int64_t(0));
    std::vector<float> x = randomValues(static_cast<size_t>(all * raggedWidth), step), expected;
    for (float value : x) {
      float sum = 0;
      for (uint32_t rank = 0; rank != ranks; ++rank)
        sum += 2.0f * value + 1.0f;
      expected.push_back(sum);
    }
    ASSERT_EQ(runOnce(*executor, rows, x), expected) << "step " << step;
  }
  std::vector<int64_t> tooMany(ranks, bound);
  if (ranks > 1) {
    EXPECT_EQ(executor->begin(0, tooMany).number(), 2411);
  }
  tooMany.back() = bound + 1;
  EXPECT_EQ(executor->begin(0, tooMany).number(), 2410);
}

INSTANTIATE_TEST_SUITE_P(Executor, RaggedTest,
                         testing::Combine(testing::Values(1u, 2u, 3u, 5u), testing::Values(1u, 2u),
                                          testing::Values(0u, 7u), testing::Bool()));

// Inputs part by part, as ranks that know nothing of each other's set them.
TEST(Executor, TakesPartsOfRanks) {
  PlanBuilder builder({{"dp", 3}, {"tp", 2}});
  buildRagged(builder, 8, 12, /*isDivided=*/true);
  auto executor = create(load(builder.write(scratchFolder(), "parts")), {});
  ASSERT_NE(executor, nullptr);
  const std::vector<int64_t> rows{4, 4, 0, 0, 7, 7};
  ASSERT_TRUE(executor->begin(0, rows).isOk());
  EXPECT_EQ(executor->inputDims(0)[0], 11);
  std::vector<float> x = randomValues(11 * raggedWidth, 3);
  const int64_t begins[] = {0, 4, 4};
  for (uint32_t rank = 0; rank != 6; ++rank) {
    EXPECT_EQ(executor->inputPartDim(0, rank, 0), rows[rank]);
    EXPECT_EQ(executor->resultPartDim(0, rank, 0), rows[rank]);
    uint64_t bytes = static_cast<uint64_t>(rows[rank] * raggedWidth) * 4;
    EXPECT_EQ(executor->inputPartBytes(0, rank), bytes);
    EXPECT_EQ(executor->setInputPart(0, rank, x.data(), bytes + 4).number(), 2415);
    EXPECT_EQ(executor->run().number(), 2414); // not all are set
    EXPECT_TRUE(executor->setInputPart(0, rank, &x[static_cast<size_t>(begins[rank / 2] * raggedWidth)], bytes).isOk());
  }
  EXPECT_EQ(executor->setInputPart(0, 6, x.data(), 0).number(), 2414);
  EXPECT_EQ(executor->setInputPart(1, 0, x.data(), 0).number(), 2414);
  ASSERT_TRUE(executor->run().isOk());
  std::vector<float> y(x.size());
  ASSERT_TRUE(executor->readResult(0, y.data(), executor->resultBytes(0)).isOk());
  for (size_t i = 0; i != y.size(); ++i)
    EXPECT_FLOAT_EQ(y[i], 3 * (2 * x[i] + 1));
}

class RingTest : public testing::TestWithParam<std::tuple<uint32_t, uint32_t, uint64_t>> {};

TEST_P(RingTest, AcknowledgementsProtectSources) {
  auto [ranks, workers, seed] = GetParam();
  constexpr uint32_t width = 3001, rounds = 20;
  PlanBuilder builder({{"tp", ranks}});
  buildRing(builder, width, rounds);
  ExecutorOptions options;
  options.workersPerRank = workers;
  options.delaySeed = seed;
  auto executor = create(load(builder.write(scratchFolder(), "ring" + std::to_string(ranks))), options);
  ASSERT_NE(executor, nullptr);
  for (uint32_t run = 0; run != 10; ++run) {
    std::vector<float> x = randomValues(ranks * width, run);
    EXPECT_EQ(runOnce(*executor, {}, x), ringReference(ranks, width, rounds, x));
  }
}

INSTANTIATE_TEST_SUITE_P(Executor, RingTest,
                         testing::Combine(testing::Values(2u, 3u, 5u), testing::Values(1u, 2u),
                                          testing::Values(0u, 7u)));

// [a, b] over a mesh of 2 x 3: groups are the axes that are named, positions count row-major over them.
TEST(Executor, GathersAndExchangesOverMeshAxes) {
  constexpr int64_t part = 5;
  PlanBuilder builder({{"dp", 2}, {"tp", 3}});
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> inputDims, gatheredDims, swappedDims, exchangedDims;
  inputDims.push_back(amount(6 * part));
  gatheredDims.push_back(amount(2 * 3 * part));
  swappedDims.push_back(amount(6 * part));
  exchangedDims.push_back(amount(6 * 6));
  builder.addPort(entry.inputs, "x", std::move(inputDims), {{0, 1}});
  builder.addPort(entry.results, "over tp", std::move(gatheredDims), {{0}});
  builder.addPort(entry.results, "over (tp, dp)", std::move(swappedDims));
  schema::VariantT &variant = builder.addVariant(entry, "any", 64 + 64 + 128);
  variant.inputs.emplace_back(0, 64);
  variant.results.emplace_back(64, 64);
  variant.results.emplace_back(128, 128);
  PlanBuilder::TransferSpec overTp{
      "all_gather", {1}, arena(0, 64), arena(64, 64), amount(0), amountAt(Position::Peer, 1, part), {}};
  overTp.box.push_back(dim(amount(part), 1, 1));
  builder.transfer(variant, std::move(overTp));
  AmountPtr swapped = amountAt(Position::Peer, 1, 2 * part);
  swapped->terms.push_back(amountAt(Position::Peer, 0, part)->terms[0]);
  PlanBuilder::TransferSpec overBoth{"all_gather",       {1, 0}, arena(0, 64), arena(128, 128), amount(0),
                                     std::move(swapped), {}};
  overBoth.box.push_back(dim(amount(part), 1, 1));
  builder.transfer(variant, std::move(overBoth));
  auto executor = create(load(builder.write(scratchFolder(), "mesh")), {});
  ASSERT_NE(executor, nullptr);
  std::vector<float> x = randomValues(6 * part, 3);
  EXPECT_EQ(runOnce(*executor, {}, x), x);
  std::vector<float> both(6 * part), expected;
  ASSERT_TRUE(executor->readResult(1, both.data(), both.size() * 4).isOk());
  for (int64_t tp = 0; tp != 3; ++tp)
    for (int64_t dp = 0; dp != 2; ++dp)
      expected.insert(expected.end(), x.begin() + (dp * 3 + tp) * part, x.begin() + (dp * 3 + tp + 1) * part);
  EXPECT_EQ(both, expected);
}

// DeepSpeed-Ulysses' exchange, [s/p, h, d] -> [s, h/p, d], with the sequence as a size of the step.
TEST(Executor, AllToAllPermutes) {
  constexpr int64_t p = 3, h = 6, d = 5, most = 7;
  PlanBuilder builder({{"sp", p}});
  uint32_t s = builder.input("rows of a rank", most);
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amountOf(s, p));
  inputDims.push_back(amount(h));
  inputDims.push_back(amount(d));
  resultDims.push_back(amountOf(s, p));
  resultDims.push_back(amount(h));
  resultDims.push_back(amount(d));
  builder.addPort(entry.inputs, "x", std::move(inputDims), {{0}, {}, {}});
  builder.addPort(entry.results, "y", std::move(resultDims), {{}, {0}, {}});
  constexpr uint64_t bytes = (most * h * d * 4 + 63) / 64 * 64;
  schema::VariantT &variant = builder.addVariant(entry, "any", 2 * bytes);
  variant.inputs.emplace_back(0, bytes);
  variant.results.emplace_back(bytes, bytes);
  PlanBuilder::TransferSpec exchange{"all_to_all",
                                     {0},
                                     arena(0, bytes),
                                     arena(bytes, bytes),
                                     amountAt(Position::Own, 0, h / p * d),
                                     amountAt(Position::Peer, 0, h / p * d, static_cast<int32_t>(s)),
                                     {}};
  exchange.box.push_back(dim(amountOf(s), h * d, h / p * d));
  exchange.box.push_back(dim(amount(h / p), d, d));
  exchange.box.push_back(dim(amount(d), 1, 1));
  builder.transfer(variant, std::move(exchange));
  std::string path = builder.write(scratchFolder(), "ulysses");
  for (uint32_t workers : {1u, 2u}) {
    ExecutorOptions options;
    options.workersPerRank = workers;
    auto executor = create(load(path), options);
    ASSERT_NE(executor, nullptr);
    for (int64_t rows : {1, 4, 7}) {
      // The logical tensor does not change: only where its parts lie does.
      std::vector<float> x = randomValues(static_cast<size_t>(rows * p * h * d), 4);
      EXPECT_EQ(runOnce(*executor, {rows}, x), x);
    }
  }
}

TEST(Executor, StatesLiveFromStepToStep) {
  PlanBuilder builder({{"tp", 2}});
  uint32_t size = builder.constant(10);
  uint32_t state = builder.pagedState("sum", {5});
  uint32_t kernel = builder.kernel("accumulate", 3, 1);
  schema::EntryT &entry = builder.addEntry("step");
  for (auto *ports : {&entry.inputs, &entry.results}) {
    std::vector<AmountPtr> dims;
    dims.push_back(amount(20));
    builder.addPort(*ports, "x", std::move(dims), {{0}});
  }
  schema::VariantT &variant = builder.addVariant(entry, "any", 128);
  variant.inputs.emplace_back(0, 64);
  variant.results.emplace_back(64, 64);
  builder.launch(variant, kernel, {{arena(0, 64)}, {stateBinding(state), true}, {arena(64, 64), true}}, {size},
                 amount(1));
  auto plan = load(builder.write(scratchFolder(), "state"));
  ExecutorOptions options;
  EXPECT_EQ(Executor::create(plan, options).status().number(), 2401); // no pages
  options.pages = 2;
  options.workersPerRank = 2;
  auto executor = create(plan, options);
  ASSERT_NE(executor, nullptr);
  EXPECT_EQ(executor->stats().stateBytes, 40u);
  std::vector<float> x = randomValues(20, 6), expected(20);
  for (int step = 0; step != 5; ++step) {
    for (size_t i = 0; i != 20; ++i)
      expected[i] += x[i];
    EXPECT_EQ(runOnce(*executor, {}, x), expected);
  }
  EXPECT_EQ(std::memcmp(executor->state(1, 0), &expected[10], 40), 0);
  options.pages = uint64_t(1) << 60;
  EXPECT_EQ(Executor::create(plan, options).status().number(), 2404);
}

TEST(Executor, RefusesBadStepsAndGoesOn) {
  auto executor = create(load(layerPlan("refusals", 2, 64, schema::Packing::RowMajor)), {});
  ASSERT_NE(executor, nullptr);
  std::vector<float> x = randomValues(3 * features, 1);
  EXPECT_EQ(executor->begin(0, std::vector<int64_t>{38}).number(), 2410);
  EXPECT_EQ(executor->begin(0, std::vector<int64_t>{-1}).number(), 2410);
  EXPECT_EQ(executor->begin(0, std::vector<int64_t>{1, 1, 1}).number(), 2410);
  EXPECT_EQ(executor->begin(0, std::vector<int64_t>{1, 2}).number(), 2503);
  EXPECT_EQ(executor->begin(1, std::vector<int64_t>{1}).number(), 2418);
  EXPECT_EQ(executor->run().number(), 2414);
  ASSERT_TRUE(executor->begin(0, std::vector<int64_t>{3}).isOk());
  EXPECT_EQ(executor->run().number(), 2414);
  EXPECT_EQ(executor->setInput(1, x.data(), 1).number(), 2414);
  EXPECT_EQ(executor->setInput(0, x.data(), 1).number(), 2415);
  EXPECT_EQ(executor->readResult(0, x.data(), 1).number(), 2414);
  EXPECT_EQ(executor->refuse(Status::error(2499, "x")).number(), 2499);
  EXPECT_EQ(runOnce(*executor, {3}, x).size(), x.size());
}

// What a step can be refused for before anything is run; the step behind it is taken as ever.
TEST(Executor, RefusesStepsThatDoNotFit) {
  PlanBuilder builder({{"tp", 3}});
  uint32_t tokens = builder.input("tokens", 64), groups = builder.input("groups", 4);
  builder.instruction(CountOp::FloorDivide, static_cast<int32_t>(tokens), static_cast<int32_t>(groups));
  builder.check(tokens, 48, "tokens");
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> dims;
  dims.push_back(amountOf(tokens));
  builder.addPort(entry.inputs, "x", std::move(dims), {{0}});
  schema::VariantT &variant = builder.addVariant(entry, "small", 64);
  variant.bounds.emplace_back(24, tokens);
  variant.inputs.emplace_back(0, 64);
  auto executor = create(load(builder.write(scratchFolder(), "refusals")), {});
  ASSERT_NE(executor, nullptr);
  auto begin = [&](int64_t count, int64_t divisor) {
    return executor->begin(0, std::vector<int64_t>{count, divisor}).text();
  };
  EXPECT_EQ(begin(6, 0), "E2417 expected a divisor of at least 1 in count instruction 2 but got 0");
  EXPECT_EQ(begin(49, 1), "E2411 expected at most 48 tokens in one step but got 49");
  EXPECT_EQ(begin(48, 1), "E2412 expected a variant of step with room for this step but none of 1 has");
  EXPECT_EQ(begin(25, 1), begin(48, 1));
  EXPECT_EQ(begin(7, 1), "E2413 expected dimension 0 of x to be a multiple of 3 but got 7");
  EXPECT_EQ(begin(24, 1), "ok");
}

TEST(Executor, NamesTheRankThatHangs) {
  ExecutorOptions options;
  options.deadlineMs = 150;
  auto executor = create(load(dawdlePlan("hang", 3)), options);
  ASSERT_NE(executor, nullptr);
  EXPECT_EQ(runOnce(*executor, {}, {1, 1, 1}), std::vector<float>{3});
  std::vector<float> x{0, 600, 0};
  ASSERT_TRUE(executor->begin(0, {}).isOk());
  ASSERT_TRUE(executor->setInput(0, x.data(), 12).isOk());
  Status status = executor->run();
  EXPECT_EQ(status.number(), 2502);
  EXPECT_THAT(status.text(), HasSubstr("expected rank 1 to go on within 150 ms"));
  EXPECT_THAT(status.text(), HasSubstr("step 1 (layer 0)"));
  EXPECT_EQ(executor->begin(0, {}).text(), status.text()); // poisoned
}

TEST(Executor, WritesATrace) {
  ExecutorOptions options;
  options.trace = true;
  options.workersPerRank = 2;
  options.traceEventsPerWorker = 5;
  auto executor = create(load(layerPlan("trace", 2, 64, schema::Packing::RowMajor)), options);
  ASSERT_NE(executor, nullptr);
  runOnce(*executor, {3}, randomValues(3 * features, 1));
  runOnce(*executor, {3}, randomValues(3 * features, 1));
  std::string path = scratchFolder() + "/trace.json";
  ASSERT_TRUE(executor->writeTrace(path).isOk());
  nlohmann::json trace = nlohmann::json::parse(std::ifstream(path));
  int slices[2] = {0, 0};
  for (const auto &event : trace["traceEvents"])
    if (event["ph"] == "X") {
      EXPECT_EQ(event["name"], "layer 0");
      EXPECT_GE(event["dur"].get<double>(), 0);
      ++slices[event["pid"].get<int>()];
    }
  EXPECT_EQ(slices[0], 10); // 2 workers x 5 of 8 steps
  EXPECT_EQ(slices[1], 10);
  EXPECT_EQ(executor->stats().traceEventsDropped, 2u * 2 * 3);
  EXPECT_EQ(executor->writeTrace("/no/such/folder/x.json").number(), 2416);
}

} // namespace
