// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a graph of the Llama family is built for, and whether a model fits it.
#pragma once

#include "models/llama/LlamaConfig.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/LogicalResult.h"

#include <utility>

namespace muster::llama {

/// What the graph is built for: a mesh and capacities.
struct LlamaGraphOptions {
  /// Name and size of every axis, at least one: "tp" of tensor parallelism, and "dp" of data-parallel attention or "sp"
  /// of sequence parallelism.
  std::vector<std::pair<std::string, int64_t>> mesh = {{"tp", 1}};
  /// Rows of one step, over all sequences: of one position of axis dp, as the other capacities.
  int64_t maxStepTokens = 512;
  int64_t maxSequences = 8;
  /// Rows of logits that one step may ask for; 0 for as many as sequences.
  int64_t maxLogitRows = 0;
  /// Positions of one sequence, prompt and answer.
  int64_t maxContext = 2048;
  /// Positions of one page of the key-value cache.
  int64_t pageSlots = 16;

  int64_t logitRows() const { return maxLogitRows ? maxLogitRows : maxSequences; }
  int64_t pagesPerSequence() const { return (maxContext + pageSlots - 1) / pageSlots; }
  bool hasAxis(llvm::StringRef name) const;
  /// Size of an axis; 1 where the mesh lacks it.
  int64_t axisSize(llvm::StringRef name) const;
  /// The most of a step's tokens that one rank has where they are spread evenly over axis sp: all without that axis.
  int64_t rankRows(int64_t tokens) const;
};

/// The config is one of a model (E3320), the capacities are sensible and within the model's context (E3321), the mesh
/// has axis tp and one of dp and sp at most, each once (E3322), tp * sp divides the heads, and tp and then sp divide
/// what is left of the key-value heads or are multiples of it (E3323). Errors go to the context.
mlir::LogicalResult verify(mlir::MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options);

/// Warns where an axis does not divide the feed-forward width or the vocabulary, so that ranks repeat each other's
/// products.
void warnOfRepetition(mlir::MLIRContext *context, const LlamaConfig &config, const LlamaGraphOptions &options);

} // namespace muster::llama
