// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint from a GGUF file: its metadata keys and tensor names.
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp's gguf-py/gguf/constants.py.
#ifndef MUSTER_COMPILER_IMPORT_GGUF_GGUFCHECKPOINT_H
#define MUSTER_COMPILER_IMPORT_GGUF_GGUFCHECKPOINT_H

#include "compiler/Import/Checkpoint.h"
#include "compiler/Import/GGUF/GgufFile.h"

namespace muster::gguf {

/// Makes a checkpoint of architecture `llama` from an opened file. Errors: E3011 (a key is missing or of another type),
/// E3301 (another architecture), E3304 (a feature that the builder does not have), and those of Checkpoint::create.
llvm::Expected<std::unique_ptr<Checkpoint>> makeCheckpoint(std::unique_ptr<GgufFile> file);

} // namespace muster::gguf

#endif // MUSTER_COMPILER_IMPORT_GGUF_GGUFCHECKPOINT_H
