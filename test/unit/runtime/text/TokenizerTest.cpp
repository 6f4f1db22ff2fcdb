// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/Tokenizer.h"

#include <functional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text/StreamDecoder.h"
#include "runtime/text/Utf8.h"
#include "test/unit/runtime/text/TinyTokenizer.h"

using namespace muster;
using namespace muster::test;
using testing::ElementsAre;
using testing::HasSubstr;
using text::schema::TokenizerT;

namespace {

Tokenizer loaded(const TokenizerT &object) {
  Result<Tokenizer> tokenizer = Tokenizer::load(pack(object));
  EXPECT_TRUE(tokenizer.isOk()) << tokenizer.status().text();
  return *std::move(tokenizer);
}

std::vector<int32_t> encoded(const Tokenizer &tokenizer, std::string_view text, bool addSpecial = false,
                             bool parseSpecial = true) {
  Result<std::vector<int32_t>> ids = tokenizer.encode(text, addSpecial, parseSpecial);
  EXPECT_TRUE(ids.isOk()) << ids.status().text();
  return *std::move(ids);
}

std::vector<std::string> tokensOf(const Tokenizer &tokenizer, std::string_view text) {
  std::vector<std::string> tokens;
  for (int32_t id : encoded(tokenizer, text))
    tokens.emplace_back(tokenizer.tokenBytes(id));
  return tokens;
}

/// By definition: look for the lowest rank everywhere, merge its leftmost place, start again.
std::vector<int32_t> mergedByDefinition(const TokenizerT &object, std::string_view piece) {
  std::vector<int32_t> ids;
  for (char c : piece)
    ids.push_back(static_cast<uint8_t>(c));
  while (true) {
    size_t bestRank = object.merges.size(), bestPosition = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i)
      for (size_t rank = 0; rank < bestRank; ++rank)
        if (object.merges[rank].left() == ids[i] && object.merges[rank].right() == ids[i + 1]) {
          bestRank = rank;
          bestPosition = i;
        }
    if (bestRank == object.merges.size())
      return ids;
    ids[bestPosition] = object.merges[bestRank].result();
    ids.erase(ids.begin() + bestPosition + 1);
  }
}

TEST(Tokenizer, MergesAsTheDefinitionSays) {
  TokenizerT object = tinyTokenizer();
  object.steps.clear(); // the whole text is one piece
  Tokenizer tokenizer = loaded(object);
  std::mt19937 random(7);
  const std::string alphabet = "theaor \n\xC3\xA9";
  for (int round = 0; round < 300; ++round) {
    std::string text;
    size_t length = random() % 61;
    for (size_t i = 0; i < length; ++i)
      text += static_cast<uint8_t>(alphabet[random() % 8]);
    EXPECT_EQ(encoded(tokenizer, text), mergedByDefinition(object, text)) << text;
  }
  EXPECT_EQ(tokensOf(tokenizer, "the").size(), 1u) << "the paragraph makes a token of its most frequent word";
}

TEST(Tokenizer, LongWordsAreNotQuadratic) {
  TokenizerT object = tinyTokenizer();
  object.steps.clear();
  Tokenizer tokenizer = loaded(object);
  // A quadratic merge takes an hour here.
  std::string text(1 << 20, 'a');
  std::vector<int32_t> ids = encoded(tokenizer, text);
  EXPECT_LE(ids.size(), text.size() / 4);
  EXPECT_EQ(*tokenizer.decode(ids), text);
}

TEST(Tokenizer, SplitsBeforeMerging) {
  Tokenizer tokenizer = loaded(tinyTokenizer());
  EXPECT_THAT(tokensOf(tokenizer, "the1234"), ElementsAre("the", "1", "2", "3", "4"));
  // White space before a word gives its last space to the word.
  std::vector<int32_t> ids = encoded(tokenizer, "a   the");
  std::vector<int32_t> parts = encoded(tokenizer, "a");
  for (std::string_view part : {"  ", " the"})
    for (int32_t id : encoded(tokenizer, part))
      parts.push_back(id);
  EXPECT_EQ(ids, parts);
}

