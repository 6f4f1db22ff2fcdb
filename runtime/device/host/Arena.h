// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory of a rank: its arena and its states. Zeroed, page aligned, in large pages where the system has them for who
// asks. Private memory is touched lazily, shared memory is there and mapped from the start.

#ifndef MUSTER_RUNTIME_DEVICE_HOST_ARENA_H
#define MUSTER_RUNTIME_DEVICE_HOST_ARENA_H

#include "runtime/status/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace muster::device {

/// Owns a mapping; movable. An arena of 0 bytes is empty.
class Arena {
public:
  Arena() = default;
  Arena(Arena &&other) noexcept { *this = std::move(other); }
  Arena &operator=(Arena &&other) noexcept;
  ~Arena();

  /// Memory of this process alone. Errors: E2404 where the system refuses.
  static Result<Arena> makePrivate(uint64_t sizeBytes, const char *what);
  /// Memory behind a file descriptor (`file()`, owned) that other processes can map: an anonymous memory file, so that
  /// nothing is left behind however the process ends. Its pages are reserved at once: a lack shows here and not as a
  /// fault later. Errors: E2404.
  static Result<Arena> makeShared(uint64_t sizeBytes, const char *what);
  /// Maps the first `sizeBytes` of a peer's memory file; `file` stays the caller's. Errors: E2404.
  static Result<Arena> mapShared(int file, uint64_t sizeBytes, const char *what);

  std::byte *data() const { return base; }
  uint64_t size() const { return sizeBytes; }
  /// -1 unless made by makeShared.
  int file() const { return descriptor; }

private:
  std::byte *base = nullptr;
  uint64_t sizeBytes = 0;
  int descriptor = -1;
};

} // namespace muster::device

#endif // MUSTER_RUNTIME_DEVICE_HOST_ARENA_H
