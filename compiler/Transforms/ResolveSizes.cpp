// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/ResolveSizes.h"

#include "compiler/Analysis/UnlessCounts.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/BatchSplit.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"

#include <numeric>

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_RESOLVESIZESPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

/// Ranks among which a dim of a layout is divided.
static int64_t getRanks(LayoutDimAttr dim, MeshAttr mesh) {
  int64_t ranks = 1;
  for (LayoutTermAttr term : dim.getTerms())
    for (AxisRefAttr axis : term.getAxes())
      ranks *= axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
  return ranks;
}

/// Attribute `total` of a record: what the bounds of a function say of the sum of a field.
static IntegerAttr getTotalBound(func::FuncOp function, StringRef field) {
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  return bounds ? bounds.getAs<IntegerAttr>((field + ".total").str()) : IntegerAttr();
}

SizeResolver::SizeResolver(func::FuncOp function) : function(function) {
  MeshAttr mesh = getMesh(function);
  auto read = [&](Type type, LayoutAttr layout) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !layout || !mesh)
      return;
    for (int64_t dim = 0; dim < tensor.getRank(); ++dim)
      if (StringRef name = layout.getDimName(dim); tensor.isDynamicDim(dim) && !name.empty()) {
        if (LayoutTermAttr term = layout.getDims()[dim].getTerms().front(); term.isRagged()) {
          ragged.try_emplace(name, term);
          continue;
        }
        int64_t &divisor = divisors.try_emplace(name, 1).first->second;
        divisor = std::lcm(divisor, std::max<int64_t>(1, getRanks(layout.getDims()[dim], mesh)));
      }
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    read(function.getArgumentTypes()[i], function.getArgAttrOfType<LayoutAttr>(i, attribute::layout));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    read(function.getResultTypes()[i], function.getResultAttrOfType<LayoutAttr>(i, attribute::layout));
}

std::optional<SizeResolver::Ratio> SizeResolver::getRatio(Value size) {
  Operation *op = size.getDefiningOp();
  if (isa_and_nonnull<plan::CountOp, OwnCountOp, OwnOffsetOp, TotalOp, MaximumOp>(op))
    return Ratio{size};
  if (!isa_and_nonnull<arith::MulIOp, arith::DivUIOp>(op))
    return std::nullopt;
  Value left = op->getOperand(0), right = op->getOperand(1);
  if (isa<arith::MulIOp>(op) && getConstantIntValue(left))
    std::swap(left, right);
  std::optional<int64_t> factor = getConstantIntValue(right);
  std::optional<Ratio> ratio = getRatio(left);
  if (!factor || *factor < 1 || !ratio)
    return std::nullopt;
  int64_t &term = isa<arith::MulIOp>(op) ? ratio->numerator : ratio->denominator;
  term *= *factor;
  int64_t common = std::gcd(ratio->numerator, ratio->denominator);
  ratio->numerator /= common;
  ratio->denominator /= common;
  auto count = ratio->count.getDefiningOp<plan::CountOp>();
  auto divisor = count ? divisors.find(count.getName()) : divisors.end();
  if ((divisor == divisors.end() ? 1 : divisor->second) % ratio->denominator != 0)
    return std::nullopt;
  return ratio;
}

Value SizeResolver::getValue(const Ratio &ratio) {
  Value &value = ratios[{ratio.count.getAsOpaquePointer(), ratio.numerator, ratio.denominator}];
  if (value)
    return value;
  OpBuilder builder(function.getContext());
  builder.setInsertionPointAfterValue(ratio.count);
  Location loc = function.getLoc();
  value = ratio.count;
  if (ratio.denominator != 1)
    value = arith::DivUIOp::create(builder, loc, value, arith::ConstantIndexOp::create(builder, loc, ratio.denominator),
                                   /*isExact=*/true);
  if (ratio.numerator != 1)
    value = arith::MulIOp::create(builder, loc, value, arith::ConstantIndexOp::create(builder, loc, ratio.numerator));
  return value;
}

/// Moves an operation on counts to the beginning of its block, behind the others that it needs.
static void hoist(Operation *op, Block &block) {
  op->moveBefore(&block, block.begin());
  for (Value operand : op->getOperands())
    if (Operation *maker = operand.getDefiningOp())
      hoist(maker, block);
}

