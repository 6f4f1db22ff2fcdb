// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/Tokenizer/PatternDialect.h"

#include "compiler/Import/ImportError.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace muster::tokenizers {

const char *const gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

namespace {

bool isCategory(llvm::StringRef name) {
  static const llvm::StringSet<> names = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl",
                                          "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk",
                                          "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Cn", "Co", "Cs"};
  return names.contains(name);
}

bool isScript(llvm::StringRef name) {
  static const llvm::StringSet<> names = {"Arabic", "Armenian", "Bengali", "Cyrillic",  "Devanagari", "Georgian",
                                          "Greek",  "Han",      "Hangul",  "Hebrew",    "Hiragana",   "Katakana",
                                          "Khmer",  "Lao",      "Latin",   "Mongolian", "Myanmar",    "Tamil",
                                          "Telugu", "Thai",     "Tibetan"};
  return names.contains(name);
}

/// What stands inside a case-insensitive group that is known to have the same matches.
bool isContraction(llvm::StringRef inside) {
  return inside == "'s|'t|'re|'ve|'m|'ll|'d" || inside == "[sdmt]|ll|ve|re";
}

class Translator {
public:
  Translator(llvm::StringRef pattern, llvm::StringRef source) : all(pattern), rest(pattern), source(source) {}

  llvm::Expected<std::string> translate() {
    while (!rest.empty())
      if (llvm::Error error = translateNext())
        return error;
    return out;
  }

private:
  llvm::Error refuse(llvm::StringRef construct) const {
    return unsupportedInput("E3215 {}: unsupported construct {} at byte {} of pattern {}", source, quoted(construct),
                            construct.begin() - all.begin(), quoted(all));
  }

  void copy(size_t count) {
    out += rest.take_front(count);
    rest = rest.drop_front(count);
  }

  llvm::Error translateNext() {
    switch (rest.front()) {
    case '\\':
      return translateEscape();
    case '[':
      return translateClass();
    case '(':
      return translateGroup();
    case '{':
    case '}':
    case '^':
    case ']':
      return refuse(rest.take_front(1));
    case '*':
    case '+':
    case '?':
      return refuse(rest.take_front(1)); // a quantifier of nothing: those of something are read with it
    case '$':
      // The end of any line in Ruby's syntax; of the text in PCRE2 unless told otherwise.
      out += "(?m:$)";
      rest = rest.drop_front();
      return llvm::Error::success();
    case ')':
    case '|':
      // Not followed by a quantifier where it is an alternative's end.
      copy(1);
      if (out.back() == ')')
        return translateQuantifier();
      return llvm::Error::success();
    default:
      copy(characterBytes());
      return translateQuantifier();
    }
  }

  size_t characterBytes() const {
    size_t count = 1;
    while (count < rest.size() && (static_cast<unsigned char>(rest[count]) & 0xC0) == 0x80)
      ++count;
    return count;
  }

  llvm::Error translateQuantifier() {
    if (rest.empty())
      return llvm::Error::success();
    if (llvm::StringRef("*+?").contains(rest.front())) {
      copy(1);
      if (!rest.empty() && (rest.front() == '+' || rest.front() == '?'))
        copy(1); // possessive, lazy
    } else if (rest.front() == '{') {
      llvm::StringRef inside = rest.drop_front().take_until([](char c) { return c == '}'; });
      auto [low, high] = inside.split(',');
      bool isNumber = !low.empty() && llvm::all_of(low, llvm::isDigit) && llvm::all_of(high, llvm::isDigit);
      if (!isNumber || inside.size() + 2 > rest.size())
        return refuse(rest.take_front(inside.size() + 2));
      copy(inside.size() + 2);
    } else {
      return llvm::Error::success();
    }
    if (!rest.empty() && llvm::StringRef("*+?{").contains(rest.front()))
      return refuse(rest.take_front(1)); // a quantifier of a quantifier
    return llvm::Error::success();
  }

  llvm::Error translateGroup() {
    if (rest.consume_front("(?i:")) {
      llvm::StringRef inside = rest.take_until([](char c) { return c == ')'; });
      if (!isContraction(inside))
        return refuse(llvm::StringRef(inside.begin() - 4, inside.size() + 4));
      out += "(?i:";
      copy(inside.size());
      return llvm::Error::success();
    }
    for (llvm::StringRef kind : {"(?:", "(?=", "(?!", "(?>"})
      if (rest.starts_with(kind)) {
        copy(kind.size());
        return llvm::Error::success();
      }
    if (rest.starts_with("(?") || rest.starts_with("(*"))
      return refuse(rest.take_front(4));
    // Numbered groups are not referred to: no escape for it is taken.
    copy(1);
    return llvm::Error::success();
  }

