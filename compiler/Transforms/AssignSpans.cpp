// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From values to memory: every tensor that a step makes gets a span, reshapes become the span that they view, and an
// accumulating product writes into its accumulator's span. Kernels are bufferised each alone by the code generator;
// here nothing but the outer graph is touched.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/ResolveSizes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_ASSIGNSPANSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// Rewrites one function to an entry with one variant.
class SpanAssigner {
public:
  explicit SpanAssigner(func::FuncOp function)
      : function(function), mesh(getMesh(function)), resolver(function), outer(function.getContext()),
        steps(function.getContext()) {}

  LogicalResult run();

private:
  FailureOr<ArrayAttr> describePorts(bool results);
  FailureOr<Value> makeSpan(Value tensor, Location loc, StringAttr role = {}, IntegerAttr index = {});
  LogicalResult assign(Operation *op);
  bool canOverwriteAccumulator(plan::MatmulOp product);
  FailureOr<Value> makeCopy(Value tensor, Location loc);
  LogicalResult assignResults(Operation *terminator);
  Value spanOf(Value tensor) { return spans.lookup(tensor); }
  SmallVector<Value> mapSizes(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value value) { return sizes.lookupOrDefault(value); });
  }

  func::FuncOp function;
  MeshAttr mesh;
  SizeResolver resolver;
  OpBuilder outer; // in the entry: sizes
  OpBuilder steps; // in the variant
  IRMapping sizes;
  DenseMap<Value, Value> spans;
};

/// One contiguous dim in unequal parts over whole axes.
static bool isRaggedDim(LayoutDimAttr dim) {
  if (dim.getSegmented() || dim.getTerms().size() != 1)
    return false;
  LayoutTermAttr term = dim.getTerms().front();
  return term.isRagged() && !term.getAxes().empty() && term.getOrder() == ChunkOrder::Contiguous &&
         !term.getAnyOrder() && llvm::all_of(term.getAxes(), [](AxisRefAttr axis) { return axis.isWholeAxis(); });
}

/// Every dim is whole on each rank, or one contiguous dim over whole axes, in equal parts or as long as counts say.
static bool isPortLayout(LayoutAttr layout) {
  auto isWhole = [](LayoutDimAttr dim) {
    return llvm::all_of(dim.getTerms(), [](LayoutTermAttr term) { return term.getAxes().empty() && !term.isRagged(); });
  };
  if (!layout.getPartials().empty())
    return false;
  for (int64_t dim = 0; dim < layout.getRank(); ++dim)
    if (!layout.isPlainDim(dim) && !isWhole(layout.getDims()[dim]) && !isRaggedDim(layout.getDims()[dim]))
      return false;
  return true;
}

/// Ports as dictionaries {name, type (logical), layout, dims}.
FailureOr<ArrayAttr> SpanAssigner::describePorts(bool results) {
  Builder builder(function.getContext());
  SmallVector<Attribute> ports;
  FunctionType type = function.getFunctionType();
  for (unsigned index = 0; index < (results ? type.getNumResults() : type.getNumInputs()); ++index) {
    Type portType = results ? type.getResult(index) : type.getInput(index);
    auto local = dyn_cast<RankedTensorType>(portType);
    auto get = [&](StringRef name) {
      return results ? function.getResultAttr(index, name) : function.getArgAttr(index, name);
    };
    auto layout = dyn_cast_or_null<LayoutAttr>(get(attribute::layout));
    StringRef what = results ? "result" : "argument";
    if (!local || !layout)
      return function.emitOpError() << "E4007 expected " << what << " " << index
                                    << " to be a tensor with a layout but got " << portType;
    if (!isPortLayout(layout))
      return function.emitOpError() << "E4008 unsupported layout of " << what << " " << index
                                    << ": expected contiguous dims over whole axes but got " << layout.getText();
    auto name = dyn_cast_or_null<StringAttr>(get(attribute::name));
    SmallVector<int64_t> logical(local.getShape());
    SmallVector<Attribute> dims;
    for (int64_t dim = 0; dim < local.getRank(); ++dim) {
      for (StringRef axis : layout.getPlainAxes(dim))
        if (!local.isDynamicDim(dim))
          logical[dim] *= mesh.getAxisSize(axis);
      dims.push_back(builder.getStringAttr(local.isDynamicDim(dim) ? layout.getDimName(dim) : StringRef()));
    }
    ports.push_back(builder.getDictionaryAttr({
        builder.getNamedAttr("name", name ? name : builder.getStringAttr((Twine(what) + Twine(index)).str())),
        builder.getNamedAttr("type", TypeAttr::get(RankedTensorType::get(logical, local.getElementType()))),
        builder.getNamedAttr("layout", layout),
        builder.getNamedAttr("dims", builder.getArrayAttr(dims)),
    }));
  }
  return builder.getArrayAttr(ports);
}

