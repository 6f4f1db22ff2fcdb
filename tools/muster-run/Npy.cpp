// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-run/Npy.h"

#include "runtime/plan/MappedFile.h"
#include "runtime/schema/Elements.h"

#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

namespace muster::run {

namespace {

constexpr std::string_view magic("\x93NUMPY", 6);
constexpr size_t greatestDims = 32;

struct Description {
  std::string_view text;
  schema::ElementType element;
};
constexpr Description descriptions[] = {{"<f4", schema::ElementType::F32}, {"<f2", schema::ElementType::F16},
                                        {"<f8", schema::ElementType::F64}, {"|i1", schema::ElementType::I8},
                                        {"|u1", schema::ElementType::U8},  {"<i4", schema::ElementType::I32},
                                        {"<i8", schema::ElementType::I64}, {"|b1", schema::ElementType::Bool}};

Status inputError(int number, const std::string &text) {
  return Status::make(number, text).withExitCode(ExitCode::input);
}

/// The header is a Python dict of three known keys; this reads what NumPy writes and nothing else.
class HeaderParser {
public:
  HeaderParser(std::string_view text) : rest(text) {}

  bool parse(std::string &description, bool &fortran, std::vector<int64_t> &dims) {
    bool seen[3] = {};
    if (!take("{"))
      return false;
    while (!take("}")) {
      std::string key;
      if (!string(key) || !take(":"))
        return false;
      int index = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (index < 0 || seen[index])
        return false;
      seen[index] = true;
      bool good = index == 0 ? string(description) : index == 1 ? boolean(fortran) : shape(dims);
      if (!good)
        return false;
      if (!take(",") && (rest.empty() || rest[0] != '}'))
        return false;
    }
    return seen[0] && seen[1] && seen[2];
  }

private:
  void skipSpace() {
    while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\n'))
      rest.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skipSpace();
    if (!rest.starts_with(token))
      return false;
    rest.remove_prefix(token.size());
    skipSpace();
    return true;
  }
  bool string(std::string &value) {
    skipSpace();
    if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
      return false;
    size_t end = rest.find(rest[0], 1);
    if (end == std::string_view::npos)
      return false;
    value = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    skipSpace();
    return true;
  }
  bool boolean(bool &value) {
    value = take("True");
    return value || take("False");
  }
  bool shape(std::vector<int64_t> &dims) {
    if (!take("("))
      return false;
    while (!take(")")) {
      int64_t size = 0;
      size_t digits = 0;
      for (; digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9'; ++digits) {
        if (size > (std::numeric_limits<int64_t>::max() - 9) / 10)
          return false;
        size = size * 10 + (rest[digits] - '0');
      }
      if (digits == 0 || dims.size() == greatestDims)
        return false;
      rest.remove_prefix(digits);
      dims.push_back(size);
      if (!take(",") && !rest.starts_with(")"))
        return false;
    }
    return true;
  }

