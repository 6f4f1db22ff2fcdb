// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order of the passes from kernels on tensors to the LLVM dialect.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_HOSTPIPELINE_H
#define MUSTER_COMPILER_CODEGEN_HOST_HOSTPIPELINE_H

#include "compiler/Codegen/Host/HostTarget.h"
#include "mlir/Pass/PassManager.h"

namespace muster::codegen {

/// Intermediate values of one row may take this much of a worker's stack.
inline constexpr int64_t stackLimitBytes = 512 * 1024;

/// Kernels on tensors -> kernels in buffer form, still with linalg ops (on memrefs), loops over rows in place.
/// `manager` works on builtin.module. Fails an assertion only where MLIR itself lacks a pass named here.
void buildBufferPipeline(mlir::OpPassManager &manager, const HostTarget &target);

/// Kernels in buffer form -> LLVM dialect; pointers stay bare pointers.
void buildLoweringPipeline(mlir::OpPassManager &manager, const HostTarget &target);

/// Makes the passes of this room known by name (`muster-form-row-loops`, ...), for muster-opt.
void registerHostCodegenPasses();

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_HOSTPIPELINE_H
