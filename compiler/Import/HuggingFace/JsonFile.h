// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// JSON of unknown origin.
#ifndef MUSTER_COMPILER_IMPORT_HUGGINGFACE_JSONFILE_H
#define MUSTER_COMPILER_IMPORT_HUGGINGFACE_JSONFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace muster::huggingface {

/// Parses an object. Text that nests deeper than 64 levels is refused before it is parsed: llvm::json recurses and
/// would run out of stack. E3102; `source` names the text in errors.
llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text, llvm::StringRef source);

/// The same from a file; E3110 where it cannot be read.
llvm::Expected<llvm::json::Object> readJsonObject(llvm::StringRef path);

/// A value as an error may print it: JSON on one line, cut short; "nothing" for null pointers.
std::string jsonText(const llvm::json::Value *value);

} // namespace muster::huggingface

#endif // MUSTER_COMPILER_IMPORT_HUGGINGFACE_JSONFILE_H
