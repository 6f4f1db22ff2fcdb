// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Executor.h"

#include "test/unit/runtime/builder/PlanBuilder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace muster;
using namespace muster::test;
using executor::Executor;
using executor::ExecutorOptions;
using schema::CountOp;
using schema::Position;

namespace {

std::vector<float> randomValues(size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(count);
  for (float &value : values)
    value = distribution(generator);
  return values;
}

std::shared_ptr<const plan::LoadedPlan> load(const std::string &path) {
  auto plan = plan::loadPlan(path, {});
  EXPECT_TRUE(plan.isOk()) << plan.status().text();
  return plan.isOk() ? *std::move(plan) : nullptr;
}

std::unique_ptr<Executor> create(std::shared_ptr<const plan::LoadedPlan> plan, const ExecutorOptions &options) {
  auto executor = Executor::create(std::move(plan), options);
  EXPECT_TRUE(executor.isOk()) << executor.status().text();
  return executor.isOk() ? *std::move(executor) : nullptr;
}

std::vector<float> runOnce(Executor &executor, const std::vector<int64_t> &record, const std::vector<float> &input) {
  Status status = executor.begin(0, record);
  EXPECT_TRUE(status.isOk()) << status.text();
  status = executor.setInput(0, input.data(), executor.inputBytes(0));
  EXPECT_TRUE(status.isOk()) << status.text();
  status = executor.run();
  EXPECT_TRUE(status.isOk()) << status.text();
  std::vector<float> result(executor.resultBytes(0) / sizeof(float));
  status = executor.readResult(0, result.data(), executor.resultBytes(0));
  EXPECT_TRUE(status.isOk()) << status.text();
  return result;
}

constexpr uint64_t mostTokens = 37, features = 24;

/// A small tensor-parallel layer: x [tokens, features] replicated -> affine kernel -> matrix product with this rank's
/// rows of the weight [hidden/tp, features] -> product with this rank's columns [features, hidden/tp], partial sums ->
/// all_reduce -> result replicated.
std::string layerPlan(const std::string &name, uint32_t ranks, uint64_t hiddenPerRank, schema::Packing packing) {
  PlanBuilder builder({{"tp", ranks}});
  uint32_t tokens = builder.input("tokens", mostTokens);
  uint32_t width = builder.constant(features);
  std::vector<std::vector<float>> up, down;
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    up.push_back(randomValues(hiddenPerRank * features, 100 + rank));
    down.push_back(randomValues(features * hiddenPerRank, 200 + rank));
  }
  uint32_t upWeight = builder.weight("up", hiddenPerRank, features, packing, up);
  uint32_t downWeight = builder.weight("down", features, hiddenPerRank, packing, down);
  uint32_t affine = builder.kernel("affine", 2, 2);
  schema::EntryT &entry = builder.addEntry("step");
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amountOf(tokens));
  inputDims.push_back(amount(features));
  resultDims.push_back(amountOf(tokens));
  resultDims.push_back(amount(features));
  builder.addPort(entry.inputs, "x", std::move(inputDims));
  builder.addPort(entry.results, "y", std::move(resultDims));
  uint64_t spanBytes = (mostTokens * features * 4 + 63) / 64 * 64;
  uint64_t hiddenBytes = (mostTokens * hiddenPerRank * 4 + 63) / 64 * 64;
  schema::VariantT &variant = builder.addVariant(entry, "any", 4 * spanBytes + hiddenBytes);
  auto x = arena(0, spanBytes), scaled = arena(spanBytes, spanBytes), partial = arena(2 * spanBytes, spanBytes),
       sum = arena(3 * spanBytes, spanBytes), hidden = arena(4 * spanBytes, hiddenBytes);
  variant.inputs.emplace_back(0, spanBytes);
  variant.results.emplace_back(3 * spanBytes, spanBytes);
  uint32_t a = builder.launch(variant, affine, {{x}, {scaled, true}}, {tokens, width}, amountOf(tokens));
  uint32_t b = builder.matmul(variant, amountOf(tokens), hiddenPerRank, features, scaled, upWeight, hidden, {a});
  uint32_t c = builder.matmul(variant, amountOf(tokens), features, hiddenPerRank, hidden, downWeight, partial, {b});
  PlanBuilder::TransferSpec reduce{"all_reduce", {0}, partial, sum, amount(0), amount(0), {}, schema::Reduction::Sum};
  reduce.box.push_back(dim(amountOf(tokens), features, features));
  reduce.box.push_back(dim(amount(features), 1, 1));
  builder.transfer(variant, std::move(reduce), {c});
  return builder.write(scratchFolder(), name);
}

/// The same in plain loops and double precision.
std::vector<double> layerReference(uint32_t ranks, uint64_t hiddenPerRank, const std::vector<float> &x) {
  uint64_t tokens = x.size() / features;
  std::vector<double> y(x.size());
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    std::vector<float> up = randomValues(hiddenPerRank * features, 100 + rank);
    std::vector<float> down = randomValues(features * hiddenPerRank, 200 + rank);
    for (uint64_t t = 0; t != tokens; ++t)
      for (uint64_t h = 0; h != hiddenPerRank; ++h) {
        double value = 0;
        for (uint64_t f = 0; f != features; ++f)
          value += (2.0 * x[t * features + f] + 1.0) * up[h * features + f];
        for (uint64_t f = 0; f != features; ++f)
          y[t * features + f] += value * down[f * hiddenPerRank + h];
      }
  }
  return y;
}

class LayerTest : public testing::TestWithParam<std::tuple<uint32_t, uint32_t, uint64_t, schema::Packing>> {};

TEST_P(LayerTest, EqualsPlainLoops) {
  auto [ranks, workers, hidden, packing] = GetParam();
  std::string name = "layer" + std::to_string(ranks) + "_" + std::to_string(hidden) + "_" + std::to_string(int(packing));
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

} // namespace
