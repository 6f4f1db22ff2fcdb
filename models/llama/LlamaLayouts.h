// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a Llama graph is pinned to a layout. A kind of parallelism is a choice of these, never another builder.
#pragma once

#include "models/llama/LlamaGraphOptions.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace muster::llama {

/// Texts of layouts at the fixed points of the graph. In the step: t tokens, s sequences, r rows of logits, i hidden, h
/// query heads, kv key-value heads, d elements of a head, v vocabulary. In weights: o outputs, i inputs. What stands
/// here is a program on one rank.
struct LlamaLayouts {
  // Entry.
  std::string tokens = "[t]";            ///< ids of the step's rows
  std::string perToken = "[t]";          ///< positions, write slots: of the rows that a rank attends from
  std::string starts = "[starts]";       ///< first row of each sequence and the end
  std::string blockTable = "[s, pages]"; ///< pages of each sequence
  std::string perLogits = "[r]";         ///< rows whose logits are wanted
  std::string logits = "[r, v]";         ///< the result

  // Activations.
  std::string embeddedTokens = "[t]";       ///< ids of the rows that a rank embeds
  std::string residual = "[t, i]";          ///< between blocks
  std::string attentionInput = "[t, i]";    ///< what the first matrix product of attention reads
  std::string feedForwardInput = "[t, i]";  ///< what the first one of the feed-forward network reads
  std::string attentionOutput = "[t, i]";   ///< what the last one of attention leaves
  std::string feedForwardOutput = "[t, i]"; ///< what the last one of the feed-forward network leaves
  std::string embedded = "[t, i]";          ///< what the embedding look-up leaves
  std::string queryRows =
      "[t, h, d]"; ///< queries as the first product of attention leaves them and the last reads them
  std::string queryHeads = "[t, h, d]"; ///< queries as attention walks them
  std::string keyRows = "[t, kv, d]";   ///< keys and values likewise
  std::string keyHeads = "[t, kv, d]";  ///< as the cache takes them
  std::string askableRows = "[t, i]";   ///< rows among which those are whose logits are wanted
  std::string askedRows = "[r, i]";     ///< what the choice of them leaves; partial over what divides `askableRows`,
                                        ///< unless each rank asks for rows of its own
  std::string headInput = "[r, i]";     ///< what the head's matrix product reads
  std::string headOutput = "[r, v]";    ///< what the head's matrix product leaves

  // Weights and states.
  std::string embedding = "[v, i]"; ///< token_embedding
  std::string head = "[v, i]";      ///< output; where it is tied and divided otherwise, the embedding is held twice
  std::string norm = "[i]";
  std::string queryAxes;               ///< divide the rows of q: "", "/tp"
  std::string keyAxes;                 ///< of k and v
  std::string widthAxes;               ///< of gate and up
  std::string outputMatrix = "[o, i]"; ///< o, divided by its inputs
  std::string downMatrix = "[o, i]";   ///< down likewise
  std::string rowBias = "[o]";         ///< biases of o and down
  std::string ropeTable = "[p, e]";
  std::string cache = "[page, slot, kv, d]"; ///< keys and values
};

/// The layouts for the axes of a mesh.
///
/// Axis tp is Megatron-LM's tensor parallelism (Shoeybi et al. 2019): heads, feed-forward columns and vocabulary
/// divided by tp; one sum after the embedding, attention and feed-forward blocks each.
///
/// Axis sp is DeepSpeed-Ulysses (Jacobs et al. 2023): rows divided by sp everywhere but in attention, which has all
/// rows of a part of the heads (divided by tp and then sp); all-to-alls between the two. Weights are on every rank of
/// sp, but for the head's, whose vocabulary is divided. Ranks have any number of rows, also none.
///
/// Axis dp is data-parallel attention (DeepSeek-V3, SGLang): each position has tokens, sequences and pages of its own,
/// of any number, and attention's weights whole or divided by tp. The feed-forward network and the vocabulary are
/// divided by all ranks: they read the tokens of all positions, gathered, and each position gets the sums of its own.
///
/// What has fewer parts than an axis has ranks is divided by a part of the axis: consecutive ranks hold the same
/// key-value head, or the same part of the feed-forward network or vocabulary.
LlamaLayouts chooseLayouts(const LlamaConfig &config, const LlamaGraphOptions &options);

/// A tensor that lies in dim 0 of a packed weight, its logical rows and the axes that divide them.
struct PackedSegment {
  llvm::StringRef name;
  int64_t rows;
  llvm::StringRef axes; ///< "/tp" or ""
};

/// Layout of a packed weight whose dim 0 holds segments side by side, each divided on its own; the other dim, if any,
/// is i.
std::string packedLayout(llvm::ArrayRef<PackedSegment> segments, bool matrix);

} // namespace muster::llama
