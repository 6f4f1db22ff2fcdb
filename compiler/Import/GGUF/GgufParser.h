// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to the GGUF room: the checking walk over a file's header.
#ifndef MUSTER_COMPILER_IMPORT_GGUF_GGUFPARSER_H
#define MUSTER_COMPILER_IMPORT_GGUF_GGUFPARSER_H

#include "compiler/Import/GGUF/GgufFile.h"

namespace muster::gguf {

/// Bytes of a scalar metadata value; 0 for strings, arrays and unknown types.
inline size_t scalarBytes(ValueType type) {
  switch (type) {
  case ValueType::UInt8:
  case ValueType::Int8:
  case ValueType::Bool:
    return 1;
  case ValueType::UInt16:
  case ValueType::Int16:
    return 2;
  case ValueType::UInt32:
  case ValueType::Int32:
  case ValueType::Float32:
    return 4;
  case ValueType::UInt64:
  case ValueType::Int64:
  case ValueType::Float64:
    return 8;
  case ValueType::String:
  case ValueType::Array:
    break;
  }
  return 0;
}

inline bool isFloat(ValueType type) { return type == ValueType::Float32 || type == ValueType::Float64; }

/// "uint32" and so on, for errors.
llvm::StringRef typeName(ValueType type);

/// Reads the header once, from front to back, and fills the file object. Every length is compared with the bytes that
/// are left before it is used.
class GgufFile::Parser {
public:
  explicit Parser(GgufFile &file);
  llvm::Error run();

private:
  llvm::Error take(uint64_t count, llvm::StringRef what, const uint8_t *&bytes);
  llvm::Expected<uint32_t> takeWord(llvm::StringRef what);
  llvm::Expected<uint64_t> takeLong(llvm::StringRef what);
  llvm::Expected<llvm::StringRef> takeString(llvm::StringRef what);
  llvm::Expected<uint64_t> takeCount(llvm::StringRef what, uint64_t leastBytes);
  llvm::Error skipValue(ValueType type, llvm::StringRef key, int depth);
  llvm::Error skipArray(llvm::StringRef key, int depth);
  llvm::Error parseHeader(uint64_t &tensors, uint64_t &values);
  llvm::Error parseValue();
  llvm::Error parseAlignment();
  llvm::Error parseTensor();
  llvm::Error parseShape(CheckpointTensor &tensor);
  llvm::Error placeTensors();
  llvm::Error checkOverlap() const;
  uint64_t left() const { return bytes.size() - offset; }
  std::string path() const { return file.path().str(); }

  GgufFile &file;
  llvm::ArrayRef<uint8_t> bytes;
  uint64_t offset = 0;
  uint64_t alignment = 32;
  std::vector<uint64_t> tensorOffsets;
};

} // namespace muster::gguf

#endif // MUSTER_COMPILER_IMPORT_GGUF_GGUFPARSER_H