FailureOr<Value> SpanAssigner::makeSpan(Value tensor, Location loc, StringAttr role, IntegerAttr index) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> dynamic;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    if (!type.isDynamicDim(dim))
      continue;
    FailureOr<OpFoldResult> size = resolver.getSize(tensor, dim);
    if (failed(size))
      return failure();
    dynamic.push_back(sizes.lookupOrDefault(cast<Value>(*size)));
  }
  return plan::SpanOp::create(steps, loc, plan::SpanType::get(type.getContext(), type), dynamic, IntegerAttr(), role,
                              index)
      .getResult();
}

bool isReshape(Operation *op) {
  return isa<plan::PackedViewOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(op);
}

/// Whether `value`, by whatever name, is read behind the product `end`, or by it as a factor.
bool isReadBehind(Value value, plan::MatmulOp end) {
  return llvm::any_of(value.getUses(), [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isReshape(user))
      return isReadBehind(user->getResult(0), end);
    constexpr unsigned accumulator = 2; // among the operands
    bool isAddend = user == end && use.getOperandNumber() == accumulator;
    return !isAddend && !user->isBeforeInBlock(end);
  });
}

/// Whether `product` may write over its accumulator: a step made it, and nobody wants it afterwards.
bool SpanAssigner::canOverwriteAccumulator(plan::MatmulOp product) {
  // All names of the memory: reshapes, and products that have added to it.
  for (Value at = product.getAccumulator();;) {
    Operation *op = at.getDefiningOp();
    if (!op || isReadBehind(at, product))
      return false;
    auto before = dyn_cast<plan::MatmulOp>(op);
    if (before && before.getAccumulator() && spanOf(before.getAccumulator()) == spanOf(at))
      at = before.getAccumulator();
    else if (isReshape(op))
      at = op->getOperand(0);
    else
      return isa<plan::LaunchOp, plan::TransferOp, plan::MatmulOp>(op);
  }
}

/// A dense copy of `tensor`: one run of all elements.
FailureOr<Value> SpanAssigner::makeCopy(Value tensor, Location loc) {
  FailureOr<Value> copy = makeSpan(tensor, loc);
  FailureOr<SmallVector<OpFoldResult>> shape = resolver.getSizes(tensor);
  if (failed(copy) || failed(shape))
    return failure();
  int64_t factor = 1;
  Value product;
  for (OpFoldResult size : *shape) {
    if (std::optional<int64_t> constant = getConstantIntValue(size))
      factor *= *constant;
    else if (Value dynamic = sizes.lookupOrDefault(cast<Value>(size)); product)
      product = arith::MulIOp::create(outer, loc, product, dynamic);
    else
      product = dynamic;
  }
  Builder builder(function.getContext());
  unsigned dims = 2 * mesh.getAxes().size(), symbols = product ? 1 : 0;
  auto map = [&](AffineExpr result) { return AffineMapAttr::get(AffineMap::get(dims, symbols, result)); };
  AffineExpr zero = builder.getAffineConstantExpr(0), one = builder.getAffineConstantExpr(1);
  AffineExpr elements = product ? builder.getAffineSymbolExpr(0) * factor : builder.getAffineConstantExpr(factor);
  plan::TransferStepOp::create(steps, loc, spanOf(tensor), *copy, product ? ValueRange(product) : ValueRange(),
                               ValueRange(), builder.getStringAttr("copy"), builder.getStrArrayAttr({}),
                               ReductionKindAttr(), map(elements), map(zero), map(one), map(zero), map(one),
                               DenseI64ArrayAttr(), DenseI64ArrayAttr(), DenseI64ArrayAttr());
  return copy;
}

