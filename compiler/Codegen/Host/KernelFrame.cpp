// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/KernelFrame.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace muster::codegen {

KernelFrame::KernelFrame(func::FuncOp function, KernelSignature kernelSignature)
    : source(function), signature(std::move(kernelSignature)), builder(function.getContext()), loc(function.getLoc()) {
  MLIRContext *context = source.getContext();
  SmallVector<Type> inputs;
  for (const KernelBinding &binding : signature.bindings)
    inputs.push_back(MemRefType::get({1}, binding.type.getElementType()));
  inputs.append(signature.sizes + 2, IndexType::get(context));
  builder.setInsertionPoint(source);
  target = func::FuncOp::create(builder, loc, source.getName(), FunctionType::get(context, inputs, {}));
  Block *entry = target.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  for (unsigned i = 0; i < signature.sizes; ++i)
    scalars[source.getArgument(signature.arguments + i)] = entry->getArgument(signature.bindings.size() + i);
  for (const KernelBinding &binding : signature.bindings)
    bindingSizes.push_back(sizesOf(binding));
  end = func::ReturnOp::create(builder, loc);
  builder.setInsertionPoint(end);
}

Sizes KernelFrame::sizesOf(const KernelBinding &binding) {
  Sizes sizes;
  unsigned dynamic = 0;
  for (int64_t extent : binding.type.getShape()) {
    if (!ShapedType::isDynamic(extent)) {
      sizes.push_back(builder.getIndexAttr(extent));
      continue;
    }
    int64_t size = binding.sizes[dynamic++];
    // An unneeded extent only ever reaches bounds that nothing reads; -1 keeps a wrong use from looking plausible.
    if (size < 0)
      sizes.push_back(builder.getIndexAttr(-1));
    else
      sizes.push_back(OpFoldResult(target.getArgument(signature.bindings.size() + size)));
  }
  return sizes;
}

FailureOr<Value> KernelFrame::makeView(unsigned binding, RankedTensorType type, const Sizes &sizes) {
  Value &view = views[{binding, type}];
  if (view)
    return view;
  OpBuilder::InsertionGuard guard(builder);
  // Before everything else that is computed, after the sizes.
  builder.setInsertionPoint(end);
  Sizes strides(type.getRank()), castSizes;
  OpFoldResult stride = builder.getIndexAttr(1);
  for (int64_t i = type.getRank(); i-- > 0;) {
    strides[i] = stride;
    if (i == 0)
      break;
    auto constant = getConstantIntValue(stride), extent = getConstantIntValue(sizes[i]);
    if (extent && *extent < 0)
      return source.emitOpError("E4120 expected a size for dim ")
                 << i << " of binding " << binding << " but got -1: only the outermost dim may do without",
             failure();
    if (constant && extent)
      stride = builder.getIndexAttr(*constant * *extent);
    else
      stride = builder.createOrFold<arith::MulIOp>(loc, asValue(stride), asValue(sizes[i]));
  }
  for (OpFoldResult size : sizes)
    castSizes.push_back(getConstantIntValue(size) == -1 ? OpFoldResult(constantIndex(int64_t(1) << 40)) : size);
  // The row-major layout is the identity; reinterpret_cast wants it spelled for a dynamic inner extent.
  SmallVector<int64_t> staticStrides;
  for (OpFoldResult s : strides)
    staticStrides.push_back(getConstantIntValue(s).value_or(ShapedType::kDynamic));
  auto layout = StridedLayoutAttr::get(builder.getContext(), 0, staticStrides);
  auto memref = MemRefType::get(type.getShape(), type.getElementType(), layout);
  view = memref::ReinterpretCastOp::create(builder, loc, memref, target.getArgument(binding), builder.getIndexAttr(0),
                                           castSizes, strides);
  return view;
}

