// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/Tokenizer/SectionBuilder.h"

#include "compiler/Import/ImportError.h"

#include "llvm/Support/ConvertUTF.h"

#include <array>
#include <bitset>

namespace muster::tokenizers {

namespace {

constexpr int64_t maximumTokens = int64_t(1) << 24; // what the runtime takes

/// Byte of each code point below 0x144, or -1.
std::array<int, 0x144> byteOfCodePoint() {
  std::array<int, 0x144> bytes;
  bytes.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[printable ? byte : next++] = byte;
  }
  return bytes;
}

} // namespace

std::string decodeByteAlphabet(llvm::StringRef token) {
  static const std::array<int, 0x144> table = byteOfCodePoint();
  std::string bytes;
  const auto *position = reinterpret_cast<const llvm::UTF8 *>(token.begin());
  const auto *end = reinterpret_cast<const llvm::UTF8 *>(token.end());
  while (position != end) {
    llvm::UTF32 point = 0;
    if (llvm::convertUTF8Sequence(&position, end, &point, llvm::strictConversion) != llvm::conversionOK ||
        point >= table.size() || table[point] < 0)
      return token.str();
    bytes += static_cast<char>(table[point]);
  }
  return bytes;
}

llvm::Error SectionBuilder::errorText(std::string message) const {
  return wrongInput("E{:04} {}: {}", errorNumber, source, message);
}

llvm::Error SectionBuilder::addToken(int64_t id, llvm::StringRef text, std::string bytes) {
  if (id < 0 || id >= maximumTokens)
    return error("expected token ids of 0 to {} but got {} for {}", maximumTokens - 1, id, quoted(text));
  if (id >= static_cast<int64_t>(tokens.size())) {
    tokens.resize(id + 1);
    present.resize(id + 1);
  }
  if (present[id])
    return error("expected one token of id {} but got {} too", id, quoted(text));
  if (auto [it, isNew] = ids.try_emplace(text, static_cast<int32_t>(id)); !isNew)
    return error("expected one id for token {} but got {} and {}", quoted(text), it->second, id);
  tokens[id] = std::move(bytes);
  present[id] = true;
  return llvm::Error::success();
}

bool SectionBuilder::hasAllBytes() const {
  std::bitset<256> seen;
  for (const std::string &token : tokens)
    if (token.size() == 1)
      seen.set(static_cast<unsigned char>(token[0]));
  return seen.all();
}

int32_t SectionBuilder::idOf(llvm::StringRef text) const {
  auto it = ids.find(text);
  return it == ids.end() ? -1 : it->second;
}

llvm::Error SectionBuilder::addMerge(llvm::StringRef left, llvm::StringRef right) {
  std::string whole = (left + right).str();
  const std::array<int32_t, 3> merge = {idOf(left), idOf(right), idOf(whole)};
  for (auto [id, text] : {std::pair(merge[0], left), {merge[1], right}, {merge[2], llvm::StringRef(whole)}})
    if (id < 0)
      return error("expected a token for each part of merge {} but got none for {}", section.merges.size(),
                   quoted(text));
  if (tokens[merge[0]] + tokens[merge[1]] != tokens[merge[2]])
    return error("expected merge {} of {} and {} to give the bytes of both but got others", section.merges.size(),
                 quoted(left), quoted(right));
  llvm::StringRef key(reinterpret_cast<const char *>(merge.data()), 2 * sizeof(int32_t));
  if (auto [it, isNew] = ranks.try_emplace(key, section.merges.size()); !isNew)
    return error("expected one merge of {} and {} but got {} and {}", quoted(left), quoted(right), it->second,
                 section.merges.size());
  section.merges.emplace_back(merge[0], merge[1], merge[2]);
  return llvm::Error::success();
}

void SectionBuilder::addStep(schema::StepKind kind, std::string pattern) {
  auto step = std::make_unique<schema::StepT>();
  step->kind = kind;
  step->pattern = std::move(pattern);
  section.steps.push_back(std::move(step));
}

schema::AddedTokenT &SectionBuilder::addAddedToken(int32_t id, bool special) {
  auto token = std::make_unique<schema::AddedTokenT>();
  token->id = id;
  token->special = special;
  section.added_tokens.push_back(std::move(token));
  return *section.added_tokens.back();
}

bool SectionBuilder::isAddedToken(int64_t id) const {
  return llvm::any_of(section.added_tokens, [&](const auto &token) { return token->id == id; });
}

std::string SectionBuilder::finish() {
  section.model = schema::ModelKind::ByteLevelBpe;
  section.vocabulary_bytes.clear();
  section.vocabulary_ends.clear();
  for (const std::string &token : tokens) {
    section.vocabulary_bytes.insert(section.vocabulary_bytes.end(), token.begin(), token.end());
    section.vocabulary_ends.push_back(static_cast<uint32_t>(section.vocabulary_bytes.size()));
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(schema::Tokenizer::Pack(builder, &section), schema::TokenizerIdentifier());
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize());
}

} // namespace muster::tokenizers
