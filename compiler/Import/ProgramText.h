// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs that are given as text (.mlir).
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace llvm {
class SourceMgr;
}

namespace muster {

/// Brackets inside each other that a program may have; those of its regions, types and attributes.
inline constexpr int64_t mostNestedBrackets = 256;

/// Parses and verifies the file, or standard input for "-". Null after an error on the context. The parser and most
/// passes call themselves for what is nested, so nesting deeper than any program needs is refused here (E1001).
/// `sources` keeps the text.
mlir::OwningOpRef<mlir::ModuleOp> parseProgram(llvm::StringRef path, llvm::SourceMgr &sources,
                                               mlir::MLIRContext *context);

} // namespace muster
