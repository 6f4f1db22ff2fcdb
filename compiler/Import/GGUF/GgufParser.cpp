// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/GGUF/GgufParser.h"

#include "compiler/Import/ImportError.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace endian = llvm::support::endian;

namespace muster::gguf {

namespace {

constexpr uint32_t maximumDims = 4;
constexpr int maximumArrayDepth = 8;
constexpr uint64_t maximumAlignment = uint64_t(1) << 20;

// ggml's names of tensor types by number; empty where a number was never used or was withdrawn.
constexpr llvm::StringLiteral ggmlTypeNames[] = {
    "F32",    "F16",   "Q4_0",  "Q4_1",   "",      "",      "Q5_0",    "Q5_1",   "Q8_0",    "Q8_1",
    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",   "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
    "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
    "BF16",   "",      "",      "",       "TQ1_0", "TQ2_0", "",        "",       "",        "MXFP4"};

std::optional<TensorEncoding> encodingOf(uint32_t type) {
  switch (type) {
  case 0:
    return TensorEncoding::F32;
  case 1:
    return TensorEncoding::F16;
  case 2:
    return TensorEncoding::Q4_0;
  case 3:
    return TensorEncoding::Q4_1;
  case 6:
    return TensorEncoding::Q5_0;
  case 7:
    return TensorEncoding::Q5_1;
  case 8:
    return TensorEncoding::Q8_0;
  case 12:
    return TensorEncoding::Q4_K;
  case 13:
    return TensorEncoding::Q5_K;
  case 14:
    return TensorEncoding::Q6_K;
  case 30:
    return TensorEncoding::BF16;
  default:
    return std::nullopt;
  }
}

std::string typeText(uint32_t type) {
  if (type < std::size(ggmlTypeNames) && !ggmlTypeNames[type].empty())
    return fmt::format("{} ({})", ggmlTypeNames[type].str(), type);
  return std::to_string(type);
}

} // namespace

llvm::StringRef typeName(ValueType type) {
  constexpr llvm::StringLiteral names[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                           "bool",  "string", "array",  "uint64", "int64",  "float64"};
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(names) ? llvm::StringRef(names[number]) : llvm::StringRef("unknown type");
}

GgufFile::Parser::Parser(GgufFile &file) : file(file), bytes(llvm::arrayRefFromStringRef(file.buffer->getBuffer())) {}

llvm::Error GgufFile::Parser::take(uint64_t count, llvm::StringRef what, const uint8_t *&taken) {
  if (count > left())
    return wrongInput("E3003 {}: expected {} bytes of {} at offset {} but got {}, the file is cut short or corrupt",
                      path(), count, what.str(), offset, left());
  taken = bytes.data() + offset;
  offset += count;
  return llvm::Error::success();
}

llvm::Expected<uint32_t> GgufFile::Parser::takeWord(llvm::StringRef what) {
  const uint8_t *taken = nullptr;
  if (llvm::Error error = take(4, what, taken))
    return error;
  return endian::read32le(taken);
}

llvm::Expected<uint64_t> GgufFile::Parser::takeLong(llvm::StringRef what) {
  const uint8_t *taken = nullptr;
  if (llvm::Error error = take(8, what, taken))
    return error;
  return endian::read64le(taken);
}

llvm::Expected<llvm::StringRef> GgufFile::Parser::takeString(llvm::StringRef what) {
  llvm::Expected<uint64_t> length = takeLong(what);
  if (!length)
    return length.takeError();
  const uint8_t *taken = nullptr;
  if (llvm::Error error = take(*length, what, taken))
    return error;
  return llvm::StringRef(reinterpret_cast<const char *>(taken), static_cast<size_t>(*length));
}

// A number of things of at least `leastBytes` each, which must fit into what is left of the file.
llvm::Expected<uint64_t> GgufFile::Parser::takeCount(llvm::StringRef what, uint64_t leastBytes) {
  llvm::Expected<uint64_t> count = takeLong(what);
  if (count && *count > left() / leastBytes)
    return wrongInput("E3003 {}: expected {} {} from offset {} on but got {} bytes, the file is cut short or corrupt",
                      path(), *count, what.str(), offset, left());
  return count;
}

llvm::Error GgufFile::Parser::skipArray(llvm::StringRef key, int depth) {
  if (depth >= maximumArrayDepth)
    return wrongInput("E3004 {}: expected at most {} nested arrays in metadata key {} but got more", path(),
                      maximumArrayDepth, quoted(key));
  llvm::Expected<uint32_t> type = takeWord("array type");
  if (!type)
    return type.takeError();
  const auto elementType = static_cast<ValueType>(*type);
  const size_t elementBytes = scalarBytes(elementType);
  const uint64_t leastBytes = elementBytes ? elementBytes : elementType == ValueType::Array ? 12 : 8;
  llvm::Expected<uint64_t> count = takeCount("array elements", leastBytes);
  if (!count)
    return count.takeError();
  if (elementBytes && elementType != ValueType::Bool) {
    offset += *count * elementBytes;
    return llvm::Error::success();
  }
  for (uint64_t i = 0; i < *count; ++i)
    if (llvm::Error error = skipValue(elementType, key, depth + 1))
      return error;
  // An empty array of an unknown type holds nothing that could be misread, but says that the file is not what it seems.
  return *type > static_cast<uint32_t>(ValueType::Float64) ? skipValue(elementType, key, depth)
                                                           : llvm::Error::success();
}

llvm::Error GgufFile::Parser::skipValue(ValueType type, llvm::StringRef key, int depth) {
  const uint8_t *taken = nullptr;
  switch (type) {
  case ValueType::Array:
    return skipArray(key, depth);
  case ValueType::String:
    return takeString("string").takeError();
  case ValueType::Bool:
    if (llvm::Error error = take(1, "bool", taken))
      return error;
    if (*taken > 1)
      return wrongInput("E3004 {}: expected 0 or 1 in bool of metadata key {} but got {}", path(), quoted(key), *taken);
    return llvm::Error::success();
  default:
    break;
  }
  if (scalarBytes(type) == 0)
    return wrongInput("E3004 {}: expected a value type from 0 to 12 in metadata key {} but got {}", path(), quoted(key),
                      static_cast<uint32_t>(type));
  return take(scalarBytes(type), "metadata value", taken);
}

llvm::Error GgufFile::Parser::parseHeader(uint64_t &tensors, uint64_t &values) {
  if (!file.buffer->getBuffer().starts_with("GGUF"))
    return wrongInput("E3001 {}: expected magic 'GGUF' but got {}", path(),
                      quoted(file.buffer->getBuffer().take_front(4)));
  offset = 4;
  llvm::Expected<uint32_t> version = takeWord("version");
  if (!version)
    return version.takeError();
  if (*version != 2 && *version != 3)
    return unsupportedInput("E3002 {}: expected GGUF version 2 or 3, little endian, but got {}", path(), *version);
  file.formatVersion = *version;
  // Both numbers are compared with the bytes that are left when their lists begin: here only the numbers themselves are
  // read.
  llvm::Expected<uint64_t> tensorCount = takeCount("tensors", 1);
  if (!tensorCount)
    return tensorCount.takeError();
  llvm::Expected<uint64_t> valueCount = takeCount("metadata values", 13);
  if (!valueCount)
    return valueCount.takeError();
  tensors = *tensorCount;
  values = *valueCount;
  return llvm::Error::success();
}

llvm::Error GgufFile::Parser::parseValue() {
  llvm::Expected<llvm::StringRef> key = takeString("metadata key");
  if (!key)
    return key.takeError();
  llvm::Expected<uint32_t> type = takeWord("metadata type");
  if (!type)
    return type.takeError();
  const uint64_t start = offset;
  const auto valueType = static_cast<ValueType>(*type);
  if (llvm::Error error = skipValue(valueType, *key, 0))
    return error;
  if (!file.metadata.try_emplace(*key, Value{valueType, bytes.slice(start, offset - start)}).second)
    return wrongInput("E3005 {}: expected each metadata key once but got {} twice", path(), quoted(*key));
  file.keyOrder.push_back(key->str());
  return llvm::Error::success();
}

llvm::Error GgufFile::Parser::parseAlignment() {
  llvm::Expected<int64_t> value = file.getInteger("general.alignment", 32);
  if (!value)
    return value.takeError();
  alignment = static_cast<uint64_t>(*value);
  if (*value <= 0 || alignment > maximumAlignment || !llvm::isPowerOf2_64(alignment))
    return wrongInput("E3006 {}: expected alignment to be a power of two up to {} but got {}", path(), maximumAlignment,
                      *value);
  return llvm::Error::success();
}

llvm::Error GgufFile::Parser::parseShape(CheckpointTensor &tensor) {
  llvm::Expected<uint32_t> dims = takeWord("tensor dimensions");
  if (!dims)
    return dims.takeError();
  if (*dims == 0 || *dims > maximumDims)
    return wrongInput("E3007 {}: expected 1 to {} dimensions of tensor {} but got {}", path(), maximumDims,
                      quoted(tensor.name), *dims);
  for (uint32_t i = 0; i < *dims; ++i) {
    llvm::Expected<uint64_t> dim = takeLong("tensor shape");
    if (!dim)
      return dim.takeError();
    if (*dim == 0 || *dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return wrongInput("E3007 {}: expected dimension {} of tensor {} between 1 and 2^63 - 1 but got {}", path(), i,
                        quoted(tensor.name), *dim);
    tensor.shape.push_back(static_cast<int64_t>(*dim));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end()); // GGUF lists the innermost dimension first.
  return llvm::Error::success();
}

llvm::Error GgufFile::Parser::parseTensor() {
  CheckpointTensor tensor;
  llvm::Expected<llvm::StringRef> tensorName = takeString("tensor name");
  if (!tensorName)
    return tensorName.takeError();
  tensor.name = tensorName->str();
  if (llvm::Error error = parseShape(tensor))
    return error;
  llvm::Expected<uint32_t> type = takeWord("tensor type");
  if (!type)
    return type.takeError();
  std::optional<TensorEncoding> encoding = encodingOf(*type);
  if (!encoding)
    return unsupportedInput(
        "E3008 {}: unsupported type {} of tensor {}, expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, "
        "Q8_0, Q4_K, Q5_K or Q6_K",
        path(), typeText(*type), quoted(tensor.name));
  tensor.encoding = *encoding;
  llvm::Expected<uint64_t> dataOffset = takeLong("tensor offset");
  if (!dataOffset)
    return dataOffset.takeError();
  if (!file.tensorIndex.try_emplace(tensor.name, file.tensorList.size()).second)
    return wrongInput("E3010 {}: expected each tensor once but got {} twice", path(), quoted(tensor.name));
  tensorOffsets.push_back(*dataOffset);
  file.tensorList.push_back(std::move(tensor));
  return llvm::Error::success();
}

// The data section starts at the next multiple of the alignment after the tensor list; offsets count from there.
llvm::Error GgufFile::Parser::placeTensors() {
  const uint64_t padding = (alignment - offset % alignment) % alignment;
  const bool hasData = padding <= left();
  llvm::ArrayRef<uint8_t> data = hasData ? bytes.drop_front(offset + padding) : llvm::ArrayRef<uint8_t>();
  for (auto [tensor, start] : llvm::zip_equal(file.tensorList, tensorOffsets)) {
    std::optional<int64_t> size = encodedBytes(tensor.encoding, tensor.shape);
    if (!size)
      return wrongInput(
          "E3007 {}: expected tensor {} of type {} in whole blocks of {} elements and below 2^63 bytes but got "
          "shape {}",
          path(), quoted(tensor.name), name(tensor.encoding).str(), blockElements(tensor.encoding),
          shapeText(tensor.shape));
    if (start % alignment != 0)
      return wrongInput("E3009 {}: expected offset of tensor {} to be a multiple of {} but got {}", path(),
                        quoted(tensor.name), alignment, start);
    // Subtract instead of adding: start + size may wrap around.
    if (start > data.size() || static_cast<uint64_t>(*size) > data.size() - start)
      return wrongInput(
          "E3009 {}: expected tensor {} at [{}, +{}) inside the data section but got {} bytes of data, the file "
          "is cut short or corrupt",
          path(), quoted(tensor.name), start, *size, data.size());
    tensor.bytes = data.slice(start, static_cast<size_t>(*size));
  }
  return checkOverlap();
}

llvm::Error GgufFile::Parser::checkOverlap() const {
  std::vector<const CheckpointTensor *> order;
  for (const CheckpointTensor &tensor : file.tensorList)
    order.push_back(&tensor);
  llvm::sort(order, [](auto *a, auto *b) { return a->bytes.data() < b->bytes.data(); });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->bytes.end() > order[i]->bytes.begin())
      return wrongInput("E3009 {}: expected tensors apart from each other but got {} and {} on the same bytes", path(),
                        quoted(order[i - 1]->name), quoted(order[i]->name));
  return llvm::Error::success();
}

llvm::Error GgufFile::Parser::run() {
  uint64_t tensors = 0, values = 0;
  if (llvm::Error error = parseHeader(tensors, values))
    return error;
  for (uint64_t i = 0; i < values; ++i)
    if (llvm::Error error = parseValue())
      return error;
  if (llvm::Error error = parseAlignment())
    return error;
  for (uint64_t i = 0; i < tensors; ++i)
    if (llvm::Error error = parseTensor())
      return error;
  return placeTensors();
}

llvm::Expected<std::unique_ptr<GgufFile>> GgufFile::parse(std::unique_ptr<llvm::MemoryBuffer> buffer) {
  std::unique_ptr<GgufFile> file(new GgufFile(std::move(buffer)));
  if (llvm::Error error = Parser(*file).run())
    return error;
  return file;
}

llvm::Expected<std::unique_ptr<GgufFile>> GgufFile::open(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return wrongInput("E3012 {}: cannot open because {}", path.str(), buffer.getError().message());
  return parse(std::move(*buffer));
}

} // namespace muster::gguf
