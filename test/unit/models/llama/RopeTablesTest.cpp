// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/RopeTables.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace muster::llama;

namespace {

/// The definition in long double, without the tables' order of evaluation: theta^(-2j/d) as exp(-2j/d log theta).
void expectTables(const LlamaConfig &config, int64_t positions) {
  RopeTables tables = ropeTables(config, positions);
  int64_t half = config.headDim / 2;
  ASSERT_EQ(static_cast<int64_t>(tables.cos.size()), positions * half);
  ASSERT_EQ(static_cast<int64_t>(tables.sin.size()), positions * half);
  for (int64_t position = 0; position < positions; ++position)
    for (int64_t pair = 0; pair < half; ++pair) {
      long double frequency =
          std::exp(-2.0L * pair / config.headDim * std::log(static_cast<long double>(config.ropeTheta)));
      if (!config.ropeFrequencyDivisors.empty())
        frequency /= config.ropeFrequencyDivisors[pair];
      ASSERT_NEAR(tables.cos[position * half + pair], static_cast<double>(std::cos(position * frequency)), 1e-11);
      ASSERT_NEAR(tables.sin[position * half + pair], static_cast<double>(std::sin(position * frequency)), 1e-11);
    }
}

} // namespace

TEST(RopeTables, EqualTheDefinition) {
  LlamaConfig config;
  for (double theta : {10000.0, 100000.0, 500000.0})
    for (int64_t headDim : {2, 6, 64}) {
      config.headDim = headDim;
      config.ropeTheta = theta;
      expectTables(config, 8192);
    }
}

TEST(RopeTables, DivideFrequencies) {
  LlamaConfig config;
  config.headDim = 10;
  config.ropeFrequencyDivisors = {1.0, 1.0, 2.5, 7.0, 8.0};
  expectTables(config, 1000);
}

// Llama 3.1's scaling of one wavelength in each of its three ranges, written out.
TEST(RopeTables, StretchLlama3Wavelengths) {
  LlamaConfig config;
  config.headDim = 128;
  config.ropeTheta = 500000.0;
  constexpr double factor = 8.0, low = 1.0, high = 4.0, original = 8192.0, pi = 3.14159265358979323846;
  for (int64_t pair = 0; pair < 64; ++pair) {
    double wavelength = 2.0 * pi * std::pow(500000.0, 2.0 * pair / 128.0);
    double smooth = (original / wavelength - low) / (high - low);
    config.ropeFrequencyDivisors.push_back(wavelength < original / high  ? 1.0
                                           : wavelength > original / low ? factor
                                                                         : 1.0 / ((1.0 - smooth) / factor + smooth));
  }
  std::vector<double> frequencies = ropeFrequencies(config);
  EXPECT_DOUBLE_EQ(frequencies[0], 1.0);
  double middle = 1.0 / std::sqrt(500000.0), smooth = (original * middle / (2.0 * pi) - low) / (high - low);
  EXPECT_GT(smooth, 0.0);
  EXPECT_LT(smooth, 1.0);
  EXPECT_NEAR(frequencies[32], (1.0 - smooth) * middle / factor + smooth * middle, 1e-18);
  EXPECT_NEAR(frequencies[63], std::pow(500000.0, -126.0 / 128.0) / 8.0, 1e-18);
}
