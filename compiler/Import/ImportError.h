// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbered errors of everything that reads a model from files.
#ifndef MUSTER_COMPILER_IMPORT_IMPORTERROR_H
#define MUSTER_COMPILER_IMPORT_IMPORTERROR_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <fmt/format.h>

#include <string>
#include <system_error>

namespace muster {

/// An error whose text begins with its number: `E3003 model.gguf: expected 24 bytes of header but got 12`. Each number
/// has a page in docs/errors/. The text is always one line.
class ImportError final : public llvm::ErrorInfo<ImportError> {
public:
  static char ID;

  /// Exit code of a tool that ends with this error.
  enum class Kind { WrongInput = 1, Unsupported = 3 };

  ImportError(Kind kind, std::string text) : kind(kind), text(std::move(text)) {}

  int exitCode() const { return static_cast<int>(kind); }
  void log(llvm::raw_ostream &stream) const override;
  std::error_code convertToErrorCode() const override;

private:
  Kind kind;
  std::string text;
};

/// The input is wrong (exit code 1). `format` starts with the error's number.
template <typename... Args>
llvm::Error wrongInput(fmt::format_string<Args...> format, Args &&...args) {
  return llvm::make_error<ImportError>(ImportError::Kind::WrongInput, fmt::format(format, std::forward<Args>(args)...));
}

/// The input may be right, but Muster cannot read it (exit code 3). `format` starts with the error's number.
template <typename... Args>
llvm::Error unsupportedInput(fmt::format_string<Args...> format, Args &&...args) {
  return llvm::make_error<ImportError>(ImportError::Kind::Unsupported,
                                       fmt::format(format, std::forward<Args>(args)...));
}

/// Text from a file as an error may print it: in single quotes, on one line, bytes outside printable ASCII as \xNN, cut
/// after 120 bytes.
std::string quoted(llvm::StringRef text);

} // namespace muster

#endif // MUSTER_COMPILER_IMPORT_IMPORTERROR_H
