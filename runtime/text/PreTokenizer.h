// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Cuts a text into the pieces inside which byte pairs are merged.

#ifndef MUSTER_RUNTIME_TEXT_PRETOKENIZER_H
#define MUSTER_RUNTIME_TEXT_PRETOKENIZER_H

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status/Status.h"

namespace muster::text {

/// A list of steps, run in order, each on the pieces that the one before left. Immutable after the last `add`; any
/// number of threads may split with one.
class PreTokenizer {
public:
  enum class Step : uint8_t {
    /// Every match of the pattern and every stretch between matches is a piece.
    splitIsolated,
    /// The same without the matches.
    splitRemoved,
    /// The matches alone.
    splitKept,
    /// Every piece that does not begin with a space gets one in front.
    prefixSpace,
  };

  PreTokenizer();
  PreTokenizer(PreTokenizer &&) noexcept;
  PreTokenizer &operator=(PreTokenizer &&) noexcept;
  ~PreTokenizer();

  /// Adds a step. `pattern` is PCRE2 with UTF and Unicode properties; the prefix step has none. E3206 if it does not
  /// compile.
  Status add(Step step, const std::string &pattern);

  /// What `split` returns. Pieces point into the text, or into `owned`.
  struct Pieces {
    std::vector<std::string_view> pieces;
    std::deque<std::string> owned;
    std::vector<std::string_view> scratch;
  };

  /// Cuts `text`, which must be well-formed UTF-8. No piece is empty. E3207 if a pattern exceeds PCRE2's limits.
  Status split(std::string_view text, Pieces &out) const;

private:
  struct Pattern;
  struct Entry {
    Step step;
    std::unique_ptr<Pattern> pattern;
  };
  std::vector<Entry> steps;
};

} // namespace muster::text

#endif // MUSTER_RUNTIME_TEXT_PRETOKENIZER_H
