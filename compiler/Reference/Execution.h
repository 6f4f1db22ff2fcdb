// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inside of the interpreter: one run of an entry, and how the operations of each dialect take part in it.
#pragma once

#include "compiler/Reference/Interpreter.h"
#include "llvm/ADT/DenseMap.h"

namespace muster::reference {

/// Results of one operation on one rank, in order.
using LocalResults = llvm::Expected<llvm::SmallVector<Tensor, 1>>;
/// Results of one operation on all ranks: one entry an SSA result.
using GlobalResults = llvm::Expected<llvm::SmallVector<RankValues, 1>>;

llvm::Error failAt(mlir::Operation *op, const llvm::Twine &text);

/// Values of the SSA names of one function that is running.
using Frame = llvm::DenseMap<mlir::Value, RankValues>;

/// What an operation that needs no other rank sees: the values of one rank.
class RankView {
public:
  RankView(const Frame &frame, int64_t rank, bool exact) : frame(frame), rank(rank), exact(exact) {}

  const TensorHandle &getHandle(mlir::Value value) const {
    auto found = frame.find(value);
    assert(found != frame.end() && "operands are computed before their users");
    return found->second[rank];
  }
  const Tensor &get(mlir::Value value) const { return *getHandle(value); }
  int64_t getInteger(mlir::Value value) const { return get(value).getScalar().integer; }
  int64_t getInteger(mlir::OpFoldResult value) const;
  llvm::SmallVector<int64_t> getIntegers(llvm::ArrayRef<mlir::OpFoldResult> values) const;
  int64_t getRank() const { return rank; }
  /// No rounding of floats to their declared type.
  bool isExact() const { return exact; }
  /// A real result, rounded as the run asks.
  Number round(double value, mlir::Type type) const { return Number::ofReal(exact ? value : roundToType(value, type)); }

private:
  const Frame &frame;
  int64_t rank;
  bool exact;
};

/// One run of an entry.
class Execution {
public:
  Execution(Interpreter &interpreter, MeshAttr mesh) : interpreter(interpreter), mesh(mesh) {}

  llvm::Expected<std::vector<RankValues>> call(mlir::func::FuncOp function, std::vector<RankValues> arguments);

  /// Runs the operations of a block and returns what its terminator names.
  llvm::Expected<std::vector<RankValues>> runBlock(mlir::Block &block, std::vector<RankValues> arguments, Frame &frame);

  MeshAttr getMesh() const { return mesh; }
  int64_t getRankCount() const { return mesh.getRankCount(); }
  bool isExact() const { return interpreter.options.float64; }
  const LogicalSizes &getSizes() const { return interpreter.runSizes; }
  /// Every rank's part of a weight.
  llvm::Expected<RankValues> load(mlir::Operation *op, llvm::StringRef weight);
  llvm::Expected<Tensor *> getState(mlir::Operation *op, llvm::StringRef name, int64_t rank);

private:
  llvm::Error runOp(mlir::Operation &op, Frame &frame);
  GlobalResults compute(mlir::Operation &op, Frame &frame);
  GlobalResults computeOnEachRank(mlir::Operation &op, Frame &frame);
  GlobalResults runLoop(mlir::Operation &op, Frame &frame);
  GlobalResults runBranch(mlir::Operation &op, Frame &frame);
  /// The one value that a condition or bound has on all ranks.
  llvm::Expected<int64_t> getUniform(mlir::Operation &op, mlir::Value value, const Frame &frame, llvm::StringRef what);

  Interpreter &interpreter;
  MeshAttr mesh;
  int64_t steps = 0;
};

/// muster: collectives, positions, weights and counts.
GlobalResults interpretMusterOp(mlir::Operation *op, const Frame &frame, Execution &execution);
/// Step counts.
bool isCountOp(mlir::Operation *op);
GlobalResults interpretCountOp(mlir::Operation *op, const Frame &frame, Execution &execution);
/// Rows of a batch on each rank: padded, split, joined.
bool isRowOp(mlir::Operation *op);
GlobalResults interpretRowOp(mlir::Operation *op, const Frame &frame, Execution &execution);
/// plan on tensors: transfers, library calls, launches of kernels. A kernel's cache append changes `frame`.
GlobalResults interpretPlanOp(mlir::Operation *op, Frame &frame, Execution &execution);
/// nn: all operations; states are the rank's.
LocalResults interpretNNOp(mlir::Operation *op, const RankView &view, Execution &execution);
LocalResults interpretTensorOp(mlir::Operation *op, const RankView &view);
LocalResults interpretLinalgOp(mlir::Operation *op, const RankView &view);
/// arith, math, affine and other operations on scalars, element-wise on tensors.
LocalResults interpretElementwiseOp(mlir::Operation *op, const RankView &view);

} // namespace muster::reference
