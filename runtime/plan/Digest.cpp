// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/Digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace muster::plan {

Digest digestOf(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(Digest));
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

std::string toHex(std::span<const uint8_t> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

} // namespace muster::plan
