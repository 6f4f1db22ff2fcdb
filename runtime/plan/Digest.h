// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// XXH3 with 128 bits in canonical (big-endian) form, as plan and weights files carry it. Not cryptographic: it finds
// damage, not malice.

#ifndef MUSTER_RUNTIME_PLAN_DIGEST_H
#define MUSTER_RUNTIME_PLAN_DIGEST_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace muster::plan {

using Digest = std::array<uint8_t, 16>;

Digest digestOf(std::span<const std::byte> bytes);

/// 32 hexadecimal digits.
std::string toHex(std::span<const uint8_t> bytes);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_DIGEST_H
