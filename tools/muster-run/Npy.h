// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NumPy's .npy files, versions 1 to 3, little endian, row-major.
//
// Source: numpy.lib.format ("NPY format"). Errors: E2440 cannot be read, E2441 not a .npy file, E2442 an element or
// order that is not supported, E2443 the file ends early, E2444 cannot be written.

#ifndef MUSTER_TOOLS_MUSTERRUN_NPY_H
#define MUSTER_TOOLS_MUSTERRUN_NPY_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace muster::run {

struct NpyArray {
  schema::ElementType element = schema::ElementType::F32;
  std::vector<int64_t> dims;
  std::vector<std::byte> data;
};

/// bf16 has no NumPy type and cannot be read.
Result<NpyArray> readNpy(const std::string &path);
/// The same from bytes; `path` is for errors.
Result<NpyArray> parseNpy(std::span<const std::byte> file, const std::string &path);

/// Writes an array piece by piece, so that it never lies in memory whole.
class NpyWriter {
public:
  /// f32, f16, f64, i8, u8, i32, i64 or bool.
  static Result<NpyWriter> create(const std::string &path, schema::ElementType element, std::span<const int64_t> dims);
  Status append(const void *data, size_t bytes);
  /// Must be called at the end. E2444 too where the bytes do not fill the dims.
  Status close();

private:
  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  std::string path;
  std::unique_ptr<std::FILE, Close> file;
  uint64_t bytesLeft = 0;
};

} // namespace muster::run

#endif // MUSTER_TOOLS_MUSTERRUN_NPY_H
