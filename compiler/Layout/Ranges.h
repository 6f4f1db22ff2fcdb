// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slices at constant offsets: spaces that are a part of another.
//
// A slice takes a range of the values of local digits. What it leaves is a dim of a program without mesh like any
// other, so it gets a space of its own, which remembers what it is a part of (Space::range):
//
//   | dim of 12 local elements       | slice     | taken                        | where                        |
//   | ------------------------------ | --------- | ---------------------------- | ---------------------------- |
//   | (12 : 1 @s)                    | [5, +4)   | (4 : 1 @T)                   | T = s[5, +4)                 |
//   | (2 : 18 @s)(3 : 6 @s,a)(6:1@s) | [6, +6)   | (3 : 6 @T, a)(6 : 1 @T)      | T = s[18, +18)               |
//   | (2 : 1 @n)(6 : 1 @s)           | [6, +6)   | (6 : 1 @s)                   | s, in n[1, +1)               |
//   | (3 : 12 @s, a)(12 : 1 @s)      | [0, +4)   | (3 : 4 @T, a)(4 : 1 @T)      | T = of each 12 of s, [0, +4) |
//   | (3 : 12 @s, a)(12 : 1 @s)      | [1, +4)/3 | (3 : 4 @T, a)(4 : 1 @T)      | T = every third of s, from 1 |
//
// In the third line nothing is left of n: the value stands at one position of it (Value::at). In the fourth the
// slice takes a part of each rank's part, so T has an order of its own (a tag) and agrees with parts that were taken
// alike. With a step that divides each rank's part, it takes of all of s what one rank takes with this step.
//
// Ranges of one space side by side are one range again, and all of them the space: what chunks of a loop compute is put
// together.

#ifndef MUSTER_COMPILER_LAYOUT_RANGES_H
#define MUSTER_COMPILER_LAYOUT_RANGES_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace muster::layout {

/// The space that a range is a part of, whatever number of slices lie between; other spaces are their own.
SpaceId rootOf(const Universe &universe, SpaceId space);

/// Whether a dim, a float or the value's place is in a range.
bool hasRanges(const Universe &universe, const Value &value);
bool hasRanges(const Universe &universe, const Dim &dim);

/// Whether the segments of a dim are ranges of one space of which no two meet, so that positions tell them apart.
bool areDisjointRanges(const Universe &universe, const Dim &dim);

/// The value as it is read, where there is one reading; nullopt where there are others, or symbols.
std::optional<Value> plainValue(const Universe &universe, const Value &value);

/// Elements offset, offset + step, ... (`size` of them) of a dim. Nullopt where digits do not end there, or where the
/// value is no plain one (symbols, segments). Of several readings that give different results one is chosen, and
/// `source` becomes the value by that reading; nullopt where `source` is null.
std::optional<Value> takeRange(Universe &universe, const Value &value, unsigned dim, int64_t offset, int64_t size,
                               int64_t step, Value *source = nullptr);

/// Values side by side along a dim: ranges that continue each other become one, others are segments. `isOneTensor`
/// tells whether two parts, by number, are of one tensor; of others ranges stay segments. Nullopt where they differ in
/// more than that.
std::optional<Value> joinAlong(Universe &universe, llvm::ArrayRef<Value> parts, unsigned dim,
                               llvm::function_ref<bool(size_t, size_t)> isOneTensor);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_RANGES_H
