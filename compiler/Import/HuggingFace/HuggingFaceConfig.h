// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// config.json, as transformers writes it.
#ifndef MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECONFIG_H
#define MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECONFIG_H

#include "models/llama/LlamaConfig.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace muster::huggingface {

/// Reads the content of config.json. Values that may be left out take the defaults of transformers' LlamaConfig or
/// MistralConfig; null counts as left out where it means nothing else. Both the older keys (`rope_theta`,
/// `rope_scaling`) and the newer `rope_parameters` are read. `source` names the file in errors: E3301, E3302, E3304,
/// E3308; the caller validates ranges. What a text needs (begin and end of it, the chat template) is the tokenizer's
/// import.
llvm::Expected<llama::LlamaConfig> readConfig(const llvm::json::Object &object, llvm::StringRef source);

} // namespace muster::huggingface

#endif // MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECONFIG_H
