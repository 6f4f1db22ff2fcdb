// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/KernelPasses.h"
#include "compiler/Codegen/Host/KernelSignature.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace muster::codegen {

namespace {

// The producer's loops are exactly the consumer's: no element of it is computed twice.
bool sameLoops(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!producer || !consumer)
    return false;
  AffineMap read = consumer.getMatchingIndexingMap(operand);
  return read.isPermutation() && operand->get().hasOneUse();
}

class FuseElementwisePass : public PassWrapper<FuseElementwisePass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FuseElementwisePass)
  StringRef getArgument() const final { return "muster-fuse-elementwise"; }
  StringRef getDescription() const final { return "fuse element-wise ops over the same iterators"; }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<linalg::LinalgDialect, tensor::TensorDialect, arith::ArithDialect, math::MathDialect>();
  }
  void runOnOperation() final {
    MLIRContext *context = &getContext();
    RewritePatternSet generalise(context);
    linalg::populateElementwiseToLinalgConversionPatterns(generalise);
    linalg::populateLinalgNamedOpsGeneralizationPatterns(generalise);
    linalg::populateInlineConstantOperandsPatterns(generalise);
    memref::populateResolveRankedShapedTypeResultDimsPatterns(generalise);
    if (failed(applyPatternsGreedily(getOperation(), std::move(generalise))))
      return signalPassFailure();
    RewritePatternSet fuse(context);
    linalg::populateElementwiseOpsFusionPatterns(fuse, sameLoops);
    if (failed(applyPatternsGreedily(getOperation(), std::move(fuse))))
      return signalPassFailure();
  }
};

class AllowReassociationPass : public PassWrapper<AllowReassociationPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AllowReassociationPass)
  StringRef getArgument() const final { return "muster-allow-reassociation"; }
  StringRef getDescription() const final { return "mark where floating-point order is free"; }
  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (isBufferKernel(function))
        continue;
      bool nested = false;
      function.walk([&](linalg::GenericOp op) { nested |= op.getNumLoops() > 1; });
      if (nested)
        function.walk([](linalg::GenericOp op) { mark(op); });
    }
  }

private:
  static void mark(linalg::GenericOp op) {
    op.walk([](arith::ArithFastMathInterface inner) { set(inner, arith::FastMathFlags::contract); });
    // acc' = combine(acc, x): the only place where a sum may be taken in another order.
    auto yield = cast<linalg::YieldOp>(op.getBody()->getTerminator());
    for (auto [value, accumulator] : llvm::zip(yield.getValues(), op.getRegionOutputArgs())) {
      AffineMap map = op.getMatchingIndexingMap(op.getMatchingOpOperand(accumulator));
      Operation *combine = value.getDefiningOp();
      if (map.getNumResults() == op.getNumLoops() || !combine || !llvm::is_contained(combine->getOperands(), accumulator))
        continue;
      if (isa<arith::AddFOp, arith::MulFOp>(combine))
        set(cast<arith::ArithFastMathInterface>(combine), arith::FastMathFlags::contract | arith::FastMathFlags::reassoc);
    }
  }
  static void set(arith::ArithFastMathInterface op, arith::FastMathFlags flags) {
    op->setAttr(op.getFastMathAttrName(), arith::FastMathFlagsAttr::get(op.getContext(), flags));
  }
};

} // namespace

std::unique_ptr<Pass> createFuseElementwisePass() { return std::make_unique<FuseElementwisePass>(); }
std::unique_ptr<Pass> createAllowReassociationPass() { return std::make_unique<AllowReassociationPass>(); }

} // namespace muster::codegen