  std::string_view rest;
};

/// Bytes of an array; none where they exceed 64 bits.
std::optional<uint64_t> bytesOf(schema::ElementType element, std::span<const int64_t> dims) {
  uint64_t bytes = schema::elementBytes(element);
  for (int64_t size : dims) {
    uint64_t factor = static_cast<uint64_t>(size);
    if (factor != 0 && bytes > std::numeric_limits<uint64_t>::max() / factor)
      return std::nullopt;
    bytes *= factor;
  }
  return bytes;
}

} // namespace

Result<NpyArray> readNpy(const std::string &path) {
  Result<plan::MappedFile> file = plan::MappedFile::open(path);
  if (!file.isOk())
    return inputError(2440, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  return parseNpy(file->bytes(), path);
}

Result<NpyArray> parseNpy(std::span<const std::byte> file, const std::string &path) {
  std::string_view text(reinterpret_cast<const char *>(file.data()), file.size());
  if (!text.starts_with(magic))
    return inputError(2441, fmt::format("expected {} to begin with \\x93NUMPY but got another file", path));
  auto byteAt = [&](size_t index) { return static_cast<uint32_t>(static_cast<uint8_t>(text[index])); };
  if (text.size() < 10)
    return inputError(2443, fmt::format("expected {} to have at least 10 bytes but got {}", path, text.size()));
  uint32_t version = byteAt(6);
  if (version < 1 || version > 3)
    return inputError(2441, fmt::format("expected {} to have version 1, 2 or 3 but got {}", path, version));
  size_t lengthBytes = version == 1 ? 2 : 4;
  if (text.size() < 8 + lengthBytes)
    return inputError(2443, fmt::format("expected {} to have at least 12 bytes but got {}", path, text.size()));
  uint64_t headerBytes = 0;
  for (size_t i = lengthBytes; i-- != 0;)
    headerBytes = headerBytes << 8 | byteAt(8 + i);
  std::string_view body = text.substr(8 + lengthBytes);
  if (headerBytes > body.size())
    return inputError(
        2443, fmt::format("expected {} to have a header of {} bytes but got {}", path, headerBytes, body.size()));

  std::string description;
  bool fortran = false;
  NpyArray array;
  if (!HeaderParser(body.substr(0, headerBytes)).parse(description, fortran, array.dims))
    return inputError(
        2441, fmt::format("expected {} to have a header with descr, fortran_order and shape but got another", path));
  const Description *known = nullptr;
  for (const Description &each : descriptions)
    if (each.text == description)
      known = &each;
  if (!known || fortran)
    return inputError(
        2442, fmt::format("expected {} to be row-major of <f4, <f2, <f8, |i1, |u1, <i4, <i8 or |b1 but got {}{}", path,
                          description, fortran ? " in column order" : ""));
  array.element = known->element;
  std::optional<uint64_t> bytes = bytesOf(array.element, array.dims);
  body.remove_prefix(headerBytes);
  if (!bytes || *bytes > body.size())
    return inputError(2443, fmt::format("expected {} to have {} bytes of data but got {}", path,
                                        bytes ? *bytes : std::numeric_limits<uint64_t>::max(), body.size()));
  auto *data = reinterpret_cast<const std::byte *>(body.data());
  array.data.assign(data, data + *bytes);
  return array;
}

Result<NpyWriter> NpyWriter::create(const std::string &path, schema::ElementType element,
                                    std::span<const int64_t> dims) {
  const Description *known = nullptr;
  for (const Description &each : descriptions)
    if (each.element == element)
      known = &each;
  if (!known)
    return inputError(2442, fmt::format("unsupported element {} for {}", schema::elementName(element), path));
  std::string shape;
  for (int64_t size : dims)
    shape += fmt::format("{}, ", size);
  if (dims.size() > 1)
    shape.resize(shape.size() - 2);
  else if (dims.size() == 1)
    shape.resize(shape.size() - 1);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", known->text, shape);
  header.append(63 - (10 + header.size()) % 64, ' '); // data begin at a multiple of 64 bytes
  header += '\n';
  std::string start(magic);
  start += '\1';
  start += '\0';
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  start += header;

  NpyWriter writer;
  writer.path = path;
  writer.file.reset(std::fopen(path.c_str(), "wb"));
  writer.bytesLeft = bytesOf(element, dims).value_or(0);
  if (!writer.file || std::fwrite(start.data(), 1, start.size(), writer.file.get()) != start.size())
    return inputError(2444, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return writer;
}

Status NpyWriter::append(const void *data, size_t bytes) {
  if (bytes > bytesLeft)
    return inputError(2444, fmt::format("expected at most {} more bytes for {} but got {}", bytesLeft, path, bytes));
  bytesLeft -= bytes;
  if (std::fwrite(data, 1, bytes, file.get()) != bytes)
    return inputError(2444, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return Status::ok();
}

Status NpyWriter::close() {
  if (bytesLeft != 0)
    return inputError(2444, fmt::format("expected {} more bytes for {} but got 0", bytesLeft, path));
  if (std::fclose(file.release()) != 0)
    return inputError(2444, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return Status::ok();
}

} // namespace muster::run
