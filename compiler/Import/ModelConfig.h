// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a checkpoint says about its model, independent of the file format.
#ifndef MUSTER_COMPILER_IMPORT_MODELCONFIG_H
#define MUSTER_COMPILER_IMPORT_MODELCONFIG_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// How a checkpoint states that its rotary frequencies are stretched.
struct RopeScaling {
  enum class Kind {
    /// Every frequency divided by `factor`.
    Linear,
    /// Llama 3's: wavelengths over originalContext / lowFrequencyFactor are divided by `factor`, those below
    /// originalContext / highFrequencyFactor are kept, in between it goes smoothly. Only folders state it so.
    Llama3,
    /// One divisor a frequency, stored as a tensor (GGUF's `rope_freqs.weight`); the numbers below are not known.
    Divisors
  };
  Kind kind = Kind::Linear;
  double factor = 1.0;
  double lowFrequencyFactor = 0.0;
  double highFrequencyFactor = 0.0;
  int64_t originalContext = 0;
};

/// The Llama family. Sizes are in elements; all are positive once validate() has passed.
struct ModelConfig {
  /// The family whose graph builder is wanted: "llama".
  std::string architecture;
  /// What the checkpoint calls itself; may be empty.
  std::string name;
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kvHeads = 0;
  /// Elements of a head; heads * headDim need not be `hidden`.
  int64_t headDim = 0;
  int64_t feedForward = 0;
  int64_t vocabulary = 0;
  /// Tokens.
  int64_t contextLength = 0;
  double rmsEpsilon = 0.0;
  /// Pair i of a head turns by position * ropeTheta^(-2i / headDim) / ropeFrequencyDivisors[i].
  double ropeTheta = 10000.0;
  std::optional<RopeScaling> ropeScaling;
  /// headDim / 2 divisors made from the scaling; empty without scaling.
  std::vector<double> ropeFrequencyDivisors;
  /// Biases of q, k, v and o.
  bool attentionBias = false;
  /// Biases of gate, up and down.
  bool mlpBias = false;
  /// The head uses the token embedding's matrix; there is no tensor `output`.
  bool tiedEmbeddings = false;

  std::optional<int64_t> bosToken;
  /// Any of these ends a text.
  std::vector<int64_t> eosTokens;
  /// Whether prompts begin with bosToken; nothing where the checkpoint leaves that to its tokenizer's own files.
  std::optional<bool> addBos;
  /// A Jinja template; empty if there is none.
  std::string chatTemplate;
};

/// Checks the ranges (E3303). `source` names the file in errors.
llvm::Error validate(const ModelConfig &config, llvm::StringRef source);

/// Fills `ropeFrequencyDivisors` from a scaling of kind Linear or Llama3; fails on factors that are no scaling (E3308).
/// Formula of Llama 3.1's reference code, in double.
llvm::Error computeRopeDivisors(ModelConfig &config, llvm::StringRef source);

} // namespace muster

#endif // MUSTER_COMPILER_IMPORT_MODELCONFIG_H
