// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/HuggingFace/HuggingFaceCheckpoint.h"

#include "compiler/Import/HuggingFace/HuggingFaceConfig.h"
#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/HuggingFace/SafetensorsFile.h"
#include "compiler/Import/ImportError.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <map>
#include <set>

namespace muster::huggingface {

namespace {

std::string sourceName(llvm::StringRef layer, llvm::StringRef part) {
  llvm::StringRef name = llvm::StringSwitch<llvm::StringRef>(part)
                             .Case("token_embedding", "model.embed_tokens.weight")
                             .Case("output_norm", "model.norm.weight")
                             .Case("output", "lm_head.weight")
                             .Case("attention_norm", "input_layernorm.weight")
                             .Case("q", "self_attn.q_proj.weight")
                             .Case("k", "self_attn.k_proj.weight")
                             .Case("v", "self_attn.v_proj.weight")
                             .Case("o", "self_attn.o_proj.weight")
                             .Case("q_bias", "self_attn.q_proj.bias")
                             .Case("k_bias", "self_attn.k_proj.bias")
                             .Case("v_bias", "self_attn.v_proj.bias")
                             .Case("o_bias", "self_attn.o_proj.bias")
                             .Case("feed_forward_norm", "post_attention_layernorm.weight")
                             .Case("gate", "mlp.gate_proj.weight")
                             .Case("up", "mlp.up_proj.weight")
                             .Case("down", "mlp.down_proj.weight")
                             .Case("gate_bias", "mlp.gate_proj.bias")
                             .Case("up_bias", "mlp.up_proj.bias")
                             .Case("down_bias", "mlp.down_proj.bias");
  return layer.empty() ? name.str() : "model.layers." + layer.str() + "." + name.str();
}

std::string pathOf(llvm::StringRef folder, llvm::StringRef file) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

using Files = std::vector<std::unique_ptr<SafetensorsFile>>;
// Tensor name to file name, in the order of the names.
using WeightMap = std::map<std::string, std::string>;

llvm::Expected<WeightMap> readIndex(const std::string &path) {
  llvm::Expected<llvm::json::Object> object = readJsonObject(path);
  if (!object)
    return object.takeError();
  const llvm::json::Object *map = object->getObject("weight_map");
  if (!map)
    return wrongInput("E3108 {}: expected an object in 'weight_map' but got {}", path,
                      jsonText(object->get("weight_map")));
  WeightMap weights;
  for (const auto &[tensor, file] : *map) {
    std::optional<llvm::StringRef> name = file.getAsString();
    // A name with a folder in it could point anywhere.
    if (!name || name->empty() || name->contains('/') || name->contains('\0') || *name == "." || *name == "..")
      return wrongInput("E3108 {}: expected a plain file name for tensor {} but got {}", path,
                        quoted(llvm::StringRef(tensor)), jsonText(&file));
    weights[llvm::StringRef(tensor).str()] = name->str();
  }
  return weights;
}

llvm::Error openFile(llvm::StringRef folder, llvm::StringRef name, Files &files) {
  llvm::Expected<std::unique_ptr<SafetensorsFile>> file = SafetensorsFile::open(pathOf(folder, name));
  if (!file)
    return file.takeError();
  files.push_back(std::move(*file));
  return llvm::Error::success();
}

llvm::Expected<Files> openIndexed(llvm::StringRef folder, const std::string &indexPath) {
  llvm::Expected<WeightMap> weights = readIndex(indexPath);
  if (!weights)
    return weights.takeError();
  Files files;
  std::map<std::string, const SafetensorsFile *> byName;
  for (const auto &[tensor, file] : *weights) {
    const SafetensorsFile *&opened = byName[file];
    if (!opened) {
      if (!llvm::sys::fs::exists(pathOf(folder, file)))
        return wrongInput("E3108 {}: expected file {} beside the index but got no such file", indexPath, quoted(file));
      if (llvm::Error error = openFile(folder, file, files))
        return error;
      opened = files.back().get();
    }
    if (!opened->findTensor(tensor))
      return wrongInput("E3108 {}: expected tensor {} in file {} but got no such tensor", indexPath, quoted(tensor),
                        quoted(file));
  }
  return files;
}

llvm::Expected<Files> openAll(llvm::StringRef folder) {
  Files files;
  if (llvm::sys::fs::exists(pathOf(folder, "model.safetensors"))) {
    if (llvm::Error error = openFile(folder, "model.safetensors", files))
      return error;
    return files;
  }
  std::set<std::string> names; // in order: which of two errors is reported must not depend on the file system
  std::error_code code;
  for (llvm::sys::fs::directory_iterator entry(folder, code), end; entry != end && !code; entry.increment(code))
    if (llvm::StringRef name = llvm::sys::path::filename(entry->path()); name.ends_with(".safetensors"))
      names.insert(name.str());
  if (code)
    return wrongInput("E3110 {}: cannot open because {}", folder.str(), code.message());
  if (names.empty())
    return wrongInput("E3109 {}: expected at least one *.safetensors file but got none", folder.str());
  for (const std::string &name : names)
    if (llvm::Error error = openFile(folder, name, files))
      return error;
  return files;
}

llvm::Error collectTensors(const Files &files, llvm::StringRef folder, const llama::LlamaConfig &config,
                           std::vector<const CheckpointTensor *> &tensors) {
  std::map<llvm::StringRef, llvm::StringRef> owners;
  for (const auto &file : files) {
    const llvm::StringRef name = llvm::sys::path::filename(file->path());
    for (const CheckpointTensor &tensor : file->tensors()) {
      auto [found, isNew] = owners.try_emplace(tensor.name, name);
      if (!isNew)
        return wrongInput("E3107 {}: expected each tensor once but got {} in {} and {}", folder.str(),
                          quoted(tensor.name), quoted(found->second), quoted(name));
      // Old files store the rotary frequencies, and some tied models a second copy of the embedding; transformers reads
      // neither.
      const llvm::StringRef tensorName = tensor.name;
      if (!tensorName.ends_with(".rotary_emb.inv_freq") && !(config.tiedEmbeddings && tensorName == "lm_head.weight"))
        tensors.push_back(&tensor);
    }
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::unique_ptr<Checkpoint>> openFolder(llvm::StringRef folder) {
  const std::string configPath = pathOf(folder, "config.json");
  llvm::Expected<llvm::json::Object> object = readJsonObject(configPath);
  if (!object)
    return object.takeError();
  llvm::Expected<llama::LlamaConfig> config = readConfig(*object, configPath);
  if (!config)
    return config.takeError();
  if (llvm::Error error = validate(*config, configPath))
    return error;
  const std::string indexPath = pathOf(folder, "model.safetensors.index.json");
  llvm::Expected<Files> files = llvm::sys::fs::exists(indexPath) ? openIndexed(folder, indexPath) : openAll(folder);
  if (!files)
    return files.takeError();
  auto owner = std::make_shared<const Files>(std::move(*files));
  Checkpoint::Parts parts{.path = folder.str(),
                          .name = object->getString("_name_or_path").value_or("").str(),
                          .config = std::move(*config),
                          .tensors = {},
                          .sourceName = sourceName,
                          .files = owner};
  if (llvm::Error error = collectTensors(*owner, folder, parts.config, parts.tensors))
    return error;
  return Checkpoint::create(std::move(parts));
}

} // namespace muster::huggingface
