// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values side by side along one dim: packed q, k and v; image tokens and text tokens.
//
// Each part is a value of its own, with its own digits, floats and history. On one rank the dim is part 0, then part 1,
// and so on. A gather along the dim puts the same of the next rank behind it, so that the dim is made of *blocks*, each
// of which has its piece of every part:
//
//   | operation                           | parts of dim 0                | blocks | in memory          |
//   | ----------------------------------- | ----------------------------- | ------ | ------------------ |
//   | concat [u/sp, h] and [t, h]         | (3 : 5 @u, sp)(5 : 1 @u)      | 1      | u t                |
//   |                                     | (2 : 1 @t)                    |        |                    |
//   | all_to_all split 1 concat 0 on sp   | (15 : 1 @u)                   | 3      | u0 t u1 t u2 t     |
//   |                                     | (3 copies)(2 : 1 @t)          |        |                    |
//
// The text is there three times then: its rows are duplicates, and a sum over the dim refuses them. An operation that
// moves such values moves each part; what hands out the blocks takes them off each part. Sizes along the dim are
// concrete.

#ifndef MUSTER_COMPILER_LAYOUT_PACKED_H
#define MUSTER_COMPILER_LAYOUT_PACKED_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"

namespace muster::layout {

struct Packed {
  llvm::SmallVector<Value, 3> parts; ///< two or more, of one local shape but for `dim`
  unsigned dim = 0;
  int64_t blocks = 1;
  /// A part is a piece of what it was: its positions are its own, and names do not tell them.
  bool isCut = false;
  /// Blocks are of a dim that stood before the parts: one rank has them, too, one after the other.
  bool isInterleaved = false;

  int64_t partSize(size_t part) const { return parts[part].dims[dim].localSize().getValue(); }
  llvm::SmallVector<Size, 4> localShape() const;
};

/// The parts of the first dim of segments; nullopt where there is none.
std::optional<Packed> unpack(const Value &value);

/// The parts as one value with a dim of segments. Nullopt where they are more than that: blocks, shards whose dims are
/// not settled, parts that differ in another dim.
std::optional<Value> asSegments(const Packed &packed);

/// Where all of the dim is on every rank and the parts differ in nothing else: one value with a dim of `space`, whose
/// positions are those of part 0, then those of part 1, and so on. Nullopt elsewhere.
std::optional<Value> asWhole(const Universe &universe, const Packed &packed, SpaceId space);

/// `shape`: the new local sizes. Refuses (Misaligned) where a dim would end inside a part.
Outcome<Packed> reshape(const Universe &universe, const Packed &packed, llvm::ArrayRef<Size> shape);

/// The dim of part `part`, and the place in it, at a local index.
std::pair<size_t, int64_t> placeIn(const Packed &packed, int64_t index);

/// The dims of parts side by side, by blocks; one part is a plain dim.
struct PackedDim {
  llvm::SmallVector<Dim, 3> parts;
  int64_t blocks = 1;
  bool isInterleaved = false;
};
PackedDim packedDimOf(const Packed &packed);

/// Nullopt where every rank and local index name the same position of the dims as they are on one rank. Unknown where
/// one rank has blocks, unless both have the same digits.
std::optional<Refusal> disagreement(const Universe &universe, const PackedDim &a, const PackedDim &b);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_PACKED_H
