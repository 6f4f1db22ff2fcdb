// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A whole file mapped for reading.

#ifndef MUSTER_RUNTIME_PLAN_MAPPEDFILE_H
#define MUSTER_RUNTIME_PLAN_MAPPEDFILE_H

#include "runtime/status/Status.h"

#include <cstddef>
#include <span>
#include <string>

namespace muster::plan {

/// Owns the mapping; movable. Private pages: what is written while they are writable never reaches the file.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept { *this = std::move(other); }
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  /// Errors: E2001 with the system's reason. A file of 0 bytes maps to an empty span.
  static Result<MappedFile> open(const std::string &path);

  std::span<const std::byte> bytes() const { return {base, sizeBytes}; }

  /// Makes the pages of the mapping writable (`true`) or read-only again. Copy on write.
  Status setWritable(bool writable) const;

private:
  const std::byte *base = nullptr;
  size_t sizeBytes = 0;
};

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_MAPPEDFILE_H
