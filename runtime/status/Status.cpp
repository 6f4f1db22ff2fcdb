// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/status/Status.h"

namespace muster {

ExitCode exitCodeOfNumber(int number) {
  if (number == 0)
    return ExitCode::success;
  switch (number / 100) {
  case 1:
    return ExitCode::usage;
  case 10:
  case 11:
  case 12:
  case 20:
  case 21:
  case 22:
  case 23:
  case 30:
  case 31:
  case 32:
  case 33:
  case 40:
    return ExitCode::input;
  case 41:
    return ExitCode::unsupported;
  default: // 24 and 25 among them
    return ExitCode::runTime;
  }
}

namespace {

/// Bytes of the character that `text` begins with; 0 where that is a control character (C0, DEL, C1) or no UTF-8.
size_t printableLength(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80)
    return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
  size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length)
    return 0;
  for (size_t i = 1; i != length; ++i)
    if (byte(i) >> 6 != 2)
      return 0;
  // Too long, a surrogate, above U+10FFFF, or C1.
  bool isOther = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) >= 0xa0) ||
                 (byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) >= 0x90) ||
                 (byte(0) == 0xc2 && byte(1) < 0xa0);
  return isOther ? 0 : length;
}

/// Names in a plan are anybody's bytes; an error is one line whatever they are.
std::string asLine(std::string_view message) {
  std::string line;
  while (!message.empty()) {
    size_t length = printableLength(message);
    if (length == 0)
      line += fmt::format("\\x{:02X}", static_cast<unsigned char>(message[0]));
    else
      line += message.substr(0, length);
    message.remove_prefix(length == 0 ? 1 : length);
  }
  return line;
}

} // namespace

Status Status::make(int number, std::string_view message) {
  assert(number > 0 && number <= 9999 && "error numbers have four digits");
  Status status;
  status.failure = std::make_unique<Failure>(
      Failure{number, exitCodeOfNumber(number), fmt::format("E{:04} {}", number, asLine(message))});
  return status;
}

Status Status::withExitCode(ExitCode code) && {
  if (failure)
    failure->code = code;
  return std::move(*this);
}

const std::string &Status::text() const {
  static const std::string okText = "ok";
  return failure ? failure->text : okText;
}

} // namespace muster
