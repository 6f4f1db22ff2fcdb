// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All entry layouts of all shapes within bounds, and all movements that are legal on a shape, each with the place that
// every place of its result is pulled from.

#ifndef MUSTER_TEST_UNIT_COMPILER_LAYOUT_ENUMERATEDMOVES_H
#define MUSTER_TEST_UNIT_COMPILER_LAYOUT_ENUMERATEDMOVES_H

#include "compiler/Layout/Movement.h"
#include "test/unit/compiler/Layout/RankedData.h"

#include <map>
#include <string>

namespace muster::test {

using AxisList = std::vector<uint32_t>;

/// A value all of whose dims are spaces of their own, divided by axes, and what each rank holds of them.
struct Entry {
  layout::Universe universe;
  layout::Value value;
  Shape shape;                ///< local
  std::vector<uint64_t> data; ///< by place: ranks, outer, and local indices, row-major
};

/// A movement that is legal on a shape.
struct Move {
  enum class Kind { Reshape, Transpose, Slice, AllGather, AllToAll, Exchange, Broadcast };
  Kind kind;
  AxisList group = {};
  unsigned dim = 0, concat = 0;
  std::vector<int64_t> list = {};  ///< of Reshape: the shape; of Transpose: the permutation
  Shape shape = {};                ///< of the result
  std::vector<uint32_t> from = {}; ///< by place of the result: the place that it is pulled from
  std::string print() const;
};

/// The element that a place holds is the sum of the positions times these: positions are below 2^16, so that two
/// different tuples of positions, and two different differences of them, are never the same number.
inline constexpr uint64_t spaceWeight(size_t space) { return uint64_t(1) << (16 * space); }

/// All shapes of 1 to `mostDims` dims of sizes 1 to `mostSize` with at most `mostElements`.
std::vector<Shape> shapesUpTo(size_t mostDims, int64_t mostSize, int64_t mostElements);

/// All meshes of 1 to `mostAxes` axes of sizes 1 to `mostSize`, sizes ascending. An axis is only a name to every rule,
/// and groups are taken in all orders: another order of the axes is the same problem with ranks renamed.
std::vector<RankMesh> meshesUpTo(size_t mostAxes, int64_t mostSize);

/// All ways to divide the dims of a shape: each axis divides one dim or none, axes of one dim in all orders.
std::vector<Entry> entriesOf(const RankMesh &mesh, const Shape &local);

/// All groups: subsets of the axes, in all orders.
std::vector<AxisList> groupsOf(const RankMesh &mesh);

/// All movements that are legal on a local shape and make at most `mostElements` elements a rank.
std::vector<Move> movesOf(const RankMesh &mesh, const Shape &local, int64_t mostElements);

/// The rule of the algebra for a movement.
layout::Outcome<layout::Value> applyRule(const layout::Universe &universe, const layout::Value &value,
                                         const Move &move);

std::vector<uint64_t> pull(const std::vector<uint64_t> &data, const Move &move);

/// What a value says that each place holds.
std::vector<uint64_t> meaningOf(const layout::Universe &universe, const RankMesh &mesh, const layout::Value &value);

/// Whether lists of digits can say what the places hold at all: the sum of a part of each axis and a part of each dim,
/// each a mixed-radix number.
bool hasDigits(const RankMesh &mesh, const Shape &shape, const std::vector<uint64_t> &data);

/// Whether some ranks of one group hold different elements at one index.
bool variesOver(const RankMesh &mesh, const AxisList &group, const std::vector<uint64_t> &data);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_LAYOUT_ENUMERATEDMOVES_H
