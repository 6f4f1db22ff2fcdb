// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the importers take from the files, and what they refuse. Ids are compared in TokenizerGoldenTest.cpp.
#include "compiler/Import/Tokenizer/SectionBuilder.h"
#include "test/unit/compiler/Import/Tokenizer/TokenizerFixtures.h"

#include <gmock/gmock.h>

#include <functional>
#include <random>

using namespace muster;
using namespace muster::test;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

/// A vocabulary of all bytes and one merge; ids 256 "ab", 257 <s>, 258 </s>, 259 <tool>.
GgufVocabulary smallGguf() {
  GgufVocabulary result;
  for (int byte = 0; byte < 256; ++byte)
    result.tokens.emplace_back();
  // GPT-2's alphabet, the other way round than the importer has it.
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    int point = printable ? byte : next++;
    result.tokens[byte] =
        point < 0x80 ? std::string(1, static_cast<char>(point))
                     : std::string{static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
  }
  result.types.assign(256, 1);
  for (const auto &[text, type] : {std::pair("ab", 1), {"<s>", 3}, {"</s>", 3}, {"<tool>", 4}}) {
    result.tokens.push_back(text);
    result.types.push_back(type);
  }
  result.merges = {"a b"};
  result.integers = {{"bos_token_id", 257}, {"eos_token_id", 258}};
  return result;
}

Tokenizer load(const GgufVocabulary &vocabulary) {
  auto file = parseGguf(vocabulary.file());
  EXPECT_TRUE(static_cast<bool>(file));
  return loadSection(tokenizers::importGguf(**file));
}

std::string errorOfGguf(const GgufVocabulary &vocabulary) {
  auto file = parseGguf(vocabulary.file());
  EXPECT_TRUE(static_cast<bool>(file));
  return errorOf(tokenizers::importGguf(**file));
}

std::vector<int32_t> listed(std::span<const int32_t> ids) { return {ids.begin(), ids.end()}; }

TEST(GgufTokenizer, BytesAreThoseOfGpt2sAlphabet) {
  Tokenizer tokenizer = load(smallGguf());
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(tokenizer.tokenBytes(byte), std::string(1, static_cast<char>(byte)));
  EXPECT_TRUE(tokenizer.missingBytes().empty());
  EXPECT_EQ(tokenizers::decodeByteAlphabet("\xC4\xA0the"), " the");
  EXPECT_EQ(tokenizers::decodeByteAlphabet("\xE4\xB8\xAD"), "\xE4\xB8\xAD") << "no character of the alphabet";
}

TEST(GgufTokenizer, IdsAndFlags) {
  GgufVocabulary vocabulary = smallGguf();
  Tokenizer plain = load(vocabulary);
  EXPECT_EQ(plain.bos(), 257);
  EXPECT_EQ(plain.eos(), 258);
  EXPECT_EQ(plain.padding(), -1);
  EXPECT_EQ(listed(plain.stopTokens()), (std::vector<int32_t>{258}));
  EXPECT_EQ(*plain.encode("ab", true), (std::vector<int32_t>{256}));
  EXPECT_TRUE(plain.isSpecial(257));
  EXPECT_FALSE(plain.isSpecial(259));
  vocabulary.flags = {{"add_bos_token", true}, {"add_eos_token", true}};
  vocabulary.integers["eot_token_id"] = 257;
  vocabulary.chatTemplate = "{{ messages }}";
  Tokenizer flagged = load(vocabulary);
  EXPECT_EQ(*flagged.encode("ab", true), (std::vector<int32_t>{257, 256, 258}));
  EXPECT_EQ(*flagged.encode("ab", false), (std::vector<int32_t>{256}));
  EXPECT_EQ(listed(flagged.stopTokens()), (std::vector<int32_t>{257, 258}));
  EXPECT_EQ(flagged.chatTemplate(), "{{ messages }}");
}

TEST(GgufTokenizer, LlamaBpeBeginsWithTokenUnlessToldOtherwise) {
  GgufVocabulary vocabulary = smallGguf();
  for (const char *name : {"llama-bpe", "llama3", "llama-v3"}) {
    vocabulary.pre = name;
    EXPECT_EQ(*load(vocabulary).encode("a", true), (std::vector<int32_t>{257, 'a'})) << name;
  }
  vocabulary.flags = {{"add_bos_token", false}};
  EXPECT_EQ(*load(vocabulary).encode("a", true), (std::vector<int32_t>{'a'}));
}

