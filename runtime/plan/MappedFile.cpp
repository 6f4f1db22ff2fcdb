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
    void *base = mmap(nullptr, static_cast<size_t>(facts.st_size), PROT_READ, MAP_PRIVATE, file, 0);
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
