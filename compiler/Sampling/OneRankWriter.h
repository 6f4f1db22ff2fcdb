// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One text of a function on one rank, operation by operation. Private to this room.

#ifndef MUSTER_COMPILER_SAMPLING_ONERANKWRITER_H
#define MUSTER_COMPILER_SAMPLING_ONERANKWRITER_H

#include "compiler/Sampling/OneRankText.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

#include <set>

namespace muster::sampling {

using Shape = llvm::SmallVector<int64_t, 4>;

/// An integer of the function on one rank. `isWritten`: made of numbers in the text, so that it may be meant for a
/// mesh; `isOrigin`: where the part of rank 0 begins.
struct Integer {
  int64_t value = 0;
  bool isWritten = false, isOrigin = false;
};

class OneRankWriter {
public:
  OneRankWriter(mlir::func::FuncOp function, const LogicalSignature &signature, Choices &choices)
      : function(function), signature(signature), choices(choices), builder(function.getContext()) {}

  Writing write(mlir::OwningOpRef<mlir::ModuleOp> &text, int64_t &work);

private:
  using Result = Writing;
  static constexpr Result written = Writing::Written, misfit = Writing::Misfit, unsupported = Writing::Unsupported;

  // The whole.
  bool isClear();
  bool isClear(mlir::func::FuncOp own);
  void makeSymbols(mlir::ModuleOp module);
  void chooseFactors();

  // Values.
  mlir::RankedTensorType typeOf(mlir::Value own) { return cast<mlir::RankedTensorType>(map.lookup(own).getType()); }
  Shape shapeOf(mlir::Value own) { return Shape(typeOf(own).getShape()); }
  bool isOpen(mlir::Value own) const { return open.contains(own); }
  /// A value of which only the elements are known (all alike), in this shape.
  mlir::Value materialize(mlir::Value own, llvm::ArrayRef<int64_t> shape);
  mlir::Value constant(int64_t number, mlir::Type type);
  mlir::Value reshape(mlir::Location location, mlir::Value value, llvm::ArrayRef<int64_t> shape);
  std::optional<Integer> integerOf(mlir::OpFoldResult number);
  /// What a number on this mesh may be on one rank, at most `most`.
  llvm::SmallVector<int64_t> candidates(int64_t number, int64_t most) const;
  Result take(llvm::ArrayRef<int64_t> candidates, int64_t &taken);

  /// `to` is what `from` is.
  void forward(mlir::Value from, mlir::Value to);

  // Operations.
  Result write(mlir::Operation &op);
  Result writeBody(mlir::Block &block);
  Result writeCall(mlir::func::CallOp op);
  bool takesWholes(mlir::Value number);
  Result writeLoop(mlir::scf::ForOp op);
  Result writeConstant(mlir::arith::ConstantOp op);
  Result writeInteger(mlir::Operation &op);
  Result writeElementwise(mlir::Operation &op);
  Result writeLinalg(mlir::linalg::LinalgOp op);
  Result cut(llvm::ArrayRef<int64_t> group, llvm::ArrayRef<mlir::OpFoldResult> sizes, int64_t whole, Shape &shape);
  Result writeExpand(mlir::tensor::ExpandShapeOp op);
  Result writeCollapse(mlir::tensor::CollapseShapeOp op);
  Result writeReshape(mlir::tensor::ReshapeOp op);
  Result writeSlice(mlir::tensor::ExtractSliceOp op);
  Result placeTile(mlir::tensor::ExtractSliceOp op, size_t dim, int64_t whole, int64_t &at, int64_t &count);
  Result writeConcat(mlir::tensor::ConcatOp op);
  Result writeNN(mlir::Operation &op);
  Result writeLoad(LoadOp op);
  Result writeReturn(mlir::func::ReturnOp op);
  Result clone(mlir::Operation &op, llvm::ArrayRef<Shape> results);

  mlir::func::FuncOp function;
  const LogicalSignature &signature;
  Choices &choices;
  mlir::OpBuilder builder;
  mlir::IRMapping map;
  llvm::DenseMap<mlir::Value, Integer> integers;
  /// Made by tensor.empty, linalg.fill or a constant all of whose elements are alike; null where they are undefined.
  llvm::DenseMap<mlir::Value, mlir::Value> open;
  llvm::DenseMap<std::pair<mlir::Operation *, size_t>, int64_t> tileSizes;
  std::set<std::pair<int64_t, int64_t>> factors; ///< quotients in lowest terms
  int64_t work = 0;
  bool joins = false; ///< parts are put together by concatenation or insertion
  /// What was taken for the numbers of an operation, in order: the same in each iteration and call.
  llvm::DenseMap<std::pair<mlir::Operation *, size_t>, int64_t> takenAt;
  mlir::Operation *current = nullptr;
  size_t taken = 0;  ///< of `current`
  int depth = 0;     ///< of calls and loops
  int64_t count = 0; ///< operations, each iteration and call counted
};

} // namespace muster::sampling

#endif // MUSTER_COMPILER_SAMPLING_ONERANKWRITER_H
