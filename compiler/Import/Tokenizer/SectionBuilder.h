// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collects a tokenizer section. What both sources share: tokens written with stand-ins for bytes, merges as pairs of
// texts.

#ifndef MUSTER_COMPILER_IMPORT_TOKENIZER_SECTIONBUILDER_H
#define MUSTER_COMPILER_IMPORT_TOKENIZER_SECTIONBUILDER_H

#include "runtime/schema/tokenizer_generated.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

namespace muster::tokenizers {

namespace schema = muster::text::schema;

/// The bytes that `token` stands for in GPT-2's alphabet, which writes each byte as a printable character: itself where
/// it is one, else U+0100 and on, in order. A token with any other character stands for its own UTF-8 bytes.
/// Source: bytes_to_unicode of https://github.com/openai/gpt-2/blob/master/src/encoder.py.
std::string decodeByteAlphabet(llvm::StringRef token);

/// Builds one section. Errors carry `errorNumber` (E3210 for GGUF, E3213 for tokenizer.json) and `source`, a file's
/// name.
class SectionBuilder {
public:
  SectionBuilder(int errorNumber, std::string source) : errorNumber(errorNumber), source(std::move(source)) {}

  /// What is not collected by the functions below is set here directly.
  schema::TokenizerT section;

  /// Sets token `id`, written as `text` in the model's files and standing for `bytes`. Ids may come in any order and
  /// leave holes. Errors: an id or a text that is there already, an id out of range.
  llvm::Error addToken(int64_t id, llvm::StringRef text, std::string bytes);
  /// Lets token `id`, which is there, stand for other bytes.
  void setBytes(int32_t id, std::string bytes) { tokens[id] = std::move(bytes); }
  /// Whether each of the 256 bytes has a token.
  bool hasAllBytes() const;
  /// Whether a token is written `text`, and its id, else -1.
  int32_t idOf(llvm::StringRef text) const;
  bool hasToken(int64_t id) const { return id >= 0 && id < static_cast<int64_t>(present.size()) && present[id]; }
  size_t tokenCount() const { return tokens.size(); }

  /// Adds the merge of the next rank. Errors: a token that is not there, a pair that has a merge already.
  llvm::Error addMerge(llvm::StringRef left, llvm::StringRef right);

  void addStep(schema::StepKind kind, std::string pattern = std::string());

  /// Makes token `id`, which is there, one that is found in the text as it is; at most once for an id.
  schema::AddedTokenT &addAddedToken(int32_t id, bool special);

  bool isAddedToken(int64_t id) const;

  /// The finished bytes.
  std::string finish();

  /// An error of this source: "E3210 file: " and the message.
  template <typename... Args>
  llvm::Error error(fmt::format_string<Args...> format, Args &&...args) const;

private:
  llvm::Error errorText(std::string message) const;

  int errorNumber;
  std::string source;
  std::vector<std::string> tokens;
  std::vector<bool> present;
  llvm::StringMap<int32_t> ids;
  llvm::StringMap<uint32_t> ranks; // by both ids, as bytes
};

template <typename... Args>
llvm::Error SectionBuilder::error(fmt::format_string<Args...> format, Args &&...args) const {
  return errorText(fmt::format(format, std::forward<Args>(args)...));
}

} // namespace muster::tokenizers

#endif // MUSTER_COMPILER_IMPORT_TOKENIZER_SECTIONBUILDER_H
