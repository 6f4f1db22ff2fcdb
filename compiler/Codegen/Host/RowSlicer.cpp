// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/RowSlicer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"

using namespace mlir;

namespace muster::codegen {

RankedTensorType rowType(RankedTensorType type, RowDim dim) {
  if (!dim)
    return type;
  SmallVector<int64_t> shape(type.getShape());
  shape[*dim] = 1;
  return RankedTensorType::get(shape, type.getElementType());
}

Value RowSlicer::extractRow(Value whole, const Sizes &sizes, RowDim dim) {
  if (!dim)
    return whole;
  auto type = tensorType(whole);
  Sizes offsets(type.getRank(), builder.getIndexAttr(0)), extents(sizes),
      strides(type.getRank(), builder.getIndexAttr(1));
  offsets[*dim] = row;
  extents[*dim] = builder.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(builder, loc, rowType(type, dim), whole, offsets, extents, strides);
}

LogicalResult RowSlicer::viewArguments() {
  const KernelSignature &signature = frame.signature;
  argumentTensors.resize(signature.bindings.size());
  for (unsigned i = 0; i < signature.arguments; ++i) {
    if (signature.bindings[i].written || frame.source.getArgument(i).use_empty())
      continue;
    FailureOr<Value> view = frame.makeView(i, signature.bindings[i].type, frame.bindingSizes[i]);
    if (failed(view))
      return failure();
    argumentTensors[i] = bufferization::ToTensorOp::create(builder, loc, signature.bindings[i].type, *view,
                                                           /*restrict=*/true, /*writable=*/false);
  }
  return success();
}

void RowSlicer::enterLoop(Value index) {
  row = index;
  slices.clear();
  writtenTensors.clear();
  destinations.clear();
}

FailureOr<Value> RowSlicer::slice(Value value, RowDim dim, Value destination) {
  Value known = slices.lookup({value, dim.value_or(-1)});
  if (known)
    return known;
  if (!destination)
    destination = destinations.lookup({value, dim.value_or(-1)});
  FailureOr<Value> made = failure();
  if (dim || !row) {
    made = sliceUncached(value, dim, destination);
  } else {
    // A value that all rows share: made once, in front of the loop, unless it is what the loop computes.
    OpBuilder::InsertionGuard guard(builder);
    if (!destination)
      builder.setInsertionPoint(frame.end);
    made = sliceUncached(value, dim, destination);
  }
  if (succeeded(made))
    slices[{value, dim.value_or(-1)}] = *made;
  return made;
}

FailureOr<Value> RowSlicer::sliceUncached(Value value, RowDim dim, Value destination) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return sliceArgument(argument, dim);
  if (auto view = frame.viewedArgument(value); view && !frame.signature.bindings[view->first].written)
    return sliceView(value, view->first, view->second, dim);
  Operation *op = value.getDefiningOp();
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return sliceGeneric(generic, cast<OpResult>(value).getResultNumber(), dim, destination);
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    return sliceReshape(op, dim);
  if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op))
    return sliceExtract(extract, dim);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return sliceEmpty(empty, dim, destination);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return sliceConstant(constant, dim);
  return op->emitOpError("E4121 unsupported in a host kernel: expected linalg, tensor.extract_slice, expand_shape, "
                         "collapse_shape, empty or a constant"),
         failure();
}

FailureOr<Value> RowSlicer::sliceView(Value value, unsigned binding, const Sizes &sizes, RowDim dim) {
  Value whole = slices.lookup({value, -1});
  if (!whole) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(frame.end);
    FailureOr<Value> buffer = frame.makeView(binding, tensorType(value), sizes);
    if (failed(buffer))
      return failure();
    whole = bufferization::ToTensorOp::create(builder, loc, tensorType(value), *buffer, /*restrict=*/true,
                                              /*writable=*/false);
    slices[{value, -1}] = whole;
  }
  return extractRow(whole, sizes, dim);
}

FailureOr<Value> RowSlicer::sliceEmpty(tensor::EmptyOp op, RowDim dim, Value destination) {
  if (destination)
    return destination;
  RankedTensorType type = rowType(op.getType(), dim);
  SmallVector<Value> dynamic;
  unsigned next = 0;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (!op.getType().isDynamicDim(i))
      continue;
    FailureOr<Value> size = frame.scalar(op.getDynamicSizes()[next++]);
    if (failed(size))
      return failure();
    if (type.isDynamicDim(i))
      dynamic.push_back(*size);
  }
  return tensor::EmptyOp::create(builder, loc, type, dynamic).getResult();
}

Value RowSlicer::sliceConstant(arith::ConstantOp op, RowDim dim) {
  auto type = tensorType(op.getResult());
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  if (dim && elements && elements.isSplat())
    return arith::ConstantOp::create(builder, loc, elements.resizeSplat(rowType(type, dim)));
  Value whole = slices.lookup({op.getResult(), -1});
  if (!whole) {
    OpBuilder::InsertionGuard guard(builder);
    if (row)
      builder.setInsertionPoint(frame.end);
    whole = builder.clone(*op)->getResult(0);
    slices[{op.getResult(), -1}] = whole;
  }
  return extractRow(whole, getAsIndexOpFoldResult(builder.getContext(), type.getShape()), dim);
}

