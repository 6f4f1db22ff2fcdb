// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TinyLlama.h"

#include "compiler/Import/Checkpoint.h"
#include "compiler/Import/GGUF/GgufCheckpoint.h"
#include "compiler/Import/HuggingFace/HuggingFaceConfig.h"
#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/RopeScaling.h"

#include "llvm/Support/CRC.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <numeric>
#include <random>

using namespace muster;
using namespace muster::test;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

namespace {

std::string openError(const std::string &path) { return errorOf(openCheckpoint(path)); }

std::unique_ptr<Checkpoint> openGguf(const TemporaryFolder &folder, const GgufWriter &writer) {
  return llvm::cantFail(openCheckpoint(folder.write("tiny.gguf", writer.file())));
}

std::string ggufError(const GgufWriter &writer) {
  TemporaryFolder folder;
  return openError(folder.write("tiny.gguf", writer.file()));
}

std::string folderError(const TinyLlama &model, const JsonChanges &changes = {}) {
  TemporaryFolder folder;
  model.writeFolder(folder, changes);
  return openError(folder.path());
}

std::vector<float> rowsOf(const Checkpoint &checkpoint, llvm::StringRef name) {
  llvm::ArrayRef<int64_t> shape = checkpoint.find(name)->shape();
  std::vector<float> rows(std::accumulate(shape.begin(), shape.end(), size_t(1), std::multiplies<>()));
  checkpoint.readRows(name, 0, shape.front(), rows.data());
  return rows;
}

void expectSameConfig(const llama::LlamaConfig &a, const llama::LlamaConfig &b) {
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.hidden, b.hidden);
  EXPECT_EQ(a.heads, b.heads);
  EXPECT_EQ(a.kvHeads, b.kvHeads);
  EXPECT_EQ(a.headDim, b.headDim);
  EXPECT_EQ(a.feedForward, b.feedForward);
  EXPECT_EQ(a.vocabulary, b.vocabulary);
  EXPECT_EQ(a.contextLength, b.contextLength);
  EXPECT_EQ(a.rmsEpsilon, b.rmsEpsilon);
  EXPECT_EQ(a.ropeTheta, b.ropeTheta);
  EXPECT_EQ(a.attentionBias, b.attentionBias);
  EXPECT_EQ(a.mlpBias, b.mlpBias);
  EXPECT_EQ(a.tiedEmbeddings, b.tiedEmbeddings);
}

// Both formats give the config that was written, and every row as the Hugging Face file orders it.
TEST(CheckpointTest, BothFormatsGiveEqualConfigsAndRows) {
  for (int kind = 0; kind < 8; ++kind) {
    SCOPED_TRACE(kind);
    const TinyLlama model(kind & 1, kind & 2, kind & 4);
    TemporaryFolder folder;
    model.writeFolder(folder);
    auto fromFolder = llvm::cantFail(openCheckpoint(folder.path()));
    auto fromGguf = openGguf(folder, model.gguf());
    expectSameConfig(fromFolder->config(), fromGguf->config());
    EXPECT_EQ(fromGguf->config().rmsEpsilon, 1e-5);
    EXPECT_EQ(fromGguf->config().ropeTheta, 100000.0);
    EXPECT_EQ(fromGguf->config().headDim, 4);
    EXPECT_EQ(fromFolder->architecture(), fromGguf->architecture());
    EXPECT_EQ(fromGguf->name(), "Tiny");
    ASSERT_EQ(fromFolder->weights().size(), model.tensors.size());
    ASSERT_EQ(fromGguf->weights().size(), model.tensors.size());
    for (size_t i = 0; i < model.tensors.size(); ++i) {
      const std::string name = fromFolder->weights()[i].canonicalName;
      EXPECT_EQ(fromGguf->weights()[i].canonicalName, name);
      EXPECT_EQ(fromFolder->weights()[i].sourceName(), model.tensors[i].huggingFaceName);
      EXPECT_EQ(fromGguf->weights()[i].sourceName(), model.tensors[i].ggufName);
      EXPECT_EQ(rowsOf(*fromFolder, name), model.tensors[i].values) << name;
      EXPECT_EQ(rowsOf(*fromGguf, name), model.tensors[i].values) << name;
    }
    EXPECT_TRUE(fromGguf->gguf());
    EXPECT_FALSE(fromFolder->gguf());
    EXPECT_EQ(fromGguf->find("output") == nullptr, model.config.tiedEmbeddings);
  }
}

