// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoding token by token: a character whose bytes are spread over several tokens comes out whole.

#ifndef MUSTER_RUNTIME_TEXT_STREAMDECODER_H
#define MUSTER_RUNTIME_TEXT_STREAMDECODER_H

#include "runtime/text/Tokenizer.h"

namespace muster {

/// Bytes come out in order and none is lost: all that `push` and `flush` return, one after the other, is
/// `tokenizer.decode(ids, skipSpecial)`. What `push` returns never ends inside a character that may still be completed.
/// One decoder serves one sequence; the tokenizer must outlive it.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial = true)
      : tokenizer(tokenizer), skipSpecial(skipSpecial) {}

  /// The text that `id` completes, perhaps none. E3208 if `id` is not in the vocabulary.
  Result<std::string> push(int32_t id);

  /// The bytes that are still held back: an incomplete character, at most three. The decoder may be used again.
  std::string flush();

private:
  const Tokenizer &tokenizer;
  bool skipSpecial;
  std::string held;
};

} // namespace muster

#endif // MUSTER_RUNTIME_TEXT_STREAMDECODER_H
