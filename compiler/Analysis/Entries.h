// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a step may begin: the functions that are looked at by themselves, with arguments as their layouts say.

#ifndef MUSTER_COMPILER_ANALYSIS_ENTRIES_H
#define MUSTER_COMPILER_ANALYSIS_ENTRIES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"

namespace muster {

/// Functions with a body and a mesh that nobody calls, and those of others that are not private and whose arguments or
/// results have layouts: an entry stays one where a warm-up calls it. Of functions that only call one another, one.
/// Together they reach every function with a body.
llvm::SmallVector<mlir::func::FuncOp> entriesOf(mlir::ModuleOp module);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_ENTRIES_H