FailureOr<Sizes> KernelFrame::reshapedSizes(const Sizes &from, RankedTensorType type,
                                            ArrayRef<ReassociationIndices> groups, bool collapse) {
  // `type` is the shape to find; `from` the sizes of the other side. Groups number the dims of the expanded side.
  Sizes sizes(type.getRank());
  for (auto [outer, group] : llvm::enumerate(groups)) {
    if (collapse) { // from is expanded, type collapsed
      OpFoldResult product = builder.getIndexAttr(1);
      for (int64_t dim : group) {
        auto a = getConstantIntValue(product), b = getConstantIntValue(from[dim]);
        if (a && b)
          product = builder.getIndexAttr(*b < 0 ? -1 : *a * *b);
        else if (a == 1)
          product = from[dim];
        else
          product = builder.createOrFold<arith::MulIOp>(loc, asValue(product), asValue(from[dim]));
      }
      sizes[outer] = product;
      continue;
    }
    int64_t known = 1, dynamic = -1;
    for (int64_t dim : group) {
      if (!type.isDynamicDim(dim)) {
        known *= type.getDimSize(dim);
        sizes[dim] = builder.getIndexAttr(type.getDimSize(dim));
      } else if (dynamic >= 0) {
        return failure();
      } else {
        dynamic = dim;
      }
    }
    if (dynamic >= 0)
      sizes[dynamic] =
          known == 1
              ? from[outer]
              : OpFoldResult(builder.createOrFold<arith::DivUIOp>(loc, asValue(from[outer]), constantIndex(known)));
  }
  return sizes;
}
FailureOr<OpFoldResult> KernelFrame::scalar(OpFoldResult value) {
  if (isa<Attribute>(value))
    return value;
  FailureOr<Value> made = scalar(cast<Value>(value));
  if (failed(made))
    return failure();
  return OpFoldResult(*made);
}

// Index arithmetic and constants: the same for all rows, computed at the function's start.
FailureOr<Value> KernelFrame::scalar(Value value) {
  if (Value known = scalars.lookup(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (!op)
    return source.emitOpError("E4121 unsupported scalar argument"), failure();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(end);
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    auto argument = viewedArgument(dim.getSource());
    auto index = dim.getConstantIndex();
    if (!argument || !index)
      return op->emitOpError("E4121 unsupported: the extent of a value that is no argument"), failure();
    return scalars[value] = asValue(argument->second[*index]);
  }
  if (op->getNumRegions() != 0 || !isPure(op) ||
      llvm::any_of(op->getOperandTypes(), [](Type type) { return isa<TensorType>(type); }))
    return op->emitOpError("E4121 unsupported: a scalar that depends on tensors outside of linalg"), failure();
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    FailureOr<Value> made = scalar(operand);
    if (failed(made))
      return failure();
    mapping.map(operand, *made);
  }
  Operation *copy = builder.clone(*op, mapping);
  for (auto [before, after] : llvm::zip(op->getResults(), copy->getResults()))
    scalars[before] = after;
  return scalars[value];
}

std::optional<std::pair<unsigned, Sizes>> KernelFrame::viewedArgument(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() != &source.getBody().front() || argument.getArgNumber() >= signature.arguments)
      return std::nullopt;
    return std::make_pair(argument.getArgNumber(), bindingSizes[argument.getArgNumber()]);
  }
  Operation *op = value.getDefiningOp();
  if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    return std::nullopt;
  auto inner = viewedArgument(op->getOperand(0));
  if (!inner)
    return std::nullopt;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(end);
  bool collapse = isa<tensor::CollapseShapeOp>(op);
  FailureOr<Sizes> sizes = reshapedSizes(inner->second, tensorType(value),
                                         collapse ? cast<tensor::CollapseShapeOp>(op).getReassociationIndices()
                                                  : cast<tensor::ExpandShapeOp>(op).getReassociationIndices(),
                                         collapse);
  if (failed(sizes))
    return std::nullopt;
  return std::make_pair(inner->first, *sizes);
}

} // namespace muster::codegen