TEST(CheckpointTest, CanonicalNamesAreTheDocumentedOnes) {
  TemporaryFolder folder;
  auto checkpoint = openGguf(folder, TinyLlama(false, true, true).gguf());
  std::vector<std::string> names;
  for (const Weight &weight : checkpoint->weights())
    if (!llvm::StringRef(weight.canonicalName).starts_with("layers.0."))
      names.push_back(weight.canonicalName);
  EXPECT_THAT(names,
              ElementsAre("token_embedding", "layers.1.attention_norm", "layers.1.q", "layers.1.k", "layers.1.v",
                          "layers.1.o", "layers.1.q_bias", "layers.1.k_bias", "layers.1.v_bias", "layers.1.o_bias",
                          "layers.1.feed_forward_norm", "layers.1.gate", "layers.1.up", "layers.1.down",
                          "layers.1.gate_bias", "layers.1.up_bias", "layers.1.down_bias", "output_norm", "output"));
  EXPECT_EQ(checkpoint->find("layers.2.q"), nullptr);
}

// Any run of rows, also across heads, is the same part of the whole.
TEST(CheckpointTest, PartsOfPairedRows) {
  const TinyLlama model(true, true);
  TemporaryFolder folder;
  auto checkpoint = openGguf(folder, model.gguf());
  for (const char *name : {"layers.1.q", "layers.1.q_bias"}) {
    const std::vector<float> whole = rowsOf(*checkpoint, name);
    const size_t columns = whole.size() / 12;
    for (int64_t first = 0; first < 12; ++first)
      for (int64_t count = 0; count <= 12 - first; ++count) {
        std::vector<float> part(count * columns + 1, -7.0f);
        checkpoint->readRows(name, first, count, part.data());
        ASSERT_TRUE(std::equal(part.begin(), part.end() - 1, whole.begin() + first * columns));
        ASSERT_EQ(part.back(), -7.0f);
      }
  }
}

TEST(CheckpointTest, MissingAndMisshapenTensors) {
  TinyLlama missing;
  missing.drop("blk.1.ffn_up.weight");
  EXPECT_THAT(ggufError(missing.gguf()),
              EndsWith("expected tensor 'blk.1.ffn_up.weight' of shape [10, 12] but got no such tensor"));
  EXPECT_THAT(ggufError(missing.gguf()), StartsWith("E3305 "));
  EXPECT_THAT(folderError(missing), StartsWith("E3305 "));
  EXPECT_THAT(folderError(missing), HasSubstr("'model.layers.1.mlp.up_proj.weight' of shape [10, 12]"));
  TinyLlama shape;
  shape.find("blk.0.attn_k.weight").shape = {12, 4};
  EXPECT_THAT(ggufError(shape.gguf()),
              HasSubstr("expected shape [4, 12] of tensor 'blk.0.attn_k.weight' but got [12, 4]"));
  EXPECT_THAT(ggufError(shape.gguf()), StartsWith("E3306 "));
  EXPECT_THAT(folderError(shape), StartsWith("E3306 "));
  // A config with more layers than the file, up to a number that no list could hold.
  EXPECT_THAT(folderError(TinyLlama(), {{"num_hidden_layers", 2147483647}}), StartsWith("E3305 "));
}

TEST(CheckpointTest, UnknownTensorsAreRefusedAndMeaninglessOnesIgnored) {
  TinyLlama norm;
  norm.tensors.push_back({"blk.0.attn_q_norm.weight", "model.layers.0.self_attn.q_norm.weight", {4}, {1, 2, 3, 4}});
  EXPECT_THAT(ggufError(norm.gguf()), HasSubstr("references unknown tensor 'blk.0.attn_q_norm.weight'"));
  EXPECT_THAT(ggufError(norm.gguf()), StartsWith("E3307 "));
  EXPECT_THAT(folderError(norm), StartsWith("E3307 "));
  // Biases that the config does not announce.
  EXPECT_THAT(folderError(TinyLlama(true, true), {{"attention_bias", false}}), StartsWith("E3307 "));
  TinyLlama old(true);
  old.tensors.push_back({"blk.0.attn_rot_embd", "model.layers.0.self_attn.rotary_emb.inv_freq", {2}, {1, 2}});
  EXPECT_EQ(ggufError(old.gguf()), "");
  old.tensors.push_back({"unused", "lm_head.weight", {2}, {1, 2}});
  EXPECT_EQ(folderError(old), "");
}

