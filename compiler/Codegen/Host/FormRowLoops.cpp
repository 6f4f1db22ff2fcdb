// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/FormRowLoops.h"

#include "compiler/Codegen/Host/RowSlicer.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace muster::codegen {

namespace {

// Rewrites one kernel.
class RowLoopFormer {
public:
  RowLoopFormer(func::FuncOp function, KernelSignature signature)
      : frame(function, std::move(signature)), slicer(frame), builder(frame.builder), loc(frame.loc) {}

  LogicalResult run();

private:
  // A result, seen through trailing reshapes: what is computed, where it goes, and which dim is divided.
  struct Root {
    Value value; // in the old function
    unsigned binding;
    Value buffer;      // memref of value's type
    Value destination; // tensor on that buffer
    Sizes sizes;
    RowDim row;
    OpFoldResult rows; // extent of the row dim
  };

  FailureOr<Root> makeRoot(unsigned result);
  RowDim chooseRow(Value value);
  LogicalResult formLoop(ArrayRef<Root> roots);

  KernelFrame frame;
  RowSlicer slicer;
  OpBuilder &builder;
  Location loc;
};

RowDim RowLoopFormer::chooseRow(Value value) {
  auto type = tensorType(value);
  auto divisible = [&](int64_t dim) {
    auto op = value.getDefiningOp<linalg::GenericOp>();
    if (!op)
      return true;
    AffineMap map = op.getIndexingMapMatchingResult(cast<OpResult>(value));
    auto iterator = dyn_cast<AffineDimExpr>(map.getResult(dim));
    if (!iterator || op.getIteratorTypesArray()[iterator.getPosition()] != utils::IteratorType::parallel)
      return false;
    return llvm::all_of(op.getIndexingMapsArray(),
                        [&](AffineMap other) { return positionOf(other, iterator.getPosition()) != notIndexedAlone; });
  };
  for (bool dynamic : {true, false})
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim) == dynamic && type.getDimSize(dim) != 1 && divisible(dim))
        return dim;
  return std::nullopt;
}

FailureOr<RowLoopFormer::Root> RowLoopFormer::makeRoot(unsigned result) {
  Root root;
  root.value = frame.source.getBody().front().getTerminator()->getOperand(result);
  root.binding = frame.signature.resultBindings[result];
  root.sizes = frame.bindingSizes[root.binding];
  bool tied = root.binding < frame.signature.arguments;
  // A reshape of the result is a view of its buffer. Not for tied results: they are read in their own shape.
  while (!tied) {
    FailureOr<Sizes> sizes = failure();
    Value inner;
    if (auto op = root.value.getDefiningOp<tensor::CollapseShapeOp>()) {
      inner = op.getSrc();
      sizes = frame.reshapedSizes(root.sizes, tensorType(inner), op.getReassociationIndices(), /*collapse=*/false);
    } else if (auto op = root.value.getDefiningOp<tensor::ExpandShapeOp>()) {
      inner = op.getSrc();
      sizes = frame.reshapedSizes(root.sizes, tensorType(inner), op.getReassociationIndices(), /*collapse=*/true);
    }
    if (failed(sizes))
      break;
    root.value = inner;
    root.sizes = *sizes;
  }
  auto type = tensorType(root.value);
  FailureOr<Value> buffer = frame.makeView(root.binding, type, root.sizes);
  if (failed(buffer))
    return failure();
  root.buffer = *buffer;
  root.destination = bufferization::ToTensorOp::create(builder, loc, type, root.buffer, /*restrict=*/true,
                                                       /*writable=*/true);
  root.row = chooseRow(root.value);
  root.rows = root.row ? root.sizes[*root.row] : OpFoldResult(builder.getIndexAttr(1));
  return root;
}

LogicalResult RowLoopFormer::run() {
  if (failed(slicer.viewArguments()))
    return failure();
  SmallVector<Root> roots;
  for (unsigned i = 0; i < frame.source.getNumResults(); ++i) {
    FailureOr<Root> root = makeRoot(i);
    if (failed(root))
      return failure();
    roots.push_back(std::move(*root));
  }
  // One loop for all results with the same number of rows: their common producers are computed once.
  GridSize grid;
  while (!roots.empty()) {
    SmallVector<Root> group, rest;
    for (Root &root : roots)
      (isEqualConstantIntOrValue(root.rows, roots.front().rows) ? group : rest).push_back(root);
    if (auto extent = getConstantIntValue(group.front().rows)) {
      if (grid.size < 0)
        grid.factor = std::max(grid.factor, *extent);
    } else if (grid.size < 0) {
      int64_t size = -1;
      if (auto argument = dyn_cast<BlockArgument>(cast<Value>(group.front().rows)))
        size = argument.getArgNumber() - frame.signature.bindings.size();
      if (size < 0)
        return frame.source.emitOpError(
            "E4121 cannot divide a result into rows because its number of rows is not a size "
            "argument");
      grid = {1, size};
    }
    if (failed(formLoop(group)))
      return failure();
    roots = std::move(rest);
  }
  frame.target->setAttr(gridAttributeName, builder.getDenseI64ArrayAttr({grid.factor, grid.size}));
  frame.source.erase();
  return success();
}

