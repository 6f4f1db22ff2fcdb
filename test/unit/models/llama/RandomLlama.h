// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small random models: primes where nothing divides them, so that no two sizes coincide by chance.
#pragma once

#include "models/llama/LlamaConfig.h"

#include <random>

namespace muster::llama {

/// A model that tp divides. `groups` query heads share a key-value head.
inline LlamaConfig randomConfig(std::mt19937 &random, int64_t tp, int64_t groups) {
  auto pick = [&](std::initializer_list<int64_t> values) { return values.begin()[random() % values.size()]; };
  LlamaConfig config;
  config.layers = pick({1, 2});
  config.hidden = pick({7, 11, 13, 17});
  config.kvHeads = tp * pick({1, 2});
  config.heads = config.kvHeads * groups;
  config.headDim = 2 * pick({2, 3, 5});
  config.feedForward = tp * pick({7, 19});
  config.vocabulary = tp * pick({23, 29});
  config.contextLength = 211;
  config.rmsEpsilon = 1e-5;
  config.ropeTheta = pick({10000, 500000});
  if (random() % 2)
    for (int64_t pair = 0; pair < config.headDim / 2; ++pair)
      config.ropeFrequencyDivisors.push_back(1.0 + static_cast<double>(random() % 80) / 10.0);
  config.attentionBias = random() % 2;
  config.mlpBias = random() % 2;
  config.tiedEmbeddings = random() % 2;
  return config;
}

} // namespace muster::llama
