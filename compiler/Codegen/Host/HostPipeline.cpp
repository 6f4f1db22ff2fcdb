// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   stage       passes                                            why here
//   ---------   -----------------------------------------------
//   -------------------------------------------------------- fuse        fuse-elementwise, canonicalize, cse on whole
//   tensors, where indexing maps say what is equal order       allow-reassociation                               linalg
//   still says which op combines a reduction rows        form-row-loops, canonicalize, cse                 everything
//   for one row inside one loop; boundary on buffers buffers     one-shot-bufferize, canonicalize, cse, again      in
//   place; copies of a row to itself go once cse has seen it stack       place-buffers-on-stack what is left is as
//   large as a row loops       convert-linalg-to-loops                           before another canonicalize would make
//   memref.copy again lower       alias folding, metadata, affine, math, ... llvm   lower-affine after the two that
//   make affine.apply
//
// LLVM's loop vectoriser does the rest: rows are contiguous, pointers are noalias (EmitObject.cpp), and
// allow-reassociation permits vector reductions.

#include "compiler/Codegen/Host/HostPipeline.h"

#include <mutex>

#include "compiler/Codegen/Host/FormRowLoops.h"
#include "compiler/Codegen/Host/KernelPasses.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir;

namespace muster::codegen {

namespace {

constexpr llvm::StringLiteral simplify = "canonicalize,cse";
constexpr llvm::StringLiteral bufferize =
    "empty-tensor-to-alloc-tensor,one-shot-bufferize,canonicalize,cse,canonicalize";
constexpr llvm::StringLiteral lowerLoops =
    "convert-linalg-to-loops,fold-memref-alias-ops,expand-strided-metadata,canonicalize,cse,lower-affine";
constexpr llvm::StringLiteral lowerToLLVM =
    "canonicalize,cse,convert-scf-to-cf,convert-math-to-llvm,convert-vector-to-llvm,expand-strided-metadata,"
    "lower-affine,convert-index-to-llvm,finalize-memref-to-llvm,convert-arith-to-llvm,convert-cf-to-llvm,"
    "convert-func-to-llvm{use-bare-ptr-memref-call-conv=1},convert-ub-to-llvm,canonicalize,cse,"
    "reconcile-unrealized-casts";

void add(OpPassManager &manager, StringRef text) {
  if (failed(parsePassPipeline(text, manager)))
    llvm::report_fatal_error(llvm::Twine("unknown pass in ") + text);
}

void registerUpstreamPasses() {
  static std::once_flag once;
  std::call_once(once, [] { registerAllPasses(); });
}

} // namespace

void buildBufferPipeline(OpPassManager &manager, const HostTarget &target) {
  registerUpstreamPasses();
  add(manager, simplify);
  manager.addPass(createFuseElementwisePass());
  add(manager, simplify);
  manager.addPass(createAllowReassociationPass());
  manager.addPass(createFormRowLoopsPass());
  add(manager, simplify);
  add(manager, bufferize);
  manager.addPass(createPlaceBuffersOnStackPass(stackLimitBytes));
}

void buildLoweringPipeline(OpPassManager &manager, const HostTarget &target) {
  registerUpstreamPasses();
  add(manager, lowerLoops);
  manager.addPass(createExpandMathPass(target.hasFma()));
  add(manager, lowerToLLVM);
}

void registerHostCodegenPasses() {
  registerPass([] { return createFuseElementwisePass(); });
  registerPass([] { return createAllowReassociationPass(); });
  registerPass([] { return createFormRowLoopsPass(); });
  registerPass([] { return createPlaceBuffersOnStackPass(stackLimitBytes); });
  registerPass([] { return createExpandMathPass(/*fma=*/true); });
}

} // namespace muster::codegen
