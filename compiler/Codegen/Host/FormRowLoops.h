// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a kernel on tensors to a loop over rows on buffers.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_FORMROWLOOPS_H
#define MUSTER_COMPILER_CODEGEN_HOST_FORMROWLOOPS_H

#include <memory>

#include "mlir/Pass/Pass.h"

namespace muster::codegen {

/// Rewrites each kernel of a module (HostCodegen.h says what one looks like) to buffer form: a row loop that every
/// worker runs over its share of the rows.
///
/// A *row* is one index of one dim of a result: its first dynamic dim whose iterator is parallel, else its first dim
/// that is not 1. Every op that the result needs is repeated inside the loop for one row, once, so that intermediate
/// values are as large as a row; ops that do not depend on the row are computed before the loop by every worker. That
/// is tiling by one with complete fusion; unlike upstream's tile-and-fuse, a producer with several uses is neither
/// computed nor yielded twice, and reshapes of arguments become views.
///
/// Requires: linalg.generic (no named ops), tensor.empty, extract_slice, expand_shape, collapse_shape, scalar arith.
/// Guarantees: @name(memref<1xT> per binding, index per size, worker, workers); results of one row do not depend on
/// worker and workers; still on tensors inside, for bufferization.
/// E4120: the signature breaks the rules; E4121: an op or an access that cannot be divided into rows.
std::unique_ptr<mlir::Pass> createFormRowLoopsPass();

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_FORMROWLOOPS_H