LogicalResult SpanAssigner::assign(Operation *op) {
  Location loc = op->getLoc();
  MLIRContext *context = op->getContext();
  if (auto load = dyn_cast<LoadOp>(op)) {
    auto type = plan::SpanType::get(context, cast<RankedTensorType>(load.getType()));
    spans[load.getResult()] = plan::WeightSpanOp::create(steps, loc, type, load.getWeightAttr());
    return success();
  }
  if (auto state = dyn_cast<plan::StateOp>(op)) {
    auto type = plan::SpanType::get(context, cast<RankedTensorType>(state.getType()));
    spans[state.getResult()] = plan::StateSpanOp::create(steps, loc, type, state.getStateAttr());
    return success();
  }
  if (isReshape(op)) {
    spans[op->getResult(0)] = spanOf(op->getOperand(0));
    return success();
  }
  if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
    SmallVector<Value> operands;
    SmallVector<int64_t> writes(launch.getWrites());
    for (Value input : launch.getInputs())
      operands.push_back(spanOf(input));
    for (Value result : launch.getResults()) {
      FailureOr<Value> span = makeSpan(result, loc);
      if (failed(span))
        return failure();
      spans[result] = *span;
      writes.push_back(operands.size());
      operands.push_back(*span);
    }
    plan::LaunchStepOp::create(steps, loc, launch.getKernelAttr(), operands, mapSizes(launch.getSizes()),
                               DenseI64ArrayAttr::get(context, writes), DenseI64ArrayAttr(), DenseI64ArrayAttr());
    return success();
  }
  if (auto matmul = dyn_cast<plan::MatmulOp>(op)) {
    Value accumulator = matmul.getAccumulator();
    FailureOr<Value> span = !accumulator                      ? makeSpan(matmul.getResult(), loc)
                            : canOverwriteAccumulator(matmul) ? FailureOr<Value>(spanOf(accumulator))
                                                              : makeCopy(accumulator, loc);
    FailureOr<OpFoldResult> rows = resolver.getSize(matmul.getInput(), 0);
    if (failed(span) || failed(rows))
      return failure();
    spans[matmul.getResult()] = *span;
    Value dynamicRows = dyn_cast<Value>(*rows);
    plan::MatmulStepOp::create(steps, loc, spanOf(matmul.getInput()), spanOf(matmul.getWeight()), *span,
                               dynamicRows ? sizes.lookupOrDefault(dynamicRows) : Value(), accumulator != nullptr,
                               DenseI64ArrayAttr(), DenseI64ArrayAttr());
    return success();
  }
  if (auto transfer = dyn_cast<plan::TransferOp>(op)) {
    FailureOr<Value> span = makeSpan(transfer.getResult(), loc);
    if (failed(span))
      return failure();
    spans[transfer.getResult()] = *span;
    plan::TransferStepOp::create(
        steps, loc, spanOf(transfer.getSource()), *span, mapSizes(transfer.getSizes()), mapSizes(transfer.getCounts()),
        transfer.getKindAttr(), transfer.getAxesAttr(), transfer.getReductionAttr(), transfer.getExtentsAttr(),
        transfer.getSourceOffsetAttr(), transfer.getSourceStridesAttr(), transfer.getDestinationOffsetAttr(),
        transfer.getDestinationStridesAttr(), transfer.getSourcesAttr(), DenseI64ArrayAttr(), DenseI64ArrayAttr());
    return success();
  }
  if (auto exchange = dyn_cast<plan::ExchangeRowsOp>(op)) {
    FailureOr<Value> span = makeSpan(exchange.getResult(), loc);
    if (failed(span))
      return failure();
    spans[exchange.getResult()] = *span;
    plan::ExchangeRowsStepOp::create(steps, loc, spanOf(exchange.getSource()), spanOf(exchange.getSend()), *span,
                                     exchange.getAxesAttr(), DenseI64ArrayAttr(), DenseI64ArrayAttr());
    return success();
  }
  return op->emitOpError() << "E4009 expected transfers, matrix products and launches only, once kernels are formed";
}

