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

/// Whether `op` is part of the count program: it makes nothing but sizes, counts and offsets, or checks one.
bool isSizeOp(mlir::Operation *op);

/// What the dims of the maps of a transfer stand for, in their order: own coordinates and the peer's, one for each axis
/// of the mesh; the columns of a row of `sources`; the element of each operand of `counts` at the own and at the peer's
/// position.
struct TransferDims {
  enum class Kind { OwnCoordinate, PeerCoordinate, Column, OwnCount, PeerCount };
  /// `index`: the axis, the column, or the operand of `counts`.
  struct Dim {
    Kind kind;
    unsigned index;
  };

  unsigned axes = 0, columns = 0, counts = 0;

  unsigned size() const { return 2 * axes + columns + 2 * counts; }
  unsigned own(unsigned axis) const { return axis; }
  unsigned peer(unsigned axis) const { return axes + axis; }
  unsigned column(unsigned index) const { return 2 * axes + index; }
  unsigned count(unsigned operand, bool ofPeer) const { return 2 * axes + columns + 2 * operand + (ofPeer ? 1 : 0); }
  Dim at(unsigned position) const;
};
/// Of a verified operation.
TransferDims getTransferDims(TransferOp op);
TransferDims getTransferDims(TransferStepOp op);

/// Name of the packing of matrices that `plan.packed_view` shows; value of the `packing` of a `muster.weight`.
inline constexpr llvm::StringLiteral packingN64K16 = "n64k16";
/// Storage shape of a matrix [n, k] in that packing.
llvm::SmallVector<int64_t> getPackedShape(llvm::ArrayRef<int64_t> matrix);

} // namespace muster::plan
