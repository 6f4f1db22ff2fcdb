// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chooses what a library computes, before anything is lowered: matrix products with a weight. The weight is packed
// where the target's library wants it. A sum of a product and of something that is not wanted any more is the product's
// too: it accumulates.
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_SELECTLIBRARYCALLSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// A sum of two tensors of one type, element by element.
bool isSum(Operation *op) {
  if (isa<linalg::AddOp>(op))
    return llvm::all_equal(op->getOperandTypes());
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInputs() != 2 || generic.getNumDpsInits() != 1 ||
      !llvm::all_equal(generic->getOperandTypes()) || generic.getNumParallelLoops() != generic.getNumLoops() ||
      !llvm::all_of(generic.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return false;
  auto yield = cast<linalg::YieldOp>(generic.getBody()->getTerminator());
  auto add = yield.getOperand(0).getDefiningOp<arith::AddFOp>();
  Value a = generic.getBody()->getArgument(0), b = generic.getBody()->getArgument(1);
  return add && ((add.getLhs() == a && add.getRhs() == b) || (add.getLhs() == b && add.getRhs() == a));
}

/// Other names of the same memory, once it has some.
bool isReshape(Operation *op) {
  return isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp, nn::SplitHeadsOp, nn::MergeHeadsOp>(op);
}

/// Whether everything that uses `value`, by whatever name, stands in front of `end`, but for `sum`.
bool isDeadBehind(Value value, Operation *end, Operation *sum) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    if (isReshape(user) || isa<tensor::ExtractSliceOp>(user))
      return isDeadBehind(user->getResult(0), end, sum);
    Operation *inBlock = end->getBlock()->findAncestorOpInBlock(*user);
    return inBlock == sum || (inBlock && inBlock->isBeforeInBlock(end));
  });
}

/// Whether a step's own memory stands behind `value`, so that it may be overwritten by `product`.
bool isSpent(Value value, plan::MatmulOp product, Operation *sum) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isReshape(op))
      break;
    value = op->getOperand(0);
  }
  Operation *maker = value.getDefiningOp();
  if (!maker || !isa<linalg::LinalgOp, plan::MatmulOp, plan::TransferOp, nn::GatherRowsOp, nn::RmsNormOp, nn::RopeOp,
                     nn::AttentionOp>(maker))
    return false; // an argument, a weight, a slice, or not computed at all
  return maker->getBlock() == product->getBlock() && maker->isBeforeInBlock(product) &&
         isDeadBehind(value, product, sum);
}

/// The sum that `product` can become a part of, and what it adds to.
std::pair<Operation *, Value> getAccumulation(plan::MatmulOp product) {
  if (!product->hasOneUse())
    return {};
  Operation *sum = *product->user_begin();
  if (sum->getBlock() != product->getBlock() || !isSum(sum) || sum->getResult(0).getType() != product.getType())
    return {};
  Value other = sum->getOperand(sum->getOperand(0) == product.getResult() ? 1 : 0);
  if (!isSpent(other, product, sum))
    return {};
  return {sum, other};
}

struct SelectLibraryCalls : muster::impl::SelectLibraryCallsPassBase<SelectLibraryCalls> {
  using SelectLibraryCallsPassBase::SelectLibraryCallsPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<nn::MatmulOp> products;
    getOperation().walk([&](nn::MatmulOp op) {
      if (op.getWeight().getDefiningOp<LoadOp>()) // The library reads weights only.
        products.push_back(op);
    });
    SmallVector<plan::MatmulOp> calls;
    for (nn::MatmulOp op : products) {
      OpBuilder builder(op);
      auto product = plan::MatmulOp::create(builder, op.getLoc(), op.getResult().getType(), op.getInput(),
                                            op.getWeight(), Value());
      op.replaceAllUsesWith(product.getResult());
      calls.push_back(product);
      auto load = op.getWeight().getDefiningOp<LoadOp>();
      op.erase();
      ++selected;
      if (packWeights)
        symbols.lookup<WeightOp>(load.getWeight()).setPacking(plan::packingN64K16);
    }
    for (plan::MatmulOp product : calls) {
      auto [sum, other] = getAccumulation(product);
      if (!sum)
        continue;
      product.getAccumulatorMutable().assign(other);
      sum->getResult(0).replaceAllUsesWith(product.getResult());
      sum->erase();
      ++accumulating;
    }
  }
};
} // namespace