TEST(Tokenizer, FindsAddedTokensLeftmostLongest) {
  TokenizerT object = tinyTokenizer();
  Tokenizer tokenizer = loaded(object);
  int32_t end = object.eos, begin = end + 1, tool = end + 2, twice = end + 3;
  EXPECT_THAT(encoded(tokenizer, "<|end|>"), ElementsAre(end));
  EXPECT_THAT(encoded(tokenizer, "<|end|><|end|><|end|>"), ElementsAre(twice, end));
  EXPECT_THAT(encoded(tokenizer, "<|begin|> \n\xE3\x80\x80<tool>"), ElementsAre(begin, tool));
  EXPECT_THAT(encoded(tokenizer, "<|end|"), testing::Each(testing::Lt(end)));
  // The start of a token, then the token.
  std::vector<int32_t> ids = encoded(tokenizer, "<|en<|end|>");
  EXPECT_EQ(ids.back(), end);
  EXPECT_EQ(*tokenizer.decode(ids), "<|en<|end|>");
  EXPECT_EQ(*tokenizer.decode(ids, true), "<|en");
}

TEST(Tokenizer, LeftStripTakesWhiteSpaceUpToTheLastToken) {
  TokenizerT object = tinyTokenizer();
  object.added_tokens[2]->lstrip = true;
  Tokenizer tokenizer = loaded(object);
  int32_t end = object.eos, tool = end + 2;
  EXPECT_THAT(encoded(tokenizer, "a \t<tool>"), ElementsAre('a', tool));
  EXPECT_THAT(encoded(tokenizer, "<|end|> \xC2\xA0<tool>"), ElementsAre(end, tool));
  EXPECT_EQ(encoded(tokenizer, "\xA0<tool>").size(), 2u) << "a lone continuation byte is no white space";
}

TEST(Tokenizer, ControlTokensOfStrangersAreText) {
  TokenizerT object = tinyTokenizer();
  Tokenizer tokenizer = loaded(object);
  std::vector<int32_t> ids = encoded(tokenizer, "x<|end|><tool>", false, /*parseSpecial=*/false);
  EXPECT_THAT(ids, testing::Not(testing::Contains(object.eos)));
  EXPECT_EQ(ids.back(), object.eos + 2) << "added tokens that control nothing are still found";
  EXPECT_EQ(*tokenizer.decode(ids), "x<|end|><tool>");
}

TEST(Tokenizer, NormalizedTokensAreFoundBetweenRawOnes) {
  TokenizerT object = tinyTokenizer();
  object.added_tokens[0]->normalized = true; // <|end|>
  Tokenizer tokenizer = loaded(object);
  EXPECT_THAT(encoded(tokenizer, "<|end|><tool><|end|>"), ElementsAre(object.eos, object.eos + 2, object.eos));
}

TEST(Tokenizer, AddsPrefixAndSuffixOnRequest) {
  TokenizerT object = tinyTokenizer();
  object.suffix = {object.eos};
  Tokenizer tokenizer = loaded(object);
  EXPECT_THAT(encoded(tokenizer, "a", true), ElementsAre(object.bos, 'a', object.eos));
  EXPECT_THAT(encoded(tokenizer, "", true), ElementsAre(object.bos, object.eos));
  EXPECT_THAT(encoded(tokenizer, "", false), ElementsAre());
  EXPECT_EQ(tokenizer.bos(), object.bos);
  EXPECT_EQ(tokenizer.padding(), -1);
  EXPECT_TRUE(tokenizer.isStop(object.eos));
  EXPECT_FALSE(tokenizer.isStop(object.bos));
}

TEST(Tokenizer, PrefixSpaceAndRemovedSplits) {
  TokenizerT object = tinyTokenizer(0);
  object.steps.clear();
  object.steps.push_back(step(text::schema::StepKind::SplitRemoved, "-"));
  object.steps.push_back(step(text::schema::StepKind::PrefixSpace, ""));
  EXPECT_EQ(*loaded(object).decode(encoded(loaded(object), "--a- b-")), " a b");
  object.steps.clear();
  object.steps.push_back(step(text::schema::StepKind::SplitKept, "[a-c]+"));
  EXPECT_EQ(*loaded(object).decode(encoded(loaded(object), "1ab2c3")), "abc");
}

