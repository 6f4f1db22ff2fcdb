// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes of all tensors of a function, and its counts, as terms (CountTerms.h).
//
// Sizes come from the arguments, whose layouts say which dims are ragged, and follow the operations: a gathered dim has
// the total of its counts, a part has its own count, a buffer has the size that it was made with, and what a linalg
// operation writes has the size of what it writes to. An operation that is not known has sizes of which nothing is
// known. Calls are followed.

#ifndef MUSTER_COMPILER_ANALYSIS_COUNTINFERENCE_H
#define MUSTER_COMPILER_ANALYSIS_COUNTINFERENCE_H

#include "compiler/Analysis/CountTerms.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <memory>

namespace muster {

class CountInference {
public:
  /// A function that nobody calls: its arguments are as their layouts say.
  CountInference(mlir::func::FuncOp function, CountTerms &terms);

  /// Size of a dim of a tensor.
  const CountTerm *sizeOf(mlir::Value tensor, int64_t dim);
  /// A scalar's value, counts, or the counts of offsets.
  const CountTerm *termOf(mlir::Value value);
  /// The function that is called, with the arguments of this call; null where it has no body or calls itself. Calls
  /// with the same arguments share one.
  CountInference *callee(mlir::func::CallOp call);

  mlir::func::FuncOp getFunction() const { return function; }
  CountTerms &getTerms() const { return terms; }

private:
  struct Calls;
  CountInference(mlir::func::FuncOp function, CountInference &caller, mlir::func::CallOp call);
  /// A term of the function that is called, at its caller: what only this call knows is not what another call knows.
  const CountTerm *returned(mlir::func::CallOp call, const CountTerm *term, mlir::Value result, int64_t dim);
  const CountTerm *inferSize(mlir::Value tensor, int64_t dim);
  const CountTerm *inferTerm(mlir::Value value);
  /// The first ragged term of the signature that is wanted; null where there is none.
  LayoutTermAttr findRagged(llvm::function_ref<bool(LayoutTermAttr)> wanted);
  const CountTerm *rowsOf(LayoutTermAttr term);
  const CountTerm *sizeOfArgument(mlir::BlockArgument argument, int64_t dim);
  const CountTerm *termOfArgument(mlir::BlockArgument argument);
  const CountTerm *sizeOfRedistributed(RedistributeOp op, int64_t dim);
  const CountTerm *sizeOfReshaped(mlir::Operation *op, int64_t dim);
  const CountTerm *termOfScalar(mlir::Operation *op, unsigned result);
  const CountTerm *fold(mlir::OpFoldResult size);
  const CountTerm *unknown(mlir::Value value, int64_t dim = -1) { return terms.symbol(value, dim, context); }
  /// What a region's result is: of the branches of an if, of what a loop carries. `of` is asked of values.
  const CountTerm *ofRegion(mlir::OpResult result, llvm::function_ref<const CountTerm *(mlir::Value)> of);

  mlir::func::FuncOp function;
  CountTerms &terms;
  CountInference *caller = nullptr;
  mlir::func::CallOp call; ///< of the caller
  int64_t context = 0;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, const CountTerm *> known;
  std::shared_ptr<Calls> calls;
  llvm::DenseMap<mlir::Operation *, CountInference *> callees;
};

/// What a ragged term counts. The term's unit is one of CountUnit.
Countable countableOf(LayoutTermAttr term);
/// The term of a dim that is one ragged term; null else.
LayoutTermAttr raggedTermOf(LayoutDimAttr dim);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_COUNTINFERENCE_H
