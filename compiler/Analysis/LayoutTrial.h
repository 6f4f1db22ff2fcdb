// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies of one function on which something is tried: another permutation, other sizes. Private to this room.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTTRIAL_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTTRIAL_H

#include "compiler/Analysis/LayoutInference.h"

#include "mlir/IR/IRMapping.h"

namespace muster {

enum class TrialVerdict { Invalid, Refuted, Unknown, Proved };

class LayoutTrial {
public:
  /// `original` stays as it is, and must stay while this lives.
  explicit LayoutTrial(mlir::func::FuncOp original);

  /// A fresh copy in place of the former one.
  mlir::func::FuncOp restart();
  mlir::func::FuncOp getCopy() const { return copy; }
  mlir::ModuleOp getModule() { return *module; }
  mlir::Operation *copyOf(mlir::Operation *op) const { return mapping.lookup(op); }
  mlir::Value copyOf(mlir::Value value) const { return mapping.lookup(value); }

  /// Verifies the copy, then infers it. Nothing is printed.
  TrialVerdict judge();
  /// Operations that were copied and inferred so far: a measure of the work done that is the same on every machine.
  int64_t getWork() const { return work; }

private:
  mlir::func::FuncOp original, copy;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::IRMapping mapping;
  int64_t size = 0, work = 0;
};

/// Gives `op` and whatever depends on it the result types that their operands ask for. False where that is not known
/// or does not fit: a constant of a reshape, a declared result.
bool propagateTypes(mlir::Operation *op);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTTRIAL_H
