// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/Checkpoint.h"

#include "compiler/Import/ImportError.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cassert>

namespace muster {

namespace {

using Shape = llvm::SmallVector<int64_t, 4>;
// Called for each weight of the model in order; stops at the first error. `rotated` marks rows that rotary embedding
// turns.
using Visitor = llvm::function_ref<llvm::Error(llvm::StringRef layer, llvm::StringRef part, Shape shape, bool rotated)>;

struct LayerPart {
  llvm::StringRef name;
  Shape shape;
  bool rotated = false;
};

std::vector<LayerPart> layerParts(const llama::LlamaConfig &config) {
  const int64_t query = config.heads * config.headDim, kv = config.kvHeads * config.headDim;
  const int64_t hidden = config.hidden, inner = config.feedForward;
  std::vector<LayerPart> parts = {{"attention_norm", {hidden}},
                                  {"q", {query, hidden}, true},
                                  {"k", {kv, hidden}, true},
                                  {"v", {kv, hidden}},
                                  {"o", {hidden, query}}};
  if (config.attentionBias)
    parts.insert(parts.end(),
                 {{"q_bias", {query}, true}, {"k_bias", {kv}, true}, {"v_bias", {kv}}, {"o_bias", {hidden}}});
  parts.insert(
      parts.end(),
      {{"feed_forward_norm", {hidden}}, {"gate", {inner, hidden}}, {"up", {inner, hidden}}, {"down", {hidden, inner}}});
  if (config.mlpBias)
    parts.insert(parts.end(), {{"gate_bias", {inner}}, {"up_bias", {inner}}, {"down_bias", {hidden}}});
  return parts;
}

llvm::Error visitWeights(const llama::LlamaConfig &config, Visitor visit) {
  if (llvm::Error error = visit("", "token_embedding", {config.vocabulary, config.hidden}, false))
    return error;
  const std::vector<LayerPart> parts = layerParts(config);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    for (const LayerPart &part : parts)
      if (llvm::Error error = visit(std::to_string(layer), part.name, part.shape, part.rotated))
        return error;
  if (llvm::Error error = visit("", "output_norm", {config.hidden}, false))
    return error;
  if (config.tiedEmbeddings)
    return llvm::Error::success();
  return visit("", "output", {config.vocabulary, config.hidden}, false);
}

std::string canonical(llvm::StringRef layer, llvm::StringRef part) {
  return layer.empty() ? part.str() : "layers." + layer.str() + "." + part.str();
}

} // namespace

llvm::Error Checkpoint::addWeights(const Parts &parts) {
  llvm::StringMap<const CheckpointTensor *> tensors;
  for (const CheckpointTensor *tensor : parts.tensors)
    tensors[tensor->name] = tensor;
  llvm::DenseSet<const CheckpointTensor *> used;
  llvm::Error error = visitWeights(
      modelConfig, [&](llvm::StringRef layer, llvm::StringRef part, Shape shape, bool rotated) -> llvm::Error {
        const std::string source = parts.sourceName(layer, part);
        const CheckpointTensor *tensor = tensors.lookup(source);
        if (!tensor)
          return wrongInput("E3305 {}: expected tensor '{}' of shape {} but got no such tensor", sourcePath, source,
                            shapeText(shape));
        if (llvm::ArrayRef<int64_t>(tensor->shape) != llvm::ArrayRef<int64_t>(shape))
          return wrongInput("E3306 {}: expected shape {} of tensor '{}' but got {}", sourcePath, shapeText(shape),
                            source, shapeText(tensor->shape));
        weightIndex[canonical(layer, part)] = weightList.size();
        weightList.push_back({canonical(layer, part), tensor, rotated && parts.pairedRows ? modelConfig.headDim : 0});
        used.insert(tensor);
        return llvm::Error::success();
      });
  if (error)
    return error;
  for (const CheckpointTensor *tensor : parts.tensors)
    if (!used.contains(tensor))
      return unsupportedInput("E3307 {}: references unknown tensor {}, expected only tensors of the {} family",
                              sourcePath, quoted(tensor->name), architecture());
  return llvm::Error::success();
}

llvm::Error validate(const llama::LlamaConfig &config, llvm::StringRef source) {
  if (std::string fault = llama::describeFault(config); !fault.empty())
    return wrongInput("E3303 {}: {}", source.str(), fault);
  if (std::string fault = llama::describeDivisorFault(config); !fault.empty())
    return wrongInput("E3308 {}: {}", source.str(), fault);
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<Checkpoint>> Checkpoint::create(Parts parts) {
  if (llvm::Error error = validate(parts.config, parts.path))
    return error;
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->modelConfig = std::move(parts.config);
  checkpoint->modelName = std::move(parts.name);
  checkpoint->sourcePath = parts.path;
  checkpoint->files = parts.files;
  checkpoint->ggufFile = parts.gguf;
  if (llvm::Error error = checkpoint->addWeights(parts))
    return error;
  return checkpoint;
}

const Weight *Checkpoint::find(llvm::StringRef canonicalName) const {
  auto found = weightIndex.find(canonicalName);
  return found == weightIndex.end() ? nullptr : &weightList[found->second];
}

void Checkpoint::readRows(llvm::StringRef canonicalName, int64_t firstRow, int64_t rowCount, float *out) const {
  const Weight *weight = find(canonicalName);
  assert(weight && "the name must be one of weights()");
  readRows(*weight, firstRow, rowCount, out);
}

void Checkpoint::readRows(const Weight &weight, int64_t firstRow, int64_t rowCount, float *out) {
  const int64_t headDim = weight.pairedHeadDim;
  if (headDim == 0)
    return decodeRows(*weight.tensor, firstRow, rowCount, out);
  const int64_t rowElements = weight.shape().size() == 1 ? 1 : weight.shape()[1];
  for (int64_t row = firstRow; row < firstRow + rowCount; ++row, out += rowElements) {
    const int64_t head = row / headDim, half = row % headDim / (headDim / 2), pair = row % (headDim / 2);
    decodeRows(*weight.tensor, head * headDim + 2 * pair + half, 1, out);
  }
}

} // namespace muster
