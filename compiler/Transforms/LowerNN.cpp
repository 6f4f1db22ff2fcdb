// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// nn operations that no library serves become linalg, one row of the leading dim after the other, so that they fuse.
// Attention and cache appends stay: form-kernels gives each a kernel of its own.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/ResolveSizes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_LOWERNNPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

using utils::IteratorType;
using BodyBuilder = function_ref<void(OpBuilder &, Location, ValueRange)>;

/// Builds linalg for one nn operation.
class Lowering {
public:
  Lowering(Operation *op, SizeResolver &resolver) : builder(op), loc(op->getLoc()), op(op), resolver(resolver) {}

  /// A new tensor of `type` whose dynamic dim 0 has the size of `like`'s.
  Value empty(RankedTensorType type, OpFoldResult rows) {
    SmallVector<OpFoldResult> sizes = getAsIndexOpFoldResult(builder.getContext(), type.getShape());
    sizes[0] = rows;
    return tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  }

  Value generic(ValueRange inputs, ArrayRef<AffineMap> inputMaps, Value output, AffineMap outputMap,
                ArrayRef<IteratorType> iterators, BodyBuilder body) {
    SmallVector<AffineMap> maps(inputMaps);
    maps.push_back(outputMap);
    auto result = linalg::GenericOp::create(builder, loc, output.getType(), inputs, output, maps, iterators, body);
    result->setAttr("plan.name", builder.getStringAttr(op->getName().stripDialect()));
    return result.getResult(0);
  }

  AffineMap map(unsigned dims, ArrayRef<int64_t> results) {
    SmallVector<AffineExpr> expressions;
    for (int64_t dim : results)
      expressions.push_back(builder.getAffineDimExpr(dim));
    return AffineMap::get(dims, 0, expressions, builder.getContext());
  }

  FailureOr<Value> lower(nn::MatmulOp product);
  FailureOr<Value> lower(nn::RmsNormOp norm);
  FailureOr<Value> lower(nn::GatherRowsOp gather);
  FailureOr<Value> lower(nn::RopeOp rope);
  FailureOr<Value> lower(nn::SplitHeadsOp split);
  FailureOr<Value> lower(nn::MergeHeadsOp merge);
  FailureOr<Value> lower(nn::HistogramOp histogram);

private:
  /// An index expression of the outer graph, made anew inside a body. Sizes stay what they are: they become the
  /// kernel's sizes. A coordinate is data, not a size, because sizes are equal on all ranks: it is read from
  /// `coordinates`.
  FailureOr<Value> rebuild(OpBuilder &b, Value index);
  /// For each axis whose coordinate `index` depends on, a vector of one element on each rank that holds it.
  void loadCoordinates(Value index);

  llvm::StringMap<Value> coordinates; // by axis: tensor<1xf32>
  OpBuilder builder;
  Location loc;
  Operation *op;
  SizeResolver &resolver;
};

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

void Lowering::loadCoordinates(Value index) {
  Operation *definition = index.getDefiningOp();
  if (!definition)
    return;
  auto coordinate = dyn_cast<CoordinateOp>(definition);
  if (!coordinate) {
    for (Value operand : definition->getOperands())
      loadCoordinates(operand);
    return;
  }
  StringRef axis = coordinate.getAxis();
  int64_t size = getMesh(op).getAxisSize(axis);
  auto module = op->getParentOfType<ModuleOp>();
  std::string name = ("coordinate." + axis).str();
  if (!module.lookupSymbol(name)) {
    OpBuilder symbols = OpBuilder::atBlockBegin(module.getBody());
    symbols.setInsertionPoint(op->getParentOfType<func::FuncOp>());
    LayoutAttr layout = LayoutAttr::getPlain(op->getContext(), {{"position", {axis}}});
    auto weight =
        WeightOp::create(symbols, loc, name, RankedTensorType::get({size}, symbols.getF32Type()), layout, StringAttr());
    weight->setAttr("muster.generator", symbols.getStringAttr("coordinate"));
  }
  if (!coordinates.count(axis))
    coordinates[axis] = LoadOp::create(builder, loc, RankedTensorType::get({1}, builder.getF32Type()), name);
}

