// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elements that reach no result. A slice may take a part of what was computed, so that a fault in the rest is none; and
// of what is only added up along a dim, the order along it does not matter. Read off the text, backward from the
// results. Private to this room.
//
//   | operation                                | of what it has, dim 0 of which [0, 6) is kept           |
//   | ---------------------------------------- | ------------------------------------------------------- |
//   | slice [0, +6) of 10 rows                 | 6 rows, unless other slices take the others             |
//   | elementwise, product with rows, gather   | of operands whose rows these are, 6 rows; others whole  |
//   | concatenation of 6 rows and 4            | the first whole, the second not at all                  |
//   | anything else                            | all                                                     |

#ifndef MUSTER_COMPILER_ANALYSIS_KEPTPARTS_H
#define MUSTER_COMPILER_ANALYSIS_KEPTPARTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace muster {

class KeptParts {
public:
  /// Of the values of a function's body; those inside of regions count as kept. `live`: operations from which something
  /// reaches a result, a claim or a state.
  KeptParts(mlir::func::FuncOp function, const llvm::DenseSet<mlir::Operation *> &live);

  /// The dim of a value along which some positions reach no result; nullopt where all of them do, or may.
  std::optional<unsigned> partDim(mlir::Value value) const;

  /// Dims of a value along which it is only added up, and nothing is done before that depends on a position.
  llvm::SmallVector<unsigned, 2> summedDims(mlir::Value value) const;

private:
  using Ranges = llvm::SmallVector<std::pair<int64_t, int64_t>, 2>; ///< begin and end, in order
  struct Kept {
    bool isWhole = false;
    unsigned dim = 0;
    Ranges ranges;
  };

  void keep(mlir::Value value, Kept own);
  void keepOperands(mlir::Operation *op);
  bool isSummed(mlir::Value value, unsigned dim, unsigned depth) const;

  const llvm::DenseSet<mlir::Operation *> &live;
  llvm::DenseMap<mlir::Value, Kept> kept;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_KEPTPARTS_H
