// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The two layouts of a `muster.redistribute` as plain data of the layout algebra.
#pragma once

#include "compiler/Layout/TransferForm.h"
#include "dialects/Muster/IR/MusterDialect.h"

namespace muster {

/// A dim of the logical tensor: a term of a dim of the tensor.
struct RedistributedDim {
  int64_t tensorDim;
  layout::DealtDim from = {}, to = {};
  /// Elements are counted. Otherwise units: as many as `from` has locally make the operand's dim.
  bool countsElements = false;
};

/// The terms of all dims, in order; a dim that both layouts deal alike is one dim of one unit, and so is one whose
/// parts counts say. E4010 where the mesh has symbolic sizes, E4011 where a dim changes in a way that has no box list:
/// ragged, of a size that is not known where it must be, or not divided.
mlir::FailureOr<llvm::SmallVector<RedistributedDim>> readDims(RedistributeOp op);

/// On the mesh of `op`.
layout::Redistribution redistributionOf(MeshAttr mesh, llvm::ArrayRef<RedistributedDim> dims);

} // namespace muster
