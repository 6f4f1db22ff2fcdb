// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where UTF-8 is well formed. Source: The Unicode Standard 15, table 3-7 (no overlong forms, no surrogates, nothing
// above U+10FFFF).

#ifndef MUSTER_RUNTIME_TEXT_UTF8_H
#define MUSTER_RUNTIME_TEXT_UTF8_H

#include <cstddef>
#include <string>
#include <string_view>

namespace muster::text {

/// Length in bytes of the well-formed character at the start of `text`, 0 if there is none.
size_t utf8CharacterBytes(std::string_view text);

/// Length in bytes of the longest well-formed prefix of `text`.
size_t utf8ValidPrefix(std::string_view text);

/// Length in bytes of a character at the end of `text` that has begun and may still become well formed: 0 to 3.
size_t utf8IncompleteTail(std::string_view text);

/// `text` with every byte that is not part of a well-formed character replaced by U+FFFD: for output that must be
/// UTF-8.
std::string replaceInvalidUtf8(std::string_view text);

/// Length in bytes of the white space (Unicode's White_Space) at the start (end) of `text`.
size_t leadingWhiteSpace(std::string_view text);
size_t trailingWhiteSpace(std::string_view text);

} // namespace muster::text

#endif // MUSTER_RUNTIME_TEXT_UTF8_H
