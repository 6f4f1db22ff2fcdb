// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/RopeScaling.h"

#include "compiler/Import/ImportError.h"

#include <cmath>
#include <numbers>

namespace muster {

static bool isPositive(double value) { return std::isfinite(value) && value > 0.0; }

llvm::Error scaleRope(llama::LlamaConfig &config, const RopeScaling &scaling, llvm::StringRef source) {
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