FailureOr<Value> SizeResolver::getCounts(LayoutTermAttr term) {
  MLIRContext *context = function.getContext();
  SmallVector<StringAttr> axes;
  for (AxisRefAttr axis : term.getAxes())
    axes.push_back(StringAttr::get(context, getAxisName(axis)));
  auto type = CountsType::get(context, axes, *symbolizeCountUnit(term.getUnit()),
                              FlatSymbolRefAttr::get(context, term.getEpoch()));
  Block &block = function.getBody().front();
  for (Operation &op : block)
    for (Value result : op.getResults())
      if (result.getType() == type && isa<plan::RecordOp, ScaleOp, AlignOp, SplitCountsOp>(op) &&
          !areOnlyUnless(result)) {
        hoist(&op, block);
        return result;
      }
  // Of starts there is one more than of requests, whether or not the function says so.
  if (type.getUnit() == CountUnit::Starts)
    for (const auto &entry : ragged) {
      LayoutTermAttr other = entry.second;
      if (other.getUnit() != stringifyCountUnit(CountUnit::Requests) || other.getEpoch() != term.getEpoch() ||
          other.getAxes() != term.getAxes())
        continue;
      FailureOr<Value> requests = getCounts(other);
      if (failed(requests))
        return failure();
      OpBuilder builder(context);
      builder.setInsertionPointAfterValue(*requests);
      return ScaleOp::create(builder, function.getLoc(), type, *requests, /*factor=*/1, /*addend=*/1).getResult();
    }
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  auto bound = bounds ? bounds.getAs<IntegerAttr>(term.getName()) : IntegerAttr();
  if (!bound)
    return function.emitOpError() << "E4002 expected attribute '" << attribute::bounds << "' to bound dim '"
                                  << term.getName() << "' because it is dynamic but got no bound";
  OpBuilder builder = OpBuilder::atBlockBegin(&block);
  return plan::RecordOp::create(builder, function.getLoc(), type, builder.getStringAttr(term.getName()),
                                builder.getArrayAttr(SmallVector<Attribute>(axes.begin(), axes.end())),
                                builder.getI64IntegerAttr(bound.getInt()), getTotalBound(function, term.getName()))
      .getResult();
}

template <typename Op>
Value SizeResolver::read(Value counts) {
  // A first child has the counts that it is given: one value, whichever is asked.
  if (auto split = counts.getDefiningOp<SplitCountsOp>(); split && split->getResult(0) == counts)
    counts = split.getFirst();
  Value &value = readings[{TypeID::get<Op>(), counts}];
  if (!value) {
    OpBuilder builder(function.getContext());
    builder.setInsertionPointAfterValue(counts);
    value = Op::create(builder, function.getLoc(), counts);
  }
  return value;
}

Value SizeResolver::readTotal(Value counts) {
  ArrayRef<StringAttr> axes = cast<CountsType>(counts.getType()).getAxes();
  auto group = ArrayAttr::get(counts.getContext(), SmallVector<Attribute>(axes.begin(), axes.end()));
  MeshAttr mesh = getMesh(function);
  return mesh && getGroupSize(mesh, group) == 1 ? read<OwnCountOp>(counts) : read<TotalOp>(counts);
}

FailureOr<OpFoldResult> SizeResolver::getArgumentSize(BlockArgument argument, int64_t dim) {
  unsigned index = argument.getArgNumber();
  auto layout = function.getArgAttrOfType<LayoutAttr>(index, attribute::layout);
  StringRef name = layout ? layout.getDimName(dim) : StringRef();
  if (name.empty())
    return function.emitOpError() << "E4001 expected dim " << dim << " of argument " << index
                                  << " to have a name in its layout because it is dynamic but got "
                                  << (layout ? layout.getText() : std::string("no layout"));
  if (auto found = ragged.find(name); found != ragged.end()) {
    LayoutTermAttr own = layout.getDims()[dim].getTerms().front(), parts = found->second;
    bool isWhole = !own.isRagged() && own.getAxes().empty();
    if (!isWhole && !own.isRagged())
      return function.emitOpError() << "E4003 unsupported size: dim '" << name << "' of argument " << index
                                    << " is in equal parts here and in unequal ones elsewhere";
    FailureOr<Value> counted = getCounts(isWhole ? parts : own);
    if (failed(counted))
      return failure();
    return OpFoldResult(isWhole ? readTotal(*counted) : read<OwnCountOp>(*counted));
  }
  Value &count = counts[name];
  if (!count) {
    auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
    auto bound = bounds ? bounds.getAs<IntegerAttr>(name) : IntegerAttr();
    if (!bound)
      return function.emitOpError() << "E4002 expected attribute '" << attribute::bounds << "' to bound dim '" << name
                                    << "' because it is dynamic but got no bound";
    // A count may stand there already, from an earlier pass.
    for (auto existing : function.getBody().front().getOps<plan::CountOp>())
      if (existing.getName() == name)
        count = existing;
    if (!count) {
      OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
      count = plan::CountOp::create(builder, function.getLoc(), builder.getStringAttr(name), bound.getInt());
    } else {
      count.getDefiningOp()->moveBefore(&function.getBody().front(), function.getBody().front().begin());
    }
  }
  return OpFoldResult(getValue({count, 1, getRanks(layout.getDims()[dim], getMesh(function))}));
}