LogicalResult RowLoopFormer::formLoop(ArrayRef<Root> roots) {
  unsigned arguments = frame.target.getNumArguments();
  Value worker = frame.target.getArgument(arguments - 2), workers = frame.target.getArgument(arguments - 1);
  Value rows = frame.asValue(roots.front().rows);
  auto bound = [&](Value index) {
    return builder.createOrFold<arith::DivUIOp>(loc, arith::MulIOp::create(builder, loc, rows, index), workers);
  };
  Value one = frame.constantIndex(1);
  Value begin = bound(worker), end = bound(arith::AddIOp::create(builder, loc, worker, one));
  SmallVector<Value> initial;
  for (const Root &root : roots)
    initial.push_back(root.destination);
  auto loop = scf::ForOp::create(builder, loc, begin, end, one, initial);

  // Rows are short loops of their own; making vectors across rows would let a row's bits depend on its neighbours.
  bool nested = false;
  frame.source.walk([&](linalg::GenericOp op) { nested |= op.getNumLoops() > 1; });
  if (nested) {
    MLIRContext *context = builder.getContext();
    auto yes = builder.getBoolAttr(true);
    auto vectorize = LLVM::LoopVectorizeAttr::get(context, yes, {}, {}, {}, {}, {}, {});
    auto unroll = LLVM::LoopUnrollAttr::get(context, yes, {}, {}, {}, {}, {}, {});
    // Named as llvm.br names it: lowering hands it on to the branch as it is, and a prefixed name would be ignored.
    loop->setAttr("loop_annotation", LLVM::LoopAnnotationAttr::get(context, {}, vectorize, {}, unroll, {}, {}, {}, {},
                                                                   {}, {}, {}, {}, {}, {}, {}));
  }

  OpBuilder::InsertionGuard guard(builder);
  Operation *outerEnd = frame.end;
  frame.end = loop;
  builder.setInsertionPointToStart(loop.getBody());
  slicer.enterLoop(loop.getInductionVar());
  for (auto [root, current] : llvm::zip(roots, loop.getRegionIterArgs()))
    if (root.binding < frame.signature.arguments)
      slicer.setWritten(root.binding, current);
  // Known before anything is made: one result may be on the way to another.
  for (auto [root, current] : llvm::zip(roots, loop.getRegionIterArgs()))
    slicer.setDestination(root.value, root.row, slicer.extractRow(current, root.sizes, root.row));
  SmallVector<Value> yielded;
  for (auto [root, current] : llvm::zip(roots, loop.getRegionIterArgs())) {
    FailureOr<Value> value = slicer.slice(root.value, root.row);
    if (failed(value))
      return failure();
    int64_t rank = tensorType(root.value).getRank();
    Sizes offsets(rank, builder.getIndexAttr(0)), sizes(root.sizes), strides(rank, builder.getIndexAttr(1));
    if (root.row) {
      offsets[*root.row] = loop.getInductionVar();
      sizes[*root.row] = builder.getIndexAttr(1);
    }
    yielded.push_back(
        rank == 0 ? *value
                  : tensor::InsertSliceOp::create(builder, loc, *value, current, offsets, sizes, strides).getResult());
  }
  scf::YieldOp::create(builder, loc, yielded);
  builder.setInsertionPointAfter(loop);
  for (auto [root, result] : llvm::zip(roots, loop.getResults()))
    bufferization::MaterializeInDestinationOp::create(builder, loc, Type(), result, root.buffer, /*restrict=*/true,
                                                      /*writable=*/true);
  frame.end = outerEnd;
  slicer.leaveLoop();
  return success();
}

class FormRowLoopsPass : public PassWrapper<FormRowLoopsPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FormRowLoopsPass)
  StringRef getArgument() const final { return "muster-form-row-loops"; }
  StringRef getDescription() const final { return "divide host kernels into rows"; }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<bufferization::BufferizationDialect, memref::MemRefDialect, scf::SCFDialect, LLVM::LLVMDialect,
                    arith::ArithDialect, tensor::TensorDialect, linalg::LinalgDialect>();
  }
  void runOnOperation() final {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (isBufferKernel(function))
        continue;
      FailureOr<KernelSignature> signature = KernelSignature::read(function);
      if (failed(signature) || failed(RowLoopFormer(function, std::move(*signature)).run()))
        return signalPassFailure();
    }
  }
};

} // namespace

std::unique_ptr<Pass> createFormRowLoopsPass() { return std::make_unique<FormRowLoopsPass>(); }

} // namespace muster::codegen
