// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/StreamDecoder.h"

#include "runtime/text/Utf8.h"

namespace muster {

Result<std::string> StreamDecoder::push(int32_t id) {
  MUSTER_ASSIGN_OR_RETURN(std::string bytes, tokenizer.decode({&id, 1}, skipSpecial));
  held += bytes;
  size_t complete = held.size() - text::utf8IncompleteTail(held);
  std::string out = held.substr(0, complete);
  held.erase(0, complete);
  return out;
}

std::string StreamDecoder::flush() { return std::exchange(held, std::string()); }

} // namespace muster