FailureOr<Value> Lowering::rebuild(OpBuilder &b, Value index) {
  if (std::optional<int64_t> constant = getConstantIntValue(index))
    return arith::ConstantIndexOp::create(b, loc, *constant).getResult();
  Operation *definition = index.getDefiningOp();
  if (auto coordinate = dyn_cast_or_null<CoordinateOp>(definition)) {
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    Value element = tensor::ExtractOp::create(b, loc, coordinates.lookup(coordinate.getAxis()), zero);
    Value integer = arith::FPToSIOp::create(b, loc, b.getI64Type(), element);
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), integer).getResult();
  }
  if (isa_and_nonnull<plan::CountOp, OwnCountOp, OwnOffsetOp, TotalOp, MaximumOp>(definition))
    return index;
  if (!definition || !isa<arith::ArithDialect>(definition->getDialect()))
    return op->emitOpError() << "E4003 unsupported size: expected arithmetic on dims, counts and coordinates",
           failure();
  IRMapping mapping;
  for (Value operand : definition->getOperands()) {
    FailureOr<Value> inner = rebuild(b, operand);
    if (failed(inner))
      return failure();
    mapping.map(operand, *inner);
  }
  return b.clone(*definition, mapping)->getResult(0);
}

/// A product that no library computes: its matrix is no weight.
FailureOr<Value> Lowering::lower(nn::MatmulOp product) {
  RankedTensorType type = typeOf(product.getResult());
  FailureOr<SmallVector<OpFoldResult>> sizes = resolver.getSizes(product.getResult());
  if (failed(sizes))
    return failure();
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type.getElementType()));
  Value memory = tensor::EmptyOp::create(builder, loc, *sizes, type.getElementType());
  Value sums = linalg::FillOp::create(builder, loc, zero, memory).getResult(0);
  return generic({product.getInput(), product.getWeight()}, {map(3, {0, 2}), map(3, {1, 2})}, sums, map(3, {0, 1}),
                 {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
                 [](OpBuilder &b, Location loc, ValueRange args) {
                   Value part = arith::MulFOp::create(b, loc, args[0], args[1]);
                   linalg::YieldOp::create(b, loc, arith::AddFOp::create(b, loc, args[2], part).getResult());
                 });
}

FailureOr<Value> Lowering::lower(nn::RmsNormOp norm) {
  RankedTensorType type = typeOf(norm.getInput());
  FailureOr<OpFoldResult> rows = resolver.getSize(norm.getInput(), 0);
  if (failed(rows))
    return failure();
  auto rowType = RankedTensorType::get({type.getDimSize(0)}, type.getElementType());
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type.getElementType()));
  Value sums = linalg::FillOp::create(builder, loc, zero, empty(rowType, *rows)).getResult(0);
  Value squares =
      generic(norm.getInput(), map(2, {0, 1}), sums, map(2, {0}), {IteratorType::parallel, IteratorType::reduction},
              [](OpBuilder &b, Location loc, ValueRange args) {
                Value square = arith::MulFOp::create(b, loc, args[0], args[0]);
                linalg::YieldOp::create(b, loc, arith::AddFOp::create(b, loc, args[1], square).getResult());
              });
  Value factors =
      generic(squares, map(1, {0}), empty(rowType, *rows), map(1, {0}), {IteratorType::parallel},
              [&](OpBuilder &b, Location loc, ValueRange args) {
                Type element = type.getElementType();
                auto constant = [&](double value) -> Value {
                  return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value));
                };
                Value mean = arith::DivFOp::create(b, loc, args[0], constant(type.getDimSize(1)));
                Value shifted = arith::AddFOp::create(b, loc, mean, constant(norm.getEpsilon().convertToDouble()));
                Value root = math::SqrtOp::create(b, loc, shifted);
                linalg::YieldOp::create(b, loc, arith::DivFOp::create(b, loc, constant(1.0), root).getResult());
              });
  return generic({norm.getInput(), factors, norm.getScale()}, {map(2, {0, 1}), map(2, {0}), map(2, {1})},
                 empty(type, *rows), map(2, {0, 1}), {IteratorType::parallel, IteratorType::parallel},
                 [](OpBuilder &b, Location loc, ValueRange args) {
                   Value scaled = arith::MulFOp::create(b, loc, args[0], args[1]);
                   linalg::YieldOp::create(b, loc, arith::MulFOp::create(b, loc, scaled, args[2]).getResult());
                 });
}

