// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The function that a kernel becomes, but for its loops: arguments, sizes, and views of what the bindings hold.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_KERNELFRAME_H
#define MUSTER_COMPILER_CODEGEN_HOST_KERNELFRAME_H

#include <optional>

#include "compiler/Codegen/Host/KernelSignature.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

namespace muster::codegen {

/// Extents of a tensor in the new function.
using Sizes = llvm::SmallVector<mlir::OpFoldResult>;

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// A kernel's old function on tensors beside its new one on buffers. The constructor makes the new function
/// @name(memref<1xT> per binding, index per size, worker, workers), empty but for its return.
class KernelFrame {
public:
  KernelFrame(mlir::func::FuncOp function, KernelSignature kernelSignature);

  /// The binding's buffer in the shape of `type`, whose extents are `sizes`; made once, in front of `end`.
  /// E4120: the extent of an inner dim is not known.
  mlir::FailureOr<mlir::Value> makeView(unsigned binding, mlir::RankedTensorType type, const Sizes &sizes);
  /// Extents of `type`, the other side of a reshape of something with extents `from`. `groups` number the dims of the
  /// expanded side, which is `from` where `collapse`. Fails where a group has two unknown extents.
  mlir::FailureOr<Sizes> reshapedSizes(const Sizes &from, mlir::RankedTensorType type,
                                       llvm::ArrayRef<mlir::ReassociationIndices> groups, bool collapse);
  /// The argument behind a chain of reshapes, and its binding's sizes in the shape of `value`; nullopt where there is
  /// none.
  std::optional<std::pair<unsigned, Sizes>> viewedArgument(mlir::Value value);
  /// Index arithmetic and constants of the old function, the same for all rows: computed in front of `end`. E4121: it
  /// depends on tensors.
  mlir::FailureOr<mlir::Value> scalar(mlir::Value value);
  mlir::FailureOr<mlir::OpFoldResult> scalar(mlir::OpFoldResult value);

  mlir::Value constantIndex(int64_t value) { return mlir::arith::ConstantIndexOp::create(builder, loc, value); }
  mlir::Value asValue(mlir::OpFoldResult value) { return getValueOrCreateConstantIndexOp(builder, loc, value); }

  mlir::func::FuncOp source, target; // the old function and the new one
  KernelSignature signature;
  mlir::OpBuilder builder; // in `target`
  mlir::Location loc;
  llvm::SmallVector<Sizes> bindingSizes;
  mlir::Operation *end = nullptr; // what all rows share is made before it: the return, or the loop that is being made

private:
  Sizes sizesOf(const KernelBinding &binding);

  llvm::DenseMap<std::pair<unsigned, mlir::Type>, mlir::Value> views;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
};

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_KERNELFRAME_H