TEST(CheckpointTest, OtherArchitecturesAreRefused) {
  auto write = [](GgufWriter &writer) { writer.string("general.architecture", "qwen2"); };
  EXPECT_THAT(ggufError(TinyLlama().gguf({{"general.architecture", write}})),
              EndsWith("unsupported architecture 'qwen2', expected 'llama'"));
  EXPECT_THAT(folderError(TinyLlama(), {{"architectures", llvm::json::Array{"Qwen2ForCausalLM"}}}),
              StartsWith("E3301 "));
  EXPECT_THAT(folderError(TinyLlama(), {{"architectures", nullptr}, {"model_type", "gemma"}}), StartsWith("E3301 "));
  EXPECT_THAT(folderError(TinyLlama(), {{"architectures", llvm::json::Array{}}}), StartsWith("E3302 "));
  EXPECT_EQ(folderError(TinyLlama(), {{"architectures", nullptr}, {"model_type", "llama"}}), "");
  EXPECT_EQ(folderError(TinyLlama(),
                        {{"architectures", llvm::json::Array{"MistralForCausalLM"}}, {"sliding_window", nullptr}}),
            "");
}

TEST(CheckpointTest, GgufMetadataIsChecked) {
  for (const char *key :
       {"general.architecture", "llama.block_count", "llama.embedding_length", "llama.attention.head_count",
        "llama.feed_forward_length", "llama.context_length", "llama.attention.layer_norm_rms_epsilon"})
    EXPECT_THAT(ggufError(TinyLlama().gguf({{key, nullptr}})), StartsWith("E3011 ")) << key;
  for (const char *key :
       {"llama.vocab_size", "llama.rope.dimension_count", "general.name", "tokenizer.ggml.bos_token_id"})
    EXPECT_EQ(ggufError(TinyLlama().gguf({{key, nullptr}})), "") << key;
  auto integerError = [](const std::string &key, uint32_t value) {
    return ggufError(TinyLlama().gguf({{key, [=](GgufWriter &writer) { writer.integer(key, value); }}}));
  };
  EXPECT_THAT(integerError("llama.attention.head_count", 0), StartsWith("E3303 "));
  EXPECT_THAT(integerError("llama.block_count", 0), StartsWith("E3303 "));
  EXPECT_THAT(integerError("llama.block_count", 0xFFFFFFFFu), StartsWith("E3303 "));
  EXPECT_THAT(integerError("llama.attention.head_count_kv", 2),
              HasSubstr("expected key-value heads to divide the 3 heads but got 2"));
  EXPECT_THAT(integerError("llama.attention.value_length", 6), StartsWith("E3304 "));
  EXPECT_THAT(integerError("llama.rope.dimension_count", 2), StartsWith("E3304 "));
  EXPECT_THAT(integerError("llama.expert_count", 8), StartsWith("E3304 "));
  EXPECT_THAT(integerError("split.count", 3), StartsWith("E3304 "));
  EXPECT_EQ(integerError("split.count", 1), "");
  EXPECT_THAT(integerError("llama.attention.sliding_window", 32), StartsWith("E3304 "));
  EXPECT_EQ(integerError("llama.attention.sliding_window", 64), "");
  auto realError = [](const std::string &key, float value) {
    return ggufError(TinyLlama().gguf({{key, [=](GgufWriter &writer) { writer.real(key, value); }}}));
  };
  EXPECT_THAT(realError("llama.attention.scale", 0.25f), StartsWith("E3304 "));
  EXPECT_THAT(realError("llama.logit_scale", 8.0f), StartsWith("E3304 "));
  auto causal = [](char value) {
    return [=](GgufWriter &writer) { writer.value("llama.attention.causal", ValueType::Bool, std::string(1, value)); };
  };
  EXPECT_THAT(ggufError(TinyLlama().gguf({{"llama.attention.causal", causal(0)}})), StartsWith("E3304 "));
  EXPECT_EQ(ggufError(TinyLlama().gguf({{"llama.attention.causal", causal(1)}})), "");
  auto yarn = [](GgufWriter &writer) { writer.string("llama.rope.scaling.type", "yarn"); };
  EXPECT_THAT(ggufError(TinyLlama().gguf({{"llama.rope.scaling.type", yarn}})), StartsWith("E3304 "));
  auto heads = [](GgufWriter &writer) { writer.string("llama.attention.head_count", "three"); };
  EXPECT_THAT(ggufError(TinyLlama().gguf({{"llama.attention.head_count", heads}})), StartsWith("E3011 "));
}