TEST(Tokenizer, IgnoreMergesTakesWholePieces) {
  TokenizerT object = tinyTokenizer(0);
  int32_t whole = addToken(object, " zebra");
  object.steps.clear();
  object.steps.push_back(step(text::schema::StepKind::SplitIsolated, gpt2Pattern));
  EXPECT_EQ(encoded(loaded(object), "a zebra").size(), 7u);
  object.ignore_merges = true;
  EXPECT_THAT(encoded(loaded(object), "a zebra"), ElementsAre('a', whole));
  EXPECT_EQ(encoded(loaded(object), "<|end|").size(), 6u) << "added tokens are not pieces";
}

TEST(Tokenizer, MissingBytes) {
  TokenizerT object = tinyTokenizer(0);
  int32_t ab = addToken(object, "ab");
  object.merges.emplace_back('a', 'b', ab);
  object.vocabulary_bytes['x'] = 'y'; // two tokens of byte y, none of x
  object.steps.clear();
  Tokenizer before = loaded(object);
  EXPECT_THAT(before.missingBytes(), ElementsAre('x'));
  EXPECT_THAT(encoded(before, "axb"), ElementsAre(ab));
  object.missing_byte = text::schema::MissingByte::DropAfterMerge;
  EXPECT_THAT(encoded(loaded(object), "axb"), ElementsAre('a', 'b'));
  object.unknown = 0;
  EXPECT_THAT(encoded(loaded(object), "axb"), ElementsAre('a', 0, 'b'));
}

