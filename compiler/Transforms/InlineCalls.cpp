// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/Entries.h"
#include "compiler/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_INLINECALLSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

/// The name of what was called in front of that of what it called: layers are told apart by who calls them.
static Location under(Location call, Location inner) {
  auto outer = dyn_cast<NameLoc>(call);
  if (!outer)
    return inner;
  auto own = dyn_cast<NameLoc>(inner);
  std::string name = outer.getName().str() + (own ? "." + own.getName().str() : "");
  return NameLoc::get(StringAttr::get(call.getContext(), name), own ? own.getChildLoc() : inner);
}

namespace {

struct InlineCalls : muster::impl::InlineCallsPassBase<InlineCalls> {
  void runOnOperation() override {
    llvm::DenseSet<Operation *> entries;
    for (func::FuncOp entry : entriesOf(getOperation()))
      entries.insert(entry);
    llvm::StringSet<> called;
    getOperation().walk([&](func::CallOp call) { called.insert(call.getCallee()); });
    // Callees first: what is put in place holds no calls.
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(inlineInto(function)))
        return signalPassFailure();
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (called.contains(function.getSymName()) && !entries.contains(function))
        function.erase();
  }

  LogicalResult inlineInto(func::FuncOp function) {
    if (done.contains(function))
      return success();
    open.insert(function);
    SmallVector<func::CallOp> calls;
    function.walk([&](Operation *op) {
      ++sizes[function];
      if (auto call = dyn_cast<func::CallOp>(op))
        calls.push_back(call);
    });
    for (func::CallOp call : calls) {
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      if (!callee || callee.isExternal() || !callee.getBody().hasOneBlock() || open.contains(callee))
        return call.emitOpError() << "E4043 cannot be put in place: expected a function with a body of one block that "
                                     "does not call itself but got @"
                                  << call.getCallee();
      if (MeshAttr mesh = getMesh(callee); mesh && mesh != getMesh(function))
        return call.emitOpError() << "E4043 cannot be put in place: expected a function of the same mesh but got @"
                                  << call.getCallee();
      if (failed(inlineInto(callee)))
        return failure();
      // Functions that call others twice double at every level.
      constexpr int64_t most = 1 << 20;
      if (sizes[function] += sizes[callee]; sizes[function] > most)
        return call.emitOpError() << "E4043 cannot be put in place: expected at most " << most
                                  << " operations in a step but got " << sizes[function];
      put(call, callee);
      ++inlined;
    }
    open.erase(function);
    done.insert(function);
    return success();
  }

  static void put(func::CallOp call, func::FuncOp callee) {
    OpBuilder builder(call);
    IRMapping mapping;
    Block &body = callee.getBody().front();
    mapping.map(body.getArguments(), call.getOperands());
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping)->walk([&](Operation *copy) { copy->setLoc(under(call.getLoc(), copy->getLoc())); });
    SmallVector<Value> results = llvm::map_to_vector(body.getTerminator()->getOperands(),
                                                     [&](Value value) { return mapping.lookupOrDefault(value); });
    call.replaceAllUsesWith(results);
    call.erase();
  }

  llvm::DenseSet<Operation *> open, done;
  /// Operations of functions, with what they call.
  llvm::DenseMap<Operation *, int64_t> sizes;
};

} // namespace
