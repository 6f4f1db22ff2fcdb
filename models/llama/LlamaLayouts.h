// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a Llama graph is pinned to a layout. A kind of parallelism is a table of these, never another builder.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <utility>

namespace muster::llama {

/// Texts of layouts at the fixed points of the graph. In the step: t tokens, s sequences, r rows of logits, i hidden, h
/// query heads, kv key-value heads, d elements of a head, v vocabulary. In weights: o outputs, i inputs.
struct LlamaLayouts {
  // Entry.
  const char *tokens;     ///< ids of the rows that a rank embeds
  const char *perToken;   ///< positions, write slots: of the rows that a rank attends from
  const char *starts;     ///< first row of each sequence and the end
  const char *blockTable; ///< pages of each sequence
  const char *perLogits;  ///< rows whose logits are wanted
  const char *logits;     ///< the result

  // Activations.
  const char *residual;    ///< between blocks
  const char *blockInput;  ///< what a block's first matrix product reads
  const char *blockOutput; ///< what its last one leaves
  const char *embedded;    ///< what the embedding look-up leaves
  const char *queryRows;   ///< queries as the first product of attention leaves them, and as the last one reads them
  const char *queryHeads;  ///< queries as attention walks them
  const char *keyRows;     ///< keys and values likewise
  const char *keyHeads;    ///< as the cache takes them
  const char *askedRows;   ///< what the choice of the rows whose logits are wanted leaves
  const char *headInput;   ///< what the head's matrix product reads
  const char *headOutput;  ///< what the head's matrix product leaves

  // Weights and states.
  const char *embedding; ///< token_embedding
  const char *head;      ///< output; where it is tied and divided otherwise, the embedding is held twice
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

/// DeepSpeed-Ulysses (Jacobs et al. 2023): rows divided by sp everywhere but in attention, which has all rows of a part
/// of the heads; all-to-alls between the two. Weights are on every rank, but for the head's, whose vocabulary is
/// divided. The rows of a step are a multiple of sp.
extern const LlamaLayouts sequenceParallelLayouts;

/// Both: rows by sp, what tensor parallelism divides by tp, heads by tp and then sp.
extern const LlamaLayouts sequenceTensorLayouts;

/// The table for a mesh with or without an axis sp, with or without an axis tp.
const LlamaLayouts &chooseLayouts(bool hasSequence, bool hasTensor);

/// Layout of a packed weight whose dim 0 holds segments (name, logical rows) side by side, each divided by `axes`
/// ("/tp" or ""); the other dim, if any, is i.
std::string packedLayout(llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> segments, llvm::StringRef axes,
                         bool matrix);

} // namespace muster::llama
