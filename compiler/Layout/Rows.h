// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows that are divided by counts: each rank of a group has a part of its own length, a *segment*, and lengths are
// known when the program runs.
//
// Such a dim is held as if all segments had one length L, a symbol, and the space of its rows D * L positions, D the
// size of the group: segment p is the positions from p * L on. What moves data moves the digits of equal parts and of
// unequal ones alike, as long as it keeps segments whole and tells them apart by counts, as these do:
//
//   | dim                            | digits                        | says                                        |
//   | ------------------------------ | ----------------------------- | ------------------------------------------- |
//   | t/dp : tokens @step, on a rank | (D : L @t, dp)(L : 1 @t)      | *own rows*: the segment of this rank        |
//   | t                              | (D*L : 1 @t)                  | *all rows*: segment behind segment          |
//
// In these two forms and no other does a value hold rows: a digit (D : L) within a rank would be rows at multiples of a
// length that no segment has. So a proof with equal parts holds for unequal ones if
//   1. values hold rows in these forms (`refuseCutRows`),
//   2. only operations with the segments' own counts turn one into the other (`sameSegments` before and after others),
//   3. no number is computed from L (InferScalars.cpp), and nothing is compared place by place.
// The other way round, equal counts are counts: what is wrong with equal parts is wrong.
//
// Padded rows are rows of another space: the segment of each rank ends in *dead* rows, as many as padded counts say.
// They move as rows do and may be computed with row by row; what takes rows together would read dead ones
// (`refuseDeadRows`), and what drops them again has the rows that were padded.
//
// What counts are padded to is more than L. Where each is a multiple of N, L is N times a symbol, and ranks that hold
// the same segment may divide it among them in equal parts, as many as divide N:
//
//   | t.padded/(dp, tp), N = 4 | (D : L)(2 : L/2, tp)(L/2 : 1)  | *parts of own rows*: half of the segment of this rank
//   |
//
// None of the own operations takes these; put together along tp they are own rows again. Where all counts are padded to
// the greatest (`isLevel`), segments have one length, and rows are a dim like others: they move in equal parts too.

#ifndef MUSTER_COMPILER_LAYOUT_ROWS_H
#define MUSTER_COMPILER_LAYOUT_ROWS_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

/// Number of segments of a space of rows.
Size segmentsOf(const Universe &universe, const Rows &rows);

/// The space of which the dim holds the rank's own rows; of which it holds all rows. With one segment both are the
/// same.
std::optional<SpaceId> ownRowsOf(const Universe &universe, const Dim &dim);
std::optional<SpaceId> allRowsOf(const Universe &universe, const Dim &dim);

/// A dim of the rank's own rows of a space.
Dim ownRows(const Universe &universe, SpaceId space);

/// The padded rows of which a dim has digits; null where it has none.
const Rows *paddedRowsOf(const Universe &universe, const Dim &dim);

/// Why an operation may not `take` (read, take together, ...) the rows of a dim, of which some are dead; nullopt where
/// none is. Wrong (E1210) where nobody gave dead rows a value.
std::optional<Refusal> refuseDeadRows(const Universe &universe, const Dim &dim, const std::string &take);

/// Whether one of the dims has padded rows of which it is open whether there are dead ones: then they may be as long as
/// rows of another name.
bool mayBeAsLong(const Universe &universe, const Dim &a, const Dim &b);

/// Whether a digit of the dim is of rows.
bool hasRows(const Universe &universe, const Dim &dim);

/// Axes over which ranks hold different segments, and so tensors of different sizes, in no order. None of segments of
/// one length.
llvm::SmallVector<AxisId, 2> segmentAxes(const Universe &universe, const Value &value);

/// Whether two values have the same digits of segments, of unequal lengths, on the mesh.
bool sameSegments(const Universe &universe, const Value &a, const Value &b);

/// Whether ranks along a group may divide the own rows of a dim, or parts of them, in equal parts: they hold the same
/// ones, and lengths are a multiple of what they are cut into.
bool mayCutRows(const Universe &universe, const Dim &dim, Group group);

/// Why the value's rows are in none of the forms; nullopt where all are.
std::optional<Refusal> refuseCutRows(const Universe &universe, const Value &value);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_ROWS_H
