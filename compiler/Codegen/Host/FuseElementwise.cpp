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
#include "mlir/IR/IRMapping.h"
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

// A reduction that reads, over the same loops, what an element-wise op made for others as well (a sum of squares over a
// residual sum): one op with both results, so that a row is passed over once.
bool fuseIntoReduction(linalg::GenericOp consumer, RewriterBase &rewriter) {
  if (consumer.getNumReductionLoops() == 0)
    return false;
  for (OpOperand *operand : consumer.getDpsInputOperands()) {
    auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
    if (!producer || producer->getNumResults() != 1 || producer->getBlock() != consumer->getBlock() ||
        producer.getNumParallelLoops() != producer.getNumLoops() ||
        !producer.getIndexingMapMatchingResult(producer->getResult(0)).isIdentity() ||
        !consumer.getMatchingIndexingMap(operand).isIdentity() ||
        producer.payloadUsesValueFromOperand(producer.getDpsInitOperand(0)))
      continue;
    // Both are computed where the consumer stands.
    auto standsBehind = [&](Operation *user) {
      Operation *ancestor = consumer->getBlock()->findAncestorOpInBlock(*user);
      return ancestor == consumer || (ancestor && consumer->isBeforeInBlock(ancestor));
    };
    if (!llvm::all_of(producer->getUsers(), standsBehind) || llvm::any_of(producer->getUsers(), [&](Operation *user) {
          return consumer.getRegion().isAncestor(user->getParentRegion());
        }))
      continue;
    SmallVector<Value> inputs(producer.getInputs()), inits(consumer.getOutputs());
    SmallVector<AffineMap> maps;
    for (OpOperand *input : producer.getDpsInputOperands())
      maps.push_back(producer.getMatchingIndexingMap(input));
    SmallVector<OpOperand *> kept;
    for (OpOperand *input : consumer.getDpsInputOperands())
      if (input->get() != producer->getResult(0) || !consumer.getMatchingIndexingMap(input).isIdentity())
        kept.push_back(input);
    for (OpOperand *input : kept) {
      inputs.push_back(input->get());
      maps.push_back(consumer.getMatchingIndexingMap(input));
    }
    inits.push_back(producer.getDpsInits()[0]);
    for (OpOperand &init : consumer.getDpsInitsMutable())
      maps.push_back(consumer.getMatchingIndexingMap(&init));
    maps.push_back(producer.getMatchingIndexingMap(producer.getDpsInitOperand(0)));
    rewriter.setInsertionPoint(consumer);
    auto fused = linalg::GenericOp::create(
        rewriter, consumer.getLoc(), ValueRange(inits).getTypes(), inputs, inits, maps,
        consumer.getIteratorTypesArray(), [&](OpBuilder &builder, Location loc, ValueRange arguments) {
          IRMapping mapping;
          unsigned next = 0;
          for (OpOperand *input : producer.getDpsInputOperands())
            mapping.map(producer.getMatchingBlockArgument(input), arguments[next++]);
          for (Operation &op : producer.getBody()->without_terminator())
            builder.clone(op, mapping);
          Value made = mapping.lookupOrDefault(producer.getBody()->getTerminator()->getOperand(0));
          for (OpOperand *input : consumer.getDpsInputOperands())
            mapping.map(consumer.getMatchingBlockArgument(input),
                        llvm::is_contained(kept, input) ? arguments[next++] : made);
          for (OpOperand &init : consumer.getDpsInitsMutable())
            mapping.map(consumer.getMatchingBlockArgument(&init), arguments[next++]);
          for (Operation &op : consumer.getBody()->without_terminator())
            builder.clone(op, mapping);
          SmallVector<Value> yielded;
          for (Value value : consumer.getBody()->getTerminator()->getOperands())
            yielded.push_back(mapping.lookupOrDefault(value));
          yielded.push_back(made);
          linalg::YieldOp::create(builder, loc, yielded);
        });
    rewriter.replaceOp(consumer, fused->getResults().drop_back());
    rewriter.replaceOp(producer, fused->getResults().back());
    return true;
  }
  return false;
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
    SmallVector<linalg::GenericOp> reductions;
    getOperation()->walk([&](linalg::GenericOp op) {
      if (op.getNumReductionLoops() != 0)
        reductions.push_back(op);
    });
    IRRewriter rewriter(context);
    for (linalg::GenericOp op : reductions)
      fuseIntoReduction(op, rewriter);
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
      if (map.getNumResults() == op.getNumLoops() || !combine ||
          !llvm::is_contained(combine->getOperands(), accumulator))
        continue;
      if (isa<arith::AddFOp, arith::MulFOp>(combine))
        set(cast<arith::ArithFastMathInterface>(combine),
            arith::FastMathFlags::contract | arith::FastMathFlags::reassoc);
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
