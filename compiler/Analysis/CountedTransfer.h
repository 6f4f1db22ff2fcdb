// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the maps of a transfer say of rows that counts divide, taken apart from what they say of other dims.
#pragma once

#include "dialects/Plan/IR/PlanDialect.h"

#include <optional>
#include <string>

namespace muster {

/// The maps of a transfer without its elements of counts: those of counts are symbols behind those of `sizes`, one for
/// each of `rows`; rows begin at 0.
struct CountedTransfer {
  struct Rows {
    mlir::Value counts;
    unsigned box;    ///< dim of the box that walks the rows
    bool isGathered; ///< the source holds own rows and the result all of them; else the other way round
  };
  mlir::AffineMap extents, sourceOffset, sourceStrides, destinationOffset, destinationStrides;
  llvm::SmallVector<Rows, 2> rows;
};

/// Of a transfer with or without counts. Nullopt, and why, where an element stands where it is not the one that is
/// needed there, or, where some sizes do (`hasRows`), a size that differs between peers is taken for the peer's.
std::optional<CountedTransfer> readCounts(plan::TransferOp op, bool hasRows, std::string &reason);

} // namespace muster
