// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint from a Hugging Face folder: config.json and one or many safetensors files.
#ifndef MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECHECKPOINT_H
#define MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECHECKPOINT_H

#include "compiler/Import/Checkpoint.h"

namespace muster::huggingface {

/// Opens a folder of the Llama family. Weights are those that model.safetensors.index.json names if it is there, else
/// those of model.safetensors, else those of every *.safetensors file. Errors: E3102 to E3110, E3301 to E3308.
llvm::Expected<std::unique_ptr<Checkpoint>> openFolder(llvm::StringRef folder);

} // namespace muster::huggingface

#endif // MUSTER_COMPILER_IMPORT_HUGGINGFACE_HUGGINGFACECHECKPOINT_H
