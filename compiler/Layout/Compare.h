// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How dims of different origin are compared: by position.
//
// A dim's digits fall into *pieces*, maximal contiguous runs (mesh digits included). Piece i of k has extent N_i, the
// product of its digits, and weight W_i = N_(i+1) * ... * N_k. A digit of stride s in a piece that reaches down to
// stride lo steps W_i * s / lo positions of the flattened dim. So (heads, head_dim), which an attention made, is
// compared with the rows of a weight:
//
//   | dim                                    | flattened                            | extent |
//   | -------------------------------------- | ------------------------------------ | ------ |
//   | (4 : 1 @h, tp) (5 : 1 @d)              | (4 : 5, tp) (5 : 1)                  | 20     |
//   | (4 : 5 @i, tp) (5 : 1 @i)              | (4 : 5, tp) (5 : 1)                  | 20     |
//   | (5 : 1 @i), positions restart per rank | (5 : 1)                              | 5      |
//
// The first two agree; the third does not with either.

#ifndef MUSTER_COMPILER_LAYOUT_COMPARE_H
#define MUSTER_COMPILER_LAYOUT_COMPARE_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// A dim read as positions of one logical dim. Digits in `space` 0; strides in positions.
struct FlatDim {
  llvm::SmallVector<Digit, 3> local; ///< major first, contiguous neighbours merged
  llvm::SmallVector<Digit, 2> mesh;  ///< by axis, then weight, greatest first
  Size extent = 1;
  /// Tag and extent of each piece, from the first tagged one on; empty where all are plain.
  llvm::SmallVector<std::pair<std::string, Size>, 1> tags;
};

/// Copies that a broadcast made are positions like others: (2 : 1 @g)(3 copies) is a dim of 6, as it is on one rank.
/// Refuses a dim with a piece that ends in a digit away from home, or in other duplicates.
Outcome<FlatDim> flatten(const Universe &universe, const Dim &dim);

/// Whether the value is the same at every index of the dim (a broadcast made it): it agrees with any dim of its size.
bool isDuplicates(const Dim &dim);

/// Nullopt where every rank and local index name the same position in both dims; otherwise why not.
std::optional<Refusal> disagreement(const Universe &universe, const Dim &a, const Dim &b);

/// Whether two dims are different parts of one space (Ranges.h) that meet index by index on one rank as they do here:
/// every rank has all of both, in the order of one rank.
bool meetByIndex(const Universe &universe, const Dim &a, const Dim &b);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_COMPARE_H
