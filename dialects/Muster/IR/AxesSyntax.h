// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Custom assembly of groups ("tp" or ["dp", "tp"]), reduction kinds and quotients of sizes, for every dialect that
// names them.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"

namespace muster {

mlir::ParseResult parseAxes(mlir::OpAsmParser &parser, mlir::ArrayAttr &axes);
void printAxes(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::ArrayAttr axes);
mlir::ParseResult parseReduction(mlir::OpAsmParser &parser, ReductionKindAttr &kind);
void printReduction(mlir::OpAsmPrinter &printer, mlir::Operation *op, ReductionKindAttr kind);

/// `<h/sp>` or `<h>`.
mlir::ParseResult parseQuotient(mlir::OpAsmParser &parser, mlir::StringAttr &dividend, mlir::StringAttr &divisor);
void printQuotient(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::StringAttr dividend,
                   mlir::StringAttr divisor);

/// (C1) of every collective: the axes are distinct axes of the mesh. Null after an error.
MeshAttr verifyAxes(mlir::Operation *op, mlir::ArrayAttr axes);

} // namespace muster
