// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/NN/IR/NNDialect.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace muster;
using namespace muster::nn;

#include "dialects/NN/IR/NNDialect.cpp.inc"
#include "dialects/NN/IR/NNInterfaces.cpp.inc"

void NNDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/NN/IR/NNOps.cpp.inc"
      >();
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Two dims are equal where both are static.
static LogicalResult verifySameDim(Operation *op, StringRef left, Value a, int64_t dimA, StringRef right, Value b,
                                   int64_t dimB) {
  int64_t sizeA = typeOf(a).getDimSize(dimA), sizeB = typeOf(b).getDimSize(dimB);
  if (ShapedType::isDynamic(sizeA) || ShapedType::isDynamic(sizeB) || sizeA == sizeB)
    return success();
  return op->emitOpError() << "expected dim " << dimB << " of " << right << " to equal dim " << dimA << " of " << left
                           << ", " << sizeA << ", but got " << sizeB;
}

static LogicalResult verifySameElement(Operation *op, StringRef left, Value a, StringRef right, Value b) {
  Type elementA = typeOf(a).getElementType(), elementB = typeOf(b).getElementType();
  if (elementA == elementB)
    return success();
  return op->emitOpError() << "expected the element type of " << right << " to be that of " << left << ", " << elementA
                           << ", but got " << elementB;
}

static OpFoldResult sizeOf(OpBuilder &builder, Location loc, Value value, int64_t dim) {
  return tensor::getMixedSize(builder, loc, value, dim);
}

//===----------------------------------------------------------------------===//
// matmul
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::verify() {
  if (failed(verifySameDim(*this, "input", getInput(), 1, "weight", getWeight(), 1)) || // (C1)
      failed(verifySameDim(*this, "input", getInput(), 0, "result", getResult(), 0)) || // (C2)
      failed(verifySameDim(*this, "weight", getWeight(), 0, "result", getResult(), 1)))
    return failure();
  if (failed(verifySameElement(*this, "input", getInput(), "weight", getWeight()))) // (C3)
    return failure();
  return verifySameElement(*this, "input", getInput(), "result", getResult());
}

LogicalResult MatmulOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, {sizeOf(builder, getLoc(), getInput(), 0), sizeOf(builder, getLoc(), getWeight(), 0)});
  return success();
}

IterationRule MatmulOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel}, {"o", IteratorKind::Parallel}, {"i", IteratorKind::Sum}},
          {{0, 2}, {1, 2}},
          {{0, 1}},
          Linearity::Multilinear};
}

//===----------------------------------------------------------------------===//
// gather_rows
//===----------------------------------------------------------------------===//

LogicalResult GatherRowsOp::verify() {
  if (failed(verifySameDim(*this, "indices", getIndices(), 0, "result", getResult(), 0)) || // (C1)
      failed(verifySameDim(*this, "table", getTable(), 1, "result", getResult(), 1)))
    return failure();
  return verifySameElement(*this, "table", getTable(), "result", getResult()); // (C2)
}

LogicalResult GatherRowsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, {sizeOf(builder, getLoc(), getIndices(), 0), sizeOf(builder, getLoc(), getTable(), 1)});
  return success();
}

IterationRule GatherRowsOp::getIterationRule() {
  // Rows of the table are chosen by value: whole, or a sum over the ranks that hold parts of it where `first` masks the
  // others out.
  return {{{"v", getFirst() ? IteratorKind::Sum : IteratorKind::Whole},
           {"t", IteratorKind::Parallel},
           {"i", IteratorKind::Parallel}},
          {{0, 2}, {1}},
          {{1, 2}},
          Linearity::NonLinear,
          /*linearOperands=*/1};
}

//===----------------------------------------------------------------------===//
// rms_norm
//===----------------------------------------------------------------------===//

LogicalResult RmsNormOp::verify() {
  if (failed(verifySameDim(*this, "input", getInput(), 1, "scale", getScale(), 0))) // (C1)
    return failure();
  if (!(getEpsilon().convertToDouble() > 0)) // (C2)
    return emitOpError() << "expected an epsilon above 0 but got " << getEpsilon().convertToDouble();
  return success();
}

LogicalResult RmsNormOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getInput()));
  return success();
}

IterationRule RmsNormOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel}, {"i", IteratorKind::Whole}}, {{0, 1}, {1}}, {{0, 1}}, Linearity::NonLinear};
}

//===----------------------------------------------------------------------===//
// split_heads, merge_heads
//===----------------------------------------------------------------------===//

