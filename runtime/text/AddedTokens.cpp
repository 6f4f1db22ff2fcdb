// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/AddedTokens.h"

#include "runtime/text/Utf8.h"

namespace muster::text {

uint32_t AddedTokens::child(uint32_t node, uint8_t byte) const {
  for (auto [edge, target] : nodes[node].children)
    if (edge == byte)
      return target;
  return 0;
}

bool AddedTokens::add(std::string_view content, Token token) {
  uint32_t node = 0;
  for (char c : content) {
    auto byte = static_cast<uint8_t>(c);
    uint32_t next = child(node, byte);
    if (!next) {
      next = static_cast<uint32_t>(nodes.size());
      nodes[node].children.emplace_back(byte, next);
      nodes.emplace_back();
    }
    node = next;
  }
  if (nodes[node].token >= 0)
    return false;
  nodes[node].token = static_cast<int32_t>(tokens.size());
  tokens.push_back(token);
  firstBytes.set(static_cast<uint8_t>(content[0]));
  return true;
}

bool AddedTokens::find(std::string_view text, size_t from, bool withSpecial, Match &match) const {
  if (tokens.empty())
    return false;
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!firstBytes[static_cast<uint8_t>(text[begin])])
      continue;
    uint32_t node = 0;
    size_t longestEnd = 0;
    const Token *longest = nullptr;
    for (size_t end = begin; end < text.size();) {
      node = child(node, static_cast<uint8_t>(text[end]));
      if (!node)
        break;
      ++end;
      int32_t index = nodes[node].token;
      if (index >= 0 && (withSpecial || !tokens[index].special)) {
        longest = &tokens[index];
        longestEnd = end;
      }
    }
    if (!longest)
      continue;
    match = {begin, longestEnd, longest->id};
    if (longest->lstrip)
      match.begin -= trailingWhiteSpace(text.substr(from, begin - from));
    if (longest->rstrip)
      match.end += leadingWhiteSpace(text.substr(longestEnd));
    return true;
  }
  return false;
}

} // namespace muster::text
