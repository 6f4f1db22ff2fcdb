// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a row of logits to the next token: greedy, or at random with temperature and nucleus (top-p).
//
// The n-th token of a sequence depends on its logits, the options and n alone: random numbers are a function of (seed,
// n), so a sequence draws the same tokens whoever its neighbours in the batch are, and on every rank.
//
// Sources: Holtzman et al. 2020 (nucleus sampling); Steele et al. 2014 (SplitMix64, used by index).

#ifndef MUSTER_RUNTIME_SESSION_SAMPLER_H
#define MUSTER_RUNTIME_SESSION_SAMPLER_H

#include "runtime/status/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace muster::session {

struct SamplingOptions {
  /// 0: greedy, the token with the greatest logit (the lowest id among equals). Above 0: logits are divided by it.
  float temperature = 0;
  /// Above 0, at most 1: draw among the most probable tokens that have at least this probability together.
  float topP = 1;
  uint64_t seed = 0;
};

/// Error: E2425 for a temperature below 0 or not finite, or a topP outside (0, 1].
Status checkSampling(const SamplingOptions &options);

/// A number in [0, 1) with 53 bits: the `index`-th of the sequence that `seed` names.
double uniformAt(uint64_t seed, uint64_t index);

/// Holds the scratch memory of sampling. Not synchronised; allocates in its constructor only.
class Sampler {
public:
  explicit Sampler(uint32_t vocabulary);

  /// The token after a row of `vocabulary` logits; -1 where they hold a NaN or have no finite maximum. `index` counts
  /// the tokens drawn for this sequence before.
  int32_t sample(std::span<const float> logits, const SamplingOptions &options, uint64_t index);

private:
  struct Candidate {
    float weight;
    int32_t token;
  };
  int32_t draw(std::span<const float> logits, float maximum, const SamplingOptions &options, uint64_t index);

  std::vector<float> weights;
  std::vector<Candidate> candidates;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SAMPLER_H
