// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/Tokenizer.h"

#include <algorithm>

#include "runtime/text/Utf8.h"

namespace muster {

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, bool addSpecial, bool parseSpecial) const {
  if (text.size() > maxTextBytes)
    return Status::error(3209, "expected a text of at most {} bytes but got {}", maxTextBytes, text.size());
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + prefixIds.size() + suffixIds.size());
  if (addSpecial)
    ids.insert(ids.end(), prefixIds.begin(), prefixIds.end());
  auto encodeBetween = [&](std::string_view part) {
    size_t from = 0;
    for (text::AddedTokens::Match match; normalizedTokens.find(part, from, parseSpecial, match); from = match.end) {
      MUSTER_RETURN_IF_ERROR(encodePlain(part.substr(from, match.begin - from), ids));
      ids.push_back(match.id);
    }
    return encodePlain(part.substr(from), ids);
  };
  size_t from = 0;
  for (text::AddedTokens::Match match; rawTokens.find(text, from, parseSpecial, match); from = match.end) {
    MUSTER_RETURN_IF_ERROR(encodeBetween(text.substr(from, match.begin - from)));
    ids.push_back(match.id);
  }
  MUSTER_RETURN_IF_ERROR(encodeBetween(text.substr(from)));
  if (addSpecial)
    ids.insert(ids.end(), suffixIds.begin(), suffixIds.end());
  return ids;
}

Status Tokenizer::encodePlain(std::string_view text, std::vector<int32_t> &ids) const {
  text::BytePairMerges::Scratch scratch;
  while (!text.empty()) {
    size_t valid = text::utf8ValidPrefix(text);
    MUSTER_RETURN_IF_ERROR(encodeValid(text.substr(0, valid), ids));
    text.remove_prefix(valid);
    size_t invalid = 0;
    while (invalid < text.size() && !text::utf8CharacterBytes(text.substr(invalid)))
      ++invalid;
    merges.encode(text.substr(0, invalid), scratch, ids);
    text.remove_prefix(invalid);
  }
  return Status::ok();
}

Status Tokenizer::encodeValid(std::string_view text, std::vector<int32_t> &ids) const {
  text::PreTokenizer::Pieces pieces;
  MUSTER_RETURN_IF_ERROR(preTokenizer.split(text, pieces));
  text::BytePairMerges::Scratch scratch;
  for (std::string_view piece : pieces.pieces)
    merges.encode(piece, scratch, ids);
  return Status::ok();
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecial) const {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!isValid(ids[i]))
      return Status::error(3208, "expected a token id of 0 to {} but got {} at position {}", vocabularySize() - 1,
                           ids[i], i);
    if (!skipSpecial || !special[ids[i]])
      text += tokenBytes(ids[i]);
  }
  return text;
}

std::string_view Tokenizer::tokenBytes(int32_t id) const {
  size_t begin = id ? tokenEnds[id - 1] : 0;
  return {tokenText.data() + begin, tokenEnds[id] - begin};
}

bool Tokenizer::isStop(int32_t id) const { return std::binary_search(stopIds.begin(), stopIds.end(), id); }

std::vector<uint8_t> Tokenizer::missingBytes() const {
  std::vector<uint8_t> missing;
  for (int byte = 0; byte < 256; ++byte)
    if (merges.byteTokens[byte] < 0)
      missing.push_back(static_cast<uint8_t>(byte));
  return missing;
}

} // namespace muster
