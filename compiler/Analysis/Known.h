// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the inference knows of one SSA value. Private to this room.

#ifndef MUSTER_COMPILER_ANALYSIS_KNOWN_H
#define MUSTER_COMPILER_ANALYSIS_KNOWN_H

#include "compiler/Layout/Packed.h"
#include "mlir/IR/Operation.h"

namespace muster {

/// What is known of an SSA value.
struct Known {
  enum class Kind {
    Digits,  ///< `value` says what it holds
    Uniform, ///< every element is the same number (constants, fills): it agrees with anything
    Waiting, ///< `value` says what the operand of a reshape holds that cut inside a digit; `op` is that reshape
    Pulled,  ///< movement of what waited: known place by place only, by going back through the operations
    Failed   ///< a finding was reported; nothing that depends on it is judged
  };
  Kind kind = Kind::Failed;
  layout::Value value;
  mlir::Operation *op = nullptr;
  std::string reason; ///< of Waiting and Pulled: why the reshape was misaligned
  /// Of Waiting and Pulled: local sizes (of Digits, `value` has them). `value` tells what is still to be reduced.
  llvm::SmallVector<layout::Size, 4> shape;
  /// Of Pulled: values side by side of which each is known; null where places are all that is known.
  std::shared_ptr<const layout::Packed> packed;
  /// Of Digits with segments: they are parts of one tensor.
  bool isOneTensor = false;
  /// Of Uniform: the number is zero.
  bool isZero = false;
  /// Of Uniform: nothing has written the elements (tensor.empty); they may be overwritten, not read.
  bool isUnwritten = false;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_KNOWN_H
