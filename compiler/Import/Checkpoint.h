// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model's numbers and weights, independent of the file format.
#ifndef MUSTER_COMPILER_IMPORT_CHECKPOINT_H
#define MUSTER_COMPILER_IMPORT_CHECKPOINT_H

#include "compiler/Import/CheckpointTensor.h"
#include "models/llama/LlamaConfig.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace muster {

namespace gguf {
class GgufFile;
}

/// One weight under its canonical name:
///
/// | name | shape |
/// | --- | --- |
/// | token_embedding | [vocabulary, hidden] |
/// | layers.<n>.attention_norm, .feed_forward_norm | [hidden] |
/// | layers.<n>.q | [heads * headDim, hidden] |
/// | layers.<n>.k, .v | [kvHeads * headDim, hidden] |
/// | layers.<n>.o | [hidden, heads * headDim] |
/// | layers.<n>.q_bias, .k_bias, .v_bias, .o_bias | [outer dimension of the matrix]; with attentionBias |
/// | layers.<n>.gate, .up | [feedForward, hidden] |
/// | layers.<n>.down | [hidden, feedForward] |
/// | layers.<n>.gate_bias, .up_bias, .down_bias | [outer dimension of the matrix]; with mlpBias |
/// | output_norm | [hidden] |
/// | output | [vocabulary, hidden]; without tiedEmbeddings |
struct Weight {
  std::string canonicalName;
  /// As it lies in the file, with the file's own name for it.
  const CheckpointTensor *tensor = nullptr;
  /// Not 0: the rows of each head of this size lie in pairs (row 2i + p) instead of halves (row p * headDim / 2 + i);
  /// readRows() undoes it. GGUF stores q and k of the Llama family so.
  int64_t pairedHeadDim = 0;

  llvm::ArrayRef<int64_t> shape() const { return tensor->shape; }
  /// The file's name, for locations and errors.
  llvm::StringRef sourceName() const { return tensor->name; }
};

/// An opened checkpoint. All weights that the config demands are there in the demanded shape, and there are no others.
/// Immutable, so that threads may read from it at once. Owns the maps that tensors point into.
class Checkpoint {
public:
  /// What a format's reader hands over.
  struct Parts {
    /// The file or folder.
    std::string path;
    /// What the checkpoint calls itself; may be empty.
    std::string name;
    llama::LlamaConfig config;
    /// Every tensor of the files but those that the format's reader used up or knows to be meaningless.
    std::vector<const CheckpointTensor *> tensors;
    /// The format's name of a canonical name's part: ("", "output_norm") or ("3", "attention_norm").
    std::string (*sourceName)(llvm::StringRef layer, llvm::StringRef part) = nullptr;
    /// Whether q and k lie in pairs.
    bool pairedRows = false;
    /// Keeps the maps alive.
    std::shared_ptr<const void> files;
    /// The file, if it is a GGUF file.
    const gguf::GgufFile *gguf = nullptr;
  };

  /// Checks the config (E3303, E3308) and the tensors against it (E3305, E3306, E3307).
  static llvm::Expected<std::unique_ptr<Checkpoint>> create(Parts parts);

  /// The family whose graph builder is wanted.
  llvm::StringRef architecture() const { return "llama"; }
  /// What the checkpoint calls itself; may be empty.
  llvm::StringRef name() const { return modelName; }
  const llama::LlamaConfig &config() const { return modelConfig; }
  /// The file or folder that was opened.
  llvm::StringRef path() const { return sourcePath; }
  /// The GGUF file, whose metadata holds the tokenizer; null for a folder.
  const gguf::GgufFile *gguf() const { return ggufFile; }

  /// Every weight in the order in which the model uses them.
  llvm::ArrayRef<Weight> weights() const { return weightList; }
  /// The weight of that canonical name, or null.
  const Weight *find(llvm::StringRef canonicalName) const;

  /// Decodes `rowCount` rows of the weight from `firstRow` on to float, into `out` in order; a row is one slice of the
  /// outermost dimension (of a vector: one element). Heads' rows come in halves, whatever the file's order is. The name
  /// must exist and the rows must lie inside (assert).
  void readRows(llvm::StringRef canonicalName, int64_t firstRow, int64_t rowCount, float *out) const;
  static void readRows(const Weight &weight, int64_t firstRow, int64_t rowCount, float *out);

private:
  Checkpoint() = default;
  llvm::Error addWeights(const Parts &parts);

  llama::LlamaConfig modelConfig;
  std::string modelName;
  std::string sourcePath;
  std::vector<Weight> weightList;
  llvm::StringMap<size_t> weightIndex;
  std::shared_ptr<const void> files;
  const gguf::GgufFile *ggufFile = nullptr;
};

/// Checks the numbers that a file gave (E3303, E3308); `source` names the file in errors.
llvm::Error validate(const llama::LlamaConfig &config, llvm::StringRef source);

/// Opens a GGUF file (known by its magic) or a Hugging Face folder (one with config.json); E3101 for anything else.
llvm::Expected<std::unique_ptr<Checkpoint>> openCheckpoint(llvm::StringRef path);

} // namespace muster

#endif // MUSTER_COMPILER_IMPORT_CHECKPOINT_H
