// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dims that are dealt in chunks: what all_gather and slice are for contiguous parts. Rows in stripes are rows of P
// columns, of which each rank has one: collected they stand column by column, and are transposed. Zig-zag rows are
// plain parts of the space that is in zig-zag order, and this whole space is the plain one rearranged, which only a dim
// that holds all of it, in order, can be read as.

#ifndef MUSTER_COMPILER_ANALYSIS_CHUNKORDERS_H
#define MUSTER_COMPILER_ANALYSIS_CHUNKORDERS_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"
#include "dialects/Muster/IR/MusterDialect.h"

namespace muster {

/// The space that is `plain` in zig-zag order over so many parts; made where there is none.
layout::SpaceId zigZagOf(layout::Universe &universe, layout::SpaceId plain, const layout::Size &parts);

/// All parts of the group side by side, in the order of the logical dim. Unknown where that order cannot be told.
layout::Outcome<layout::Value> collectParts(layout::Universe &universe, const layout::Value &value, layout::Group group,
                                            unsigned dim, ChunkOrder order);

/// To each rank of the group its part of a dim that all of them hold.
layout::Outcome<layout::Value> dealParts(layout::Universe &universe, const layout::Value &value, layout::Group group,
                                         unsigned dim, ChunkOrder order);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_CHUNKORDERS_H