TEST(GgufTokenizer, FileWithoutTokenizerHasNone) {
  GgufWriter writer;
  writer.string("general.architecture", "llama");
  auto file = parseGguf(writer.file());
  ASSERT_TRUE(static_cast<bool>(file));
  auto section = tokenizers::importGguf(**file);
  ASSERT_TRUE(static_cast<bool>(section));
  EXPECT_FALSE(section->has_value());
}

TEST(GgufTokenizer, RefusesEachFault) {
  struct Case {
    const char *number, *text;
    std::function<void(GgufVocabulary &)> break_;
  };
  const Case cases[] = {
      {"E3211", "but got 'llama'", [](GgufVocabulary &v) { v.model = "llama"; }},
      {"E3211", "but got 'bert'", [](GgufVocabulary &v) { v.model = "bert"; }},
      {"E3212", "but got 'falcon'", [](GgufVocabulary &v) { v.pre = "falcon"; }},
      {"E3212", "but got 'default'", [](GgufVocabulary &v) { v.pre = "default"; }},
      {"E3212", "but got none", [](GgufVocabulary &v) { v.pre = ""; }},
      {"E3210", "expected 260 values", [](GgufVocabulary &v) { v.types.pop_back(); }},
      {"E3210", "token types of 1 to 5 but got 6", [](GgufVocabulary &v) { v.types[7] = 6; }},
      {"E3210", "one id for token 'ab'", [](GgufVocabulary &v) { v.tokens[3] = "ab"; }},
      {"E3210", "at least 1 token", [](GgufVocabulary &v) { v.tokens.clear(), v.types.clear(); }},
      {"E3210", "at least 1 byte in added token 259", [](GgufVocabulary &v) { v.tokens[259] = ""; }},
      {"E3210", "a space between in merge 0 but got 'ab'", [](GgufVocabulary &v) { v.merges[0] = "ab"; }},
      {"E3210", "none for 'bc'", [](GgufVocabulary &v) { v.merges.push_back("b c"); }},
      {"E3210", "none for 'xyz'", [](GgufVocabulary &v) { v.merges.push_back("xyz a"); }},
      {"E3210", "one merge of 'a' and 'b'", [](GgufVocabulary &v) { v.merges.push_back("a b"); }},
      {"E3210", "in tokenizer.ggml.bos_token_id but got 260",
       [](GgufVocabulary &v) { v.integers["bos_token_id"] = 260; }},
      {"E3210", "add_bos_token asks for but got none",
       [](GgufVocabulary &v) { v.integers.clear(), v.flags["add_bos_token"] = true; }},
  };
  for (const Case &c : cases) {
    GgufVocabulary vocabulary = smallGguf();
    c.break_(vocabulary);
    std::string text = errorOfGguf(vocabulary);
    EXPECT_THAT(text, StartsWith(c.number));
    EXPECT_THAT(text, HasSubstr(c.text));
    EXPECT_THAT(text, HasSubstr("test.gguf"));
  }
}

