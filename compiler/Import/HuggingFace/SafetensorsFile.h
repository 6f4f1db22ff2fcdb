// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The safetensors container: tensors of a mapped file, without any knowledge of models.
// Format: https://github.com/huggingface/safetensors (README, "Format").
#ifndef MUSTER_COMPILER_IMPORT_HUGGINGFACE_SAFETENSORSFILE_H
#define MUSTER_COMPILER_IMPORT_HUGGINGFACE_SAFETENSORSFILE_H

#include "compiler/Import/CheckpointTensor.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <vector>

namespace muster::huggingface {

/// An opened safetensors file. Everything is checked when it is opened: each tensor lies inside the file, and together
/// they cover its data exactly, as the format demands. Immutable; tensor bytes point into the map and live as long as
/// the object.
///
/// Errors: E3102 to E3106 and E3110, with the file's name.
class SafetensorsFile {
public:
  static llvm::Expected<std::unique_ptr<SafetensorsFile>> open(llvm::StringRef path);
  /// Checks a file that is in memory already; the buffer's identifier serves as path in errors.
  static llvm::Expected<std::unique_ptr<SafetensorsFile>> parse(std::unique_ptr<llvm::MemoryBuffer> buffer);

  llvm::StringRef path() const { return buffer->getBufferIdentifier(); }
  /// Every tensor, in the order of their bytes.
  llvm::ArrayRef<CheckpointTensor> tensors() const { return tensorList; }
  /// The tensor of that name, or null.
  const CheckpointTensor *findTensor(llvm::StringRef name) const;

private:
  explicit SafetensorsFile(std::unique_ptr<llvm::MemoryBuffer> buffer) : buffer(std::move(buffer)) {}
  llvm::Error parse();
  llvm::Error parseTensor(llvm::StringRef name, const llvm::json::Value &entry, llvm::ArrayRef<uint8_t> data);
  llvm::Error checkCover(llvm::ArrayRef<uint8_t> data) const;

  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::vector<CheckpointTensor> tensorList;
  llvm::StringMap<size_t> tensorIndex;
};

} // namespace muster::huggingface

#endif // MUSTER_COMPILER_IMPORT_HUGGINGFACE_SAFETENSORSFILE_H
