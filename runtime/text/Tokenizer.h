// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text to token ids and back: byte-level byte-pair encoding, as the GPT-2, Llama 3, Qwen and SmolLM families use it.
//
// A tokenizer is read from a section of a plan file (runtime/schema/tokenizer.fbs), which the compiler made from a
// model's own files. Nothing of a model family is known here: the section says what to do, as data.
//
//   Result<Tokenizer> tokenizer = Tokenizer::load(section);
//   Result<std::vector<int32_t>> ids = tokenizer->encode("The capital of France is", /*addSpecial=*/true);
//   Result<std::string> text = tokenizer->decode(*ids, /*skipSpecial=*/true);
//   StreamDecoder stream(*tokenizer);           // StreamDecoder.h: token by token, never half a character
//
// How a text becomes ids:
//   1. Added tokens ("<|im_end|>") are found in the raw text, leftmost first, then longest; what lies between goes on.
//   2. It is normalised (Unicode NFC), if the model says so, and added tokens of the normalised kind are found.
//   3. The pre-tokenizer cuts it into pieces: a list of steps, nearly all of them regular expressions (PreTokenizer.h).
//   4. Each piece becomes one token per byte, and neighbours are merged, lowest rank first, leftmost first
//      (BytePairMerges.h), in O(n log n) for a piece of n bytes.
//   5. The ids that the model puts around a text (a begin-of-sequence token) are added on request.
//
// Bytes that are not UTF-8 are no error: a stretch of them is a piece of its own, encoded byte by byte, so that
// decoding gives the same bytes back. (llama.cpp replaces each by U+FFFD; Hugging Face takes no such text at all.) A
// byte that the vocabulary has no token for (missingBytes) becomes the unknown token, or is left out where there is
// none: that is what the models' own tokenizers do. SmolLM2, for one, has no token for 21 byte values, eight of them
// control characters.
//
// Character classes are those of Unicode 14 (PCRE2 10.42). Code points assigned later count as unassigned.
//
// Errors: E3201 to E3209, one page each in docs/errors/.
// Threads: a loaded tokenizer is immutable; any number of threads may encode and decode with one.
// Source: Sennrich et al. 2016 (byte-pair encoding); Radford et al. 2019 (on bytes); the behaviour of Hugging Face
// tokenizers and of llama.cpp, with which the golden tests compare.

#ifndef MUSTER_RUNTIME_TEXT_TOKENIZER_H
#define MUSTER_RUNTIME_TEXT_TOKENIZER_H

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status/Status.h"
#include "runtime/text/AddedTokens.h"
#include "runtime/text/BytePairMerges.h"
#include "runtime/text/PreTokenizer.h"

namespace muster {

class Tokenizer {
public:
  /// Texts longer than this are refused (E3209).
  static constexpr size_t maxTextBytes = size_t(1) << 30;

  /// Reads and checks a section of a plan file: every index, length, merge, pattern and flag (E3201 to E3206). The
  /// bytes are copied as far as they are needed; they may be of any origin and alignment.
  static Result<Tokenizer> load(std::span<const uint8_t> section);

  /// The ids of `text`. `addSpecial` puts the model's begin and end tokens around them. Without `parseSpecial`, control
  /// tokens that are spelled out in the text are ordinary text: for text that comes from strangers.
  /// Errors: E3207 (a pattern gave up), E3209 (too long).
  Result<std::vector<int32_t>> encode(std::string_view text, bool addSpecial, bool parseSpecial = true) const;

  /// The bytes of `ids`, one after the other: valid UTF-8 only if the ids are of a whole text. `skipSpecial` leaves
  /// control tokens out. Error: E3208 (an id that is not in the vocabulary).
  Result<std::string> decode(std::span<const int32_t> ids, bool skipSpecial = false) const;

  /// Number of ids: valid are 0 to vocabularySize() - 1.
  int32_t vocabularySize() const { return static_cast<int32_t>(tokenEnds.size()); }
  bool isValid(int32_t id) const { return id >= 0 && id < vocabularySize(); }
  /// The bytes of one token; `id` must be valid. Lives as long as the tokenizer.
  std::string_view tokenBytes(int32_t id) const;
  /// Whether `id` is a control token.
  bool isSpecial(int32_t id) const { return special[id]; }
  /// Whether generation ends after `id`.
  bool isStop(int32_t id) const;

  /// Ids, or -1 where the model has none.
  int32_t bos() const { return bosId; }
  int32_t eos() const { return eosId; }
  int32_t padding() const { return paddingId; }
  /// Ids after which generation ends, ascending.
  std::span<const int32_t> stopTokens() const { return stopIds; }
  /// Byte values for which the vocabulary has no token.
  std::vector<uint8_t> missingBytes() const;
  /// The model's chat template (Jinja, not interpreted here); empty where it has none.
  const std::string &chatTemplate() const { return chatTemplateText; }
  /// Where the pre-tokenizer comes from, to show to people: "smollm", "llama3", ...
  const std::string &preTokenizerName() const { return preTokenizerText; }

private:
  friend class TokenizerLoader;
  Tokenizer() = default;

  Status encodePlain(std::string_view text, std::vector<int32_t> &ids) const;
  Status encodeValid(std::string_view text, std::vector<int32_t> &ids) const;

  std::vector<char> tokenText;     // the bytes of all tokens; a vector, so that moving this object moves no bytes
  std::vector<uint32_t> tokenEnds; // where each ends in tokenText
  std::vector<bool> special;
  text::BytePairMerges merges;
  text::PreTokenizer preTokenizer;
  text::AddedTokens rawTokens;        // found in the raw text
  text::AddedTokens normalizedTokens; // found in the normalised text
  std::vector<int32_t> prefixIds, suffixIds, stopIds;
  int32_t bosId = -1, eosId = -1, paddingId = -1;
  std::string chatTemplateText, preTokenizerText;
};

} // namespace muster

#endif // MUSTER_RUNTIME_TEXT_TOKENIZER_H
