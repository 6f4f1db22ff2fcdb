// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/RopeTables.h"

#include <cmath>

using namespace muster::llama;

std::vector<double> muster::llama::ropeFrequencies(const LlamaConfig &config) {
  std::vector<double> frequencies(config.headDim / 2);
  for (size_t pair = 0; pair < frequencies.size(); ++pair) {
    double divisor = config.ropeFrequencyDivisors.empty() ? 1.0 : config.ropeFrequencyDivisors[pair];
    frequencies[pair] =
        std::pow(config.ropeTheta, -2.0 * static_cast<double>(pair) / static_cast<double>(config.headDim)) / divisor;
  }
  return frequencies;
}

RopeTables muster::llama::ropeTables(const LlamaConfig &config, int64_t positions) {
  std::vector<double> frequencies = ropeFrequencies(config);
  RopeTables tables;
  tables.cos.reserve(positions * frequencies.size());
  tables.sin.reserve(positions * frequencies.size());
  for (int64_t position = 0; position < positions; ++position)
    for (double frequency : frequencies) {
      double angle = static_cast<double>(position) * frequency;
      tables.cos.push_back(std::cos(angle));
      tables.sin.push_back(std::sin(angle));
    }
  return tables;
}