FailureOr<Value> RowSlicer::sliceArgument(BlockArgument argument, RowDim dim) {
  unsigned index = argument.getArgNumber();
  if (!frame.signature.bindings[index].written)
    return extractRow(argumentTensors[index], frame.bindingSizes[index], dim);
  Value current = writtenTensors.lookup(index);
  if (!current || !dim)
    return frame.source.emitOpError("E4121 cannot update argument ")
               << index << " in place because other rows of it are read than the one that is written",
           failure();
  return extractRow(current, frame.bindingSizes[index], dim);
}

FailureOr<Value> RowSlicer::sliceReshape(Operation *op, RowDim dim) {
  bool collapse = isa<tensor::CollapseShapeOp>(op);
  auto groups = collapse ? cast<tensor::CollapseShapeOp>(op).getReassociationIndices()
                         : cast<tensor::ExpandShapeOp>(op).getReassociationIndices();
  Value inner = op->getOperand(0);
  auto wide = tensorType(collapse ? inner : op->getResult(0)); // the expanded side
  RowDim innerDim;
  if (dim)
    for (auto [outer, group] : llvm::enumerate(groups)) {
      if (collapse ? static_cast<int64_t>(outer) != *dim : !llvm::is_contained(group, *dim))
        continue;
      // The row dim must be alone in its group, but for ones.
      SmallVector<int64_t> real;
      for (int64_t member : group)
        if (wide.getDimSize(member) != 1)
          real.push_back(member);
      if (real.size() != 1 || (!collapse && real.front() != *dim))
        return op->emitOpError("E4121 cannot divide this reshape into rows because it merges or cuts the row dim"),
               failure();
      innerDim = collapse ? real.front() : static_cast<int64_t>(outer);
    }
  FailureOr<Value> made = slice(inner, innerDim);
  if (failed(made))
    return failure();
  auto type = rowType(tensorType(op->getResult(0)), dim);
  if (collapse)
    return tensor::CollapseShapeOp::create(builder, loc, type, *made, groups).getResult();
  Sizes sizes;
  auto expand = cast<tensor::ExpandShapeOp>(op);
  for (auto [i, size] : llvm::enumerate(expand.getMixedOutputShape())) {
    if (!type.isDynamicDim(i)) {
      sizes.push_back(builder.getIndexAttr(type.getDimSize(i)));
      continue;
    }
    FailureOr<OpFoldResult> known = frame.scalar(size);
    if (failed(known))
      return failure();
    sizes.push_back(*known);
  }
  return tensor::ExpandShapeOp::create(builder, loc, type, *made, groups, sizes).getResult();
}

OpFoldResult RowSlicer::addOffset(OpFoldResult offset, Value index) {
  if (getConstantIntValue(offset) == 0)
    return index;
  return builder.createOrFold<arith::AddIOp>(loc, frame.asValue(offset), index);
}

FailureOr<Value> RowSlicer::sliceExtract(tensor::ExtractSliceOp op, RowDim dim) {
  auto argument = frame.viewedArgument(op.getSource());
  bool fromArgument = argument && !frame.signature.bindings[argument->first].written;
  SmallVector<OpFoldResult> offsets, sizes, strides = op.getMixedStrides();
  for (OpFoldResult value : op.getMixedOffsets()) {
    FailureOr<OpFoldResult> made = frame.scalar(value);
    if (failed(made))
      return failure();
    offsets.push_back(*made);
  }
  for (OpFoldResult value : op.getMixedSizes()) {
    FailureOr<OpFoldResult> made = frame.scalar(value);
    if (failed(made))
      return failure();
    sizes.push_back(*made);
  }
  // The result's dim `dim` is this dim of the source.
  RowDim sourceDim;
  if (dim) {
    llvm::SmallBitVector dropped = op.getDroppedDims();
    int64_t kept = 0;
    for (int64_t i = 0; i < static_cast<int64_t>(sizes.size()); ++i)
      if (!dropped.test(i) && kept++ == *dim)
        sourceDim = i;
    if (getConstantIntValue(strides[*sourceDim]) != 1)
      return op.emitOpError("E4121 cannot divide a slice with a stride into rows"), failure();
  }
  FailureOr<Value> from = failure();
  if (fromArgument) {
    from = slice(op.getSource(), std::nullopt);
    if (sourceDim)
      offsets[*sourceDim] = addOffset(offsets[*sourceDim], row);
  } else {
    if (sourceDim && getConstantIntValue(offsets[*sourceDim]) != 0)
      return op.emitOpError("E4121 cannot divide this slice into rows because it shifts the rows of a computed value"),
             failure();
    from = slice(op.getSource(), sourceDim);
  }
  if (failed(from))
    return failure();
  if (sourceDim)
    sizes[*sourceDim] = builder.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(builder, loc, rowType(op.getType(), dim), *from, offsets, sizes, strides)
      .getResult();
}

} // namespace muster::codegen