  /// One escape, inside a class or outside.
  llvm::Error translateEscapedCharacter() {
    llvm::StringRef escape = rest.take_front(2);
    if (escape.size() < 2)
      return refuse(escape);
    char kind = escape[1];
    const std::pair<char, llvm::StringRef> fixed[] = {{'s', "\\p{White_Space}"},
                                                      {'S', "\\P{White_Space}"},
                                                      {'d', "\\p{Nd}"},
                                                      {'D', "\\P{Nd}"},
                                                      {'r', "\\r"},
                                                      {'n', "\\n"},
                                                      {'t', "\\t"},
                                                      {'f', "\\f"},
                                                      {'v', "\\x0b"}};
    for (auto [letter, translation] : fixed)
      if (kind == letter) {
        out += translation;
        rest = rest.drop_front(2);
        return llvm::Error::success();
      }
    if (kind == 'p' || kind == 'P')
      return translateProperty();
    if (kind == 'x' || kind == 'u')
      return translateCodePoint();
    if (!llvm::isPunct(kind))
      return refuse(escape);
    copy(2);
    return llvm::Error::success();
  }

  llvm::Error translateProperty() {
    llvm::StringRef name = rest.drop_front(2);
    if (!name.consume_front("{"))
      return refuse(rest.take_front(3));
    name = name.take_until([](char c) { return c == '}'; });
    llvm::StringRef whole = rest.take_front(name.size() + 4);
    bool negated = rest[1] == 'P';
    if (name.consume_front("^"))
      negated = !negated;
    if (!whole.ends_with("}") || (!isCategory(name) && !isScript(name)))
      return refuse(whole);
    out += negated ? "\\P{" : "\\p{";
    if (isScript(name))
      out += "sc:";
    out += name;
    out += '}';
    rest = rest.drop_front(whole.size());
    return llvm::Error::success();
  }

  llvm::Error translateCodePoint() {
    llvm::StringRef digits = rest.drop_front(2), whole;
    if (rest[1] == 'u') {
      digits = digits.take_front(4);
      whole = rest.take_front(6);
      if (digits.size() != 4)
        return refuse(whole);
    } else if (digits.consume_front("{")) {
      digits = digits.take_until([](char c) { return c == '}'; });
      whole = rest.take_front(digits.size() + 4);
      if (!whole.ends_with("}"))
        return refuse(whole);
    } else {
      digits = digits.take_front(2);
      whole = rest.take_front(4);
      if (digits.size() != 2)
        return refuse(whole);
    }
    uint32_t point = 0;
    bool isByte = rest[1] == 'x' && rest[2] != '{';
    if (!llvm::all_of(digits, llvm::isHexDigit) || digits.getAsInteger(16, point) || point > 0x10FFFF ||
        (point >= 0xD800 && point < 0xE000) || (isByte && point >= 0x80))
      return refuse(whole);
    out += fmt::format("\\x{{{:x}}}", point);
    rest = rest.drop_front(whole.size());
    return llvm::Error::success();
  }

  llvm::Error translateEscape() {
    if (llvm::Error error = translateEscapedCharacter())
      return error;
    return translateQuantifier();
  }

  llvm::Error translateClass() {
    llvm::StringRef start = rest;
    copy(1);
    if (rest.starts_with("^"))
      copy(1);
    if (rest.starts_with("]"))
      return refuse(start.take_front(3)); // a literal bracket in one, an empty class in the other
    while (!rest.starts_with("]")) {
      if (rest.empty())
        return refuse(start);
      if (rest.starts_with("[") || rest.starts_with("&&"))
        return refuse(rest.take_front(2)); // a class in a class, an intersection
      if (rest.front() == '\\') {
        if (llvm::Error error = translateEscapedCharacter())
          return error;
      } else {
        copy(characterBytes());
      }
    }
    copy(1);
    return translateQuantifier();
  }

  llvm::StringRef all, rest, source;
  std::string out;
};

} // namespace

llvm::Expected<std::string> translatePattern(llvm::StringRef pattern, llvm::StringRef source) {
  return Translator(pattern, source).translate();
}

std::string literalPattern(llvm::StringRef text) {
  std::string out;
  for (char c : text) {
    if (llvm::isPunct(c))
      out += '\\';
    out += c;
  }
  return out;
}

} // namespace muster::tokenizers
