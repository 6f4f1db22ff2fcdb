// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one place that knows every checkpoint format.
#include "compiler/Import/Checkpoint.h"
#include "compiler/Import/GGUF/GgufCheckpoint.h"
#include "compiler/Import/HuggingFace/HuggingFaceCheckpoint.h"
#include "compiler/Import/ImportError.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace muster {

llvm::Expected<std::unique_ptr<Checkpoint>> openCheckpoint(llvm::StringRef path) {
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(path, status))
    return wrongInput("E3101 {}: expected a GGUF file or a folder with config.json but got {}", path.str(),
                      code.message());
  if (llvm::sys::fs::is_directory(status)) {
    llvm::SmallString<256> config(path);
    llvm::sys::path::append(config, "config.json");
    if (!llvm::sys::fs::exists(config))
      return wrongInput("E3101 {}: expected a GGUF file or a folder with config.json but got a folder without it",
                        path.str());
    return huggingface::openFolder(path);
  }
  if (!llvm::sys::fs::is_regular_file(status))
    return wrongInput("E3101 {}: expected a GGUF file or a folder with config.json but got another kind of file",
                      path.str());
  llvm::Expected<std::unique_ptr<gguf::GgufFile>> file = gguf::GgufFile::open(path);
  if (!file)
    return file.takeError();
  return gguf::makeCheckpoint(std::move(*file));
}

} // namespace muster
