// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The numbers that make a model of the Llama family: what importers read from a file and graphs are built from. Plain
// C++, no IR.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace muster::llama {

/// Sizes are in elements.
struct LlamaConfig {
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  /// Key-value heads; a divisor of `heads`.
  int64_t kvHeads = 0;
  /// Elements of a head, even; heads * headDim need not be `hidden`.
  int64_t headDim = 0;
  int64_t feedForward = 0;
  int64_t vocabulary = 0;
  /// Positions that the model was trained for.
  int64_t contextLength = 0;
  double rmsEpsilon = 0.0;
  /// Pair i of a head turns by position * ropeTheta^(-2i / headDim) / ropeFrequencyDivisors[i].
  double ropeTheta = 10000.0;
  /// headDim / 2 divisors of the rotary frequencies (Llama 3's scaling, or GGUF's `rope_freqs`), or none.
  std::vector<double> ropeFrequencyDivisors;
  /// Biases of q, k, v and o.
  bool attentionBias = false;
  /// Biases of gate, up and down.
  bool mlpBias = false;
  /// The head is the token embedding.
  bool tiedEmbeddings = false;
};

/// What is wrong with the sizes, the epsilon or the rotary base, as `expected ... but got ...`; empty where nothing is.
/// The caller puts an error's number in front.
std::string describeFault(const LlamaConfig &config);

/// The same of ropeFrequencyDivisors, where describeFault() finds nothing.
std::string describeDivisorFault(const LlamaConfig &config);

} // namespace muster::llama