TEST(CheckpointTest, FolderConfigIsChecked) {
  const TinyLlama model;
  for (const char *key :
       {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"}) {
    EXPECT_THAT(folderError(model, {{key, nullptr}}), StartsWith("E3302 ")) << key;
    EXPECT_THAT(folderError(model, {{key, "twelve"}}), StartsWith("E3302 ")) << key;
    EXPECT_THAT(folderError(model, {{key, 0}}), StartsWith("E3303 ")) << key;
    EXPECT_THAT(folderError(model, {{key, -3}}), StartsWith("E3303 ")) << key;
    EXPECT_THAT(folderError(model, {{key, int64_t(1) << 40}}), StartsWith("E3303 ")) << key;
    EXPECT_THAT(folderError(model, {{key, 1e300}}), StartsWith("E3302 ")) << key;
  }
  EXPECT_THAT(folderError(model, {{"head_dim", 3}}), HasSubstr("expected an even head size but got 3"));
  EXPECT_THAT(folderError(model, {{"rms_norm_eps", 0}}), StartsWith("E3303 "));
  EXPECT_THAT(folderError(model, {{"rope_theta", -1.0}}), StartsWith("E3303 "));
  EXPECT_THAT(folderError(model, {{"hidden_act", "gelu"}}),
              HasSubstr("unsupported hidden_act 'gelu', expected 'silu'"));
  EXPECT_THAT(folderError(model, {{"sliding_window", 16}}), StartsWith("E3304 "));
  EXPECT_THAT(folderError(model, {{"quantization_config", llvm::json::Object{{"bits", 4}}}}), StartsWith("E3304 "));
  EXPECT_THAT(folderError(model, {{"partial_rotary_factor", 0.5}}), StartsWith("E3304 "));
  EXPECT_THAT(folderError(model, {{"rope_scaling", llvm::json::Object{{"rope_type", "yarn"}}}}), StartsWith("E3304 "));
  EXPECT_THAT(folderError(model, {{"rope_scaling", llvm::json::Object{{"rope_type", "linear"}}}}),
              StartsWith("E3302 "));
  EXPECT_THAT(folderError(model, {{"rope_scaling", llvm::json::Object{{"type", "linear"}, {"factor", 0}}}}),
              StartsWith("E3308 "));
}

// Two models of the head size 8, one wider than `hidden` says.
TEST(CheckpointTest, HeadSizeOfItsOwn) {
  TinyLlama model;
  model.config.heads = 2, model.config.kvHeads = 2, model.config.headDim = 8;
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    for (const char *name : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"}) {
      TinyTensor &tensor = model.find(prefix + name);
      tensor.shape =
          llvm::StringRef(name) == "attn_output.weight" ? std::vector<int64_t>{12, 16} : std::vector<int64_t>{16, 12};
      tensor.values.resize(16 * 12, 0.5f);
    }
  }
  EXPECT_EQ(folderError(model, {{"head_dim", 8}}), "");
  EXPECT_THAT(folderError(model), StartsWith("E3306 "));
  auto head = [](GgufWriter &writer) { writer.integer("llama.attention.key_length", 8); };
  EXPECT_EQ(ggufError(model.gguf({{"llama.attention.key_length", head}})), "");
  EXPECT_THAT(ggufError(model.gguf()), StartsWith("E3304 ")); // rope.dimension_count is not hidden / heads
}