TEST(Tokenizer, InvalidUtf8GoesThroughByteByByte) {
  Tokenizer tokenizer = loaded(tinyTokenizer());
  for (std::string text :
       {"\x80", "the\xFFthe", "\xC3", "\xE4\xB8", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC0\xAF", "a\xF0\x9F\x98 b"})
    EXPECT_EQ(*tokenizer.decode(encoded(tokenizer, text)), text);
  // Valid text on both sides is encoded as if it stood alone.
  std::vector<int32_t> the = encoded(tokenizer, "the");
  std::vector<int32_t> expected = the;
  expected.push_back(0xFF);
  expected.insert(expected.end(), the.begin(), the.end());
  EXPECT_EQ(encoded(tokenizer, "the\xFFthe"), expected);
}

TEST(Tokenizer, RoundTripOfRandomText) {
  Tokenizer tokenizer = loaded(tinyTokenizer());
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    size_t length = random() % 80;
    for (size_t i = 0; i < length; ++i) {
      if (round % 2) {
        text += static_cast<char>(random());
        continue;
      }
      // A code point of 1 to 4 bytes; surrogates come out as bytes that are not UTF-8.
      uint32_t point = random() >> (11 + random() % 18);
      point = point > 0x10FFFF ? point % 0x110000 : point;
      if (point < 0x80)
        text += static_cast<char>(point);
      else if (point < 0x800)
        (text += static_cast<char>(0xC0 | point >> 6)) += static_cast<char>(0x80 | (point & 0x3F));
      else if (point < 0x10000)
        ((text += static_cast<char>(0xE0 | point >> 12)) += static_cast<char>(0x80 | (point >> 6 & 0x3F))) +=
            static_cast<char>(0x80 | (point & 0x3F));
      else
        (((text += static_cast<char>(0xF0 | point >> 18)) += static_cast<char>(0x80 | (point >> 12 & 0x3F))) +=
         static_cast<char>(0x80 | (point >> 6 & 0x3F))) += static_cast<char>(0x80 | (point & 0x3F));
    }
    std::vector<int32_t> ids = encoded(tokenizer, text);
    ASSERT_EQ(*tokenizer.decode(ids), text);
    // The stream gives the same bytes, and never half a character that the next token would complete.
    bool valid = text::utf8ValidPrefix(text) == text.size();
    StreamDecoder stream(tokenizer, false);
    std::string streamed;
    for (int32_t id : ids) {
      Result<std::string> part = stream.push(id);
      ASSERT_TRUE(part.isOk());
      streamed += *part;
      ASSERT_TRUE(!valid || text::utf8IncompleteTail(streamed) == 0);
    }
    ASSERT_EQ(streamed + stream.flush(), text);
  }
}

TEST(StreamDecoder, HoldsBackHalfACharacter) {
  TokenizerT object = tinyTokenizer();
  Tokenizer tokenizer = loaded(object);
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(*stream.push(0xF0), "");
  EXPECT_EQ(*stream.push(0x9F), "");
  EXPECT_EQ(*stream.push(0x98), "");
  EXPECT_EQ(*stream.push(0x80), "\xF0\x9F\x98\x80");
  EXPECT_EQ(*stream.push(object.eos), "") << "control tokens are not shown";
  EXPECT_EQ(*stream.push(0xC3), "");
  EXPECT_EQ(*stream.push('a'), "\xC3"
                               "a")
      << "what cannot become a character any more comes out as it is";
  EXPECT_EQ(*stream.push(0xE4), "");
  EXPECT_EQ(stream.flush(), "\xE4");
  EXPECT_EQ(stream.flush(), "");
  EXPECT_EQ(stream.push(-1).status().number(), 3208);
}

TEST(Tokenizer, DecodeRefusesForeignIds) {
  Tokenizer tokenizer = loaded(tinyTokenizer());
  std::vector<int32_t> ids = {0, 1, tokenizer.vocabularySize()};
  EXPECT_THAT(tokenizer.decode(ids).status().text(),
              HasSubstr(fmt::format("E3208 expected a token id of 0 to {} but got {} at position 2",
                                    tokenizer.vocabularySize() - 1, tokenizer.vocabularySize())));
}

TEST(Tokenizer, EncodeRefusesPatternsThatGiveUp) {
  TokenizerT object = tinyTokenizer();
  object.steps.clear();
  object.steps.push_back(step(text::schema::StepKind::SplitIsolated, "(a+)+(a+)+[bc]"));
  EXPECT_EQ(loaded(object).encode(std::string(300, 'a'), false).status().number(), 3207);
}

TEST(Tokenizer, EncodeRefusesTextsThatAreTooLong) {
  Tokenizer tokenizer = loaded(tinyTokenizer());
  // The size alone decides: nothing of the text is read.
  std::string_view text("x", Tokenizer::maxTextBytes + 1);
  EXPECT_EQ(tokenizer.encode(text, false).status().number(), 3209);
}

TEST(Tokenizer, LoadRefusesEachFault) {
  struct Case {
    int number;
    const char *text;
    std::function<void(TokenizerT &)> break_;
  };
  const int32_t far = 1 << 20;
  const Case cases[] = {
      {3202, "version 1 but got 2", [](TokenizerT &t) { t.version = 2; }},
      {3202, "model 1 but got 0", [](TokenizerT &t) { t.model = text::schema::ModelKind::Unknown; }},
      {3202, "model 1 but got 9", [](TokenizerT &t) { t.model = text::schema::ModelKind(9); }},
      {3202, "normalizer", [](TokenizerT &t) { t.normalizer = text::schema::Normalizer(7); }},
      {3202, "missing bytes", [](TokenizerT &t) { t.missing_byte = text::schema::MissingByte(2); }},
      {3202, "step of 1 to 4 but got 0", [](TokenizerT &t) { t.steps[0]->kind = text::schema::StepKind::Unknown; }},
      {3203, "1 to 16777216 tokens but got 0", [](TokenizerT &t) { t.vocabulary_ends.clear(); }},
      {3203, "token 3 to end at byte 3 to", [](TokenizerT &t) { t.vocabulary_ends[3] = 2; }},
      {3203, "to end with the last token", [](TokenizerT &t) { t.vocabulary_bytes.push_back('x'); }},
      {3203, "token 5 to end", [](TokenizerT &t) { t.vocabulary_ends[5] = far; }},
      {3204, "merge 2 but got 1048576", [=](TokenizerT &t) { t.merges[2].mutate_left(far); }},
      {3204, "merge 2 but got -1", [](TokenizerT &t) { t.merges[2].mutate_right(-1); }},
      {3204, "to give their bytes", [](TokenizerT &t) { t.merges[2].mutate_result(7); }},
      {3204, "one merge of tokens", [](TokenizerT &t) { t.merges.push_back(t.merges[4]); }},
      {3205, "as an added token but got -1", [](TokenizerT &t) { t.added_tokens[0]->id = -1; }},
      {3205, "as the end token", [=](TokenizerT &t) { t.eos = far; }},
      {3205, "as the begin token", [](TokenizerT &t) { t.bos = -2; }},
      {3205, "as the unknown token", [=](TokenizerT &t) { t.unknown = far; }},
      {3205, "as a prefix token", [=](TokenizerT &t) { t.prefix = {far}; }},
      {3205, "as a suffix token", [](TokenizerT &t) { t.suffix = {-1}; }},
      {3205, "as a stop token", [=](TokenizerT &t) { t.stop = {0, far}; }},
      {3205, "at least 1 byte", [](TokenizerT &t) { t.added_tokens[0]->id = addToken(t, ""); }},
      {3205, "distinct bytes", [](TokenizerT &t) { t.added_tokens[1]->id = t.added_tokens[0]->id; }},
      {3206, "error at byte 1", [](TokenizerT &t) { t.steps[0]->pattern = "("; }},
      {3206, "valid pattern", [](TokenizerT &t) { t.steps[0]->pattern = "\\C"; }},
  };
  for (const Case &c : cases) {
    TokenizerT object = tinyTokenizer();
    c.break_(object);
    Result<Tokenizer> tokenizer = Tokenizer::load(pack(object));
    ASSERT_FALSE(tokenizer.isOk()) << c.text;
    EXPECT_EQ(tokenizer.status().number(), c.number) << tokenizer.status().text();
    EXPECT_THAT(tokenizer.status().text(), HasSubstr(c.text));
  }
}

TEST(Tokenizer, LoadRefusesForeignAndCutSections) {
  std::vector<uint8_t> bytes = pack(tinyTokenizer());
  ASSERT_TRUE(Tokenizer::load(bytes).isOk());
  EXPECT_EQ(Tokenizer::load({}).status().number(), 3201);
  for (size_t size = 0; size < bytes.size(); size += 7) {
    // A vector of its own, so that a read behind the end is seen by the sanitizer.
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + size);
    EXPECT_FALSE(Tokenizer::load(cut).isOk()) << size;
  }
  std::vector<uint8_t> foreign = bytes;
  foreign[5] = 'X';
  EXPECT_EQ(Tokenizer::load(foreign).status().number(), 3201);
  std::vector<uint8_t> shifted(bytes.size() + 1);
  std::copy(bytes.begin(), bytes.end(), shifted.begin() + 1);
  EXPECT_TRUE(Tokenizer::load(std::span(shifted).subspan(1)).isOk()) << "alignment does not matter";
}