FailureOr<Value> Lowering::lower(nn::GatherRowsOp gather) {
  RankedTensorType type = typeOf(gather.getResult()), table = typeOf(gather.getTable());
  FailureOr<OpFoldResult> rows = resolver.getSize(gather.getIndices(), 0);
  if (failed(rows))
    return failure();
  // A table that is packed for a product as well is read where it lies.
  Value storage = gather.getTable();
  auto load = gather.getTable().getDefiningOp<LoadOp>();
  auto weight = load ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, load.getWeightAttr()) : WeightOp();
  bool packed = weight && weight.getPacking() == StringRef(plan::packingN64K16);
  if (packed)
    storage = plan::PackedViewOp::create(
        builder, loc, RankedTensorType::get(plan::getPackedShape(table.getShape()), table.getElementType()), storage);
  Value tableRows;
  if (gather.getFirst()) {
    if (failed(resolver.resolve(gather.getFirst())))
      return failure();
    loadCoordinates(gather.getFirst());
    FailureOr<OpFoldResult> size = resolver.getSize(gather.getTable(), 0);
    if (failed(size))
      return failure();
    tableRows = getValueOrCreateConstantIndexOp(builder, loc, *size);
  }
  bool failedInside = false;
  auto constant = [](OpBuilder &b, Location loc, int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  Value rowsOfTable =
      generic(gather.getIndices(), map(2, {0}), empty(type, *rows), map(2, {0, 1}),
              {IteratorType::parallel, IteratorType::parallel}, [&](OpBuilder &b, Location loc, ValueRange args) {
                Value row = arith::IndexCastOp::create(b, loc, b.getIndexType(), args[0]);
                Value column = linalg::IndexOp::create(b, loc, 1);
                Value inside;
                if (gather.getFirst()) {
                  Value zero = constant(b, loc, 0);
                  FailureOr<Value> first = rebuild(b, gather.getFirst());
                  failedInside |= failed(first);
                  row = arith::SubIOp::create(b, loc, row, failed(first) ? zero : *first);
                  FailureOr<Value> end = rebuild(b, tableRows);
                  failedInside |= failed(end);
                  inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, row, failed(end) ? zero : *end);
                  row = arith::SelectOp::create(b, loc, inside, row, zero);
                }
                Value element;
                if (packed) {
                  Value n = constant(b, loc, 64), k = constant(b, loc, 16);
                  element = tensor::ExtractOp::create(
                      b, loc, storage,
                      ValueRange{arith::DivUIOp::create(b, loc, row, n), arith::DivUIOp::create(b, loc, column, k),
                                 arith::RemUIOp::create(b, loc, column, k), arith::RemUIOp::create(b, loc, row, n)});
                } else {
                  element = tensor::ExtractOp::create(b, loc, storage, ValueRange{row, column});
                }
                if (inside) {
                  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type.getElementType()));
                  element = arith::SelectOp::create(b, loc, inside, element, zero);
                }
                linalg::YieldOp::create(b, loc, element);
              });
  return failedInside ? FailureOr<Value>(failure()) : FailureOr<Value>(rowsOfTable);
}

