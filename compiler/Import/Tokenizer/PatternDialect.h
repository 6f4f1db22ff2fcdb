// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Regular expressions of tokenizer files, in the dialect that the runtime executes.

#ifndef MUSTER_COMPILER_IMPORT_TOKENIZER_PATTERNDIALECT_H
#define MUSTER_COMPILER_IMPORT_TOKENIZER_PATTERNDIALECT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace muster::tokenizers {

/// GPT-2's pattern, as Hugging Face's ByteLevel has it built in. Already in the runtime's dialect.
/// Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py.
extern const char *const gpt2Pattern;

/// `pattern`, written for Oniguruma (Ruby's syntax, Unicode), as a PCRE2 pattern (UTF, UCP) with the same matches.
///
/// The two agree on most of what tokenizers use and differ quietly on the rest: `$` is the end of a line or of the
/// text, \s takes U+180E in PCRE2, \p{Han} means script extensions there, \v is one character here and a class there,
/// `x{1,2}+` is possessive in one of them only. So the pattern is read construct by construct: what means the same is
/// copied, what has an equal is rewritten, everything else is E3215, which names the construct.
///
/// Taken: literals; `|`, `( )`, `(?: )`, `(?= )`, `(?! )`, `(?> )`; `* + ?` and their lazy and possessive forms; `{n}`,
/// `{n,}`, `{n,m}`;
/// `.`; `$`; `[...]` and `[^...]` with ranges; `\s \S \d \D \r \n \t \f \v`, `\xHH` below 80, `\uHHHH`, `\x{H}`; `\p
/// \P` of general categories and scripts; `(?i: )` of the English contractions, whose letters have no other case forms
/// of several characters.
llvm::Expected<std::string> translatePattern(llvm::StringRef pattern, llvm::StringRef source);

/// A pattern that matches `text` itself.
std::string literalPattern(llvm::StringRef text);

} // namespace muster::tokenizers

#endif // MUSTER_COMPILER_IMPORT_TOKENIZER_PATTERNDIALECT_H
