// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chooses what a library computes, before anything is lowered: matrix products with a weight. The weight is packed
// where the target's library wants it.
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_SELECTLIBRARYCALLSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {
struct SelectLibraryCalls : muster::impl::SelectLibraryCallsPassBase<SelectLibraryCalls> {
  using SelectLibraryCallsPassBase::SelectLibraryCallsPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<nn::MatmulOp> products;
    getOperation().walk([&](nn::MatmulOp op) {
      if (op.getWeight().getDefiningOp<LoadOp>()) // The library reads weights only.
        products.push_back(op);
    });
    for (nn::MatmulOp op : products) {
      OpBuilder builder(op);
      auto product = plan::MatmulOp::create(builder, op.getLoc(), op.getResult().getType(), op.getInput(),
                                            op.getWeight(), Value());
      op.replaceAllUsesWith(product.getResult());
      auto load = op.getWeight().getDefiningOp<LoadOp>();
      op.erase();
      ++selected;
      if (packWeights)
        symbols.lookup<WeightOp>(load.getWeight()).setPacking(plan::packingN64K16);
    }
  }
};
} // namespace
