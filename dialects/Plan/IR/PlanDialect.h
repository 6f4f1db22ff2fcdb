// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan dialect: what a rank executes. See docs/dialects/Plan.md and the .td files beside this one.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include "dialects/Plan/IR/PlanDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Plan/IR/PlanTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Plan/IR/PlanOps.h.inc"

namespace muster::plan {

namespace attribute {
/// On a tensor argument or result of a kernel: for each dynamic dim, the position of its size among the size arguments,
/// or -1.
inline constexpr llvm::StringLiteral sizes = "plan.sizes";
} // namespace attribute

/// Name of the packing of matrices that `plan.packed_view` shows; value of the `packing` of a `muster.weight`.
inline constexpr llvm::StringLiteral packingN64K16 = "n64k16";
/// Storage shape of a matrix [n, k] in that packing.
llvm::SmallVector<int64_t> getPackedShape(llvm::ArrayRef<int64_t> matrix);

} // namespace muster::plan
