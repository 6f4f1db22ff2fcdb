// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/Tokenizer/PatternDialect.h"
#include "runtime/text/PreTokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace muster;
using muster::text::PreTokenizer;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::string translated(const char *pattern) {
  auto result = tokenizers::translatePattern(pattern, "test");
  return result ? *result : llvm::toString(result.takeError());
}

std::vector<std::string> pieces(const std::string &pattern, std::string_view text,
                                PreTokenizer::Step step = PreTokenizer::Step::splitIsolated) {
  PreTokenizer tokenizer;
  Status status = tokenizer.add(step, pattern);
  EXPECT_TRUE(status.isOk()) << status.text();
  PreTokenizer::Pieces out;
  EXPECT_TRUE(tokenizer.split(text, out).isOk());
  return {out.pieces.begin(), out.pieces.end()};
}

TEST(PatternDialect, CopiesWhatMeansTheSame) {
  for (const char *pattern :
       {"a|b", "(?:ab)+", "(ab)*?", "x++", "x?+", "a{2}", "a{2,}", "a{2,5}", ".", "[^a-z\\n]", "(?=a)(?!b)(?>c)",
        "\\.\\*", "'(?i:[sdmt]|ll|ve|re)", "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]", "\xE4\xB8\xAD+", "[\xE4\xB8\x80-\xE9\xBE\xA5]"})
    EXPECT_EQ(translated(pattern), pattern);
}

TEST(PatternDialect, RewritesWhatHasAnEqual) {
  EXPECT_EQ(translated("\\s+(?!\\S)"), "\\p{White_Space}+(?!\\P{White_Space})");
  EXPECT_EQ(translated("[^\\s\\p{L}]"), "[^\\p{White_Space}\\p{L}]");
  EXPECT_EQ(translated("\\s+$"), "\\p{White_Space}+(?m:$)");
  EXPECT_EQ(translated("\\d\\D\\v"), "\\p{Nd}\\P{Nd}\\x0b");
  EXPECT_EQ(translated("\\p{Han}\\P{Lu}\\p{^N}\\P{^N}"), "\\p{sc:Han}\\P{Lu}\\P{N}\\p{N}");
  EXPECT_EQ(translated("\\u4e00\\x{1F600}\\x41"), "\\x{4e00}\\x{1f600}\\x{41}");
}

TEST(PatternDialect, RefusesWhatItDoesNotKnow) {
  for (const char *pattern :
       {"\\w",         "\\b",        "\\h",        "\\X",     "\\R",     "\\A",   "\\z",
        "\\G",         "\\K",        "\\1",        "\\k<a>",  "^a",      "a$*",   "(?i)a",
        "(?i:ss)",     "(?i:[a-z])", "(?<name>a)", "(?<=a)b", "(?<!a)b", "(?#c)", "(*UTF8)",
        "[[:alpha:]]", "[a[b]]",     "[a&&b]",     "[]a]",    "[a",      "a{,3}", "a{2}+",
        "a{2}?",       "a**",        "a{",         "{2}",     "*a",      "(|*)",  "\\p{Greek_Extended}",
        "\\pL",        "\\p{L",      "\\p{Alpha}", "\\xFF",   "\\x4",    "\\u12", "\\x{110000}",
        "\\uD800",     "\\",         "a]",         "(?"}) {
    std::string text = translated(pattern);
    EXPECT_THAT(text, HasSubstr("E3215 test: unsupported construct")) << pattern;
  }
}

TEST(PatternDialect, MatchesLikeOniguruma) {
  // PCRE2's own \s takes U+180E; Unicode does not call it white space any more.
  EXPECT_THAT(pieces(translated("\\s"), "\xE1\xA0\x8E"
                                        "a\xE3\x80\x80"),
              ElementsAre("\xE1\xA0\x8E"
                          "a",
                          "\xE3\x80\x80"));
  EXPECT_THAT(pieces("\\s", "\xE1\xA0\x8E"
                            "a"),
              ElementsAre("\xE1\xA0\x8E", "a"));
  // U+30FC is of both Japanese scripts by extension, and of neither by script.
  EXPECT_THAT(pieces(translated("\\p{Katakana}+"), "\xE3\x82\xAB\xE3\x83\xBC"),
              ElementsAre("\xE3\x82\xAB", "\xE3\x83\xBC"));
  EXPECT_THAT(pieces(translated("(?i:'s|'t|'re|'ve|'m|'ll|'d)"), "a'Sb'\xC5\xBF"),
              ElementsAre("a", "'S", "b", "'\xC5\xBF"));
}

TEST(PatternDialect, DollarIsTheEndOfALine) {
  EXPECT_THAT(pieces(translated("[ab]$"), "ab\nba"), ElementsAre("a", "b", "\nb", "a"));
  EXPECT_THAT(pieces(translated("\\s+$"), "a \nb \n"), ElementsAre("a", " ", "\nb", " \n"));
}

TEST(PatternDialect, Literals) {
  EXPECT_THAT(pieces(tokenizers::literalPattern("a.*"), "xa.*aab"), ElementsAre("x", "a.*", "aab"));
  EXPECT_THAT(pieces(tokenizers::literalPattern("\\E|"), "a\\E|b"), ElementsAre("a", "\\E|", "b"));
}

TEST(PreTokenizer, KindsOfSplits) {
  using Step = PreTokenizer::Step;
  EXPECT_THAT(pieces("b", "abab"), ElementsAre("a", "b", "a", "b"));
  EXPECT_THAT(pieces("b", "abab", Step::splitRemoved), ElementsAre("a", "a"));
  EXPECT_THAT(pieces("b", "abab", Step::splitKept), ElementsAre("b", "b"));
  EXPECT_THAT(pieces("(?=b)", "aabb\xC3\xA9"), ElementsAre("aa", "b", "b\xC3\xA9")) << "empty matches cut";
  EXPECT_THAT(pieces("x*", "ab"), ElementsAre("a", "b"));
  EXPECT_THAT(pieces("b", ""), ElementsAre());
}

} // namespace
