// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/HuggingFace/SafetensorsFile.h"

#include "compiler/Import/HuggingFace/JsonFile.h"
#include "compiler/Import/ImportError.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"

#include <tuple>

namespace muster::huggingface {

namespace {

std::optional<TensorEncoding> encodingOf(llvm::StringRef dtype) {
  return llvm::StringSwitch<std::optional<TensorEncoding>>(dtype)
      .Case("F32", TensorEncoding::F32)
      .Case("F16", TensorEncoding::F16)
      .Case("BF16", TensorEncoding::BF16)
      .Default(std::nullopt);
}

// All of `value` as integers of at least 0; nothing if it is anything else.
std::optional<llvm::SmallVector<int64_t, 4>> sizesOf(const llvm::json::Value *value) {
  const llvm::json::Array *array = value ? value->getAsArray() : nullptr;
  if (!array)
    return std::nullopt;
  llvm::SmallVector<int64_t, 4> sizes;
  for (const llvm::json::Value &element : *array) {
    std::optional<int64_t> size = element.getAsInteger();
    if (!size || *size < 0)
      return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

} // namespace

llvm::Error SafetensorsFile::parseTensor(llvm::StringRef name, const llvm::json::Value &entry,
                                         llvm::ArrayRef<uint8_t> data) {
  const std::string file = path().str(), tensorName = quoted(name);
  const llvm::json::Object *object = entry.getAsObject();
  if (!object)
    return wrongInput("E3104 {}: expected an object for tensor {} but got {}", file, tensorName, jsonText(&entry));
  std::optional<llvm::StringRef> dtype = object->getString("dtype");
  if (!dtype)
    return wrongInput("E3104 {}: expected a dtype in tensor {} but got {}", file, tensorName,
                      jsonText(object->get("dtype")));
  std::optional<TensorEncoding> encoding = encodingOf(*dtype);
  if (!encoding)
    return unsupportedInput("E3105 {}: unsupported type {} of tensor {}, expected F32, F16 or BF16", file,
                            quoted(*dtype), tensorName);
  auto shape = sizesOf(object->get("shape"));
  if (!shape)
    return wrongInput("E3104 {}: expected a shape of non-negative integers in tensor {} but got {}", file, tensorName,
                      jsonText(object->get("shape")));
  auto offsets = sizesOf(object->get("data_offsets"));
  if (!offsets || offsets->size() != 2)
    return wrongInput("E3104 {}: expected data_offsets of two non-negative integers in tensor {} but got {}", file,
                      tensorName, jsonText(object->get("data_offsets")));
  std::optional<int64_t> size = encodedBytes(*encoding, *shape);
  if (!size)
    return wrongInput("E3104 {}: expected tensor {} below 2^63 bytes but got shape {}", file, tensorName,
                      shapeText(*shape));
  const uint64_t begin = static_cast<uint64_t>((*offsets)[0]), end = static_cast<uint64_t>((*offsets)[1]);
  if (begin > end || end > data.size())
    return wrongInput(
        "E3106 {}: expected tensor {} at [{}, {}) inside the data but got {} bytes of data, the file is cut "
        "short or corrupt",
        file, tensorName, begin, end, data.size());
  if (end - begin != static_cast<uint64_t>(*size))
    return wrongInput("E3106 {}: expected {} bytes for tensor {} of type {} and shape {} but got {}", file, *size,
                      tensorName, dtype->str(), shapeText(*shape), end - begin);
  tensorList.push_back({name.str(), *shape, *encoding, data.slice(begin, end - begin)});
  return llvm::Error::success();
}

llvm::Error SafetensorsFile::checkCover(llvm::ArrayRef<uint8_t> data) const {
  const uint8_t *end = data.begin();
  for (const CheckpointTensor &tensor : tensorList) {
    if (tensor.bytes.begin() != end)
      return wrongInput("E3106 {}: expected tensor {} to start at data offset {} after the one before but got {}",
                        path().str(), quoted(tensor.name), end - data.begin(), tensor.bytes.begin() - data.begin());
    end = tensor.bytes.end();
  }
  if (end != data.end())
    return wrongInput("E3106 {}: expected {} bytes of data in all tensors together but got {} in the file",
                      path().str(), end - data.begin(), data.size());
  return llvm::Error::success();
}

llvm::Error SafetensorsFile::parse() {
  llvm::ArrayRef<uint8_t> bytes = llvm::arrayRefFromStringRef(buffer->getBuffer());
  if (bytes.size() < 8)
    return wrongInput("E3103 {}: expected 8 bytes of header length but got {}, the file is cut short or corrupt",
                      path().str(), bytes.size());
  const uint64_t headerBytes = llvm::support::endian::read64le(bytes.data());
  if (headerBytes > bytes.size() - 8)
    return wrongInput("E3103 {}: expected {} bytes of header but got {}, the file is cut short or corrupt",
                      path().str(), headerBytes, bytes.size() - 8);
  llvm::Expected<llvm::json::Object> header = parseJsonObject(buffer->getBuffer().substr(8, headerBytes), path());
  if (!header)
    return header.takeError();
  llvm::ArrayRef<uint8_t> data = bytes.drop_front(8 + headerBytes);
  for (const auto &[key, entry] : *header)
    if (llvm::StringRef name = key; name != "__metadata__")
      if (llvm::Error error = parseTensor(name, entry, data))
        return error;
  // Empty tensors come before the one that starts at the same place.
  llvm::sort(tensorList, [](const CheckpointTensor &a, const CheckpointTensor &b) {
    return std::tuple(a.bytes.data(), a.bytes.size(), llvm::StringRef(a.name)) <
           std::tuple(b.bytes.data(), b.bytes.size(), llvm::StringRef(b.name));
  });
  for (size_t i = 0; i < tensorList.size(); ++i)
    tensorIndex[tensorList[i].name] = i;
  return checkCover(data);
}

llvm::Expected<std::unique_ptr<SafetensorsFile>> SafetensorsFile::parse(std::unique_ptr<llvm::MemoryBuffer> buffer) {
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile(std::move(buffer)));
  if (llvm::Error error = file->parse())
    return error;
  return file;
}

llvm::Expected<std::unique_ptr<SafetensorsFile>> SafetensorsFile::open(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return wrongInput("E3110 {}: cannot open because {}", path.str(), buffer.getError().message());
  return parse(std::move(*buffer));
}

const CheckpointTensor *SafetensorsFile::findTensor(llvm::StringRef name) const {
  auto found = tensorIndex.find(name);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}

} // namespace muster::huggingface
