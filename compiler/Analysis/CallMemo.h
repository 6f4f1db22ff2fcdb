// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls that were judged: a private function is analysed once for each set of operands. Private to this room.

#ifndef MUSTER_COMPILER_ANALYSIS_CALLMEMO_H
#define MUSTER_COMPILER_ANALYSIS_CALLMEMO_H

#include "compiler/Analysis/Known.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

#include <deque>
#include <vector>

namespace muster {

class Uniformity;

/// What is known of an operand or result of a call.
struct CallValue {
  Known known;
  /// Of a scalar: the operation from which on it may differ between ranks.
  mlir::Operation *divergence = nullptr;
  /// Of counts, and of where rows begin: what they are.
  mlir::Value origin = {};
};

/// Whether two values of the same digits hold the same on one rank, too, as far as their movements tell.
bool isArrangedAlike(const layout::Value &a, const layout::Value &b);

class CallMemo {
public:
  /// The results of an earlier call with the same operands, which differ over the same axes (`variation`, if that was
  /// asked); null where there was none. Valid until the next `add`.
  const std::vector<CallValue> *find(mlir::func::FuncOp callee, llvm::ArrayRef<CallValue> operands,
                                     const Uniformity *variation) const;
  void add(mlir::func::FuncOp callee, std::vector<CallValue> operands, const Uniformity *variation,
           std::vector<CallValue> results);

private:
  struct Call {
    std::vector<CallValue> operands;
    const Uniformity *variation;
    std::vector<CallValue> results;
  };
  llvm::DenseMap<mlir::Operation *, std::deque<Call>> calls;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_CALLMEMO_H