json::Value smallJson() {
  return json::Object{
      {"added_tokens",
       json::Array{json::Object{{"id", 4}, {"content", "<s>"}, {"special", true}},
                   json::Object{{"id", 6}, {"content", "</s>"}, {"special", true}},
                   json::Object{{"id", 7}, {"content", "<tool>"}, {"special", false}, {"normalized", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", json::Object{{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"post_processor", nullptr},
      {"decoder", json::Object{{"type", "ByteLevel"}}},
      {"model", json::Object{{"type", "BPE"},
                             {"vocab", json::Object{{"a", 0}, {"b", 1}, {"\xC4\xA0", 2}, {"ab", 3}}},
                             {"merges", json::Array{json::Array{"a", "b"}}}}}};
}

/// The member of nested objects that `path` names, to be changed.
json::Value &at(json::Value &root, std::initializer_list<const char *> path) {
  json::Value *value = &root;
  for (const char *key : path)
    value = &(*value->getAsObject())[key];
  return *value;
}

using Files = std::map<std::string, json::Value>;

llvm::Expected<std::optional<tokenizers::Section>> importJson(const json::Value &root, const Files &others = {}) {
  TemporaryFolder folder;
  folder.write("tokenizer.json", root);
  for (const auto &[name, value] : others)
    folder.write(name, value);
  return tokenizers::importHuggingFace(folder.path());
}

TEST(HuggingFaceTokenizer, FolderWithoutTokenizerHasNone) {
  TemporaryFolder folder;
  folder.write("config.json", std::string("{}"));
  auto section = tokenizers::importHuggingFace(folder.path());
  ASSERT_TRUE(static_cast<bool>(section));
  EXPECT_FALSE(section->has_value());
  folder.write("tokenizer.model", std::string("x"));
  EXPECT_THAT(errorOf(tokenizers::importHuggingFace(folder.path())), HasSubstr("but got tokenizer.model alone"));
}

TEST(HuggingFaceTokenizer, VocabularyWithHoles) {
  Tokenizer tokenizer = loadSection(importJson(smallJson()));
  EXPECT_EQ(tokenizer.vocabularySize(), 8);
  EXPECT_EQ(tokenizer.tokenBytes(2), " ");
  EXPECT_EQ(tokenizer.tokenBytes(5), "");
  EXPECT_EQ(*tokenizer.encode("ab a<tool>x", true), (std::vector<int32_t>{3, 2, 0, 7})) << "there is no token of x";
  EXPECT_EQ(tokenizer.bos(), -1);
  EXPECT_TRUE(tokenizer.stopTokens().empty());
}

TEST(HuggingFaceTokenizer, UnknownTokenTakesThePlaceOfMissingBytes) {
  json::Value root = smallJson();
  at(root, {"model", "unk_token"}) = "b";
  EXPECT_EQ(*loadSection(importJson(root)).encode("xa", true), (std::vector<int32_t>{1, 0}));
}

TEST(HuggingFaceTokenizer, ConfigurationFiles) {
  json::Value root = smallJson();
  Files files = {{"tokenizer_config.json",
                  json::Object{{"bos_token", "<s>"},
                               {"eos_token", json::Object{{"content", "</s>"}}},
                               {"pad_token", nullptr},
                               {"add_bos_token", true},
                               {"tokenizer_class", "PreTrainedTokenizerFast"},
                               {"chat_template", json::Array{json::Object{{"name", "tools"}, {"template", "t"}},
                                                             json::Object{{"name", "default"}, {"template", "d"}}}}}},
                 {"generation_config.json", json::Object{{"eos_token_id", json::Array{6, 4}}}}};
  Tokenizer generic = loadSection(importJson(root, files));
  EXPECT_EQ(generic.bos(), 4);
  EXPECT_EQ(generic.eos(), 6);
  EXPECT_EQ(listed(generic.stopTokens()), (std::vector<int32_t>{4, 6}));
  EXPECT_EQ(generic.chatTemplate(), "d");
  EXPECT_EQ(*generic.encode("a", true), (std::vector<int32_t>{0})) << "tokenizer.json has no template";
  at(files.at("tokenizer_config.json"), {"tokenizer_class"}) = "LlamaTokenizerFast";
  files.emplace("chat_template.jinja", "raw");
  Tokenizer llama = loadSection(importJson(root, files));
  EXPECT_EQ(*llama.encode("a", true), (std::vector<int32_t>{4, 0}));
  EXPECT_EQ(llama.chatTemplate(), "\"raw\"");
}

// As transformers: config.json says where a text ends only if there is no generation_config.json.
TEST(HuggingFaceTokenizer, StopTokensOfTheModelsConfig) {
  Files files = {{"config.json", json::Object{{"eos_token_id", 4}}}};
  EXPECT_EQ(listed(loadSection(importJson(smallJson(), files)).stopTokens()), (std::vector<int32_t>{4}));
  files.emplace("generation_config.json", json::Object{});
  EXPECT_TRUE(loadSection(importJson(smallJson(), files)).stopTokens().empty());
}

TEST(HuggingFaceTokenizer, SurrogatePairsOfEveryPlane) {
  TemporaryFolder folder;
  json::Value root = smallJson();
  std::string text = llvm::formatv("{0}", root).str();
  // U+20000 and U+1F600, escaped, and a backslash before a "u" that is no escape.
  size_t position = text.find("<tool>");
  text.replace(position, 6, "\\ud840\\udc00\\ud83d\\ude00\\\\ud840");
  folder.write("tokenizer.json", text);
  Tokenizer tokenizer = loadSection(tokenizers::importHuggingFace(folder.path()));
  EXPECT_EQ(tokenizer.tokenBytes(7), "\xF0\xA0\x80\x80\xF0\x9F\x98\x80\\ud840");
}

TEST(HuggingFaceTokenizer, RefusesEachFault) {
  struct Case {
    const char *number, *text;
    std::function<void(json::Value &)> break_;
  };
  using V = json::Value;
  using O = json::Object;
  using A = json::Array;
  const V bytes = O{{"type", "ByteLevel"}, {"add_prefix_space", false}};
  auto sequence = [=](V first) { return O{{"type", "Sequence"}, {"pretokenizers", A{std::move(first), bytes}}}; };
  auto split = [=](V pattern, const char *behavior) {
    return sequence(O{{"type", "Split"}, {"pattern", std::move(pattern)}, {"behavior", behavior}});
  };
  const Case cases[] = {
      {"E3213", "as model but got nothing", [](V &v) { v.getAsObject()->erase("model"); }},
      {"E3211", "but got 'Unigram'", [](V &v) { at(v, {"model", "type"}) = "Unigram"; }},
      {"E3211", "but got 'WordPiece'", [](V &v) { at(v, {"model", "type"}) = "WordPiece"; }},
      {"E3214", "dropout", [](V &v) { at(v, {"model", "dropout"}) = 0.1; }},
      {"E3214", "byte_fallback true", [](V &v) { at(v, {"model", "byte_fallback"}) = true; }},
      {"E3214", "end_of_word_suffix", [](V &v) { at(v, {"model", "end_of_word_suffix"}) = "</w>"; }},
      {"E3214", "model option sparkle", [](V &v) { at(v, {"model", "sparkle"}) = 1; }},
      {"E3213", "true or false as ignore_merges", [](V &v) { at(v, {"model", "ignore_merges"}) = 1; }},
      {"E3213", "as vocab but got", [](V &v) { at(v, {"model", "vocab"}) = A{}; }},
      {"E3213", "as id of token 'a'", [](V &v) { at(v, {"model", "vocab", "a"}) = "x"; }},
      {"E3213", "token ids of 0 to", [](V &v) { at(v, {"model", "vocab", "a"}) = -1; }},
      {"E3213", "token ids of 0 to", [](V &v) { at(v, {"model", "vocab", "a"}) = int64_t(1) << 40; }},
      {"E3213", "one token of id 1", [](V &v) { at(v, {"model", "vocab", "a"}) = 1; }},
      {"E3213", "as merges but got", [](V &v) { at(v, {"model", "merges"}) = "x"; }},
      {"E3213", "as merge 0 but got", [](V &v) { at(v, {"model", "merges"}) = A{"ab"}; }},
      {"E3213", "as merge 0 but got", [](V &v) { at(v, {"model", "merges"}) = A{"a b c"}; }},
      {"E3213", "none for 'ba'", [](V &v) { at(v, {"model", "merges"}) = A{"b a"}; }},
      {"E3213", "as unk_token but got", [](V &v) { at(v, {"model", "unk_token"}) = "x"; }},
      {"E3214", "fuse_unk", [](V &v) { at(v, {"model", "unk_token"}) = "a", at(v, {"model", "fuse_unk"}) = true; }},
      {"E3213", "as added_tokens", [](V &v) { at(v, {"added_tokens"}) = 1; }},
      {"E3213", "added token with id and content", [](V &v) { at(v, {"added_tokens"}) = A{O{{"id", 9}}}; }},
      {"E3213", "to have id 0 as in vocab but got 9",
       [](V &v) { at(v, {"added_tokens"}) = A{O{{"id", 9}, {"content", "a"}}}; }},
      {"E3214", "single_word",
       [](V &v) { at(v, {"added_tokens"}) = A{O{{"id", 9}, {"content", "z"}, {"single_word", true}}}; }},
      {"E3213", "one added token of id 4",
       [](V &v) { at(v, {"added_tokens"}) = A{O{{"id", 4}, {"content", "z"}}, O{{"id", 4}, {"content", "z"}}}; }},
      {"E3214", "normalizer", [](V &v) { at(v, {"normalizer"}) = O{{"type", "Lowercase"}}; }},
      {"E3214", "without a ByteLevel", [](V &v) { at(v, {"pre_tokenizer"}) = nullptr; }},
      {"E3214", "without a ByteLevel",
       [](V &v) { at(v, {"pre_tokenizer"}) = O{{"type", "Sequence"}, {"pretokenizers", A{}}}; }},
      {"E3213", "with a type as pre_tokenizer", [](V &v) { at(v, {"pre_tokenizer"}) = "x"; }},
      {"E3214", "{\"type\":\"Metaspace\"}",
       [=](V &v) { at(v, {"pre_tokenizer"}) = sequence(O{{"type", "Metaspace"}}); }},
      {"E3214", "ByteLevel option", [](V &v) { at(v, {"pre_tokenizer", "level"}) = 2; }},
      {"E3214", "behind ByteLevel", [=](V &v) { at(v, {"pre_tokenizer"}) = sequence(bytes); }},
      {"E3214", "Split behavior",
       [=](V &v) { at(v, {"pre_tokenizer"}) = split(O{{"String", " "}}, "MergedWithNext"); }},
      {"E3213", "a Regex or a String", [=](V &v) { at(v, {"pre_tokenizer"}) = split(O{{"Glob", "*"}}, "Isolated"); }},
      {"E3215", "'\\w'", [=](V &v) { at(v, {"pre_tokenizer"}) = split(O{{"Regex", "\\w+"}}, "Isolated"); }},
      {"E3214", "decoder", [](V &v) { at(v, {"decoder"}) = nullptr; }},
      {"E3214", "decoder", [](V &v) { at(v, {"decoder", "type"}) = "Metaspace"; }},
      {"E3214", "post_processor component", [](V &v) { at(v, {"post_processor"}) = O{{"type", "RobertaProcessing"}}; }},
      {"E3213", "single and special_tokens",
       [](V &v) { at(v, {"post_processor"}) = O{{"type", "TemplateProcessing"}}; }},
      {"E3213", "known special token",
       [](V &v) {
         at(v, {"post_processor"}) = O{{"type", "TemplateProcessing"},
                                       {"special_tokens", O{}},
                                       {"single", A{O{{"SpecialToken", O{{"id", "<s>"}}}}}}};
       }},
      {"E3213", "the text A",
       [](V &v) {
         at(v, {"post_processor"}) = O{{"type", "TemplateProcessing"}, {"special_tokens", O{}}, {"single", A{}}};
       }},
  };
  for (const Case &c : cases) {
    json::Value root = smallJson();
    c.break_(root);
    std::string text = errorOf(importJson(root));
    EXPECT_THAT(text, StartsWith(c.number)) << c.text;
    EXPECT_THAT(text, HasSubstr(c.text));
    EXPECT_THAT(text, HasSubstr("tokenizer.json"));
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
  const std::pair<const char *, Files> configurations[] = {
      {"as bos_token in tokenizer_config.json", {{"tokenizer_config.json", O{{"bos_token", "x"}}}}},
      {"add_bos_token in tokenizer_config.json asks for",
       {{"tokenizer_config.json", O{{"tokenizer_class", "LlamaTokenizer"}, {"add_bos_token", true}}}}},
      {"as eos_token_id in generation_config.json", {{"generation_config.json", O{{"eos_token_id", 5}}}}},
      {"as eos_token_id in config.json", {{"config.json", O{{"eos_token_id", "x"}}}}},
  };
  for (const auto &[message, files] : configurations) {
    std::string text = errorOf(importJson(smallJson(), files));
    EXPECT_THAT(text, StartsWith("E3213"));
    EXPECT_THAT(text, HasSubstr(message));
  }
}

TEST(HuggingFaceTokenizer, MutatedFilesNeverCrash) {
  const std::string text = readText(inputPath("tokenizer-odd.json"));
  TemporaryFolder folder;
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string mutant = text;
    if (round % 3 == 0)
      mutant.resize(random() % mutant.size());
    for (int i = 0; i < 3; ++i)
      mutant[random() % mutant.size()] = "{}[]\",:0\\x\xFF"[random() % 11];
    folder.write("tokenizer.json", mutant);
    auto section = tokenizers::importHuggingFace(folder.path());
    if (!section) {
      EXPECT_THAT(llvm::toString(section.takeError()), testing::MatchesRegex("E3[12][0-9][0-9] .*"));
      ++refused;
      continue;
    }
    // What the importer lets through, the runtime takes.
    ASSERT_TRUE(section->has_value());
    const auto *bytes = reinterpret_cast<const uint8_t *>((*section)->data());
    Result<Tokenizer> tokenizer = Tokenizer::load({bytes, (*section)->size()});
    EXPECT_TRUE(tokenizer.isOk()) << tokenizer.status().text();
  }
  EXPECT_GT(refused, 100);
}

} // namespace
