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

Status Status::make(int number, std::string_view message) {
  assert(number > 0 && number <= 9999 && "error numbers have four digits");
  Status status;
  status.failure =
      std::make_unique<Failure>(Failure{number, exitCodeOfNumber(number), fmt::format("E{:04} {}", number, message)});
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
