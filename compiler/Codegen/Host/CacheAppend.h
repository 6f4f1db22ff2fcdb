// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes new rows of keys or values into a paged cache.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_CACHEAPPEND_H
#define MUSTER_COMPILER_CODEGEN_HOST_CACHEAPPEND_H

#include "compiler/Codegen/Host/HostTarget.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace muster::codegen {

/// Bindings: state [page, pageSlots, kvHeads, headDim] f32 (updated), rows [t, kvHeads, headDim] f32, slots [t] i32.
/// Sizes: t. Row r of `rows` goes to flat slot slots[r] = page * pageSlots + slot; a negative slot writes nothing.
/// Workers share the rows; slots that are not negative must be distinct.
struct CacheAppendSpec {
  int64_t kvHeads = 0;
  int64_t headDim = 0;
  int64_t pageSlots = 0;
};

/// Adds the kernel @name to `module`. E4126: a number of the spec is not positive.
llvm::Expected<mlir::func::FuncOp> buildCacheAppendKernel(mlir::ModuleOp module, llvm::StringRef name,
                                                          const CacheAppendSpec &spec, const HostTarget &target);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_CACHEAPPEND_H
