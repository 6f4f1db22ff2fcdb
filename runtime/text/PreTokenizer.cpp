// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/PreTokenizer.h"

#include <algorithm>

#include "runtime/text/Utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace muster::text {

namespace {

struct Release {
  void operator()(pcre2_code *code) const { pcre2_code_free(code); }
  void operator()(pcre2_compile_context *context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_data *data) const { pcre2_match_data_free(data); }
};
template <typename T>
using Owned = std::unique_ptr<T, Release>;

std::string pcre2Message(int code) {
  PCRE2_UCHAR buffer[128];
  if (pcre2_get_error_message(code, buffer, sizeof(buffer)) < 0)
    return "unknown PCRE2 error";
  return reinterpret_cast<const char *>(buffer);
}

} // namespace

struct PreTokenizer::Pattern {
  Owned<pcre2_code> code;
  std::string text;

  /// Cuts `piece` at the matches of this pattern, in the way of `step`.
  Status split(Step step, std::string_view piece, pcre2_match_data *data, std::vector<std::string_view> &out) const;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer &&) noexcept = default;
PreTokenizer &PreTokenizer::operator=(PreTokenizer &&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Status PreTokenizer::add(Step step, const std::string &pattern) {
  if (step == Step::prefixSpace) {
    steps.push_back({step, nullptr});
    return Status::ok();
  }
  Owned<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  // A dot stops at \n alone, whatever the library was built with.
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 50);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // \C matches one byte: with it a match could cut a character, and PCRE2_NO_UTF_CHECK below would lie.
  Owned<pcre2_code> code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                       PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                       context.get()));
  if (!code)
    return Status::error(3206, "expected a valid pattern but got an error at byte {} of {}: {}", offset, pattern.size(),
                         pcre2Message(error));
  // Where PCRE2 cannot make machine code of it, it interprets the pattern: slower, with the same matches.
  (void)pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  steps.push_back({step, std::make_unique<Pattern>(Pattern{std::move(code), pattern})});
  return Status::ok();
}

Status PreTokenizer::Pattern::split(Step step, std::string_view piece, pcre2_match_data *data,
                                    std::vector<std::string_view> &out) const {
  auto emit = [&](size_t begin, size_t end, bool isMatch) {
    bool keep = step == Step::splitIsolated || (step == Step::splitKept) == isMatch;
    if (keep && begin < end)
      out.push_back(piece.substr(begin, end - begin));
  };
  size_t done = 0, from = 0;
  while (from <= piece.size()) {
    // The text was checked once; a check here would read all of it for every match.
    int count = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(piece.data()), piece.size(), from,
                            PCRE2_NO_UTF_CHECK, data, nullptr);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT)
      count = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(piece.data()), piece.size(), from,
                          PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, nullptr);
    if (count == PCRE2_ERROR_NOMATCH)
      break;
    if (count < 0)
      return Status::error(3207, "cannot split {} bytes of text by a pattern of {} bytes because of: {}", piece.size(),
                           text.size(), pcre2Message(count));
    const PCRE2_SIZE *match = pcre2_get_ovector_pointer(data);
    size_t begin = match[0], end = match[1];
    // \K can move the start of a match to before the search or behind its end.
    if (begin < done || end < begin)
      return Status::error(3207, "expected matches in order but got [{}, {}) after byte {}", begin, end, done);
    emit(done, begin, false);
    emit(begin, end, true);
    done = end;
    // An empty match cuts here; the search goes on behind the next character.
    from = end > begin ? end : end + std::max<size_t>(1, utf8CharacterBytes(piece.substr(end)));
  }
  emit(done, piece.size(), false);
  return Status::ok();
}

Status PreTokenizer::split(std::string_view text, Pieces &out) const {
  out.pieces.clear();
  out.owned.clear();
  if (text.empty())
    return Status::ok();
  out.pieces.push_back(text);
  for (const Entry &entry : steps) {
    if (entry.step == Step::prefixSpace) {
      for (std::string_view &piece : out.pieces)
        if (piece.front() != ' ')
          piece = out.owned.emplace_back(" ").append(piece);
      continue;
    }
    Owned<pcre2_match_data> data(pcre2_match_data_create(1, nullptr));
    out.scratch.clear();
    for (std::string_view piece : out.pieces)
      MUSTER_RETURN_IF_ERROR(entry.pattern->split(entry.step, piece, data.get(), out.scratch));
    std::swap(out.pieces, out.scratch);
  }
  return Status::ok();
}

} // namespace muster::text
