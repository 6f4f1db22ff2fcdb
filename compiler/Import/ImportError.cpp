// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/ImportError.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

namespace muster {

char ImportError::ID = 0;

void ImportError::log(llvm::raw_ostream &stream) const { stream << text; }

std::error_code ImportError::convertToErrorCode() const {
  return std::make_error_code(kind == Kind::Unsupported ? std::errc::not_supported : std::errc::invalid_argument);
}

std::string quoted(llvm::StringRef text) {
  constexpr size_t maximumBytes = 120;
  std::string result = "'";
  for (char character : text.take_front(maximumBytes)) {
    if (llvm::isPrint(character))
      result += character;
    else
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
  }
  result += text.size() > maximumBytes ? "...'" : "'";
  return result;
}

} // namespace muster