FailureOr<OpFoldResult> SizeResolver::resolve(OpFoldResult size) {
  auto value = dyn_cast<Value>(size);
  if (!value)
    return size;
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return OpFoldResult(IntegerAttr::get(IndexType::get(value.getContext()), *constant));
  Operation *op = value.getDefiningOp();
  if (!op)
    return function.emitOpError() << "E4003 unsupported size that is a block argument", failure();
  if (isa<plan::CountOp, CoordinateOp, SizeOp, OwnOffsetOp, MaximumOp>(op))
    return size;
  if (auto own = dyn_cast<OwnCountOp>(op))
    return OpFoldResult(read<OwnCountOp>(own.getCounts()));
  if (auto total = dyn_cast<TotalOp>(op))
    return OpFoldResult(readTotal(total.getCounts()));
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> index = dim.getConstantIndex();
    if (!index)
      return op->emitOpError() << "E4003 unsupported size with a dim that is not constant", failure();
    return getSize(dim.getSource(), *index);
  }
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) { // Reification writes products of dims so.
    OpBuilder builder(op);
    auto expanded = affine::expandAffineMap(builder, op->getLoc(), apply.getAffineMap(), apply.getMapOperands());
    if (!expanded)
      return op->emitOpError() << "E4003 unsupported size: cannot be written as arithmetic", failure();
    return resolve(expanded->front());
  }
  if (!isa_and_nonnull<arith::ArithDialect>(op->getDialect()))
    return op->emitOpError() << "E4003 unsupported size: expected arithmetic on dims and counts but got '"
                             << op->getName() << "'",
           failure();
  for (OpOperand &operand : op->getOpOperands()) {
    FailureOr<OpFoldResult> resolved = resolve(operand.get());
    if (failed(resolved))
      return failure();
    OpBuilder builder(op);
    operand.set(getValueOrCreateConstantIndexOp(builder, op->getLoc(), *resolved));
  }
  if (std::optional<Ratio> ratio = getRatio(value))
    return OpFoldResult(getValue(*ratio));
  return size;
}

FailureOr<OpFoldResult> SizeResolver::multiplySizes(Value tensor, ArrayRef<int64_t> dims, OpBuilder &builder,
                                                    Location loc) {
  int64_t factor = 1;
  Value product;
  for (int64_t dim : dims) {
    FailureOr<OpFoldResult> size = getSize(tensor, dim);
    if (failed(size))
      return failure();
    if (std::optional<int64_t> constant = getConstantIntValue(*size))
      factor *= *constant;
    else if (auto value = cast<Value>(*size); product)
      product = arith::MulIOp::create(builder, loc, product, value);
    else
      product = value;
  }
  if (!product)
    return OpFoldResult(builder.getIndexAttr(factor));
  if (factor != 1)
    product = arith::MulIOp::create(builder, loc, product, arith::ConstantIndexOp::create(builder, loc, factor));
  return OpFoldResult(product);
}

