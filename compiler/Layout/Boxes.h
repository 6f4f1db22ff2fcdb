// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From one layout of a tensor to another, on the same mesh or from mesh to mesh: what each rank pulls from which.
//
// A layout is a map from places (rank, local index) to elements. The target's map composed with the inverse of the
// source's takes a place of the target to the places that hold its element, and dim by dim that is a handful of strided
// runs (Parts.h). So what a rank pulls is a list of boxes; its length is the number of pairs of runs that meet, and to
// find it no other rank's list is looked at. [s/a, h] to [s, h/a] on two ranks, 4 x 6 elements:
//
//   | rank | pulls from | extents | from: offset, strides | to: offset, strides |
//   | ---- | ---------- | ------- | --------------------- | ------------------- |
//   | 0    | 0          | 2 x 3   | 0, (6, 1)             | 0, (3, 1)           |
//   | 0    | 1          | 2 x 3   | 0, (6, 1)             | 6, (3, 1)           |
//   | 1    | 0          | 2 x 3   | 3, (6, 1)             | 0, (3, 1)           |
//   | 1    | 1          | 2 x 3   | 3, (6, 1)             | 6, (3, 1)           |
//
// Where several ranks hold an element, a rank that holds it itself pulls from itself. Otherwise the holder with the
// same coordinates on the axes over which the source is replicated is near (it differs on no more axes than it must);
// only where that would send all ranks to a few of the holders are they gone through in turn. On a 2 x 2 mesh, [s/a] to
// [s/b]: rank (0, 1) pulls from (1, 0) and not from (1, 1), which serves itself.

#ifndef MUSTER_COMPILER_LAYOUT_BOXES_H
#define MUSTER_COMPILER_LAYOUT_BOXES_H

#include "compiler/Layout/Parts.h"

#include <vector>

namespace muster::layout {

/// A tensor dealt to the ranks of a mesh; nothing is pending.
struct Sharding {
  llvm::SmallVector<int64_t, 4> mesh = {};
  llvm::SmallVector<DealtDim, 4> dims = {};
  /// Order of the dims in a rank's dense memory, major first; empty for the order of the dims.
  llvm::SmallVector<unsigned, 4> order = {};

  int64_t ranks() const;
  /// Strides of the dims in the memory of the rank at these coordinates.
  llvm::SmallVector<int64_t, 4> stridesAt(llvm::ArrayRef<int64_t> coordinates) const;
  int64_t elementsAt(llvm::ArrayRef<int64_t> coordinates) const;
};

struct Box {
  struct Dim {
    int64_t extent, sourceStride, targetStride;
  };
  llvm::SmallVector<Dim, 4> dims = {};
  int64_t sourceOffset = 0, targetOffset = 0;
  int64_t elements() const;
};

struct Pull {
  int64_t source; ///< rank
  Box box;
};

/// Both of one logical tensor: equal sizes, and segments of equal sizes. `isOneMachine`: rank i of both meshes is the
/// same process, as far as both have one.
struct Redistribution {
  Sharding from, to;
  bool isOneMachine = true;
};

/// All that the two ranks have in common, replicas or not.
std::vector<Box> boxesBetween(const Redistribution &redistribution, int64_t source, int64_t target);

/// What a rank of the target mesh pulls: each of its elements once. The work is that for this rank alone.
std::vector<Pull> pullsOf(const Redistribution &redistribution, int64_t target);

/// One way to fill a rank's part: from which coordinates, and for each dim what is common to a run of the source and
/// one of the target.
struct Share {
  Coordinates source;
  llvm::SmallVector<Common, 4> dims;
};
/// The same without memory: `pullsOf` before strides.
std::vector<Share> sharesOf(const Redistribution &redistribution, llvm::ArrayRef<int64_t> target);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_BOXES_H
