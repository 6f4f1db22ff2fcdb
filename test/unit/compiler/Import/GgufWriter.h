// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes GGUF files in memory for tests, right ones and wrong ones.
#ifndef MUSTER_TEST_UNIT_COMPILER_IMPORT_GGUFWRITER_H
#define MUSTER_TEST_UNIT_COMPILER_IMPORT_GGUFWRITER_H

#include "compiler/Import/GGUF/GgufFile.h"

#include <cstring>
#include <string>
#include <vector>

namespace muster::test {

using gguf::ValueType;

template <typename T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char *>(&value), sizeof(value));
}

inline std::string ggufString(const std::string &text) { return raw<uint64_t>(text.size()) + text; }

class GgufWriter {
public:
  uint32_t version = 3;
  uint64_t alignment = 32;

  void value(const std::string &key, ValueType type, const std::string &bytes) {
    values += ggufString(key) + raw(static_cast<uint32_t>(type)) + bytes;
    ++valueCount;
  }
  void string(const std::string &key, const std::string &text) { value(key, ValueType::String, ggufString(text)); }
  void integer(const std::string &key, uint32_t number) { value(key, ValueType::UInt32, raw(number)); }
  void real(const std::string &key, float number) { value(key, ValueType::Float32, raw(number)); }
  void array(const std::string &key, ValueType type, uint64_t count, const std::string &bytes) {
    value(key, ValueType::Array, raw(static_cast<uint32_t>(type)) + raw(count) + bytes);
  }
  void strings(const std::string &key, const std::vector<std::string> &list) {
    std::string bytes;
    for (const std::string &text : list)
      bytes += ggufString(text);
    array(key, ValueType::String, list.size(), bytes);
  }
  /// `dims` innermost first, as the file lists them; `type` is ggml's number.
  void tensor(const std::string &name, const std::vector<uint64_t> &dims, uint32_t type, const std::string &bytes) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    tensorAt(name, dims, type, data.size());
    data += bytes;
  }
  /// An entry without data, at any offset.
  void tensorAt(const std::string &name, const std::vector<uint64_t> &dims, uint32_t type, uint64_t offset) {
    tensors += ggufString(name) + raw(static_cast<uint32_t>(dims.size()));
    for (uint64_t dim : dims)
      tensors += raw(dim);
    tensors += raw(type) + raw(offset);
    ++tensorCount;
  }
  std::string header() const { return "GGUF" + raw(version) + raw(tensorCount) + raw(valueCount) + values + tensors; }
  std::string file() const {
    std::string text = header();
    text.resize((text.size() + alignment - 1) / alignment * alignment);
    return text + data;
  }

private:
  uint64_t tensorCount = 0, valueCount = 0;
  std::string values, tensors, data;
};

inline llvm::Expected<std::unique_ptr<gguf::GgufFile>> parseGguf(const std::string &text) {
  return gguf::GgufFile::parse(llvm::MemoryBuffer::getMemBufferCopy(text, "test.gguf"));
}

/// The text of the error, or "" where there is none.
template <typename T>
std::string errorOf(llvm::Expected<T> value) {
  return value ? std::string() : llvm::toString(value.takeError());
}

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_IMPORT_GGUFWRITER_H