/// Marks the spans of results; a result that is an argument, a weight or another result too is copied.
LogicalResult SpanAssigner::assignResults(Operation *terminator) {
  for (auto [index, value] : llvm::enumerate(terminator->getOperands())) {
    Value span = spanOf(value);
    auto made = span.getDefiningOp<plan::SpanOp>();
    if (!made || made.getRole()) {
      FailureOr<Value> copy = makeCopy(value, terminator->getLoc());
      if (failed(copy))
        return failure();
      made = copy->getDefiningOp<plan::SpanOp>();
    }
    made.setRole("result");
    made.setIndex(index);
  }
  return success();
}

LogicalResult SpanAssigner::run() {
  FailureOr<ArrayAttr> inputs = describePorts(/*results=*/false), results = describePorts(/*results=*/true);
  if (failed(inputs) || failed(results))
    return failure();
  // Every size is resolved while the function still stands: new sizes appear in it and are cloned with the others.
  for (Operation &op : function.getBody().front())
    for (Value value : op.getResults())
      if (auto type = dyn_cast<RankedTensorType>(value.getType());
          type && !type.hasStaticShape() && !isa<plan::StateOp>(op))
        if (failed(resolver.getSizes(value)))
          return failure();
  for (BlockArgument argument : function.getArguments())
    if (failed(resolver.getSizes(argument)))
      return failure();

  resolver.eraseDeadSizes();

  Location loc = function.getLoc();
  OpBuilder builder(function);
  auto entry = plan::EntryOp::create(builder, loc, function.getSymName(), *inputs, *results);
  for (StringRef name : {StringRef(attribute::mesh), StringRef(attribute::bounds), StringRef("muster.variants"),
                         StringRef("muster.split")})
    if (Attribute attr = function->getAttr(name))
      entry->setAttr(name, attr);
  outer.setInsertionPointToStart(&entry.getBody().emplaceBlock());
  auto variant = plan::VariantOp::create(outer, loc, "all", builder.getDictionaryAttr({}), 0);
  outer.setInsertionPoint(variant);
  steps.setInsertionPointToStart(&variant.getBody().emplaceBlock());

  // Sizes first: spans of arguments need them.
  for (Operation &op : function.getBody().front())
    if (plan::isSizeOp(&op))
      outer.clone(op, sizes);
  for (auto [index, argument] : llvm::enumerate(function.getArguments())) {
    FailureOr<Value> span = makeSpan(argument, loc, builder.getStringAttr("input"), builder.getI64IntegerAttr(index));
    if (failed(span))
      return failure();
    spans[argument] = *span;
  }
  for (Operation &op : function.getBody().front().without_terminator())
    if (!plan::isSizeOp(&op) && failed(assign(&op)))
      return failure();
  if (failed(assignResults(function.getBody().front().getTerminator())))
    return failure();
  function.erase();
  // Sizes that only the bodies of kernels needed are not part of the count program.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(entry.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  return success();
}

struct AssignSpans : muster::impl::AssignSpansPassBase<AssignSpans> {
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (!function.isExternal() && failed(SpanAssigner(function).run()))
        return signalPassFailure();
  }
};

} // namespace
