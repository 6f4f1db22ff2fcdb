// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a Llama graph is pinned to a layout. A kind of parallelism is a table of these, never another builder.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <utility>

namespace muster::llama {

/// Texts of layouts at the fixed points of the graph. In the step: t tokens, s sequences, r rows of logits, i hidden, v
/// vocabulary. In weights: o outputs, i inputs.
struct LlamaLayouts {
  // Entry.
  const char *perToken;   ///< tokens, positions, write slots
  const char *starts;     ///< first row of each sequence and the end
  const char *blockTable; ///< pages of each sequence
  const char *perLogits;  ///< rows whose logits are wanted
  const char *logits;     ///< the result

  // Activations.
  const char *residual;    ///< between blocks
  const char *blockInput;  ///< what a block's first matrix product reads
  const char *blockOutput; ///< what its last one leaves
  const char *embedded;    ///< what the embedding look-up leaves
  const char *headOutput;  ///< what the head's matrix product leaves

  // Weights and states.
  const char *embedding; ///< token_embedding and output
  const char *norm;
  const char *columnAxes; ///< divides the rows of q, k, v, gate, up (outputs)
  const char *rowMatrix;  ///< o and down, divided by their inputs
  const char *rowBias;    ///< biases of o and down
  const char *ropeTable;
  const char *cache; ///< keys and values
};

/// Megatron-LM's tensor parallelism (Shoeybi et al. 2019): heads, feed-forward columns and vocabulary divided by tp;
/// one sum after the embedding, attention and feed-forward blocks each.
extern const LlamaLayouts tensorParallelLayouts;

/// Layout of a packed weight whose dim 0 holds segments (name, logical rows) side by side, each divided by `axes`
/// ("/tp" or ""); the other dim, if any, is i.
std::string packedLayout(llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> segments, llvm::StringRef axes,
                         bool matrix);

} // namespace muster::llama
