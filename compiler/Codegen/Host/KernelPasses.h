// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The small passes of host code generation around the row loop; HostPipeline.cpp has their order and its reasons.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_KERNELPASSES_H
#define MUSTER_COMPILER_CODEGEN_HOST_KERNELPASSES_H

#include <cstdint>
#include <memory>

#include "mlir/Pass/Pass.h"

namespace muster::codegen {

/// Everything is linalg.generic; chains of element-wise ops are one op.
/// A producer is fused only where it runs over the same iterators as its consumer: a per-row scalar (the reciprocal
/// root of a norm) is not computed again for each element. A producer with further users joins a reduction over the
/// same loops as a second result.
std::unique_ptr<mlir::Pass> createFuseElementwisePass();

/// Says how freely LLVM may treat floating point: `contract` on arithmetic of kernels with inner loops, `reassoc` only
/// on the op that combines a reduction. Infinities, NaN and signed zeros keep their meaning.
/// One-dimensional kernels get neither: their loop over elements is divided among workers and made into vectors, and
/// only IEEE arithmetic gives each element the same bits in both the vector and the remainder loop.
std::unique_ptr<mlir::Pass> createAllowReassociationPass();

/// Buffers of intermediate values move to the function's stack frame, made once, 64-byte aligned; copies become loops.
/// E4123: a buffer whose size is not known; E4124: more than `limitBytes` in one kernel.
std::unique_ptr<mlir::Pass> createPlaceBuffersOnStackPass(int64_t limitBytes);

/// math.exp and its like on f32 (scalars and vectors of any length) become arithmetic. `fma`: a fused multiply-add is
/// one instruction. exp, exp2, expm1, sigmoid's exp: 1 ulp; others as upstream's approximations have them. E4125: a
/// function without an expansion, by name.
std::unique_ptr<mlir::Pass> createExpandMathPass(bool fma);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_KERNELPASSES_H
