// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// config.json and its companions, as transformers writes them.
#ifndef MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECONFIG_H
#define MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECONFIG_H

#include "compiler/Import/ModelConfig.h"

#include "llvm/Support/JSON.h"

namespace muster::huggingface {

/// Reads the content of config.json. Values that may be left out take the defaults of transformers' LlamaConfig; null
/// counts as left out. Both the older keys (`rope_theta`, `rope_scaling`) and the newer `rope_parameters` are read.
/// `source` names the file in errors: E3301, E3302, E3304, E3308; the caller validates ranges.
llvm::Expected<ModelConfig> readConfig(const llvm::json::Object &object, llvm::StringRef source);

/// Reads config.json, and beside it, where they are there: end-of-text tokens from generation_config.json (which win
/// over config.json's, as in transformers), `add_bos_token` and the chat template from tokenizer_config.json, the chat
/// template from chat_template.jinja (which wins).
llvm::Expected<ModelConfig> readFolderConfig(llvm::StringRef folder);

} // namespace muster::huggingface

#endif // MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECONFIG_H
