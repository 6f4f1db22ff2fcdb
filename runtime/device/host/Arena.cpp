// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/device/host/Arena.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace muster::device {

namespace {

Result<std::byte *> mapBytes(int file, uint64_t sizeBytes, int flags, const char *what) {
  if (sizeBytes > static_cast<uint64_t>(PTRDIFF_MAX))
    return Status::error(2404, "cannot reserve {} bytes for {}: more than a process can have", sizeBytes, what);
  void *base = mmap(nullptr, sizeBytes, PROT_READ | PROT_WRITE, flags, file, 0);
  if (base == MAP_FAILED)
    return Status::error(2404, "cannot reserve {} bytes for {}: {}", sizeBytes, what, std::strerror(errno));
  return static_cast<std::byte *>(base);
}

/// Large pages where the system offers them on request; it may say no. Without them a permuted copy misses the TLB at
/// every row.
void preferLargePages(std::byte *base, uint64_t sizeBytes) { madvise(base, sizeBytes, MADV_HUGEPAGE); }

/// Gives every page of a mapped memory file its memory now. Through the mapping, since only that has asked for large
/// pages. Returns 0 or an error number.
int reservePages(int file, std::byte *base, uint64_t sizeBytes) {
#if defined(MADV_POPULATE_WRITE)
  if (madvise(base, sizeBytes, MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno != EINVAL)
    return errno == EFAULT ? ENOMEM : errno; // EFAULT stands for a fault that found no memory
#endif
  return posix_fallocate(file, 0, static_cast<off_t>(sizeBytes)); // kernels before 5.14
}

} // namespace

Arena &Arena::operator=(Arena &&other) noexcept {
  std::swap(base, other.base);
  std::swap(sizeBytes, other.sizeBytes);
  std::swap(descriptor, other.descriptor);
  return *this;
}

Arena::~Arena() {
  if (base)
    munmap(base, sizeBytes);
  if (descriptor >= 0)
    ::close(descriptor);
}

Result<Arena> Arena::makePrivate(uint64_t sizeBytes, const char *what) {
  Arena arena;
  if (sizeBytes == 0)
    return arena;
  MUSTER_ASSIGN_OR_RETURN(arena.base, mapBytes(-1, sizeBytes, MAP_PRIVATE | MAP_ANONYMOUS, what));
  arena.sizeBytes = sizeBytes;
  preferLargePages(arena.base, sizeBytes);
  return arena;
}

Result<Arena> Arena::makeShared(uint64_t sizeBytes, const char *what) {
  Arena arena;
  arena.descriptor = memfd_create("muster-arena", MFD_CLOEXEC);
  if (arena.descriptor < 0)
    return Status::error(2404, "cannot make a memory file for {}: {}", what, std::strerror(errno));
  if (sizeBytes == 0)
    return arena;
  // A size beyond off_t is negative there, and refused.
  int failed = ftruncate(arena.descriptor, static_cast<off_t>(sizeBytes)) == 0 ? 0 : errno;
  if (failed == 0) {
    MUSTER_ASSIGN_OR_RETURN(arena.base, mapBytes(arena.descriptor, sizeBytes, MAP_SHARED, what));
    arena.sizeBytes = sizeBytes;
    preferLargePages(arena.base, sizeBytes);
    failed = reservePages(arena.descriptor, arena.base, sizeBytes);
  }
  if (failed != 0)
    return Status::error(2404, "cannot reserve {} bytes for {}: {}", sizeBytes, what, std::strerror(failed));
  return arena;
}

Result<Arena> Arena::mapShared(int file, uint64_t sizeBytes, const char *what) {
  Arena arena;
  if (sizeBytes == 0)
    return arena;
  MUSTER_ASSIGN_OR_RETURN(arena.base, mapBytes(file, sizeBytes, MAP_SHARED, what));
  arena.sizeBytes = sizeBytes;
  preferLargePages(arena.base, sizeBytes);
#if defined(MADV_POPULATE_READ)
  // The pages are there; their faults belong here and not into the first transfer. Older kernels take them then.
  madvise(arena.base, sizeBytes, MADV_POPULATE_READ);
#endif
  return arena;
}

} // namespace muster::device
