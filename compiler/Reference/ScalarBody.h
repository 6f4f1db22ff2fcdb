// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Regions made of operations on scalars.
#pragma once

#include "compiler/Reference/ScalarOps.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace muster::reference {

/// The body of a linalg operation, tensor.generate or tensor.pad, prepared once and run for every index. Branches are
/// followed: what the other one reads need not be there.
class ScalarBody {
public:
  /// Resolves values from outside the block through `view`. Fails at an operation that is not supported.
  static llvm::Expected<ScalarBody> create(mlir::Block &block, const RankView &view);

  /// `arguments`: values of the block's arguments; `indices`: what `linalg.index` gives. The returned values live until
  /// the next run.
  llvm::Expected<llvm::ArrayRef<Number>> run(llvm::ArrayRef<Number> arguments, llvm::ArrayRef<int64_t> indices);

private:
  enum class Kind : uint8_t { Compute, Extract, Index, Move, Jump, JumpUnless };
  struct Instruction {
    mlir::Operation *op = nullptr;
    Kind kind = Kind::Compute;
    ScalarFunction function;                ///< for scalar operations
    TensorHandle tensor;                    ///< for tensor.extract
    int64_t loop = -1;                      ///< for linalg.index
    llvm::SmallVector<int64_t, 4> operands; ///< slots
    int64_t result = -1;                    ///< slot
    size_t target = 0;                      ///< of a jump: the next instruction
  };
  int64_t addSlot(mlir::Value value, Number number = Number::ofInteger(0));
  llvm::Expected<int64_t> getSlot(mlir::Value value, const RankView &view, mlir::Operation *user);
  llvm::Error addBlock(mlir::Block &block, const RankView &view);
  llvm::Error addOperation(mlir::Operation &op, const RankView &view);
  llvm::Error addBranch(mlir::scf::IfOp branch, const RankView &view);

  llvm::DenseMap<mlir::Value, int64_t> slotOf;
  std::vector<Number> slots;
  std::vector<Instruction> instructions;
  llvm::SmallVector<int64_t> yielded;
  llvm::SmallVector<Number> results;
  mlir::Block *body = nullptr;
};

} // namespace muster::reference