TEST(CheckpointTest, WhatFamiliesLeaveOut) {
  auto read = [](std::initializer_list<llvm::json::Object::KV> fields) {
    llvm::json::Object object(fields);
    for (auto [key, size] : {std::pair("hidden_size", 64),
                             {"num_hidden_layers", 1},
                             {"num_attention_heads", 16},
                             {"intermediate_size", 64},
                             {"vocab_size", 7}})
      object.try_emplace(key, size);
    return huggingface::readConfig(object, "config.json");
  };
  auto llama = llvm::cantFail(read({{"model_type", "llama"}, {"mlp_bias", true}}));
  EXPECT_EQ(std::tuple(llama.kvHeads, llama.contextLength, llama.mlpBias), std::tuple(16, 2048, true));
  EXPECT_EQ(std::tuple(llama.headDim, llama.rmsEpsilon, llama.ropeTheta), std::tuple(4, 1e-6, 10000.0));
  EXPECT_EQ(std::tuple(llama.attentionBias, llama.tiedEmbeddings), std::tuple(false, false));
  EXPECT_THAT(llama.ropeFrequencyDivisors, IsEmpty());
  auto nulls = llvm::cantFail(read({{"model_type", "llama"},
                                    {"head_dim", nullptr},
                                    {"num_key_value_heads", nullptr},
                                    {"rope_scaling", nullptr},
                                    {"quantization_config", nullptr},
                                    {"rope_theta", 500000}}));
  EXPECT_EQ(std::tuple(nulls.headDim, nulls.kvHeads, nulls.ropeTheta), std::tuple(4, 16, 500000.0));
  // Mistral has a window of 4096 positions unless its config says null.
  EXPECT_THAT(llvm::toString(read({{"model_type", "mistral"}}).takeError()),
              HasSubstr("unsupported sliding_window 4096, expected none below the context of 131072"));
  auto mistral = llvm::cantFail(read({{"model_type", "mistral"}, {"sliding_window", nullptr}, {"mlp_bias", true}}));
  EXPECT_EQ(std::tuple(mistral.kvHeads, mistral.contextLength, mistral.mlpBias), std::tuple(8, 131072, false));
  auto null = llvm::cantFail(
      read({{"model_type", "mistral"}, {"max_position_embeddings", 4096}, {"num_key_value_heads", nullptr}}));
  EXPECT_EQ(std::tuple(null.kvHeads, null.contextLength), std::tuple(16, 4096));
}

// Head size 8, base 10000: wavelengths are 2 pi 10^i. By hand from Llama 3.1's reference code.
TEST(CheckpointTest, RotaryScaling) {
  llama::LlamaConfig config;
  config.headDim = 8;
  config.ropeTheta = 10000.0;
  RopeScaling scaling{RopeScaling::Kind::Llama3, 8.0, 1.0, 4.0, 1000};
  llvm::cantFail(scaleRope(config, scaling, "test"));
  ASSERT_EQ(config.ropeFrequencyDivisors.size(), 4u);
  EXPECT_EQ(config.ropeFrequencyDivisors[0], 1.0); // 6.3 < 1000 / 4
  EXPECT_EQ(config.ropeFrequencyDivisors[1], 1.0); // 62.8 < 250
  const double smooth = (1000.0 / (200.0 * std::numbers::pi) - 1.0) / 3.0;
  EXPECT_DOUBLE_EQ(config.ropeFrequencyDivisors[2], 1.0 / ((1.0 - smooth) / 8.0 + smooth)); // 628 between 250 and 1000
  EXPECT_EQ(config.ropeFrequencyDivisors[3], 8.0);                                          // 6283 > 1000
  scaling.kind = RopeScaling::Kind::Linear;
  llvm::cantFail(scaleRope(config, scaling, "test"));
  EXPECT_THAT(config.ropeFrequencyDivisors, ElementsAre(8.0, 8.0, 8.0, 8.0));
  scaling = RopeScaling{RopeScaling::Kind::Llama3, 8.0, 4.0, 1.0, 1000};
  EXPECT_THAT(llvm::toString(scaleRope(config, scaling, "test")), StartsWith("E3308 "));
  scaling = RopeScaling{RopeScaling::Kind::Llama3, 8.0, 1.0, 4.0, 0};
  EXPECT_THAT(llvm::toString(scaleRope(config, scaling, "test")), StartsWith("E3308 "));
}

