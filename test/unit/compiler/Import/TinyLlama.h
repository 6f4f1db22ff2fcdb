// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tiny Llama checkpoint in both formats, whole or broken on purpose. Element e of tensor number t is t + e / 1024, so
// that no two places look alike and every value is exact in float.
#ifndef MUSTER_TEST_UNIT_COMPILER_IMPORT_TINYLLAMA_H
#define MUSTER_TEST_UNIT_COMPILER_IMPORT_TINYLLAMA_H

#include "GgufWriter.h"

#include "models/llama/LlamaConfig.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>

namespace muster::test {

/// A folder of its own for one test.
class TemporaryFolder {
public:
  TemporaryFolder() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("muster-import", folder)); }
  ~TemporaryFolder() { llvm::sys::fs::remove_directories(folder); }
  std::string path(const std::string &file = "") const {
    return file.empty() ? folder.str().str() : folder.str().str() + "/" + file;
  }
  std::string write(const std::string &file, const std::string &text) const {
    std::ofstream(path(file), std::ios::binary) << text;
    return path(file);
  }
  void remove(const std::string &file) const { llvm::sys::fs::remove(path(file)); }

private:
  llvm::SmallString<128> folder;
};

struct TinyTensor {
  std::string ggufName, huggingFaceName;
  std::vector<int64_t> shape; // outermost first
  std::vector<float> values;  // rows of q and k in halves
  bool rotated = false;
};

inline std::string bytesOf(const std::vector<float> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
}

/// Safetensors text of F32 tensors.
inline std::string safetensors(const std::vector<TinyTensor> &tensors) {
  llvm::json::Object header{{"__metadata__", llvm::json::Object{{"format", "pt"}}}};
  std::string data;
  for (const TinyTensor &tensor : tensors) {
    const auto begin = static_cast<int64_t>(data.size());
    data += bytesOf(tensor.values);
    header[tensor.huggingFaceName] =
        llvm::json::Object{{"dtype", "F32"},
                           {"shape", llvm::json::Array(tensor.shape)},
                           {"data_offsets", llvm::json::Array{begin, static_cast<int64_t>(data.size())}}};
  }
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
  return raw<uint64_t>(text.size()) + text + data;
}

/// Values to put over those of config.json.
using JsonChanges = std::map<std::string, llvm::json::Value>;

class TinyLlama {
public:
  explicit TinyLlama(bool tied = true, bool attentionBias = false, bool mlpBias = false) {
    config.layers = 2, config.hidden = 12, config.heads = 3, config.kvHeads = 1, config.headDim = 4;
    config.feedForward = 10, config.vocabulary = 7, config.contextLength = 64;
    config.tiedEmbeddings = tied, config.attentionBias = attentionBias, config.mlpBias = mlpBias;
    addTensors();
  }

  TinyTensor &find(const std::string &ggufName) {
    for (TinyTensor &tensor : tensors)
      if (tensor.ggufName == ggufName)
        return tensor;
    ADD_FAILURE() << "no tensor " << ggufName;
    return tensors.front();
  }
  void drop(const std::string &ggufName) {
    std::erase_if(tensors, [&](const TinyTensor &tensor) { return tensor.ggufName == ggufName; });
  }

  /// Metadata as llama.cpp's converter writes it, after the changes in `change`: a key's writer, or null to leave the
  /// key out.
  using Change = std::function<void(GgufWriter &)>;
  GgufWriter gguf(const std::map<std::string, Change> &changes = {}) const {
    GgufWriter writer;
    std::vector<std::pair<std::string, Change>> values = metadata();
    for (auto &[key, write] : values)
      if (auto change = changes.find(key); change == changes.end())
        write(writer);
    for (auto &[key, write] : changes)
      if (write)
        write(writer);
    for (const TinyTensor &tensor : tensors) {
      std::vector<uint64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
      writer.tensor(tensor.ggufName, dims, 0, bytesOf(tensor.rotated ? paired(tensor) : tensor.values));
    }
    return writer;
  }

  llvm::json::Object json() const {
    return llvm::json::Object{{"architectures", llvm::json::Array{"LlamaForCausalLM"}},
                              {"attention_bias", config.attentionBias},
                              {"eos_token_id", 2},
                              {"bos_token_id", 1},
                              {"hidden_act", "silu"},
                              {"hidden_size", config.hidden},
                              {"intermediate_size", config.feedForward},
                              {"max_position_embeddings", config.contextLength},
                              {"mlp_bias", config.mlpBias},
                              {"num_attention_heads", config.heads},
                              {"num_hidden_layers", config.layers},
                              {"num_key_value_heads", config.kvHeads},
                              {"rms_norm_eps", 1e-5},
                              {"rope_scaling", nullptr},
                              {"rope_theta", 100000.0},
                              {"tie_word_embeddings", config.tiedEmbeddings},
                              {"vocab_size", config.vocabulary}};
  }

  /// config.json (with `changes` over it; null values stay null) and model.safetensors.
  void writeFolder(const TemporaryFolder &folder, const JsonChanges &changes = {}) const {
    llvm::json::Object object = json();
    for (const auto &[key, value] : changes)
      object[key] = value;
    std::string text;
    llvm::raw_string_ostream(text) << llvm::json::Value(std::move(object));
    folder.write("config.json", text);
    folder.write("model.safetensors", safetensors(tensors));
  }

