// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The GGUF container: metadata and tensors of a mapped file, without any knowledge of models.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3 (and 2, which is the same on disk),
// little endian.
#ifndef MUSTER_COMPILER_IMPORT_GGUF_GGUFFILE_H
#define MUSTER_COMPILER_IMPORT_GGUF_GGUFFILE_H

#include "compiler/Import/CheckpointTensor.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>
#include <vector>

namespace muster::gguf {

/// Type numbers of metadata values, as the file stores them.
enum class ValueType : uint32_t {
  UInt8 = 0,
  Int8 = 1,
  UInt16 = 2,
  Int16 = 3,
  UInt32 = 4,
  Int32 = 5,
  Float32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  UInt64 = 10,
  Int64 = 11,
  Float64 = 12
};

/// An opened GGUF file. Everything is checked when it is opened: afterwards each metadata value and each tensor lies
/// inside the file. Immutable, so that threads may share it. Strings and tensor bytes point into the map and live as
/// long as the object.
///
/// Errors: E3001 to E3012, with the file's name.
class GgufFile {
public:
  /// Maps and checks the file at `path`.
  static llvm::Expected<std::unique_ptr<GgufFile>> open(llvm::StringRef path);

  /// Checks a file that is in memory already; the buffer's identifier serves as path in errors.
  static llvm::Expected<std::unique_ptr<GgufFile>> parse(std::unique_ptr<llvm::MemoryBuffer> buffer);

  llvm::StringRef path() const { return buffer->getBufferIdentifier(); }
  uint32_t version() const { return formatVersion; }

  // Metadata. get*() fails (E3011) where the key is missing or holds another type; where a key may be missing, ask
  // contains() first or use the form with a default, which still fails on another type.

  bool contains(llvm::StringRef key) const { return metadata.contains(key); }
  llvm::Expected<llvm::StringRef> getString(llvm::StringRef key) const;
  llvm::Expected<bool> getBool(llvm::StringRef key) const;
  /// Any integer type that fits int64.
  llvm::Expected<int64_t> getInteger(llvm::StringRef key) const;
  /// Float32 or Float64.
  llvm::Expected<double> getFloat(llvm::StringRef key) const;
  llvm::Expected<std::vector<llvm::StringRef>> getStrings(llvm::StringRef key) const;
  /// An array of any integer type whose values fit int64.
  llvm::Expected<std::vector<int64_t>> getIntegers(llvm::StringRef key) const;
  /// An array of Float32 or Float64.
  llvm::Expected<std::vector<double>> getFloats(llvm::StringRef key) const;

  llvm::Expected<llvm::StringRef> getString(llvm::StringRef key, llvm::StringRef otherwise) const;
  llvm::Expected<bool> getBool(llvm::StringRef key, bool otherwise) const;
  llvm::Expected<int64_t> getInteger(llvm::StringRef key, int64_t otherwise) const;
  llvm::Expected<double> getFloat(llvm::StringRef key, double otherwise) const;

  /// Every key, in the order of the file.
  llvm::ArrayRef<std::string> keys() const { return keyOrder; }

  /// Every tensor, in the order of the file.
  llvm::ArrayRef<CheckpointTensor> tensors() const { return tensorList; }
  /// The tensor of that name, or null.
  const CheckpointTensor *findTensor(llvm::StringRef name) const;

private:
  class Parser;

  // A value in place: `bytes` starts at its first byte (of a string or array: at the length).
  struct Value {
    ValueType type;
    llvm::ArrayRef<uint8_t> bytes;
  };
  // An array in place: its elements' type, number and first byte.
  struct Elements {
    ValueType type;
    uint64_t count;
    const uint8_t *first;
  };

  explicit GgufFile(std::unique_ptr<llvm::MemoryBuffer> buffer) : buffer(std::move(buffer)) {}
  llvm::Expected<Value> find(llvm::StringRef key, llvm::StringRef wanted) const;
  llvm::Expected<Elements> findArray(llvm::StringRef key, llvm::StringRef wanted) const;
  llvm::Error wrongType(llvm::StringRef key, llvm::StringRef wanted, const std::string &got) const;

  std::unique_ptr<llvm::MemoryBuffer> buffer;
  uint32_t formatVersion = 0;
  llvm::StringMap<Value> metadata;
  std::vector<std::string> keyOrder;
  std::vector<CheckpointTensor> tensorList;
  llvm::StringMap<size_t> tensorIndex;
};

} // namespace muster::gguf

#endif // MUSTER_COMPILER_IMPORT_GGUF_GGUFFILE_H
