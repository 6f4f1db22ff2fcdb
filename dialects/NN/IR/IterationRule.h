// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How an operation that computes walks its operands, as data. An operation declares the rule; whoever infers layouts
// interprets it.
//
// Example, matmul result[t, o] = sum_i input[t, i] * weight[o, i]:
//   iterators  t parallel, o parallel, i reduction (sum)
//   operands   input [t, i], weight [o, i];  results [t, o];  linearity Multilinear
#pragma once

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace muster::nn {

enum class IteratorKind : uint8_t {
  Parallel, ///< each index is computed on its own
  Sum,      ///< reduced by addition: may be sharded, the result is then a partial sum
  Maximum,  ///< reduced by maximum: likewise
  Whole     ///< every index must be on the rank: softmax, a norm's dim, a head's dim under rotation
};

enum class Linearity : uint8_t {
  Multilinear, ///< linear in each operand: a partial operand gives a partial result
  Additive,    ///< a sum of its operands: all are partial in the same way, or none is
  NonLinear    ///< operands must hold full values
};

struct Iterator {
  llvm::StringRef name;
  IteratorKind kind;
};

/// For an operand or result: the iterator that walks each dim; `noIterator` for a dim that is not walked in step with
/// others.
inline constexpr int64_t noIterator = -1;
using DimIterators = llvm::SmallVector<int64_t, 4>;

struct IterationRule {
  llvm::SmallVector<Iterator, 4> iterators;
  llvm::SmallVector<DimIterators, 4> operands; ///< one for each tensor operand, in order
  llvm::SmallVector<DimIterators, 1> results;  ///< one for each tensor result
  Linearity linearity = Linearity::NonLinear;
  /// Operands in which the operation is linear although it is not in the others (rows of a table by index); bit i for
  /// tensor operand i.
  uint32_t linearOperands = 0;
};

} // namespace muster::nn
