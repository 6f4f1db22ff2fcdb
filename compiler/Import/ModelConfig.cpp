// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/ModelConfig.h"

#include "compiler/Import/ImportError.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace muster {

namespace {

constexpr int64_t maximumSize = std::numeric_limits<int32_t>::max();

llvm::Error checkSizes(const ModelConfig &config, const std::string &source) {
  const std::pair<const char *, int64_t> sizes[] = {
      {"layers", config.layers},
      {"hidden size", config.hidden},
      {"heads", config.heads},
      {"kv heads", config.kvHeads},
      {"head size", config.headDim},
      {"feed-forward width", config.feedForward},
      {"vocabulary", config.vocabulary},
      {"context length", config.contextLength},
      {"heads x head size",
       config.heads > maximumSize || config.headDim > maximumSize ? 0 : config.heads * config.headDim}};
  for (auto [what, size] : sizes)
    if (size < 1 || size > maximumSize)
      return wrongInput("E3303 {}: expected {} between 1 and {} but got {}", source, what, maximumSize, size);
  return llvm::Error::success();
}

bool isPositive(double value) { return std::isfinite(value) && value > 0.0; }

} // namespace

llvm::Error validate(const ModelConfig &config, llvm::StringRef source) {
  if (llvm::Error error = checkSizes(config, source.str()))
    return error;
  if (config.heads % config.kvHeads != 0)
    return wrongInput("E3303 {}: expected heads to be a multiple of kv heads {} but got {}", source.str(),
                      config.kvHeads, config.heads);
  if (config.headDim % 2 != 0)
    return wrongInput("E3303 {}: expected an even head size but got {}", source.str(), config.headDim);
  if (!isPositive(config.rmsEpsilon))
    return wrongInput("E3303 {}: expected a positive norm epsilon but got {}", source.str(), config.rmsEpsilon);
  if (!isPositive(config.ropeTheta))
    return wrongInput("E3303 {}: expected a positive rotary base but got {}", source.str(), config.ropeTheta);
  const std::vector<double> &divisors = config.ropeFrequencyDivisors;
  if (!divisors.empty() && static_cast<int64_t>(divisors.size()) != config.headDim / 2)
    return wrongInput("E3308 {}: expected {} rotary frequency divisors but got {}", source.str(), config.headDim / 2,
                      divisors.size());
  for (double divisor : divisors)
    if (!isPositive(divisor))
      return wrongInput("E3308 {}: expected positive rotary frequency divisors but got {}", source.str(), divisor);
  return llvm::Error::success();
}

llvm::Error computeRopeDivisors(ModelConfig &config, llvm::StringRef source) {
  const RopeScaling &scaling = *config.ropeScaling;
  if (!isPositive(scaling.factor))
    return wrongInput("E3308 {}: expected a positive rotary factor but got {}", source.str(), scaling.factor);
  config.ropeFrequencyDivisors.assign(static_cast<size_t>(config.headDim / 2), scaling.factor);
  if (scaling.kind != RopeScaling::Kind::Llama3)
    return llvm::Error::success();
  const double low = scaling.lowFrequencyFactor, high = scaling.highFrequencyFactor;
  if (!isPositive(low) || !isPositive(high) || low >= high)
    return wrongInput("E3308 {}: expected low_freq_factor below high_freq_factor {} but got {}", source.str(), high,
                      low);
  if (scaling.originalContext < 1)
    return wrongInput("E3308 {}: expected a positive original context but got {}", source.str(),
                      scaling.originalContext);
  const auto context = static_cast<double>(scaling.originalContext);
  for (size_t i = 0; i < config.ropeFrequencyDivisors.size(); ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(config.headDim);
    const double wavelength = 2.0 * std::numbers::pi * std::pow(config.ropeTheta, exponent);
    if (wavelength > context / low)
      continue;
    const double smooth = (context / wavelength - low) / (high - low);
    config.ropeFrequencyDivisors[i] =
        wavelength < context / high ? 1.0 : 1.0 / ((1.0 - smooth) / scaling.factor + smooth);
  }
  return llvm::Error::success();
}

} // namespace muster
