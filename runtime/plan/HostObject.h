// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A HostObject section of a plan (an ELF shared object with the plan's kernels), linked into this process.

#ifndef MUSTER_RUNTIME_PLAN_HOSTOBJECT_H
#define MUSTER_RUNTIME_PLAN_HOSTOBJECT_H

#include "muster/kernel_abi.h"
#include "runtime/status/Status.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace muster::plan {

/// Owns the link; its kernels are valid as long as it lives.
class HostObject {
public:
  ~HostObject();
  HostObject(const HostObject &) = delete;
  HostObject &operator=(const HostObject &) = delete;

  /// Links `image` under `name` (for debuggers and profilers). The image's headers are checked first: the dynamic
  /// linker trusts them. Errors: E2123.
  static Result<std::unique_ptr<HostObject>> link(std::span<const std::byte> image, const std::string &name);

  /// Null where the object has no such symbol.
  muster_kernel_fn find(const std::string &symbol) const;

private:
  HostObject(void *handle, int file) : handle(handle), file(file) {}
  void *handle;
  /// Kept open: the dynamic linker takes an object whose path it has seen for the same object, and the path is made of
  /// this number.
  int file;
};

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_HOSTOBJECT_H
