// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles a plan's kernels for the host's CPUs: one builtin.module of kernels in, the bytes of one ELF shared object
// out.
//
// A kernel is a public func.func in one of two forms:
//
//   On tensors:  tensor arguments, then index arguments; ranked tensor results.
//
//     func.func @add_0(%x: tensor<?x576xf32> {plan.sizes = array<i64: 0>}, %y: tensor<?x576xf32> {plan.sizes =
//     array<i64: 0>},
//                      %tokens: index) -> (tensor<?x576xf32> {plan.sizes = array<i64: 0>})
//
//     Bindings of the ABI are the tensor arguments in order, then the results, each written in place (no allocation, no
//     copy); a result with `plan.tied = i` has no binding of its own and updates argument i. Sizes of the ABI are the
//     index arguments in order. `plan.sizes` names, for each dynamic dim, the index argument that is its extent (-1:
//     not needed, outermost dims only). Buffers are dense and row-major. Bodies hold linalg, tensor.extract_slice,
//     expand_shape, collapse_shape, empty, tensor.extract inside linalg, arith and math; at most `stackLimitBytes` of
//     intermediate values a row.
//
//   On buffers:  memref<1xT> for each binding, index for each size, then worker and workers; no results; attribute
//     `plan.grid_size = array<i64: factor, size>`. What Attention.h and CacheAppend.h build.
//
// The object's symbols are the kernels' names, each a muster_kernel_fn (runtime/include/muster/kernel_abi.h). A written
// binding must not be equal to another one of its launch, or overlap it. Each kernel divides its rows among workers;
// rows are computed alike whoever computes them, so results do not depend on the number of workers, to the bit. NaN
// propagates; sums within a row are taken in an order of LLVM's choosing, the same in every call.
//
// Errors: E4101-E4103 target, E4110-E4111 linking, E4120-E4125 what a kernel may hold, E4130 all else.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_HOSTCODEGEN_H
#define MUSTER_COMPILER_CODEGEN_HOST_HOSTCODEGEN_H

#include <functional>
#include <string>

#include "compiler/Codegen/Host/HostTarget.h"
#include "compiler/Codegen/Host/KernelSignature.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace muster::codegen {

/// One kernel of an object: what plan.fbs's Kernel and Launch say of it.
struct HostKernel {
  std::string name;
  unsigned bindings = 0;
  unsigned sizes = 0;
  /// More workers than this find nothing to do.
  GridSize grid;
};

struct HostObject {
  llvm::SmallVector<char> elf;
  /// In the order of the module.
  llvm::SmallVector<HostKernel> kernels;
};

struct HostCodegenOptions {
  /// Called with ("buffers" | "llvm" | "ir", kernel, text) after each stage; "ir" holds the LLVM IR before and after
  /// optimisation. From several threads, one call at a time.
  std::function<void(llvm::StringRef stage, llvm::StringRef kernel, llvm::StringRef text)> dump;
  /// Threads that run LLVM.
  unsigned threads = 2;
};

/// Seconds of one compilation.
struct HostCodegenTimes {
  double buffers = 0, lowering = 0, llvm = 0, link = 0;
};

/// Registers the dialects of kernels, the bufferization models and the translation to LLVM IR: for whoever parses
/// kernels or runs single passes. compileHostKernels does it for its module's context by itself.
void registerHostCodegenDialects(mlir::DialectRegistry &registry);

/// Compiles every kernel of `kernels`, which is left as it is. An empty module gives no bytes and no kernels.
/// Runs passes on the context's threads and LLVM on `options.threads`; no other thread may use the context meanwhile.
llvm::Expected<HostObject> compileHostKernels(mlir::ModuleOp kernels, const HostTarget &target,
                                              const HostCodegenOptions &options = {},
                                              HostCodegenTimes *times = nullptr);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_HOSTCODEGEN_H
