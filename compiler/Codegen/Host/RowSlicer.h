// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From values of a kernel on tensors to one row of them.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_ROWSLICER_H
#define MUSTER_COMPILER_CODEGEN_HOST_ROWSLICER_H

#include <optional>

#include "compiler/Codegen/Host/KernelFrame.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace muster::codegen {

/// A dim of a tensor that is divided into rows; nullopt: the tensor as a whole.
using RowDim = std::optional<int64_t>;

/// The type of one row.
mlir::RankedTensorType rowType(mlir::RankedTensorType type, RowDim dim);

/// Stands for "not used" and "used otherwise than alone in one result" in place of a result of an indexing map.
constexpr int64_t notIndexed = -1, notIndexedAlone = -2;
/// The position of iterator `iterator` among the results of `map`, or one of the two above.
int64_t positionOf(mlir::AffineMap map, unsigned iterator);

/// Makes values of the old function anew, for one row of a loop. Each is looked up by (value, row dim) and made on
/// demand, once; what does not depend on the row is made in front of the loop.
class RowSlicer {
public:
  explicit RowSlicer(KernelFrame &frame) : frame(frame), builder(frame.builder), loc(frame.loc) {}

  /// Makes tensors of the arguments that are read only. E4120.
  llvm::LogicalResult viewArguments();

  /// From now on values are made for row `index`; nothing is known any more.
  void enterLoop(mlir::Value index);
  void leaveLoop() { row = {}; }
  /// Inside a loop: the current tensor of a written argument.
  void setWritten(unsigned binding, mlir::Value current) { writtenTensors[binding] = current; }
  /// Inside a loop: where `value` is to be made, because it is a result.
  void setDestination(mlir::Value value, RowDim dim, mlir::Value place) {
    destinations[{value, dim.value_or(-1)}] = place;
  }

  /// The loop's row of `value`, which is divided along `dim`; all of it without a dim. E4121: it cannot be divided.
  mlir::FailureOr<mlir::Value> slice(mlir::Value value, RowDim dim, mlir::Value destination = {});
  /// The loop's row of a tensor of the new function with extents `sizes`.
  mlir::Value extractRow(mlir::Value whole, const Sizes &sizes, RowDim dim);

private:
  mlir::FailureOr<mlir::Value> sliceUncached(mlir::Value value, RowDim dim, mlir::Value destination);
  mlir::FailureOr<mlir::Value> sliceArgument(mlir::BlockArgument argument, RowDim dim);
  mlir::FailureOr<mlir::Value> sliceView(mlir::Value value, unsigned binding, const Sizes &sizes, RowDim dim);
  mlir::FailureOr<mlir::Value> sliceEmpty(mlir::tensor::EmptyOp op, RowDim dim, mlir::Value destination);
  mlir::Value sliceConstant(mlir::arith::ConstantOp op, RowDim dim);
  mlir::FailureOr<mlir::Value> sliceReshape(mlir::Operation *op, RowDim dim);
  mlir::FailureOr<mlir::Value> sliceExtract(mlir::tensor::ExtractSliceOp op, RowDim dim);
  mlir::OpFoldResult addOffset(mlir::OpFoldResult offset, mlir::Value index);

  // In RowSlicerGeneric.cpp.
  mlir::FailureOr<mlir::Value> sliceGeneric(mlir::linalg::GenericOp op, unsigned result, RowDim dim,
                                            mlir::Value destination);
  mlir::FailureOr<mlir::Value> sliceOperand(mlir::linalg::GenericOp op, mlir::OpOperand &operand,
                                            std::optional<unsigned> iterator, unsigned result, mlir::Value destination);
  mlir::FailureOr<mlir::Value> sliceInit(mlir::linalg::GenericOp op, mlir::OpOperand &init, RowDim dim,
                                         mlir::Value place);
  // What the body of `op` uses from outside.
  llvm::LogicalResult mapCaptured(mlir::linalg::GenericOp op, mlir::IRMapping &mapping);
  // Indices of `iterator` count from the row on.
  void shiftIndices(mlir::linalg::GenericOp op, unsigned iterator);

  KernelFrame &frame;
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Value row;                                // the loop's index; null outside
  llvm::SmallVector<mlir::Value> argumentTensors; // by binding; null for written arguments
  llvm::DenseMap<unsigned, mlir::Value> writtenTensors;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::Value> slices;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::Value> destinations;
};

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_ROWSLICER_H