TEST(CheckpointTest, RotaryScalingOfBothFormats) {
  const TinyLlama model;
  auto scalingOf = [&](const JsonChanges &changes) {
    TemporaryFolder folder;
    model.writeFolder(folder, changes);
    return llvm::cantFail(openCheckpoint(folder.path()))->config();
  };
  const llvm::json::Object llama3{{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 1000}};
  llvm::json::Object newer = llama3;
  newer["rope_theta"] = 5000.0;
  const llama::LlamaConfig old = scalingOf({{"rope_scaling", llvm::json::Object(llama3)}, {"rope_theta", 5000.0}});
  const llama::LlamaConfig fresh = scalingOf({{"rope_parameters", std::move(newer)}, {"rope_theta", nullptr}});
  EXPECT_EQ(old.ropeTheta, 5000.0);
  EXPECT_EQ(fresh.ropeTheta, 5000.0);
  ASSERT_EQ(old.ropeFrequencyDivisors.size(), 2u);
  EXPECT_EQ(old.ropeFrequencyDivisors, fresh.ropeFrequencyDivisors);
  EXPECT_THAT(old.ropeFrequencyDivisors[1], ::testing::AllOf(::testing::Gt(1.0), ::testing::Lt(8.0)));
  const llama::LlamaConfig plain =
      scalingOf({{"rope_parameters", llvm::json::Object{{"rope_type", "default"}, {"rope_theta", 7.0}}}});
  EXPECT_THAT(plain.ropeFrequencyDivisors, IsEmpty());
  EXPECT_EQ(plain.ropeTheta, 7.0);

  TinyLlama divisors;
  divisors.tensors.push_back({"rope_freqs.weight", "", {2}, {1.0f, 8.0f}});
  TemporaryFolder folder;
  auto checkpoint = openGguf(folder, divisors.gguf());
  EXPECT_THAT(checkpoint->config().ropeFrequencyDivisors, ElementsAre(1.0, 8.0));
  divisors.find("rope_freqs.weight").values[1] = 0.0f;
  EXPECT_THAT(ggufError(divisors.gguf()), StartsWith("E3308 "));
  divisors.find("rope_freqs.weight").shape = {1, 2};
  EXPECT_THAT(ggufError(divisors.gguf()), StartsWith("E3308 "));
  GgufWriter linear = model.gguf();
  linear.string("llama.rope.scaling.type", "linear");
  linear.real("llama.rope.scaling.factor", 4.0f);
  EXPECT_THAT(openGguf(folder, linear)->config().ropeFrequencyDivisors, ElementsAre(4.0, 4.0));
}

TEST(CheckpointTest, ManyFilesWithAndWithoutIndex) {
  const TinyLlama model;
  const size_t half = model.tensors.size() / 2;
  const std::vector<TinyTensor> first(model.tensors.begin(), model.tensors.begin() + half);
  const std::vector<TinyTensor> second(model.tensors.begin() + half, model.tensors.end());
  TemporaryFolder folder;
  model.writeFolder(folder);
  folder.remove("model.safetensors");
  EXPECT_THAT(openError(folder.path()), StartsWith("E3109 "));
  folder.write("a.safetensors", safetensors(first));
  folder.write("b.safetensors", safetensors(second));
  EXPECT_EQ(openError(folder.path()), "");
  folder.write("c.safetensors", safetensors({first[0]}));
  EXPECT_THAT(openError(folder.path()), EndsWith("expected each tensor once but got 'model.embed_tokens.weight' in "
                                                 "'a.safetensors' and 'c.safetensors'"));

  // With an index the stray third file does not count.
  auto writeIndex = [&](const std::string &secondFile) {
    std::string map;
    for (const TinyTensor &tensor : model.tensors)
      map += (map.empty() ? "" : ", ") + ("\"" + tensor.huggingFaceName + "\": \"") +
             (&tensor - model.tensors.data() < static_cast<long>(half) ? "a.safetensors" : secondFile) + "\"";
    folder.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  };
  writeIndex("b.safetensors");
  auto checkpoint = llvm::cantFail(openCheckpoint(folder.path()));
  EXPECT_EQ(rowsOf(*checkpoint, "output_norm"), model.tensors.back().values);
  writeIndex("missing.safetensors");
  EXPECT_THAT(openError(folder.path()),
              HasSubstr("expected file 'missing.safetensors' beside the index but got no such file"));
  EXPECT_THAT(openError(folder.path()), StartsWith("E3108 "));
  writeIndex("c.safetensors");
  EXPECT_THAT(openError(folder.path()), HasSubstr("in file 'c.safetensors' but got no such tensor"));
  writeIndex("../b.safetensors");
  EXPECT_THAT(openError(folder.path()), HasSubstr("expected a plain file name"));
  for (const char *index : {"{}", "[]", "", "{\"weight_map\": 3}", "{\"weight_map\": {\"a\": 3}}"}) {
    folder.write("model.safetensors.index.json", index);
    EXPECT_THAT(openError(folder.path()), ::testing::AnyOf(StartsWith("E3108 "), StartsWith("E3102 "))) << index;
  }
}

