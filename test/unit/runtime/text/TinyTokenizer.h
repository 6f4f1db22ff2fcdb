// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small tokenizer for tests: all 256 bytes, merges learned from a paragraph, a few added tokens.

#ifndef MUSTER_TEST_UNIT_RUNTIME_TEXT_TINYTOKENIZER_H
#define MUSTER_TEST_UNIT_RUNTIME_TEXT_TINYTOKENIZER_H

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/schema/tokenizer_generated.h"

namespace muster::test {

inline constexpr const char *gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

inline std::unique_ptr<text::schema::StepT> step(text::schema::StepKind kind, std::string pattern) {
  auto result = std::make_unique<text::schema::StepT>();
  result->kind = kind;
  result->pattern = std::move(pattern);
  return result;
}

inline int32_t addToken(text::schema::TokenizerT &tokenizer, std::string_view bytes) {
  tokenizer.vocabulary_bytes.insert(tokenizer.vocabulary_bytes.end(), bytes.begin(), bytes.end());
  tokenizer.vocabulary_ends.push_back(static_cast<uint32_t>(tokenizer.vocabulary_bytes.size()));
  return static_cast<int32_t>(tokenizer.vocabulary_ends.size()) - 1;
}

inline text::schema::AddedTokenT &addAddedToken(text::schema::TokenizerT &tokenizer, std::string_view bytes,
                                                bool special) {
  auto token = std::make_unique<text::schema::AddedTokenT>();
  token->id = addToken(tokenizer, bytes);
  token->special = special;
  tokenizer.added_tokens.push_back(std::move(token));
  return *tokenizer.added_tokens.back();
}

/// Ids 0 to 255 are the bytes; then `mergeCount` learned tokens; then <|end|> (special), <|begin|> (special, takes
/// white space on its right), <tool> (not special), "<|end|><|end|>" (special).
inline text::schema::TokenizerT tinyTokenizer(size_t mergeCount = 120) {
  text::schema::TokenizerT tokenizer;
  tokenizer.model = text::schema::ModelKind::ByteLevelBpe;
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.emplace_back(1, static_cast<char>(byte));
    addToken(tokenizer, tokens.back());
  }
  // The most frequent pair of the paragraph, again and again.
  std::string paragraph = "the theatre there, then the other three; aaaa aaaa aaaaaaaa  four   spaces    here\n\n"
                          "\xC3\xA9t\xC3\xA9 na\xC3\xAFve caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD\xE6\x96\x87 "
                          "\xF0\x9F\x98\x80\xF0\x9F\x98\x80 hello hello world's world's 1234 1234 return return;";
  std::vector<int32_t> ids;
  for (char c : paragraph)
    ids.push_back(static_cast<uint8_t>(c));
  while (tokenizer.merges.size() < mergeCount) {
    std::map<std::pair<int32_t, int32_t>, int> counts;
    for (size_t i = 0; i + 1 < ids.size(); ++i)
      ++counts[{ids[i], ids[i + 1]}];
    if (counts.empty())
      break;
    auto best = counts.begin();
    for (auto it = counts.begin(); it != counts.end(); ++it)
      if (it->second > best->second)
        best = it;
    auto [left, right] = best->first;
    tokens.push_back(tokens[left] + tokens[right]);
    int32_t result = addToken(tokenizer, tokens.back());
    tokenizer.merges.emplace_back(left, right, result);
    std::vector<int32_t> merged;
    for (size_t i = 0; i < ids.size(); ++i)
      if (i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right) {
        merged.push_back(result);
        ++i;
      } else {
        merged.push_back(ids[i]);
      }
    ids = std::move(merged);
  }
  int32_t end = addAddedToken(tokenizer, "<|end|>", true).id;
  addAddedToken(tokenizer, "<|begin|>", true).rstrip = true;
  addAddedToken(tokenizer, "<tool>", false);
  addAddedToken(tokenizer, "<|end|><|end|>", true);
  tokenizer.eos = end;
  tokenizer.bos = end + 1;
  tokenizer.prefix = {end + 1};
  tokenizer.stop = {end};
  tokenizer.pre_tokenizer = text::schema::PreTokenizer::SmolLm;
  tokenizer.steps.push_back(step(text::schema::StepKind::SplitIsolated, R"(\p{N})"));
  tokenizer.steps.push_back(step(text::schema::StepKind::SplitIsolated, gpt2Pattern));
  return tokenizer;
}

/// The bytes of a section.
inline std::vector<uint8_t> pack(const text::schema::TokenizerT &tokenizer) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(text::schema::Tokenizer::Pack(builder, &tokenizer), text::schema::TokenizerIdentifier());
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_TEXT_TINYTOKENIZER_H