FailureOr<Value> Lowering::lower(nn::RopeOp rope) {
  // [t, h, 2, e]: the halves are a dim of their own, the partner of an element lies in the other half.
  RankedTensorType type = typeOf(rope.getInput());
  int64_t half = type.getDimSize(2) / 2;
  auto splitType = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), 2, half}, type.getElementType());
  SmallVector<ReassociationIndices> halves = {{0}, {1}, {2, 3}};
  FailureOr<OpFoldResult> rows = resolver.getSize(rope.getInput(), 0);
  if (failed(rows))
    return failure();
  SmallVector<OpFoldResult> shape = {*rows, builder.getIndexAttr(type.getDimSize(1)), builder.getIndexAttr(2),
                                     builder.getIndexAttr(half)};
  Value input = tensor::ExpandShapeOp::create(builder, loc, splitType, rope.getInput(), halves, shape);
  Value rotated = generic(
      {input, rope.getPositions()}, {map(4, {0, 1, 2, 3}), map(4, {0})}, empty(splitType, *rows), map(4, {0, 1, 2, 3}),
      SmallVector<IteratorType>(4, IteratorType::parallel), [&](OpBuilder &b, Location loc, ValueRange args) {
        Value t = linalg::IndexOp::create(b, loc, 0), h = linalg::IndexOp::create(b, loc, 1);
        Value side = linalg::IndexOp::create(b, loc, 2), e = linalg::IndexOp::create(b, loc, 3);
        Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
        Value position = arith::IndexCastOp::create(b, loc, b.getIndexType(), args[1]);
        Value cos = tensor::ExtractOp::create(b, loc, rope.getCos(), ValueRange{position, e});
        Value sin = tensor::ExtractOp::create(b, loc, rope.getSin(), ValueRange{position, e});
        Value other = arith::SubIOp::create(b, loc, one, side);
        Value partner = tensor::ExtractOp::create(b, loc, input, ValueRange{t, h, other, e});
        Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, side, zero);
        Value signedSin = arith::SelectOp::create(b, loc, isFirst, arith::NegFOp::create(b, loc, sin), sin);
        Value straight = arith::MulFOp::create(b, loc, args[0], cos);
        Value crossed = arith::MulFOp::create(b, loc, partner, signedSin);
        linalg::YieldOp::create(b, loc, arith::AddFOp::create(b, loc, straight, crossed).getResult());
      });
  return tensor::CollapseShapeOp::create(builder, loc, type, rotated, halves).getResult();
}

FailureOr<Value> Lowering::lower(nn::SplitHeadsOp split) {
  FailureOr<OpFoldResult> rows = resolver.getSize(split.getInput(), 0);
  if (failed(rows))
    return failure();
  RankedTensorType type = typeOf(split.getResult());
  SmallVector<OpFoldResult> shape = {*rows, builder.getIndexAttr(type.getDimSize(1)),
                                     builder.getIndexAttr(type.getDimSize(2))};
  SmallVector<ReassociationIndices> groups = {{0}, {1, 2}};
  return tensor::ExpandShapeOp::create(builder, loc, type, split.getInput(), groups, shape).getResult();
}

FailureOr<Value> Lowering::lower(nn::MergeHeadsOp merge) {
  SmallVector<ReassociationIndices> groups = {{0}, {1, 2}};
  return tensor::CollapseShapeOp::create(builder, loc, typeOf(merge.getResult()), merge.getInput(), groups).getResult();
}