TEST(CheckpointTest, OtherPathsAreRefused) {
  TemporaryFolder folder;
  EXPECT_THAT(openError(folder.path("absent")), StartsWith("E3101 "));
  EXPECT_THAT(openError(folder.path()), EndsWith("but got a folder without it"));
  EXPECT_THAT(openError("/dev/null"), StartsWith("E3101 "));
  EXPECT_THAT(openError(folder.write("model.bin", "PK\3\4")), StartsWith("E3001 "));
  TinyLlama().writeFolder(folder);
  folder.write("config.json", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_THAT(openError(folder.path()), StartsWith("E3102 "));
}

// Opens what may be a checkpoint and reads all that it promises.
void openAndRead(std::unique_ptr<llvm::MemoryBuffer> buffer) {
  auto file = gguf::GgufFile::parse(std::move(buffer));
  auto checkpoint = file ? gguf::makeCheckpoint(std::move(*file)) : file.takeError();
  if (!checkpoint) {
    const std::string error = llvm::toString(checkpoint.takeError());
    ASSERT_THAT(error, ::testing::MatchesRegex("E3[0-9][0-9][0-9] .*"));
    ASSERT_EQ(error.find('\n'), std::string::npos) << error;
    return;
  }
  for (const Weight &weight : (*checkpoint)->weights())
    rowsOf(**checkpoint, weight.canonicalName);
}

TEST(CheckpointTest, MutatedGgufHeadersNeverCrash) {
  const GgufWriter writer = TinyLlama(false, true, true).gguf();
  const std::string text = writer.file();
  const size_t header = writer.header().size();
  for (uint32_t seed = 0; seed < 10000; ++seed) {
    std::mt19937 random(seed);
    std::string mutated = text;
    for (uint32_t changes = 1 + random() % 3; changes > 0; --changes)
      mutated[random() % header] ^= static_cast<char>(1u << random() % 8);
    openAndRead(llvm::MemoryBuffer::getMemBufferCopy(mutated, "mutated.gguf"));
    if (HasFatalFailure())
      FAIL() << "seed " << seed;
  }
}

TEST(CheckpointTest, MutatedConfigsNeverCrash) {
  std::string text;
  llvm::json::Object object = TinyLlama().json();
  object["rope_scaling"] = llvm::json::Object{{"rope_type", "llama3"},
                                              {"factor", 8.0},
                                              {"low_freq_factor", 1.0},
                                              {"high_freq_factor", 4.0},
                                              {"original_max_position_embeddings", 1000}};
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(object));
  int readable = 0;
  for (uint32_t seed = 0; seed < 20000; ++seed) {
    std::mt19937 random(seed);
    std::string mutated = text;
    for (uint32_t changes = 1 + random() % 3; changes > 0; --changes)
      mutated[random() % mutated.size()] = "0123456789-[]{},:\"e."[random() % 20];
    auto parsed = huggingface::parseJsonObject(mutated, "config.json");
    if (!parsed) {
      ASSERT_THAT(llvm::toString(parsed.takeError()), StartsWith("E3102 "));
      continue;
    }
    auto config = huggingface::readConfig(*parsed, "config.json");
    if (!config) {
      const std::string error = llvm::toString(config.takeError());
      ASSERT_THAT(error, StartsWith("E33")) << "seed " << seed;
      ASSERT_EQ(error.find('\n'), std::string::npos) << error;
      continue;
    }
    llvm::consumeError(validate(*config, "config.json"));
    ++readable;
  }
  EXPECT_GT(readable, 1000) << "the mutations are too coarse to reach the fields";
}

