// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Keys and values: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; what the names of pre-tokenizers mean:
// src/llama-vocab.cpp of https://github.com/ggml-org/llama.cpp.
#include "compiler/Import/ImportError.h"
#include "compiler/Import/Tokenizer/PatternDialect.h"
#include "compiler/Import/Tokenizer/SectionBuilder.h"
#include "compiler/Import/Tokenizer/TokenizerImport.h"

#include "llvm/ADT/StringSwitch.h"

namespace muster::tokenizers {

namespace {

/// Types of tokens in `tokenizer.ggml.token_type`.
enum TokenType : int64_t { normal = 1, unknown = 2, control = 3, userDefined = 4, unused = 5 };

#define MUSTER_CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define MUSTER_WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define MUSTER_REST " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
constexpr const char *llama3Pattern = MUSTER_CONTRACTIONS "|" MUSTER_WORDS "|\\p{N}{1,3}|" MUSTER_REST;
constexpr const char *qwen2Pattern = MUSTER_CONTRACTIONS "|" MUSTER_WORDS "|\\p{N}|" MUSTER_REST;
#undef MUSTER_CONTRACTIONS
#undef MUSTER_WORDS
#undef MUSTER_REST

class GgufTokenizer {
public:
  explicit GgufTokenizer(const gguf::GgufFile &file) : file(file), builder(3210, file.path().str()) {}

  llvm::Expected<Section> import() {
    if (llvm::Error error = importPreTokenizer())
      return error;
    if (llvm::Error error = importVocabulary())
      return error;
    if (llvm::Error error = importMerges())
      return error;
    if (llvm::Error error = importIds())
      return error;
    auto chatTemplate = file.getString("tokenizer.chat_template", "");
    if (!chatTemplate)
      return chatTemplate.takeError();
    builder.section.chat_template = chatTemplate->str();
    builder.section.missing_byte = schema::MissingByte::DropAfterMerge;
    return builder.finish();
  }

private:
  llvm::Error addPattern(const char *pattern) {
    auto translated = translatePattern(pattern, file.path());
    if (!translated)
      return translated.takeError();
    builder.addStep(schema::StepKind::SplitIsolated, *translated);
    return llvm::Error::success();
  }

  llvm::Error importPreTokenizer() {
    auto name = file.getString("tokenizer.ggml.pre", "");
    if (!name)
      return name.takeError();
    // The names that mean one thing in every version of llama.cpp. "default" is none of them: it stands for files whose
    // pre-tokenizer was not recorded.
    using schema::PreTokenizer;
    PreTokenizer kind = llvm::StringSwitch<PreTokenizer>(*name)
                            .Case("gpt-2", PreTokenizer::Gpt2)
                            .Case("smollm", PreTokenizer::SmolLm)
                            .Cases({"llama-bpe", "llama3", "llama-v3"}, PreTokenizer::Llama3)
                            .Case("qwen2", PreTokenizer::Qwen2)
                            .Default(PreTokenizer::Custom);
    builder.section.pre_tokenizer = kind;
    switch (kind) {
    case PreTokenizer::Gpt2:
      builder.addStep(schema::StepKind::SplitIsolated, gpt2Pattern);
      return llvm::Error::success();
    case PreTokenizer::SmolLm:
      builder.addStep(schema::StepKind::SplitIsolated, "\\p{N}");
      builder.addStep(schema::StepKind::SplitIsolated, gpt2Pattern);
      return llvm::Error::success();
    case PreTokenizer::Llama3:
      builder.section.ignore_merges = true;
      return addPattern(llama3Pattern);
    case PreTokenizer::Qwen2:
      return addPattern(qwen2Pattern);
    case PreTokenizer::Custom:
      break;
    }
    return unsupportedInput("E3212 {}: expected tokenizer.ggml.pre to be gpt-2, smollm, llama-bpe or qwen2 but got {}",
                            file.path(), file.contains("tokenizer.ggml.pre") ? quoted(*name) : "none");
  }

