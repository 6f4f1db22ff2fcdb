// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Muster/IR/CountText.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace muster;

/// That counts are those of a group: "own" is an element of them.
static LogicalResult verifyGroup(Operation *op, CountsType counts) {
  if (!counts.getAxes().empty())
    return success();
  return op->emitOpError() << "expected counts of a group but got " << textOf(counts) << ", known to each rank alone";
}

static LogicalResult verifyRows(Operation *op, int64_t dim, Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  if (dim < 0 || dim >= type.getRank())
    return op->emitOpError() << "expected 'dim' to be a dim of " << type << " but got " << dim;
  if (!type.isDynamicDim(static_cast<unsigned>(dim)))
    return op->emitOpError() << "expected dim " << dim << " to be dynamic, as it is counted, but got " << type;
  return success();
}

/// That `padded` are padded counts of the batch of `live`.
static LogicalResult verifyPadding(Operation *op, TypedValue<CountsType> live, TypedValue<CountsType> padded) {
  CountsType from = live.getType(), to = padded.getType();
  if (failed(verifyGroup(op, from)))
    return failure();
  if (from.getUnit() == CountUnit::Padded)
    return refuseMix(op, live, "counts of rows that are not padded");
  if (to.getUnit() != CountUnit::Padded || to.getAxes() != from.getAxes() || to.getEpoch() != from.getEpoch())
    return refuseMix(op, padded, "padded counts of batch @" + from.getEpoch().getValue() + " over the axes of the rows",
                     live);
  return success();
}

/// That `second` counts another batch in the unit of `first`, over its axes.
static LogicalResult verifyOtherBatch(Operation *op, TypedValue<CountsType> first, TypedValue<CountsType> second,
                                      StringRef role) {
  CountsType own = first.getType(), other = second.getType();
  if (own.getUnit() != other.getUnit() || own.getAxes() != other.getAxes())
    return refuseMix(op, second, role + " counted as " + textOf(own), first);
  if (own.getEpoch() == other.getEpoch())
    return refuseMix(op, second, role + " of another batch than @" + own.getEpoch().getValue(), first);
  return success();
}

/// The input's sizes, with the own count at dim `dim`.
static SmallVector<OpFoldResult> reifyOwn(OpBuilder &builder, Location loc, Value input, int64_t dim, Value counts) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, input);
  sizes[static_cast<size_t>(dim)] = OwnCountOp::create(builder, loc, counts).getResult();
  return sizes;
}

//===----------------------------------------------------------------------===//
// pad, unpad
//===----------------------------------------------------------------------===//

LogicalResult PadRowsOp::verify() {
  if (failed(verifyPadding(*this, getCounts(), getTo())) ||                            // (C1)
      failed(verifyRows(*this, static_cast<int64_t>(getDim()), getInput().getType()))) // (C2)
    return failure();
  Type element = cast<RankedTensorType>(getInput().getType()).getElementType();
  if (getFill() && getFill().getType() != element) // (C3)
    return emitOpError() << "expected a fill of type " << element << " but got " << getFill().getType();
  return success();
}

LogicalResult PadRowsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, reifyOwn(builder, getLoc(), getInput(), static_cast<int64_t>(getDim()), getTo()));
  return success();
}

LogicalResult UnpadRowsOp::verify() {
  if (failed(verifyPadding(*this, getTo(), getCounts()))) // (C1)
    return failure();
  return verifyRows(*this, static_cast<int64_t>(getDim()), getInput().getType()); // (C2)
}

LogicalResult UnpadRowsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, reifyOwn(builder, getLoc(), getInput(), static_cast<int64_t>(getDim()), getTo()));
  return success();
}

OpFoldResult UnpadRowsOp::fold(FoldAdaptor) {
  auto padded = getInput().getDefiningOp<PadRowsOp>();
  bool isInverse =
      padded && padded.getDim() == getDim() && padded.getCounts() == getTo() && padded.getTo() == getCounts();
  return isInverse ? padded.getInput() : Value();
}

//===----------------------------------------------------------------------===//
// split_rows, join_rows
//===----------------------------------------------------------------------===//

LogicalResult SplitRowsOp::verify() {
  if (failed(verifyGroup(*this, getFirst().getType())) ||
      failed(verifyOtherBatch(*this, getFirst(), getSecond(), "a second child"))) // (C1)
    return failure();
  return verifyRows(*this, static_cast<int64_t>(getDim()), getInput().getType()); // (C2)
}

LogicalResult SplitRowsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  for (Value counts : {getFirst(), getSecond()})
    shapes.push_back(reifyOwn(builder, getLoc(), getInput(), static_cast<int64_t>(getDim()), counts));
  return success();
}

LogicalResult JoinRowsOp::verify() {
  if (failed(verifyGroup(*this, getFirst().getType())) ||
      failed(verifyOtherBatch(*this, getFirst(), getSecond(), "a second child")) ||
      failed(verifyOtherBatch(*this, getFirst(), getTo(), "a parent")) ||
      failed(verifyOtherBatch(*this, getSecond(), getTo(), "a parent"))) // (C1)
    return failure();
  return verifyRows(*this, static_cast<int64_t>(getDim()), getFirstRows().getType()); // (C2)
}

LogicalResult JoinRowsOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, reifyOwn(builder, getLoc(), getFirstRows(), static_cast<int64_t>(getDim()), getTo()));
  return success();
}
