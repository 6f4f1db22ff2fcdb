// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Sampler.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

using namespace muster::session;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<float> ramp(uint32_t size) {
  std::vector<float> logits(size);
  for (uint32_t i = 0; i != size; ++i)
    logits[i] = std::sin(static_cast<float>(i));
  return logits;
}

TEST(Sampler, GreedyTakesTheGreatestWhereverItIs) {
  for (uint32_t size : {1u, 63u, 64u, 65u, 131u, 200u})
    for (uint32_t at = 0; at != size; ++at) {
      std::vector<float> logits = ramp(size);
      logits[at] = 3;
      EXPECT_EQ(Sampler(size).sample(logits, {}, 0), static_cast<int32_t>(at));
    }
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  std::vector<float> logits = ramp(131);
  logits[70] = logits[5] = logits[130] = 9;
  EXPECT_EQ(Sampler(131).sample(logits, {}, 0), 5);
}

TEST(Sampler, InvalidLogitsGiveNoToken) {
  SamplingOptions warm;
  warm.temperature = 1;
  for (const SamplingOptions &options : {SamplingOptions(), warm})
    for (uint32_t at : {0u, 64u, 129u}) {
      std::vector<float> logits = ramp(130);
      logits[at] = std::nanf("");
      EXPECT_EQ(Sampler(130).sample(logits, options, 0), -1);
      logits[at] = infinity;
      EXPECT_EQ(Sampler(130).sample(logits, options, 0), -1);
      logits[at] = -infinity; // masked out: fine
      EXPECT_NE(Sampler(130).sample(logits, options, 0), -1);
    }
  EXPECT_EQ(Sampler(3).sample(std::vector<float>(3, -infinity), {}, 0), -1);
}

// Expected frequencies of a softmax, within five standard deviations.
TEST(Sampler, TemperatureFollowsTheSoftmax) {
  std::vector<float> logits = {0, 1, 2, -infinity, 0.5f};
  SamplingOptions options;
  options.temperature = 0.7f;
  options.seed = 11;
  constexpr int draws = 40000;
  std::vector<double> counts(logits.size()), weights(logits.size());
  Sampler sampler(5);
  for (int i = 0; i != draws; ++i)
    ++counts[sampler.sample(logits, options, i)];
  double total = 0;
  for (size_t i = 0; i != logits.size(); ++i)
    total += weights[i] = std::exp(logits[i] / 0.7);
  for (size_t i = 0; i != logits.size(); ++i) {
    double p = weights[i] / total;
    EXPECT_NEAR(counts[i] / draws, p, 5 * std::sqrt(p * (1 - p) / draws) + 1e-9) << i;
  }
}

TEST(Sampler, NucleusHoldsTheFewestTokensWithItsShare) {
  std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.05f), std::log(0.3f), std::log(0.15f)};
  SamplingOptions options;
  options.temperature = 1;
  auto drawn = [&](float topP) {
    options.topP = topP;
    std::vector<int> counts(5);
    Sampler sampler(5);
    for (int i = 0; i != 5000; ++i)
      ++counts[sampler.sample(logits, options, i)];
    return counts;
  };
  std::vector<int> counts = drawn(0.69f); // 0.4 + 0.3
  EXPECT_EQ(counts[0] + counts[2] + counts[4], 0);
  EXPECT_NEAR(counts[1] / 5000.0, 4.0 / 7, 0.04);
  counts = drawn(0.8f); // and 0.15
  EXPECT_EQ(counts[0] + counts[2], 0);
  EXPECT_GT(counts[4], 0);
  counts = drawn(1e-6f);
  EXPECT_EQ(counts[1], 5000);
  counts = drawn(1.0f);
  EXPECT_GT(counts[2], 0);
}

TEST(Sampler, ATokenIsAFunctionOfSeedAndIndex) {
  std::vector<float> logits = ramp(1000);
  SamplingOptions options;
  options.temperature = 1;
  std::vector<int32_t> first;
  Sampler sampler(1000);
  for (uint64_t i = 0; i != 50; ++i)
    first.push_back(sampler.sample(logits, options, i));
  for (uint64_t i = 50; i-- != 0;)
    EXPECT_EQ(sampler.sample(logits, options, i), first[i]);
  options.seed = 1;
  int equal = 0;
  for (uint64_t i = 0; i != 50; ++i)
    equal += sampler.sample(logits, options, i) == first[i];
  EXPECT_LT(equal, 10);
}

TEST(Sampler, OptionsAreChecked) {
  SamplingOptions options;
  EXPECT_TRUE(checkSampling(options).isOk());
  for (float temperature : {-0.1f, std::nanf(""), infinity}) {
    options.temperature = temperature;
    EXPECT_EQ(checkSampling(options).number(), 2425);
  }
  options.temperature = 1;
  for (float topP : {0.0f, -1.0f, 1.01f, std::nanf("")}) {
    options.topP = topP;
    EXPECT_EQ(checkSampling(options).number(), 2425);
  }
}

} // namespace