  llvm::Error importVocabulary() {
    auto tokens = file.getStrings("tokenizer.ggml.tokens");
    if (!tokens)
      return tokens.takeError();
    std::vector<int64_t> types(tokens->size(), normal);
    if (file.contains("tokenizer.ggml.token_type")) {
      auto read = file.getIntegers("tokenizer.ggml.token_type");
      if (!read)
        return read.takeError();
      if (read->size() != tokens->size())
        return builder.error("expected {} values in tokenizer.ggml.token_type but got {}", tokens->size(),
                             read->size());
      types = std::move(*read);
    }
    if (tokens->empty())
      return builder.error("expected at least 1 token in tokenizer.ggml.tokens but got 0");
    for (auto [id, token] : llvm::enumerate(*tokens)) {
      int64_t type = types[id];
      if (type < normal || type > unused)
        return builder.error("expected token types of {} to {} but got {} for token {}", int64_t(normal),
                             int64_t(unused), type, id);
      if (llvm::Error error = builder.addToken(id, token, type == normal ? decodeByteAlphabet(token) : token.str()))
        return error;
      if (type == control || type == unknown || type == userDefined) {
        if (token.empty())
          return builder.error("expected at least 1 byte in added token {} but got 0", id);
        builder.addAddedToken(static_cast<int32_t>(id), type != userDefined);
      }
    }
    return llvm::Error::success();
  }

  llvm::Error importMerges() {
    auto merges = file.getStrings("tokenizer.ggml.merges");
    if (!merges)
      return merges.takeError();
    for (auto [rank, merge] : llvm::enumerate(*merges)) {
      size_t space = merge.find(' ', 1);
      if (space == llvm::StringRef::npos)
        return builder.error("expected two tokens with a space between in merge {} but got {}", rank, quoted(merge));
      if (llvm::Error error = builder.addMerge(merge.take_front(space), merge.drop_front(space + 1)))
        return error;
    }
    return llvm::Error::success();
  }

  /// The id that `key` names, -1 if the file does not say.
  llvm::Error readId(llvm::StringRef key, int32_t &id) {
    auto value = file.getInteger(key, -1);
    if (!value)
      return value.takeError();
    if (*value != -1 && !builder.hasToken(*value))
      return builder.error("expected a token id of 0 to {} in {} but got {}", builder.tokenCount() - 1, key, *value);
    id = static_cast<int32_t>(*value);
    return llvm::Error::success();
  }

  llvm::Error readFlag(llvm::StringRef key, bool otherwise, int32_t id, std::vector<int32_t> &ids) {
    auto flag = file.getBool(key, otherwise);
    if (!flag)
      return flag.takeError();
    if (*flag && id < 0)
      return builder.error("expected the id of the token that {} asks for but got none", key);
    if (*flag)
      ids.push_back(id);
    return llvm::Error::success();
  }

  llvm::Error importIds() {
    schema::TokenizerT &section = builder.section;
    int32_t endOfTurn = -1, endOfMessage = -1;
    const std::pair<llvm::StringRef, int32_t *> ids[] = {{"tokenizer.ggml.bos_token_id", &section.bos},
                                                         {"tokenizer.ggml.eos_token_id", &section.eos},
                                                         {"tokenizer.ggml.padding_token_id", &section.padding},
                                                         {"tokenizer.ggml.eot_token_id", &endOfTurn},
                                                         {"tokenizer.ggml.eom_token_id", &endOfMessage}};
    for (auto [key, id] : ids)
      if (llvm::Error error = readId(key, *id))
        return error;
    for (int32_t id : {section.eos, endOfTurn, endOfMessage})
      if (id >= 0 && !llvm::is_contained(section.stop, id))
        section.stop.push_back(id);
    // Where the file says nothing, Llama 3 texts begin with the begin token, and those of the others do not.
    bool beginsWithToken = section.pre_tokenizer == schema::PreTokenizer::Llama3;
    if (llvm::Error error = readFlag("tokenizer.ggml.add_bos_token", beginsWithToken, section.bos, section.prefix))
      return error;
    return readFlag("tokenizer.ggml.add_eos_token", false, section.eos, section.suffix);
  }

  const gguf::GgufFile &file;
  SectionBuilder builder;
};

} // namespace

llvm::Expected<std::optional<Section>> importGguf(const gguf::GgufFile &file) {
  if (!file.contains("tokenizer.ggml.model"))
    return std::nullopt;
  auto model = file.getString("tokenizer.ggml.model");
  if (!model)
    return model.takeError();
  if (*model != "gpt2")
    return unsupportedInput("E3211 {}: expected tokenizer model 'gpt2' (byte-level byte pairs) but got {}", file.path(),
                            quoted(*model));
  auto section = GgufTokenizer(file).import();
  if (!section)
    return section.takeError();
  return std::move(*section);
}

} // namespace muster::tokenizers
