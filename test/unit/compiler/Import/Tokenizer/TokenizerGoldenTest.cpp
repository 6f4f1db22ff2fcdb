// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ids of llama.cpp and of Hugging Face tokenizers, for texts and vocabularies of
// test/unit/runtime/text/Inputs/make-golden.py.
#include "test/unit/compiler/Import/Tokenizer/TokenizerFixtures.h"

#include <random>

using namespace muster;
using namespace muster::test;

namespace {

class Golden : public testing::Test {
protected:
  static void SetUpTestSuite() { golden = new json::Value(readJson(inputPath("golden.json"))); }
  static void TearDownTestSuite() { delete golden; }

  static std::vector<int32_t> idsOf(const json::Value &value) {
    std::vector<int32_t> ids;
    for (const json::Value &id : *value.getAsArray())
      ids.push_back(static_cast<int32_t>(*id.getAsInteger()));
    return ids;
  }

  /// Compares with what `reference` gave for the vocabulary `kind`.
  static void compare(const Tokenizer &tokenizer, const char *reference, const char *kind) {
    const json::Array &texts = *golden->getAsObject()->getArray("texts");
    const json::Object &expected = *golden->getAsObject()->getObject(reference)->getObject(kind);
    ASSERT_GE(texts.size(), 100u);
    ASSERT_EQ(expected.getArray("plain")->size(), texts.size());
    std::vector<uint8_t> missing = tokenizer.missingBytes();
    for (size_t i = 0; i < texts.size(); ++i) {
      std::string text = texts[i].getAsString()->str();
      Result<std::vector<int32_t>> ids = tokenizer.encode(text, false);
      ASSERT_TRUE(ids.isOk()) << ids.status().text();
      EXPECT_EQ(*ids, idsOf((*expected.getArray("plain"))[i])) << i << ": " << text;
      if (i < expected.getArray("special")->size()) {
        EXPECT_EQ(*tokenizer.encode(text, true), idsOf((*expected.getArray("special"))[i])) << i << ": " << text;
      }
      bool hasAllBytes = llvm::none_of(text, [&](char c) { return llvm::is_contained(missing, uint8_t(c)); });
      if (hasAllBytes && isLossless) {
        EXPECT_EQ(*tokenizer.decode(*ids), text);
      }
    }
    if (const json::Object *strangers = expected.getObject("stranger")) {
      EXPECT_GE(strangers->size(), 5u);
      for (const auto &[index, ids] : *strangers) {
        size_t i = std::stoul(index.str());
        std::string text = texts[i].getAsString()->str();
        EXPECT_EQ(*tokenizer.encode(text, false, /*parseSpecial=*/false), idsOf(ids)) << i << ": " << text;
      }
    }
  }

  static Tokenizer smallFromJson(const char *kind) {
    TemporaryFolder folder;
    folder.write("tokenizer.json", readText(inputPath(std::string("tokenizer-") + kind + ".json")));
    return loadSection(tokenizers::importHuggingFace(folder.path()));
  }

  static Tokenizer smallFromGguf(const char *kind, const char *pre) {
    json::Value root = readJson(inputPath(std::string("tokenizer-") + kind + ".json"));
    auto file = parseGguf(ggufOf(root, pre).file());
    EXPECT_TRUE(static_cast<bool>(file));
    return loadSection(tokenizers::importGguf(**file));
  }

