// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::session {

Status checkSampling(const SamplingOptions &options) {
  if (!(options.temperature >= 0) || std::isinf(options.temperature))
    return Status::error(2425, "expected a temperature of 0 or more but got {}", options.temperature);
  if (!(options.topP > 0 && options.topP <= 1))
    return Status::error(2425, "expected a top-p above 0 and at most 1 but got {}", options.topP);
  return Status::ok();
}

double uniformAt(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

namespace {

/// The greatest value; NaN where there is a NaN or no finite maximum. In lanes, so that it is vectorised.
float maximumOf(std::span<const float> values) {
  constexpr size_t lanes = 64;
  float best[lanes];
  uint32_t unordered[lanes] = {};
  std::fill(best, best + lanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + lanes <= values.size(); i += lanes)
    for (size_t lane = 0; lane != lanes; ++lane) {
      float value = values[i + lane];
      best[lane] = value > best[lane] ? value : best[lane];
      unordered[lane] |= value != value;
    }
  float maximum = -std::numeric_limits<float>::infinity();
  bool hasNan = false;
  for (size_t lane = 0; lane != lanes; ++lane) {
    maximum = std::max(maximum, best[lane]);
    hasNan |= unordered[lane] != 0;
  }
  for (; i != values.size(); ++i) {
    maximum = values[i] > maximum ? values[i] : maximum;
    hasNan |= std::isnan(values[i]);
  }
  return hasNan || std::isinf(maximum) ? std::numeric_limits<float>::quiet_NaN() : maximum;
}

} // namespace

Sampler::Sampler(uint32_t vocabulary) : weights(vocabulary) { candidates.reserve(vocabulary); }

int32_t Sampler::sample(std::span<const float> logits, const SamplingOptions &options, uint64_t index) {
  float maximum = maximumOf(logits);
  if (std::isnan(maximum))
    return -1;
  if (options.temperature == 0)
    return static_cast<int32_t>(std::find(logits.begin(), logits.end(), maximum) - logits.begin());
  return draw(logits, maximum, options, index);
}

int32_t Sampler::draw(std::span<const float> logits, float maximum, const SamplingOptions &options, uint64_t index) {
  double total = 0;
  for (size_t i = 0; i != logits.size(); ++i) {
    weights[i] = std::exp((logits[i] - maximum) / options.temperature);
    total += weights[i];
  }
  double uniform = uniformAt(options.seed, index);
  if (options.topP >= 1) {
    double target = uniform * total;
    int32_t last = 0;
    for (size_t i = 0; i != logits.size(); ++i) {
      if (weights[i] == 0)
        continue;
      last = static_cast<int32_t>(i);
      if ((target -= weights[i]) < 0)
        break;
    }
    return last;
  }
  // Tokens outside the nucleus have less than 1 - topP together, so one with less than the average share of that cannot
  // be needed: only the others are sorted.
  double cutoff = (1 - static_cast<double>(options.topP)) * total / static_cast<double>(logits.size());
  candidates.clear();
  for (size_t i = 0; i != logits.size(); ++i)
    if (weights[i] >= cutoff)
      candidates.push_back({weights[i], static_cast<int32_t>(i)});
  std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  });
  double wanted = static_cast<double>(options.topP) * total, mass = 0;
  size_t nucleus = 0;
  while (nucleus != candidates.size() && mass < wanted)
    mass += candidates[nucleus++].weight;
  double target = uniform * mass;
  for (size_t i = 0; i + 1 < nucleus; ++i)
    if ((target -= candidates[i].weight) < 0)
      return candidates[i].token;
  return candidates[nucleus - 1].token;
}

} // namespace muster::session
