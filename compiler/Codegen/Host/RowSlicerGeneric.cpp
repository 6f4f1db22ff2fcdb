// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One row of a linalg operation: its operands' rows, and its body for that row.

#include "compiler/Codegen/Host/RowSlicer.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace muster::codegen {

int64_t positionOf(AffineMap map, unsigned iterator) {
  int64_t position = notIndexed;
  for (auto [i, expression] : llvm::enumerate(map.getResults())) {
    if (!expression.isFunctionOfDim(iterator))
      continue;
    if (position != notIndexed || !isa<AffineDimExpr>(expression))
      return notIndexedAlone;
    position = i;
  }
  return position;
}

FailureOr<Value> RowSlicer::sliceInit(linalg::GenericOp op, OpOperand &init, RowDim dim, Value place) {
  // The destination may be handed on to the op that fills it where nothing else sees that op's result.
  if (op.payloadUsesValueFromOperand(&init))
    return slice(init.get(), dim, place && init.get().hasOneUse() ? place : Value());
  if (place)
    return place;
  RankedTensorType type = rowType(tensorType(init.get()), dim);
  // Extents of an unread init are those of the result; only static ones can be kept on the stack.
  if (!type.hasStaticShape())
    return slice(init.get(), dim);
  return tensor::EmptyOp::create(builder, loc, type, ValueRange()).getResult();
}

FailureOr<Value> RowSlicer::sliceOperand(linalg::GenericOp op, OpOperand &operand, std::optional<unsigned> iterator,
                                         unsigned result, Value destination) {
  if (!isa<RankedTensorType>(operand.get().getType()))
    return frame.scalar(operand.get());
  bool isInit = op.isDpsInit(&operand);
  int64_t position = iterator ? positionOf(op.getMatchingIndexingMap(&operand), *iterator) : notIndexed;
  if (position == notIndexedAlone || (position == notIndexed && isInit && iterator))
    return op.emitOpError("E4121 cannot divide this op into rows because operand ")
               << operand.getOperandNumber() << " is not indexed by the row alone",
           failure();
  RowDim dim = position < 0 ? RowDim() : RowDim(position);
  if (!isInit)
    return slice(operand.get(), dim);
  OpResult tied = op.getTiedOpResult(&operand);
  return sliceInit(op, operand, dim,
                   tied.getResultNumber() == result ? destination : destinations.lookup({tied, dim.value_or(-1)}));
}

LogicalResult RowSlicer::mapCaptured(linalg::GenericOp op, IRMapping &mapping) {
  WalkResult walk = op.getRegion().walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      if (mapping.contains(operand) || op.getRegion().isAncestor(operand.getParentRegion()))
        continue;
      FailureOr<Value> made = isa<TensorType>(operand.getType()) ? slice(operand, std::nullopt) : frame.scalar(operand);
      if (failed(made))
        return WalkResult::interrupt();
      mapping.map(operand, *made);
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

void RowSlicer::shiftIndices(linalg::GenericOp op, unsigned iterator) {
  SmallVector<linalg::IndexOp> indices;
  op.walk([&](linalg::IndexOp index) {
    if (index.getDim() == iterator)
      indices.push_back(index);
  });
  for (linalg::IndexOp index : indices) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(index);
    auto shifted = arith::AddIOp::create(builder, loc, index.getResult(), row);
    index.getResult().replaceAllUsesExcept(shifted, shifted);
  }
}

FailureOr<Value> RowSlicer::sliceGeneric(linalg::GenericOp op, unsigned result, RowDim dim, Value destination) {
  // The iterator that counts rows.
  std::optional<unsigned> iterator;
  if (dim) {
    AffineMap map = op.getIndexingMapMatchingResult(op->getResult(result));
    auto expression = dyn_cast<AffineDimExpr>(map.getResult(*dim));
    if (!expression || op.getIteratorTypesArray()[expression.getPosition()] != utils::IteratorType::parallel)
      return op.emitOpError("E4121 cannot divide this op into rows because dim ")
                 << *dim << " of its result is not a parallel iterator",
             failure();
    iterator = expression.getPosition();
  }
  SmallVector<Value> operands;
  SmallVector<Type> types;
  for (OpOperand &operand : op->getOpOperands()) {
    FailureOr<Value> made = sliceOperand(op, operand, iterator, result, destination);
    if (failed(made))
      return failure();
    operands.push_back(*made);
    if (op.isDpsInit(&operand))
      types.push_back(made->getType());
  }
  IRMapping mapping;
  if (failed(mapCaptured(op, mapping)))
    return failure();
  unsigned inputs = op.getNumDpsInputs();
  auto clone = linalg::GenericOp::create(builder, op.getLoc(), types, ValueRange(operands).take_front(inputs),
                                         ValueRange(operands).drop_front(inputs), op.getIndexingMapsArray(),
                                         op.getIteratorTypesArray());
  op.getRegion().cloneInto(&clone.getRegion(), mapping);
  if (iterator)
    shiftIndices(clone, *iterator);
  // All results of an op are divided alike.
  for (OpResult other : op->getResults()) {
    AffineMap map = op.getIndexingMapMatchingResult(other);
    slices[{other, iterator ? positionOf(map, *iterator) : -1}] = clone->getResult(other.getResultNumber());
  }
  return clone->getResult(result);
}

} // namespace muster::codegen
