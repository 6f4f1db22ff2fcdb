// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Metadata getters. The checks that make them safe are in GgufParser.cpp.
#include "compiler/Import/GGUF/GgufFile.h"

#include "compiler/Import/GGUF/GgufParser.h"
#include "compiler/Import/ImportError.h"

#include "llvm/Support/Endian.h"

#include <bit>
#include <limits>
#include <optional>

namespace endian = llvm::support::endian;

namespace muster::gguf {

namespace {

bool isInteger(ValueType type) { return scalarBytes(type) != 0 && type != ValueType::Bool && !isFloat(type); }

// The value of an integer; nothing for a UInt64 beyond int64.
std::optional<int64_t> readInteger(ValueType type, const uint8_t *bytes) {
  switch (type) {
  case ValueType::UInt8:
    return *bytes;
  case ValueType::Int8:
    return static_cast<int8_t>(*bytes);
  case ValueType::UInt16:
    return endian::read16le(bytes);
  case ValueType::Int16:
    return static_cast<int16_t>(endian::read16le(bytes));
  case ValueType::UInt32:
    return endian::read32le(bytes);
  case ValueType::Int32:
    return static_cast<int32_t>(endian::read32le(bytes));
  case ValueType::Int64:
    return static_cast<int64_t>(endian::read64le(bytes));
  default:
    break;
  }
  const uint64_t value = endian::read64le(bytes);
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return std::nullopt;
  return static_cast<int64_t>(value);
}

double readFloat(ValueType type, const uint8_t *bytes) {
  if (type == ValueType::Float32)
    return std::bit_cast<float>(endian::read32le(bytes));
  return std::bit_cast<double>(endian::read64le(bytes));
}

llvm::StringRef readString(const uint8_t *bytes) {
  return {reinterpret_cast<const char *>(bytes) + 8, static_cast<size_t>(endian::read64le(bytes))};
}

} // namespace

llvm::Error GgufFile::wrongType(llvm::StringRef key, llvm::StringRef wanted, const std::string &got) const {
  return wrongInput("E3011 {}: expected {} in metadata key {} but got {}", path().str(), wanted.str(), quoted(key),
                    got);
}

llvm::Expected<GgufFile::Value> GgufFile::find(llvm::StringRef key, llvm::StringRef wanted) const {
  auto found = metadata.find(key);
  if (found == metadata.end())
    return wrongType(key, wanted, "no such key");
  return found->second;
}

llvm::Expected<GgufFile::Elements> GgufFile::findArray(llvm::StringRef key, llvm::StringRef wanted) const {
  llvm::Expected<Value> value = find(key, wanted);
  if (!value)
    return value.takeError();
  if (value->type != ValueType::Array)
    return wrongType(key, wanted, typeName(value->type).str());
  const uint8_t *bytes = value->bytes.data();
  return Elements{static_cast<ValueType>(endian::read32le(bytes)), endian::read64le(bytes + 4), bytes + 12};
}

llvm::Expected<llvm::StringRef> GgufFile::getString(llvm::StringRef key) const {
  llvm::Expected<Value> value = find(key, "a string");
  if (!value)
    return value.takeError();
  if (value->type != ValueType::String)
    return wrongType(key, "a string", typeName(value->type).str());
  return readString(value->bytes.data());
}

llvm::Expected<bool> GgufFile::getBool(llvm::StringRef key) const {
  llvm::Expected<Value> value = find(key, "a bool");
  if (!value)
    return value.takeError();
  if (value->type != ValueType::Bool)
    return wrongType(key, "a bool", typeName(value->type).str());
  return *value->bytes.data() != 0;
}

llvm::Expected<int64_t> GgufFile::getInteger(llvm::StringRef key) const {
  llvm::Expected<Value> value = find(key, "an integer");
  if (!value)
    return value.takeError();
  if (!isInteger(value->type))
    return wrongType(key, "an integer", typeName(value->type).str());
  if (std::optional<int64_t> integer = readInteger(value->type, value->bytes.data()))
    return *integer;
  return wrongType(key, "an integer below 2^63", std::to_string(endian::read64le(value->bytes.data())));
}

llvm::Expected<double> GgufFile::getFloat(llvm::StringRef key) const {
  llvm::Expected<Value> value = find(key, "a float");
  if (!value)
    return value.takeError();
  if (!isFloat(value->type))
    return wrongType(key, "a float", typeName(value->type).str());
  return readFloat(value->type, value->bytes.data());
}

llvm::Expected<std::vector<llvm::StringRef>> GgufFile::getStrings(llvm::StringRef key) const {
  llvm::Expected<Elements> elements = findArray(key, "an array of strings");
  if (!elements)
    return elements.takeError();
  if (elements->type != ValueType::String)
    return wrongType(key, "an array of strings", "an array of " + typeName(elements->type).str());
  std::vector<llvm::StringRef> strings;
  strings.reserve(elements->count);
  const uint8_t *bytes = elements->first;
  for (uint64_t i = 0; i < elements->count; ++i, bytes += 8 + strings.back().size())
    strings.push_back(readString(bytes));
  return strings;
}

llvm::Expected<std::vector<int64_t>> GgufFile::getIntegers(llvm::StringRef key) const {
  llvm::Expected<Elements> elements = findArray(key, "an array of integers");
  if (!elements)
    return elements.takeError();
  if (!isInteger(elements->type))
    return wrongType(key, "an array of integers", "an array of " + typeName(elements->type).str());
  std::vector<int64_t> integers;
  integers.reserve(elements->count);
  for (uint64_t i = 0; i < elements->count; ++i) {
    const uint8_t *bytes = elements->first + i * scalarBytes(elements->type);
    std::optional<int64_t> integer = readInteger(elements->type, bytes);
    if (!integer)
      return wrongType(key, "integers below 2^63", std::to_string(endian::read64le(bytes)));
    integers.push_back(*integer);
  }
  return integers;
}

llvm::Expected<std::vector<double>> GgufFile::getFloats(llvm::StringRef key) const {
  llvm::Expected<Elements> elements = findArray(key, "an array of floats");
  if (!elements)
    return elements.takeError();
  if (!isFloat(elements->type))
    return wrongType(key, "an array of floats", "an array of " + typeName(elements->type).str());
  std::vector<double> floats;
  floats.reserve(elements->count);
  for (uint64_t i = 0; i < elements->count; ++i)
    floats.push_back(readFloat(elements->type, elements->first + i * scalarBytes(elements->type)));
  return floats;
}

llvm::Expected<llvm::StringRef> GgufFile::getString(llvm::StringRef key, llvm::StringRef otherwise) const {
  return contains(key) ? getString(key) : otherwise;
}

llvm::Expected<bool> GgufFile::getBool(llvm::StringRef key, bool otherwise) const {
  return contains(key) ? getBool(key) : otherwise;
}

llvm::Expected<int64_t> GgufFile::getInteger(llvm::StringRef key, int64_t otherwise) const {
  return contains(key) ? getInteger(key) : otherwise;
}

llvm::Expected<double> GgufFile::getFloat(llvm::StringRef key, double otherwise) const {
  return contains(key) ? getFloat(key) : otherwise;
}

const CheckpointTensor *GgufFile::findTensor(llvm::StringRef name) const {
  auto found = tensorIndex.find(name);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}

} // namespace muster::gguf
