// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a kernel's function says about its ABI, before and after it works on buffers.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_KERNELSIGNATURE_H
#define MUSTER_COMPILER_CODEGEN_HOST_KERNELSIGNATURE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

namespace muster::codegen {

/// Attributes of a kernel's function (see HostCodegen.h).
inline constexpr llvm::StringLiteral sizesAttributeName = "plan.sizes";
inline constexpr llvm::StringLiteral tiedAttributeName = "plan.tied";
/// On a kernel in buffer form: [factor, size] of its grid, as GridSize says.
inline constexpr llvm::StringLiteral gridAttributeName = "plan.grid_size";

/// factor * sizes[size], or factor where `size` is -1: how many work items a launch has at most.
struct GridSize {
  int64_t factor = 1;
  int64_t size = -1;
};

/// One pointer of the ABI.
struct KernelBinding {
  mlir::RankedTensorType type;
  /// For each dynamic dim the index of its size, -1 where the kernel does not need it.
  llvm::SmallVector<int64_t> sizes;
  bool written = false;
};

/// A kernel on tensors: tensor arguments, then index arguments; results go to further bindings or to a tied argument.
struct KernelSignature {
  llvm::SmallVector<KernelBinding> bindings;
  /// For each result the binding that receives it.
  llvm::SmallVector<unsigned> resultBindings;
  unsigned arguments = 0;
  unsigned sizes = 0;

  /// Reads and checks the signature; emits E4120 at the function where it breaks the rules.
  static mlir::FailureOr<KernelSignature> read(mlir::func::FuncOp function);
};

/// Whether a function is a kernel on buffers: memref<1xT> bindings, index sizes, worker and workers, no results.
bool isBufferKernel(mlir::func::FuncOp function);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_KERNELSIGNATURE_H
