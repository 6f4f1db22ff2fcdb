// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "models/llama/LlamaConfig.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <utility>

using namespace muster::llama;

/// Sizes of tensors are products of two of these at most, so that none overflows.
static constexpr int64_t largestSize = std::numeric_limits<int32_t>::max();

static bool isPositive(double value) { return std::isfinite(value) && value > 0.0; }

std::string muster::llama::describeFault(const LlamaConfig &config) {
  for (auto [what, value] :
       {std::pair("layers", config.layers), std::pair("hidden size", config.hidden), std::pair("heads", config.heads),
        std::pair("key-value heads", config.kvHeads), std::pair("head size", config.headDim),
        std::pair("feed-forward width", config.feedForward), std::pair("vocabulary", config.vocabulary),
        std::pair("context length", config.contextLength)})
    if (value < 1 || value > largestSize)
      return fmt::format("expected {} between 1 and {} but got {}", what, largestSize, value);
  if (config.heads % config.kvHeads != 0)
    return fmt::format("expected key-value heads to divide the {} heads but got {}", config.heads, config.kvHeads);
  if (config.headDim % 2 != 0)
    return fmt::format("expected an even head size but got {}", config.headDim);
  if (config.heads > largestSize / config.headDim)
    return fmt::format("expected heads times head size of at most {} but got {} heads of {}", largestSize, config.heads,
                       config.headDim);
  if (!isPositive(config.rmsEpsilon))
    return fmt::format("expected a positive norm epsilon but got {}", config.rmsEpsilon);
  if (!isPositive(config.ropeTheta))
    return fmt::format("expected a positive rotary base but got {}", config.ropeTheta);
  return "";
}

std::string muster::llama::describeDivisorFault(const LlamaConfig &config) {
  const size_t divisors = config.ropeFrequencyDivisors.size();
  if (divisors != 0 && static_cast<int64_t>(divisors) != config.headDim / 2)
    return fmt::format("expected {} rotary frequency divisors or none but got {}", config.headDim / 2, divisors);
  for (double divisor : config.ropeFrequencyDivisors)
    if (!isPositive(divisor))
      return fmt::format("expected positive rotary frequency divisors but got {}", divisor);
  return "";
}
