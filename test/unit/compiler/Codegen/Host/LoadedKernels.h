// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles kernels from text and loads them into this process: what the tests and benchmarks of host codegen stand on.

#ifndef MUSTER_TEST_UNIT_COMPILER_CODEGEN_HOST_LOADEDKERNELS_H
#define MUSTER_TEST_UNIT_COMPILER_CODEGEN_HOST_LOADEDKERNELS_H

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compiler/Codegen/Host/HostCodegen.h"
#include "mlir/IR/BuiltinOps.h"
#include "muster/kernel_abi.h"
#include "llvm/Support/Error.h"

namespace muster::codegen {

/// Float or int32 values at a 64-byte boundary, with canaries behind them.
template <typename T>
class Aligned {
public:
  explicit Aligned(size_t count = 0, T value = {}) : count(count), lines(count * sizeof(T) / 64 + 2) {
    std::fill_n(data(), count, value);
  }
  T *data() { return reinterpret_cast<T *>(lines.data()); }
  const T *data() const { return reinterpret_cast<const T *>(lines.data()); }
  size_t size() const { return count; }
  T &operator[](size_t i) { return data()[i]; }
  const T &operator[](size_t i) const { return data()[i]; }
  T *begin() { return data(); }
  T *end() { return data() + count; }
  /// Whether the bytes behind the last element are untouched.
  bool intact() const {
    auto *bytes = reinterpret_cast<const unsigned char *>(data() + count);
    auto *end = reinterpret_cast<const unsigned char *>(lines.data() + lines.size());
    return std::all_of(bytes, end, [](unsigned char byte) { return byte == 0x5a; });
  }

private:
  struct alignas(64) Line {
    unsigned char bytes[64];
    Line() { std::fill_n(bytes, 64, 0x5a); }
  };

  size_t count;
  std::vector<Line> lines;
};

/// Kernels of one object, opened by the dynamic loader from memory.
class LoadedKernels {
public:
  /// `text` is the body of a module. `build`, where given, adds kernels to it.
  static llvm::Expected<LoadedKernels> compile(llvm::StringRef text, const HostTarget &target,
                                               const std::function<void(mlir::ModuleOp)> &build = {},
                                               const HostCodegenOptions &options = {});
  LoadedKernels(LoadedKernels &&) = default;

  /// The kernel's entry; null where the object has no such symbol.
  muster_kernel_fn find(const std::string &name) const;
  /// Calls the kernel once for each worker.
  void run(const std::string &name, const std::vector<void *> &bindings, const std::vector<int64_t> &sizes,
           int64_t workers = 1) const;

  HostObject object;
  HostCodegenTimes times;

private:
  LoadedKernels() = default;
  std::shared_ptr<void> library;
};

} // namespace muster::codegen

#endif // MUSTER_TEST_UNIT_COMPILER_CODEGEN_HOST_LOADEDKERNELS_H