// Every 64th byte of the header, 200 places of the rest.
TEST(CheckpointTest, CutFilesAreRefused) {
  const TinyLlama model;
  const GgufWriter writer = model.gguf();
  TemporaryFolder folder;
  model.writeFolder(folder);
  auto cutEverywhere = [&](const std::string &text, size_t header, const std::string &file, const std::string &opened) {
    for (size_t size = 0; size < text.size();
         size += size < header ? 64 : std::max<size_t>(1, (text.size() - header) / 200)) {
      folder.write(file, text.substr(0, size));
      ASSERT_THAT(openError(opened), ::testing::AnyOf(StartsWith("E30"), StartsWith("E310"))) << "cut at " << size;
    }
  };
  cutEverywhere(writer.file(), writer.header().size(), "tiny.gguf", folder.path("tiny.gguf"));
  folder.remove("tiny.gguf");
  const std::string text = safetensors(model.tensors);
  cutEverywhere(text, 4096, "model.safetensors", folder.path());
  folder.write("model.safetensors", text);
  EXPECT_EQ(openError(folder.path()), "");
}

class SmolLM2Test : public ::testing::Test {
protected:
  void SetUp() override {
    const char *root = std::getenv("MUSTER_SOURCE_ROOT");
    path = std::string(root ? root : ".") + "/build/models/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!llvm::sys::fs::exists(path))
      GTEST_SKIP() << path << " is not there";
  }
  std::string path;
};

TEST_F(SmolLM2Test, Config) {
  const llama::LlamaConfig config = llvm::cantFail(openCheckpoint(path))->config();
  EXPECT_EQ(config.layers, 30);
  EXPECT_EQ(config.hidden, 576);
  EXPECT_EQ(config.heads, 9);
  EXPECT_EQ(config.kvHeads, 3);
  EXPECT_EQ(config.headDim, 64);
  EXPECT_EQ(config.feedForward, 1536);
  EXPECT_EQ(config.vocabulary, 49152);
  EXPECT_EQ(config.contextLength, 8192);
  EXPECT_EQ(config.ropeTheta, 100000.0);
  EXPECT_EQ(config.rmsEpsilon, 1e-5);
  EXPECT_THAT(config.ropeFrequencyDivisors, IsEmpty());
  EXPECT_TRUE(config.tiedEmbeddings);
  EXPECT_FALSE(config.attentionBias);
  EXPECT_FALSE(config.mlpBias);
}

// All 134,515,008 weights bit for bit; the sums come from Inputs/make-smollm2-checksums.py.
TEST_F(SmolLM2Test, EveryWeight) {
  auto checkpoint = llvm::cantFail(openCheckpoint(path));
  uint32_t whole = 0;
  std::map<std::string, uint32_t> sums;
  std::chrono::duration<double> decoding{};
  std::vector<float> rows(49152 * 576);
  for (const Weight &weight : checkpoint->weights()) {
    const int64_t count =
        std::accumulate(weight.shape().begin(), weight.shape().end(), int64_t(1), std::multiplies<>());
    const auto start = std::chrono::steady_clock::now();
    Checkpoint::readRows(weight, 0, weight.shape().front(), rows.data());
    decoding += std::chrono::steady_clock::now() - start;
    const llvm::ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(rows.data()), static_cast<size_t>(count) * 4);
    whole = llvm::crc32(whole, bytes);
    sums[weight.sourceName().str()] = llvm::crc32(bytes);
  }
  EXPECT_EQ(sums["token_embd.weight"], 0x39786908u);
  EXPECT_EQ(sums["blk.7.attn_k.weight"], 0xBCE1A95Du);
  EXPECT_EQ(sums["blk.29.ffn_down.weight"], 0x975C5EF1u);
  EXPECT_EQ(whole, 0xCF9F6559u);
  std::printf("decoded 134.5 M elements in %.3f s\n", decoding.count());
}

TEST_F(SmolLM2Test, CutsAreRefused) {
  auto file = llvm::cantFail(llvm::errorOrToExpected(llvm::MemoryBuffer::getFile(path, false, false)));
  const llvm::StringRef text = file->getBuffer();
  for (size_t i = 0; i < 200; ++i)
    for (size_t size : {text.size() / 200 * i, size_t(1700000) / 200 * i}) {
      auto cut = gguf::GgufFile::parse(llvm::MemoryBuffer::getMemBuffer(text.take_front(size), "cut", false));
      ASSERT_THAT(errorOf(std::move(cut)), StartsWith("E30")) << "cut at " << size;
    }
}

} // namespace
