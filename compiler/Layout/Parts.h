// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a dim is dealt to the positions of mesh axes, as a map from places to elements, its inverse, and the composition
// of one such map with the inverse of another.
//
// A *part* is what one position holds of a dim, in the order in which it holds it: a few *runs*, each an arithmetic
// progression of positions of the dim. For a dim of 12 over 3 ranks:
//
//   | order      | rank 0               | rank 1               | rank 2               | runs of rank 1            |
//   | ---------- | -------------------- | -------------------- | -------------------- | ------------------------- |
//   | contiguous | 0 1 2 3              | 4 5 6 7              | 8 9 10 11            | (4 + i, 4)                |
//   | zig-zag    | 0 1 10 11            | 2 3 8 9              | 4 5 6 7              | (2 + i, 2) and (8 + i, 2) |
//   | stripe     | 0 3 6 9              | 1 4 7 10             | 2 5 8 11             | (1 + 3 i, 4)              |
//
// *Inverse*: who holds a run. Contiguous parts and zig-zag chunks that it crosses, or its residues, are counted off; no
// position that holds nothing of it is asked, but for runs that step over whole parts.
// *Composition*: two runs meet in one run (the Chinese remainder theorem), so a part of one layout and a part of
// another have in common as many boxes as pairs of their runs meet. No element is enumerated.
//
// A dim of a size that the ranks do not divide has parts of the rounded-up size: the last ones are short, or nothing.

#ifndef MUSTER_COMPILER_LAYOUT_PARTS_H
#define MUSTER_COMPILER_LAYOUT_PARTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>

namespace muster::layout {

/// An axis of a mesh, by index, or a part of it: (coordinate / weight) mod count.
struct AxisDigit {
  unsigned axis = 0;
  int64_t count = 1;
  int64_t weight = 1;
  friend bool operator==(const AxisDigit &a, const AxisDigit &b) {
    return a.axis == b.axis && a.count == b.count && a.weight == b.weight;
  }
};

/// Coordinates of a rank, by axis; ranks number row-major, the last axis fastest.
using Coordinates = llvm::SmallVector<int64_t, 4>;
Coordinates coordinatesOf(llvm::ArrayRef<int64_t> mesh, int64_t rank);
int64_t rankOf(llvm::ArrayRef<int64_t> mesh, llvm::ArrayRef<int64_t> coordinates);

enum class ChunkOrder : uint8_t { Contiguous, ZigZag, Stripe };

/// Which axes divide a dim, outer first, and in which order its chunks are dealt to their positions.
struct Deal {
  llvm::SmallVector<AxisDigit, 2> axes = {};
  ChunkOrder order = ChunkOrder::Contiguous;

  int64_t ranks() const;
  /// Position of a rank in the group of `axes`, the first axis slowest.
  int64_t positionOf(llvm::ArrayRef<int64_t> coordinates) const;
  /// Equal pieces of which a part holds the same number, in order: twice the ranks for zig-zag.
  int64_t chunks() const { return order == ChunkOrder::ZigZag ? 2 * ranks() : ranks(); }
  friend bool operator==(const Deal &a, const Deal &b) {
    return a.axes == b.axes && (a.order == b.order || a.ranks() == 1);
  }
};

/// A stretch of a dim, dealt on its own: packed q, k and v are three side by side.
struct Segment {
  int64_t size = 1;
  Deal deal = {};
  friend bool operator==(const Segment &a, const Segment &b) { return a.size == b.size && a.deal == b.deal; }
};

/// A dim of a tensor and how it is dealt; one segment but for packed dims.
struct DealtDim {
  llvm::SmallVector<Segment, 1> segments = {};
  int64_t size() const;
  /// Elements that the rank at these coordinates holds along the dim.
  int64_t localSize(llvm::ArrayRef<int64_t> coordinates) const;
  friend bool operator==(const DealtDim &a, const DealtDim &b) { return a.segments == b.segments; }
};

/// Positions start, start + step, ... of a dim, `count` of them, at the local indices `local`, local + 1, ...
struct Run {
  int64_t start = 0, step = 1, count = 0;
  int64_t local = 0;
};

/// The part of a position of the segment's group; positions and local indices count from the segment's first. Empty
/// runs are left out.
llvm::SmallVector<Run, 2> runsOf(const Segment &segment, int64_t position);
/// What the rank at these coordinates holds of a dim, in order.
llvm::SmallVector<Run, 2> runsOf(const DealtDim &dim, llvm::ArrayRef<int64_t> coordinates);

/// What two runs have in common: element i of it is at local index sourceStart + i * sourceStep of the one and
/// targetStart + i * targetStep of the other.
struct Common {
  int64_t count = 0;
  int64_t sourceStart = 0, sourceStep = 1;
  int64_t targetStart = 0, targetStep = 1;
};
std::optional<Common> compose(const Run &source, const Run &target);

/// Calls `visit` once for each position of the segment's group that holds part of `wanted` (positions of the segment),
/// and each run of that position that does, in no particular order.
void forEachHolder(const Segment &segment, const Run &wanted,
                   llvm::function_ref<void(int64_t position, const Common &common)> visit);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_PARTS_H