static LogicalResult verifyHeads(Operation *op, Value merged, Value split, int64_t heads, int64_t headDim) {
  RankedTensorType mergedType = typeOf(merged), splitType = typeOf(split);
  if (failed(verifySameDim(op, "one side", merged, 0, "the other", split, 0)) ||
      failed(verifySameElement(op, "one side", merged, "the other", split)))
    return failure();
  if (heads < 1 || headDim < 1) // (C2)
    return op->emitOpError() << "expected heads and head_dim of at least 1 but got " << heads << " and " << headDim;
  if (splitType.getDimSize(2) != headDim) // (C1)
    return op->emitOpError() << "expected dim 2 to be head_dim, " << headDim << ", but got " << splitType.getDimSize(2);
  int64_t local = splitType.getDimSize(1);
  if (ShapedType::isDynamic(local) || ShapedType::isDynamic(mergedType.getDimSize(1)))
    return success();
  if (mergedType.getDimSize(1) != local * headDim) // (C1)
    return op->emitOpError() << "expected " << local << " heads of " << headDim << " to make " << local * headDim
                             << " but got " << mergedType.getDimSize(1);
  if (local == 0 || heads % local != 0) // (C2)
    return op->emitOpError() << "expected the rank's heads to divide " << heads << " but got " << local;
  return success();
}

LogicalResult SplitHeadsOp::verify() { return verifyHeads(*this, getInput(), getResult(), getHeads(), getHeadDim()); }
LogicalResult MergeHeadsOp::verify() { return verifyHeads(*this, getResult(), getInput(), getHeads(), getHeadDim()); }

/// A size of the type, or `otherwise` of the value's dim where the type leaves it open.
static OpFoldResult staticSizeOr(OpBuilder &builder, RankedTensorType type, int64_t dim,
                                 function_ref<OpFoldResult()> otherwise) {
  return type.isDynamicDim(dim) ? otherwise() : OpFoldResult(builder.getIndexAttr(type.getDimSize(dim)));
}

LogicalResult SplitHeadsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  OpFoldResult heads = staticSizeOr(builder, typeOf(getResult()), 1, [&]() -> OpFoldResult {
    Value merged = getValueOrCreateConstantIndexOp(builder, getLoc(), sizeOf(builder, getLoc(), getInput(), 1));
    return arith::DivUIOp::create(builder, getLoc(), merged,
                                  arith::ConstantIndexOp::create(builder, getLoc(), getHeadDim()))
        .getResult();
  });
  shapes.assign(1, {sizeOf(builder, getLoc(), getInput(), 0), heads, builder.getIndexAttr(getHeadDim())});
  return success();
}

LogicalResult MergeHeadsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  OpFoldResult merged = staticSizeOr(builder, typeOf(getResult()), 1, [&]() -> OpFoldResult {
    Value heads = getValueOrCreateConstantIndexOp(builder, getLoc(), sizeOf(builder, getLoc(), getInput(), 1));
    return arith::MulIOp::create(builder, getLoc(), heads,
                                 arith::ConstantIndexOp::create(builder, getLoc(), getHeadDim()))
        .getResult();
  });
  shapes.assign(1, {sizeOf(builder, getLoc(), getInput(), 0), merged});
  return success();
}

OpFoldResult SplitHeadsOp::fold(FoldAdaptor) {
  auto merge = getInput().getDefiningOp<MergeHeadsOp>();
  bool isInverse = merge && merge.getHeads() == getHeads() && merge.getHeadDim() == getHeadDim();
  return isInverse && merge.getInput().getType() == getResult().getType() ? merge.getInput() : Value();
}

OpFoldResult MergeHeadsOp::fold(FoldAdaptor) {
  auto split = getInput().getDefiningOp<SplitHeadsOp>();
  bool isInverse = split && split.getHeads() == getHeads() && split.getHeadDim() == getHeadDim();
  return isInverse && split.getInput().getType() == getResult().getType() ? split.getInput() : Value();
}

// Movement, not computation: the heads dim is carried, and (h d) against h, d is a reshape with logical sizes.
IterationRule SplitHeadsOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel}}, {{0, noIterator}}, {{0, noIterator, noIterator}}, Linearity::Multilinear};
}
IterationRule MergeHeadsOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel}}, {{0, noIterator, noIterator}}, {{0, noIterator}}, Linearity::Multilinear};
}

//===----------------------------------------------------------------------===//
// rope
//===----------------------------------------------------------------------===//

LogicalResult RopeOp::verify() {
  int64_t headDim = typeOf(getInput()).getDimSize(2), half = typeOf(getCos()).getDimSize(1);
  if (ShapedType::isDynamic(headDim) || headDim % 2 != 0) // (C1)
    return emitOpError() << "expected an even head dim but got " << headDim;
  if (half != headDim / 2) // (C1)
    return emitOpError() << "expected tables of " << headDim / 2 << " angles but got " << half;
  return verifySameDim(*this, "input", getInput(), 0, "positions", getPositions(), 0); // (C2)
}

LogicalResult RopeOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getInput()));
  return success();
}

IterationRule RopeOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel},
           {"h", IteratorKind::Parallel},
           {"d", IteratorKind::Whole},
           {"p", IteratorKind::Whole},
           {"e", IteratorKind::Whole}},
          {{0, 1, 2}, {3, 4}, {3, 4}, {0}},
          {{0, 1, 2}},
          Linearity::NonLinear,
          /*linearOperands=*/1};
}

//===----------------------------------------------------------------------===//
// histogram
//===----------------------------------------------------------------------===//

