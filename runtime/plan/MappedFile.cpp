// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace muster::plan {

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(base, other.base);
  std::swap(sizeBytes, other.sizeBytes);
  return *this;
}

MappedFile::~MappedFile() {
  if (base)
    munmap(const_cast<std::byte *>(base), sizeBytes);
}

namespace {

/// Maps a file for reading at an address where its large pages, if the page cache holds it in such, can be mapped as
/// such: a weight is read from end to end in each step, and a walk of page tables for each 4 KiB costs a third of the
/// time. MAP_FAILED with errno on failure.
void *mapAligned(int file, size_t sizeBytes) {
  constexpr size_t largePage = size_t(2) << 20;
  size_t reserved = sizeBytes + largePage;
  void *range = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED)
    return MAP_FAILED;
  std::byte *begin = static_cast<std::byte *>(range);
  size_t skipped = (largePage - reinterpret_cast<uintptr_t>(begin) % largePage) % largePage;
  void *base = mmap(begin + skipped, sizeBytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0);
  if (base == MAP_FAILED) {
    int error = errno;
    munmap(range, reserved);
    errno = error;
    return MAP_FAILED;
  }
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t end = (skipped + sizeBytes + page - 1) / page * page, reservedEnd = (reserved + page - 1) / page * page;
  if (skipped > 0)
    munmap(begin, skipped);
  if (reservedEnd > end)
    munmap(begin + end, reservedEnd - end);
  madvise(base, sizeBytes, MADV_HUGEPAGE);
  return base;
}

} // namespace

Result<MappedFile> MappedFile::open(const std::string &path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return Status::error(2001, "cannot open {}: {}", path, std::strerror(errno));
  struct stat facts;
  MappedFile mapped;
  Status status;
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    status = Status::error(2001, "cannot read {}: not a regular file", path);
  } else if (facts.st_size > 0) {
    void *base = mapAligned(file, static_cast<size_t>(facts.st_size));
    if (base == MAP_FAILED) {
      status = Status::error(2001, "cannot map {}: {}", path, std::strerror(errno));
    } else {
      mapped.base = static_cast<const std::byte *>(base);
      mapped.sizeBytes = static_cast<size_t>(facts.st_size);
    }
  }
  ::close(file);
  if (!status.isOk())
    return status;
  return mapped;
}

Status MappedFile::setWritable(bool writable) const {
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  if (base && mprotect(const_cast<std::byte *>(base), sizeBytes, protection) != 0)
    return Status::error(2001, "cannot change the protection of a mapped file: {}", std::strerror(errno));
  return Status::ok();
}

} // namespace muster::plan
