// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a kernel in the LLVM dialect to a relocatable object.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_EMITOBJECT_H
#define MUSTER_COMPILER_CODEGEN_HOST_EMITOBJECT_H

#include "compiler/Codegen/Host/HostTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace muster::codegen {

/// The object code of a module that holds one kernel as llvm.func @name(bindings..., sizes..., worker, workers) with
/// `bindings` pointers. The object exports @name with the signature of muster_kernel_fn; the body is a function of its
/// own behind it, because `noalias` on parameters is what the vectoriser needs to see.
/// `dump`, where given, receives the LLVM IR before and after optimisation. Threads may call this at once, each with
/// its own module. E4130: MLIR or LLVM refuses the module.
llvm::Expected<llvm::SmallVector<char>> emitObject(mlir::ModuleOp module, llvm::StringRef name, unsigned bindings,
                                                   const HostTarget &target, llvm::raw_ostream *dump = nullptr);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_EMITOBJECT_H
