// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/KernelPasses.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace muster::codegen {

namespace {

class PlaceBuffersOnStackPass : public PassWrapper<PlaceBuffersOnStackPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlaceBuffersOnStackPass)
  explicit PlaceBuffersOnStackPass(int64_t limitBytes) : limitBytes(limitBytes) {}
  StringRef getArgument() const final { return "muster-place-buffers-on-stack"; }
  StringRef getDescription() const final { return "move intermediate buffers to the stack frame"; }
  void getDependentDialects(DialectRegistry &registry) const final { registry.insert<linalg::LinalgDialect>(); }

  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(place(function)))
        return signalPassFailure();
  }

private:
  LogicalResult place(func::FuncOp function) {
    int64_t total = 0;
    SmallVector<memref::AllocOp> allocations;
    function.walk([&](memref::AllocOp op) { allocations.push_back(op); });
    function.walk([&](memref::DeallocOp op) { op.erase(); });
    OpBuilder builder(&function.getBody().front(), function.getBody().front().begin());
    for (memref::AllocOp op : allocations) {
      MemRefType type = op.getType();
      if (!type.hasStaticShape())
        return op.emitOpError("E4123 expected intermediate values of one row to have a fixed size but got ") << type;
      int64_t bits = type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
      total += type.getNumElements() * std::max<int64_t>(bits, 8) / 8;
      auto stack = memref::AllocaOp::create(builder, op.getLoc(), type, builder.getI64IntegerAttr(64));
      op.replaceAllUsesWith(stack.getResult());
      op.erase();
    }
    if (total > limitBytes)
      return function.emitOpError("E4124 expected at most ")
             << limitBytes << " bytes of intermediate values in one row but got " << total;
    SmallVector<memref::CopyOp> copies;
    function.walk([&](memref::CopyOp op) { copies.push_back(op); });
    for (memref::CopyOp op : copies) {
      builder.setInsertionPoint(op);
      linalg::CopyOp::create(builder, op.getLoc(), op.getSource(), op.getTarget());
      op.erase();
    }
    return success();
  }

  int64_t limitBytes;
};

} // namespace

std::unique_ptr<Pass> createPlaceBuffersOnStackPass(int64_t limitBytes) {
  return std::make_unique<PlaceBuffersOnStackPass>(limitBytes);
}

} // namespace muster::codegen