LogicalResult HistogramOp::verify() {
  if (isa_and_nonnull<RoutedAttr>(typeOf(getResult()).getEncoding())) // (C1)
    return success();
  return emitOpError() << "expected a result of routed counts, tensor<..., #muster.routed<...>>, but got "
                       << getResult().getType();
}

LogicalResult HistogramOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, getAsIndexOpFoldResult(getContext(), typeOf(getResult()).getShape()));
  return success();
}

//===----------------------------------------------------------------------===//
// cache_append, attention
//===----------------------------------------------------------------------===//

/// The rank's part of a paged state [page, slot, g, d], or null after an error.
static RankedTensorType verifyPagedState(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr name) {
  auto state = symbols.lookupNearestSymbolFrom<StateOp>(op, name);
  if (!state) { // (C1)
    op->emitOpError() << "references unknown state " << name;
    return {};
  }
  RankedTensorType type = state.getLogicalType();
  if (type.getRank() != 4 || !type.isDynamicDim(0)) { // (C1)
    op->emitOpError() << "expected state " << name
                      << " to be [page, slot, head, dim] with a dynamic number of pages but got " << type;
    return {};
  }
  MeshAttr mesh = getMesh(op);
  if (!mesh) {
    op->emitOpError() << "cannot be checked without a mesh";
    return {};
  }
  FailureOr<RankedTensorType> local =
      getLocalType(type, state.getLayout(), mesh, [&](const Twine &text) { op->emitOpError() << text; });
  return succeeded(local) ? *local : RankedTensorType();
}

LogicalResult CacheAppendOp::verify() {
  return verifySameDim(*this, "rows", getRows(), 0, "slots", getSlots(), 0);
} // (C2)

LogicalResult CacheAppendOp::verifySymbolUses(SymbolTableCollection &symbols) {
  RankedTensorType state = verifyPagedState(*this, symbols, getStateAttr());
  if (!state)
    return failure();
  RankedTensorType rows = typeOf(getRows());
  if (rows.getDimSize(1) != state.getDimSize(2) || rows.getDimSize(2) != state.getDimSize(3) ||
      rows.getElementType() != state.getElementType()) // (C2)
    return emitOpError() << "expected rows of the rank's state " << state << " but got " << rows;
  return success();
}

IterationRule CacheAppendOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel}, {"g", IteratorKind::Parallel}, {"d", IteratorKind::Parallel}},
          {{0, 1, 2}, {0}},
          {},
          Linearity::NonLinear};
}

LogicalResult AttentionOp::verify() {
  auto heads = static_cast<int64_t>(getHeads()), kvHeads = static_cast<int64_t>(getKvHeads());
  if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0) // (C2)
    return emitOpError() << "expected kv_heads to divide heads, " << heads << ", but got " << kvHeads;
  if (failed(verifySameDim(*this, "query", getQuery(), 0, "positions", getPositions(), 0))) // (C3)
    return failure();
  int64_t starts = typeOf(getQueryStarts()).getDimSize(0), rows = typeOf(getBlockTable()).getDimSize(0);
  if (!ShapedType::isDynamic(starts) && !ShapedType::isDynamic(rows) && starts != rows + 1) // (C3)
    return emitOpError() << "expected query_starts to have " << rows + 1 << " entries but got " << starts;
  return success();
}

LogicalResult AttentionOp::verifySymbolUses(SymbolTableCollection &symbols) {
  RankedTensorType keys = verifyPagedState(*this, symbols, getKeysAttr()),
                   values = verifyPagedState(*this, symbols, getValuesAttr());
  if (!keys || !values)
    return failure();
  RankedTensorType query = typeOf(getQuery());
  if (keys != values || keys.getDimSize(3) != query.getDimSize(2)) // (C1)
    return emitOpError() << "expected keys and values of one type and the query's head dim " << query.getDimSize(2)
                         << " but got " << keys << " and " << values;
  // Ranks that share a key-value head have a part of its group each.
  int64_t group = static_cast<int64_t>(getHeads() / getKvHeads()), own = query.getDimSize(1),
          ownKeys = keys.getDimSize(2);
  bool isShared = ownKeys == 1 && own > 0 && group % own == 0;
  if (!isShared && own != ownKeys * group) // (C2)
    return emitOpError() << "expected the rank's heads in the ratio " << getHeads() << " : " << getKvHeads()
                         << ", or a part of one key-value head's, but got " << own << " and " << ownKeys;
  return success();
}

LogicalResult AttentionOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getQuery()));
  return success();
}

IterationRule AttentionOp::getIterationRule() {
  return {{{"t", IteratorKind::Parallel},
           {"h", IteratorKind::Parallel},
           {"d", IteratorKind::Whole},
           {"starts", IteratorKind::Whole}, // one more than there are sequences
           {"s", IteratorKind::Whole},
           {"u", IteratorKind::Whole}},
          {{0, 1, 2}, {0}, {3}, {4, 5}},
          {{0, 1, 2}},
          Linearity::NonLinear};
}

#define GET_OP_CLASSES
#include "dialects/NN/IR/NNOps.cpp.inc"