FailureOr<OpFoldResult> SizeResolver::getSize(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return OpFoldResult(IntegerAttr::get(IndexType::get(type.getContext()), type.getDimSize(dim)));
  if (auto found = known.find({tensor, dim}); found != known.end())
    return found->second;

  FailureOr<OpFoldResult> size = failure();
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    size = getArgumentSize(argument, dim);
  } else {
    Operation *op = tensor.getDefiningOp();
    unsigned index = cast<OpResult>(tensor).getResultNumber();
    OpBuilder builder(op);
    ReifiedRankedShapedTypeDims shapes;
    if (auto style = dyn_cast<DestinationStyleOpInterface>(op)) {
      size = getSize(style.getTiedOpOperand(cast<OpResult>(tensor))->get(), dim);
    } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
      // Reified as an affine product: multiplied here, so that a group of one keeps its size's identity.
      size = multiplySizes(collapse.getSrc(), collapse.getReassociationIndices()[dim], builder, op->getLoc());
    } else if (auto same = llvm::find_if(op->getOperands(),
                                         [](Value operand) { return isa<RankedTensorType>(operand.getType()); });
               op->hasTrait<OpTrait::Elementwise>() && same != op->operand_end()) {
      size = getSize(*same, dim);
    } else if (succeeded(reifyResultShapes(builder, op, shapes))) {
      size = resolve(shapes[index][dim]);
      // What was made for other dims, and dims of operands that led on to counts.
      for (ArrayRef<OpFoldResult> shape : shapes)
        for (OpFoldResult made : shape)
          if (auto value = dyn_cast<Value>(made); value && (failed(size) || made != *size))
            if (Operation *definition = value.getDefiningOp(); definition && isOpTriviallyDead(definition))
              definition->erase();
    } else {
      return op->emitOpError() << "E4003 unsupported size: cannot tell dim " << dim << " of result " << index,
             failure();
    }
  }
  if (succeeded(size))
    known[{tensor, dim}] = *size;
  return size;
}

void SizeResolver::eraseDeadSizes() {
  DenseSet<Value> inUse;
  for (auto &[dim, size] : known)
    if (auto value = dyn_cast<Value>(size))
      inUse.insert(value);
  SmallVector<Operation *> sizes;
  function.walk([&](Operation *op) {
    bool isKept = llvm::any_of(op->getResults(), [&](Value value) { return inUse.contains(value); });
    if (plan::isSizeOp(op) && !isKept)
      sizes.push_back(op);
  });
  for (Operation *op : llvm::reverse(sizes)) {
    if (!isOpTriviallyDead(op))
      continue;
    if (isa<OwnCountOp, TotalOp>(op))
      readings.erase({op->getName().getTypeID(), op->getOperand(0)});
    op->erase();
  }
}

void SizeResolver::erase(Operation *op) {
  // Not an assertion: MLIR as it is packaged has none, and a use that is left writes to freed memory later.
  if (!op->use_empty())
    llvm::reportFatalInternalError("cannot erase '" + Twine(op->getName().getStringRef()) +
                                   "' because it still has users");
  for (Value result : op->getResults())
    if (auto type = dyn_cast<RankedTensorType>(result.getType()))
      for (int64_t dim = 0; dim < type.getRank(); ++dim)
        known.erase({result, dim});
  op->erase();
}

FailureOr<SmallVector<OpFoldResult>> SizeResolver::getSizes(Value tensor) {
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim = 0, rank = cast<RankedTensorType>(tensor.getType()).getRank(); dim < rank; ++dim) {
    FailureOr<OpFoldResult> size = getSize(tensor, dim);
    if (failed(size))
      return failure();
    sizes.push_back(*size);
  }
  return sizes;
}

/// What is counted must be what ports with this unit and batch have: the record says how long their parts are. Ports of
/// a batch that was split are its children's.
static bool isSizeOfPorts(Value size, CountsType type, func::FuncOp function) {
  std::optional<BatchSplit> split = BatchSplit::of(function);
  if (auto sum = size.getDefiningOp<arith::AddIOp>(); sum && split && type.getEpoch().getValue() == split->parent) {
    auto of = [&](StringRef batch) {
      return CountsType::get(type.getContext(), type.getAxes(), type.getUnit(),
                             FlatSymbolRefAttr::get(type.getContext(), batch));
    };
    return isSizeOfPorts(sum.getLhs(), of(split->first), function) &&
           isSizeOfPorts(sum.getRhs(), of(split->second), function);
  }
  auto dim = size.getDefiningOp<tensor::DimOp>();
  auto argument = dim ? dyn_cast<BlockArgument>(dim.getSource()) : BlockArgument();
  auto layout =
      argument ? function.getArgAttrOfType<LayoutAttr>(argument.getArgNumber(), attribute::layout) : LayoutAttr();
  std::optional<int64_t> index = dim ? dim.getConstantIndex() : std::nullopt;
  ArrayRef<LayoutTermAttr> terms = layout && index ? layout.getDims()[*index].getTerms() : ArrayRef<LayoutTermAttr>();
  return terms.size() == 1 && terms.front().getUnit() == stringifyCountUnit(type.getUnit()) &&
         terms.front().getEpoch() == type.getEpoch().getValue();
}

