// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rules of operations that move data and compute nothing. None of them changes which element a digit names.
//
//   | operation             | rule                                                                                  |
//   | --------------------- | ------------------------------------------------------------------------------------- |
//   | reshape               | concatenate the digits of dims of equal product, merge, cut at the new sizes          |
//   | transpose             | permute dims                                                                          |
//   | slice a, d            | the leading size(a) elements of d become mesh digits of a                             |
//   | all_gather a, d       | the mesh digits of a become the front of d; in place where they already lead d        |
//   | all_to_all a, d, e    | slice of d and all_gather to e at once                                                |
//   | exchange a, d         | d has size(a) elements: its digits go to the mesh, those of a become d                |
//   | all_reduce a          | the pending digits of a go                                                            |
//
// A pending digit of the group that is gathered or exchanged comes to lie in the dim like any other, as a digit of the
// parts of the sum (Value::parts): an all_reduce may be written as an all_gather and a sum over the ranks' parts.
//
// Every function takes a value in normal form and returns one. A refusal names spaces and axes of `universe`. A reshape
// that cuts where no digit has a boundary refuses as Misaligned; the caller may keep the operand and let a later
// reshape of the result start from it (the cut waits), because only grouping was lost.

#ifndef MUSTER_COMPILER_LAYOUT_MOVEMENT_H
#define MUSTER_COMPILER_LAYOUT_MOVEMENT_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// `shape`: the new local sizes; equal in product to the old ones. `onOneRank`: the sizes on one rank where the program
/// tells them, by dim.
Outcome<Value> reshape(const Universe &universe, const Value &value, llvm::ArrayRef<Size> shape,
                       llvm::ArrayRef<std::optional<Size>> onOneRank = {});

/// Dim i of the result is dim permutation[i] of the operand.
Value transpose(const Value &value, llvm::ArrayRef<int64_t> permutation);

/// Each rank keeps the part of `dim` at its position in the group. Refuses a value that already varies over the group.
Outcome<Value> slice(const Universe &universe, const Value &value, Group group, unsigned dim);

/// The parts of all ranks of the group along `dim`, in the order of their positions.
Outcome<Value> allGather(const Universe &universe, const Value &value, Group group, unsigned dim);

/// Part i of `split` goes to position i of the group; the part from position j is part j of `concat`.
Outcome<Value> allToAll(const Universe &universe, const Value &value, Group group, unsigned split, unsigned concat);

/// Element i of `dim`, which has one for each position of the group, goes to position i; element j is that of position
/// j.
Outcome<Value> exchange(const Universe &universe, const Value &value, Group group, unsigned dim = 0);

/// Reduces over the group. A value that is pending over none of it is reduced all the same: size(group) times too
/// large.
Outcome<Value> allReduce(const Universe &universe, const Value &value, Group group, Reduction reduction);

/// allReduce, then slice.
Outcome<Value> reduceScatter(const Universe &universe, const Value &value, Group group, unsigned dim,
                             Reduction reduction);

/// What position `root` holds. Right where all positions hold the same.
Outcome<Value> broadcast(const Universe &universe, const Value &value, Group group);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_MOVEMENT_H