TEST(Tokenizer, MutatedSectionsNeverCrash) {
  const std::vector<uint8_t> bytes = pack(tinyTokenizer());
  std::mt19937 random(13);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint8_t> mutant = bytes;
    for (size_t i = 0, count = round % 2 ? 1 : 1 + random() % 8; i < count; ++i)
      mutant[random() % mutant.size()] = static_cast<uint8_t>(random() % 3 ? random() : (random() % 2 ? 0 : 0xFF));
    Result<Tokenizer> tokenizer = Tokenizer::load(mutant);
    if (!tokenizer.isOk()) {
      ++refused;
      EXPECT_GE(tokenizer.status().number(), 3201);
      EXPECT_LE(tokenizer.status().number(), 3206);
      continue;
    }
    // What is accepted works; what it does is anybody's guess.
    ++accepted;
    Result<std::vector<int32_t>> ids = tokenizer->encode("the caf\xC3\xA9 1234 <|end|> <tool>\n\xFF", true);
    EXPECT_TRUE(!ids.isOk() || tokenizer->decode(*ids).isOk());
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

TEST(Utf8, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(text::replaceInvalidUtf8("a\xFF\xC3\xA9\xE4\xB8"), "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(text::utf8ValidPrefix("abcdefgh\xC3\xA9ijklmnop\xED\xA0\x80"), 18u);
  EXPECT_EQ(text::utf8IncompleteTail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(text::utf8IncompleteTail("a\xED\xA0"), 0u);
  EXPECT_EQ(text::utf8IncompleteTail("\xC3\xA9"), 0u);
  EXPECT_EQ(text::leadingWhiteSpace(" \t\xC2\x85\xE2\x80\xAFx "), 7u);
  EXPECT_EQ(text::trailingWhiteSpace("x\xE1\xA0\x8E \xE3\x80\x80"), 4u) << "U+180E is white space no more";
}

} // namespace
