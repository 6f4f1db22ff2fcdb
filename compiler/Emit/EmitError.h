// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbered errors of the room that writes files.
#pragma once

#include "llvm/Support/Error.h"

#include <fmt/format.h>

namespace muster::emit {

/// An error whose text begins with its number; the format string holds it.
template <typename... Args>
llvm::Error emitError(fmt::format_string<Args...> format, Args &&...args) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 fmt::format(format, std::forward<Args>(args)...).c_str());
}

} // namespace muster::emit
