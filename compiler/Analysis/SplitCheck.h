// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a function must keep that says of a batch that it is split (dialects/Muster/IR/BatchSplit.h): every field has a
// class, what is halved is halved in both children, and a state is written for the first child before it is read for
// the second, because a sequence that is cut is in both.

#ifndef MUSTER_COMPILER_ANALYSIS_SPLITCHECK_H
#define MUSTER_COMPILER_ANALYSIS_SPLITCHECK_H

#include "compiler/Analysis/StepFinding.h"
#include "dialects/Muster/IR/BatchSplit.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>
#include <vector>

namespace muster {

/// E1215: fields that nobody classified, or that one child lacks.
std::vector<StepFinding> checkFields(mlir::func::FuncOp function, const BatchSplit &split);

/// E1211: the order of what touches states.
class StateOrder {
public:
  /// `op` comes next; its rows are those of `batch`. What is wrong with that.
  std::optional<StepFinding> visit(mlir::Operation &op, llvm::StringRef batch, const BatchSplit &split);

private:
  struct Read {
    mlir::Attribute state;
    mlir::Operation *op;
  };
  std::vector<Read> readForSecond;
};

/// Only one of them runs.
bool areExclusive(mlir::Operation *left, mlir::Operation *right);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_SPLITCHECK_H
