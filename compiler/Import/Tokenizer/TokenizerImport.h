// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model's own tokenizer files to the tokenizer section of a plan (runtime/schema/tokenizer.fbs).
//
// Read are byte-level byte-pair tokenizers: `tokenizer.ggml.*` of a GGUF file, and `tokenizer.json` of a Hugging Face
// folder. A tokenizer that is almost right gives text that is almost right and is never found out, so nothing is
// guessed: a component, an option, a pre-tokenizer's name or a regular expression that is not known exactly is an
// error.
//
// Two sources of one model agree except where their references do: a byte without a token keeps its neighbours apart in
// llama.cpp and not in Hugging Face tokenizers, and llama.cpp applies no Unicode normalization; each import follows its
// own reference.
//
// Errors: E3210 to E3215.

#ifndef MUSTER_COMPILER_IMPORT_TOKENIZER_TOKENIZERIMPORT_H
#define MUSTER_COMPILER_IMPORT_TOKENIZER_TOKENIZERIMPORT_H

#include "compiler/Import/GGUF/GgufFile.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace muster::tokenizers {

/// The bytes of a tokenizer section, for a section of a plan file of any alignment.
using Section = std::string;

/// The tokenizer in the metadata of `file`; nothing if it has none (no `tokenizer.ggml.model`).
llvm::Expected<std::optional<Section>> importGguf(const gguf::GgufFile &file);

/// The tokenizer of a Hugging Face folder: tokenizer.json; begin, end and padding tokens and the chat template from
/// tokenizer_config.json and chat_template.jinja; stop tokens also from generation_config.json, or where there is none
/// from config.json. Nothing if the folder has no tokenizer; E3211 if it has one of another format only.
llvm::Expected<std::optional<Section>> importHuggingFace(llvm::StringRef folder);

} // namespace muster::tokenizers

#endif // MUSTER_COMPILER_IMPORT_TOKENIZER_TOKENIZERIMPORT_H