  static inline json::Value *golden = nullptr;
  static inline bool isLossless = true;
};

TEST_F(Golden, SmolLm2AsLlamaCpp) {
  if (!llvm::sys::fs::exists(smollm2Path()))
    GTEST_SKIP() << smollm2Path();
  auto file = gguf::GgufFile::open(smollm2Path());
  ASSERT_TRUE(static_cast<bool>(file));
  Tokenizer tokenizer = loadSection(tokenizers::importGguf(**file));
  compare(tokenizer, "llama.cpp", "smollm2");
  EXPECT_EQ(*tokenizer.encode("The capital of France is", true), (std::vector<int32_t>{504, 3575, 282, 4649, 314}));
  EXPECT_EQ(tokenizer.vocabularySize(), 49152);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_EQ(tokenizer.missingBytes().size(), 21u);
  EXPECT_EQ(std::vector<int32_t>(tokenizer.stopTokens().begin(), tokenizer.stopTokens().end()),
            std::vector<int32_t>{2});
  EXPECT_TRUE(llvm::StringRef(tokenizer.chatTemplate()).contains("<|im_start|>system"));
}

TEST_F(Golden, SmolLm2LosesOnlyTheBytesThatItLacks) {
  if (!llvm::sys::fs::exists(smollm2Path()))
    GTEST_SKIP() << smollm2Path();
  auto file = gguf::GgufFile::open(smollm2Path());
  ASSERT_TRUE(static_cast<bool>(file));
  Tokenizer tokenizer = loadSection(tokenizers::importGguf(**file));
  std::vector<uint8_t> missing = tokenizer.missingBytes();
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text, kept;
    for (size_t i = 0, length = random() % 100; i < length; ++i) {
      // Bytes of all kinds, mostly those of ASCII text.
      text += static_cast<char>(random() % 3 ? 32 + random() % 95 : random());
      if (!llvm::is_contained(missing, static_cast<uint8_t>(text.back())))
        kept += text.back();
    }
    ASSERT_EQ(*tokenizer.decode(*tokenizer.encode(text, false)), kept);
  }
}

TEST_F(Golden, SmolLm2AsTokenizers) {
  if (!llvm::sys::fs::exists(smollm2Path()))
    GTEST_SKIP() << smollm2Path();
  auto file = gguf::GgufFile::open(smollm2Path());
  ASSERT_TRUE(static_cast<bool>(file));
  // The small file of the same kind, with SmolLM2's vocabulary.
  json::Value root = readJson(inputPath("tokenizer-smollm.json"));
  auto tokens = *(*file)->getStrings("tokenizer.ggml.tokens");
  auto types = *(*file)->getIntegers("tokenizer.ggml.token_type");
  json::Object vocabulary;
  json::Array added, merges;
  for (size_t id = 0; id < tokens.size(); ++id) {
    vocabulary[tokens[id]] = static_cast<int64_t>(id);
    if (types[id] == 3)
      added.push_back(json::Object{
          {"id", static_cast<int64_t>(id)}, {"content", tokens[id]}, {"normalized", false}, {"special", true}});
  }
  auto mergeTexts = *(*file)->getStrings("tokenizer.ggml.merges");
  for (llvm::StringRef merge : mergeTexts)
    merges.push_back(merge);
  (*root.getAsObject())["added_tokens"] = std::move(added);
  json::Object &model = *root.getAsObject()->getObject("model");
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(merges);
  TemporaryFolder folder;
  folder.write("tokenizer.json", root);
  compare(loadSection(tokenizers::importHuggingFace(folder.path())), "tokenizers", "smollm2");
}

TEST_F(Golden, SmallAsTokenizers) {
  for (const char *kind : {"smollm", "llama3", "qwen2", "deepseek", "deepseek-llm"})
    compare(smallFromJson(kind), "tokenizers", kind);
}

TEST_F(Golden, SmallWithLossyOptionsAsTokenizers) {
  isLossless = false; // a space in front, removed dashes, white space inside added tokens
  for (const char *kind : {"gpt2", "odd"})
    compare(smallFromJson(kind), "tokenizers", kind);
  isLossless = true;
}

TEST_F(Golden, SmallAsLlamaCpp) {
  const std::pair<const char *, const char *> kinds[] = {
      {"smollm", "smollm"}, {"gpt2", "gpt-2"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}};
  for (auto [kind, pre] : kinds)
    compare(smallFromGguf(kind, pre), "llama.cpp", pre);
}

} // namespace