/// One pass over all indices for each bin: no two work items write one number, and none writes beside the bins.
FailureOr<Value> Lowering::lower(nn::HistogramOp histogram) {
  RankedTensorType type = typeOf(histogram.getResult());
  Type element = type.getElementType(), index = typeOf(histogram.getIndices()).getElementType();
  Value valid = histogram.getValid();
  if (failed(resolver.getSize(histogram.getIndices(), 0)) || (valid && failed(resolver.resolve(valid))))
    return failure();
  if (valid)
    loadCoordinates(valid);
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(element));
  Value memory = tensor::EmptyOp::create(builder, loc, ArrayRef<int64_t>{type.getNumElements()}, element);
  Value zeros = linalg::FillOp::create(builder, loc, zero, memory).getResult(0);
  bool failedInside = false;
  Value counts =
      generic(histogram.getIndices(), map(2, {1}), zeros, map(2, {0}),
              {IteratorType::parallel, IteratorType::reduction}, [&](OpBuilder &b, Location loc, ValueRange args) {
                Value bin = arith::IndexCastOp::create(b, loc, index, linalg::IndexOp::create(b, loc, 0).getResult());
                Value isHere = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, args[0], bin);
                if (valid) {
                  FailureOr<Value> end = rebuild(b, valid);
                  failedInside |= failed(end);
                  Value row = linalg::IndexOp::create(b, loc, 1);
                  Value isCounted =
                      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, row, failed(end) ? row : *end);
                  isHere = arith::AndIOp::create(b, loc, isHere, isCounted);
                }
                Value one = arith::ExtUIOp::create(b, loc, element, isHere);
                linalg::YieldOp::create(b, loc, arith::AddIOp::create(b, loc, args[1], one).getResult());
              });
  if (failedInside)
    return failure();
  if (type.getRank() == 1)
    return counts;
  auto plain = RankedTensorType::get(type.getShape(), element);
  return tensor::ExpandShapeOp::create(builder, loc, plain, counts, SmallVector<ReassociationIndices>{{0, 1}})
      .getResult();
}

/// What a tensor counts is said up to here: behind this pass it is memory like any other.
void dropRoutedEncodings(func::FuncOp function) {
  auto drop = [](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (type && isa_and_nonnull<RoutedAttr>(type.getEncoding()))
      value.setType(RankedTensorType::get(type.getShape(), type.getElementType()));
  };
  function.walk([&](Operation *op) {
    for (Value result : op->getResults())
      drop(result);
    if (auto constant = dyn_cast<arith::ConstantOp>(op))
      if (auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
          elements && elements.getType() != op->getResult(0).getType())
        constant.setValueAttr(elements.reshape(cast<ShapedType>(op->getResult(0).getType())));
  });
  Block &body = function.getBody().front();
  for (BlockArgument argument : body.getArguments())
    drop(argument);
  function.setFunctionType(
      FunctionType::get(function.getContext(), body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
}

struct LowerNN : muster::impl::LowerNNPassBase<LowerNN> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      SizeResolver resolver(function);
      SmallVector<Operation *> ops;
      function.walk([&](Operation *op) {
        if (isa<nn::MatmulOp, nn::RmsNormOp, nn::GatherRowsOp, nn::RopeOp, nn::SplitHeadsOp, nn::MergeHeadsOp,
                nn::HistogramOp>(op))
          ops.push_back(op);
      });
      for (Operation *op : ops) {
        Type element = getElementTypeOrSelf(op->getResult(0).getType());
        if (isa<nn::MatmulOp, nn::RmsNormOp>(op) &&
            element.getIntOrFloatBitWidth() < 32) { // Sums are in the element type.
          op->emitOpError() << "E4006 unsupported element type " << element << ": expected f32 or wider";
          return signalPassFailure();
        }
        Lowering lowering(op, resolver);
        FailureOr<Value> value =
            TypeSwitch<Operation *, FailureOr<Value>>(op)
                .Case<nn::MatmulOp, nn::RmsNormOp, nn::GatherRowsOp, nn::RopeOp, nn::SplitHeadsOp, nn::MergeHeadsOp,
                      nn::HistogramOp>([&](auto op) { return lowering.lower(op); });
        if (failed(value))
          return signalPassFailure();
        op->getResult(0).replaceAllUsesWith(*value);
        resolver.erase(op);
        ++lowered;
      }
      dropRoutedEncodings(function);
    }
  }
};
} // namespace
