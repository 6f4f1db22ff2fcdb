// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace muster::text {

namespace {

/// What the first byte of a character asks for: its length, and the range of its second byte. Length 0: no first byte.
struct Lead {
  uint8_t length, low, high;
};

Lead leadOf(uint8_t byte) {
  if (byte < 0x80)
    return {1, 0, 0};
  if (byte < 0xC2)
    return {0, 0, 0};
  if (byte < 0xE0)
    return {2, 0x80, 0xBF};
  if (byte < 0xF0)
    return {3, static_cast<uint8_t>(byte == 0xE0 ? 0xA0 : 0x80), static_cast<uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
  if (byte < 0xF5)
    return {4, static_cast<uint8_t>(byte == 0xF0 ? 0x90 : 0x80), static_cast<uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
  return {0, 0, 0};
}

/// Bytes of `text` that agree with its first byte being a character of `lead`, at most lead.length.
size_t agreeingBytes(std::string_view text, Lead lead) {
  size_t count = 1;
  for (; count < lead.length && count < text.size(); ++count) {
    auto byte = static_cast<uint8_t>(text[count]);
    uint8_t low = count == 1 ? lead.low : 0x80, high = count == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high)
      break;
  }
  return count;
}

/// The character at the start of `text`; 0 if there is none that is well formed.
uint32_t codePoint(std::string_view text) {
  size_t length = utf8CharacterBytes(text);
  auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  switch (length) {
  case 1:
    return at(0);
  case 2:
    return (at(0) & 0x1F) << 6 | (at(1) & 0x3F);
  case 3:
    return (at(0) & 0x0F) << 12 | (at(1) & 0x3F) << 6 | (at(2) & 0x3F);
  case 4:
    return (at(0) & 0x07) << 18 | (at(1) & 0x3F) << 12 | (at(2) & 0x3F) << 6 | (at(3) & 0x3F);
  default:
    return 0;
  }
}

bool isWhiteSpace(uint32_t point) {
  return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 || point == 0xA0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 || point == 0x202F ||
         point == 0x205F || point == 0x3000;
}

} // namespace

size_t utf8CharacterBytes(std::string_view text) {
  if (text.empty())
    return 0;
  Lead lead = leadOf(static_cast<uint8_t>(text[0]));
  return lead.length && agreeingBytes(text, lead) == lead.length ? lead.length : 0;
}

size_t utf8ValidPrefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    // Eight ASCII bytes at a time.
    uint64_t word;
    if (text.size() - position >= sizeof(word)) {
      std::memcpy(&word, text.data() + position, sizeof(word));
      if (!(word & 0x8080808080808080u)) {
        position += sizeof(word);
        continue;
      }
    }
    size_t length = utf8CharacterBytes(text.substr(position));
    if (!length)
      break;
    position += length;
  }
  return position;
}

size_t utf8IncompleteTail(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    std::string_view tail = text.substr(text.size() - back);
    Lead lead = leadOf(static_cast<uint8_t>(tail[0]));
    if (lead.length > back && agreeingBytes(tail, lead) == back)
      return back;
  }
  return 0;
}

std::string replaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t valid = utf8ValidPrefix(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty())
      break;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(1);
  }
  return out;
}

size_t leadingWhiteSpace(std::string_view text) {
  size_t position = 0;
  while (position < text.size() && isWhiteSpace(codePoint(text.substr(position))))
    position += utf8CharacterBytes(text.substr(position));
  return position;
}

size_t trailingWhiteSpace(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80)
      --start;
    if (!isWhiteSpace(codePoint(text.substr(start))))
      break;
    end = start;
  }
  return text.size() - end;
}

} // namespace muster::text