/// Fields of the record in place of what the ranks exchange: `plan.record` is what the exchange makes of the ranks'
/// own.
static LogicalResult replaceExchange(ExchangeCountsOp exchange, func::FuncOp function) {
  auto bounds = function->getAttrOfType<DictionaryAttr>(attribute::bounds);
  OpBuilder builder(exchange);
  for (auto [counts, result] : llvm::zip_equal(exchange.getInputs(), exchange.getResults())) {
    auto type = cast<CountsType>(result.getType());
    StringRef name;
    IntegerAttr bound;
    if (auto field = counts.getDefiningOp<StepFieldOp>()) {
      name = field.getField();
      bound = builder.getI64IntegerAttr(static_cast<int64_t>(field.getBound()));
    } else if (auto local = counts.getDefiningOp<LocalCountOp>()) {
      name = local.getFieldName();
      if (!isSizeOfPorts(local.getSize(), type, function))
        return local.emitOpError() << "E4003 unsupported count: expected the size of an argument's dim of "
                                   << stringifyCountUnit(type.getUnit()) << " of batch " << type.getEpoch();
      bound = bounds ? bounds.getAs<IntegerAttr>(name) : IntegerAttr();
      if (!bound)
        return local.emitOpError() << "E4002 expected attribute '" << attribute::bounds << "' to bound field '" << name
                                   << "' of the step record but got no bound";
    } else {
      return exchange.emitOpError() << "E4003 unsupported count: expected a rank's own to be exchanged";
    }
    ArrayRef<StringAttr> axes = type.getAxes();
    result.replaceAllUsesWith(
        plan::RecordOp::create(builder, exchange.getLoc(), type, builder.getStringAttr(name),
                               builder.getArrayAttr(SmallVector<Attribute>(axes.begin(), axes.end())),
                               builder.getI64IntegerAttr(bound.getInt()), getTotalBound(function, name)));
  }
  exchange.erase();
  return success();
}

static LogicalResult replaceExchanges(func::FuncOp function) {
  SmallVector<ExchangeCountsOp> exchanges;
  function.walk([&](ExchangeCountsOp exchange) { exchanges.push_back(exchange); });
  for (ExchangeCountsOp exchange : exchanges)
    if (failed(replaceExchange(exchange, function)))
      return failure();
  function.walk([](Operation *op) {
    if (isa<LocalCountOp, StepFieldOp>(op) && op->use_empty())
      op->erase();
  });
  return success();
}

namespace {
struct ResolveSizes : muster::impl::ResolveSizesPassBase<ResolveSizes> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      if (failed(replaceExchanges(function)))
        return signalPassFailure();
      SizeResolver resolver(function);
      SmallVector<tensor::DimOp> dims;
      function.walk([&](tensor::DimOp dim) { dims.push_back(dim); });
      for (tensor::DimOp dim : dims) {
        FailureOr<OpFoldResult> size = resolver.resolve(dim.getResult());
        if (failed(size))
          return signalPassFailure();
        OpBuilder builder(dim);
        dim.replaceAllUsesWith(getValueOrCreateConstantIndexOp(builder, dim.getLoc(), *size));
        ++resolved;
      }
      for (tensor::DimOp dim : dims)
        dim.erase();
      SmallVector<Operation *> read;
      function.walk([&](Operation *op) {
        if (isa<OwnCountOp, TotalOp>(op))
          read.push_back(op);
      });
      for (Operation *op : read)
        if (Value one = cast<Value>(*resolver.resolve(op->getResult(0))); one != op->getResult(0)) {
          op->getResult(0).replaceAllUsesWith(one);
          op->erase();
        }
      resolver.eraseDeadSizes();
    }
  }
};
} // namespace
