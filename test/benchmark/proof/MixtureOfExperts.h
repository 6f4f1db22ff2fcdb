// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A prefill step of a model of DeepSeek-V3's shape (DeepSeek-AI 2024), spread over a mesh, as text.
//
// Latent attention with heads over tp, its scores written out; dense feed-forward in the first layers, then a shared
// expert and routed experts over ep, their inner width over tp, reached by two all-to-alls. The routing is static, as
// for a capacity that is padded: which token of a group takes which slot of an expert is a table (GShard, Lepikhin et
// al. 2020, without the choice). Groups of tokens are divided by ep, the vocabulary by tp.

#ifndef MUSTER_TEST_BENCHMARK_PROOF_MIXTUREOFEXPERTS_H
#define MUSTER_TEST_BENCHMARK_PROOF_MIXTUREOFEXPERTS_H

#include <cstdint>
#include <string>

namespace muster::benchmarks {

/// Logical sizes; `tp` divides heads, widths and vocabulary, `ep` divides the experts.
struct MixtureOfExperts {
  int64_t ep = 4, tp = 2;
  int64_t layers = 61, denseLayers = 3;
  int64_t hidden = 7168, heads = 128, queryRank = 1536, keyRank = 512, headDim = 128, ropeDim = 64;
  int64_t denseWidth = 18432, experts = 256, expertWidth = 2048, vocabulary = 129280, positions = 4096;
  /// A rank has so many groups of so many tokens; an expert takes so many tokens of a group.
  int64_t groups = 2, tokens = 32, capacity = 4;

  /// The module; its entry is @prefill.
  std::string text() const;
};

} // namespace muster::benchmarks

#endif // MUSTER_TEST_BENCHMARK_PROOF_MIXTUREOFEXPERTS_H