  llama::LlamaConfig config;
  std::vector<TinyTensor> tensors;

private:
  void add(const std::string &ggufName, const std::string &huggingFaceName, std::vector<int64_t> shape,
           bool rotated = false) {
    int64_t count = 1;
    for (int64_t dim : shape)
      count *= dim;
    TinyTensor tensor{ggufName, huggingFaceName, shape, {}, rotated};
    for (int64_t i = 0; i < count; ++i)
      tensor.values.push_back(static_cast<float>(tensors.size()) + static_cast<float>(i) / 1024.0f);
    tensors.push_back(std::move(tensor));
  }

  void addTensors() {
    const int64_t hidden = config.hidden, query = config.heads * config.headDim, kv = config.kvHeads * config.headDim;
    const int64_t inner = config.feedForward;
    add("token_embd.weight", "model.embed_tokens.weight", {config.vocabulary, hidden});
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string gguf = "blk." + std::to_string(layer) + ".",
                        face = "model.layers." + std::to_string(layer) + ".";
      add(gguf + "attn_norm.weight", face + "input_layernorm.weight", {hidden});
      add(gguf + "attn_q.weight", face + "self_attn.q_proj.weight", {query, hidden}, true);
      add(gguf + "attn_k.weight", face + "self_attn.k_proj.weight", {kv, hidden}, true);
      add(gguf + "attn_v.weight", face + "self_attn.v_proj.weight", {kv, hidden});
      add(gguf + "attn_output.weight", face + "self_attn.o_proj.weight", {hidden, query});
      if (config.attentionBias) {
        add(gguf + "attn_q.bias", face + "self_attn.q_proj.bias", {query}, true);
        add(gguf + "attn_k.bias", face + "self_attn.k_proj.bias", {kv}, true);
        add(gguf + "attn_v.bias", face + "self_attn.v_proj.bias", {kv});
        add(gguf + "attn_output.bias", face + "self_attn.o_proj.bias", {hidden});
      }
      add(gguf + "ffn_norm.weight", face + "post_attention_layernorm.weight", {hidden});
      add(gguf + "ffn_gate.weight", face + "mlp.gate_proj.weight", {inner, hidden});
      add(gguf + "ffn_up.weight", face + "mlp.up_proj.weight", {inner, hidden});
      add(gguf + "ffn_down.weight", face + "mlp.down_proj.weight", {hidden, inner});
      if (config.mlpBias) {
        add(gguf + "ffn_gate.bias", face + "mlp.gate_proj.bias", {inner});
        add(gguf + "ffn_up.bias", face + "mlp.up_proj.bias", {inner});
        add(gguf + "ffn_down.bias", face + "mlp.down_proj.bias", {hidden});
      }
    }
    add("output_norm.weight", "model.norm.weight", {hidden});
    if (!config.tiedEmbeddings)
      add("output.weight", "lm_head.weight", {config.vocabulary, hidden});
  }

  // What llama.cpp's converter does to q and k: reshape(heads, 2, headDim / 2, columns), swap the middle two.
  std::vector<float> paired(const TinyTensor &tensor) const {
    const int64_t headDim = config.headDim, half = headDim / 2;
    const int64_t columns = tensor.shape.size() == 1 ? 1 : tensor.shape[1];
    std::vector<float> result(tensor.values.size());
    for (int64_t head = 0; head < tensor.shape[0] / headDim; ++head)
      for (int64_t part = 0; part < 2; ++part)
        for (int64_t i = 0; i < half; ++i)
          for (int64_t column = 0; column < columns; ++column)
            result[((head * half + i) * 2 + part) * columns + column] =
                tensor.values[((head * 2 + part) * half + i) * columns + column];
    return result;
  }

  std::vector<std::pair<std::string, Change>> metadata() const {
    std::vector<std::pair<std::string, Change>> values;
    auto add = [&](const std::string &key, Change write) { values.emplace_back(key, std::move(write)); };
    auto integer = [&](const std::string &key, int64_t value) {
      add(key, [=](GgufWriter &writer) { writer.integer(key, static_cast<uint32_t>(value)); });
    };
    add("general.architecture", [](GgufWriter &writer) { writer.string("general.architecture", "llama"); });
    add("general.name", [](GgufWriter &writer) { writer.string("general.name", "Tiny"); });
    integer("llama.block_count", config.layers);
    integer("llama.embedding_length", config.hidden);
    integer("llama.attention.head_count", config.heads);
    integer("llama.attention.head_count_kv", config.kvHeads);
    integer("llama.feed_forward_length", config.feedForward);
    integer("llama.context_length", config.contextLength);
    integer("llama.vocab_size", config.vocabulary);
    integer("llama.rope.dimension_count", config.headDim);
    integer("tokenizer.ggml.bos_token_id", 1);
    integer("tokenizer.ggml.eos_token_id", 2);
    const std::string epsilon = "llama.attention.layer_norm_rms_epsilon";
    add(epsilon, [=](GgufWriter &writer) { writer.real(epsilon, 1e-5f); });
    add("llama.rope.freq_base", [](GgufWriter &writer) { writer.real("llama.rope.freq_base", 100000.0f); });
    return values;
  }
};

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_IMPORT_TINYLLAMA_H
