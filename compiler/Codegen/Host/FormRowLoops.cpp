// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compiler/Codegen/Host/FormRowLoops.h"

#include <optional>

#include "compiler/Codegen/Host/KernelSignature.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace muster::codegen {

namespace {

using Sizes = SmallVector<OpFoldResult>;
// A dim of a tensor that is divided into rows; nullopt: the tensor as a whole.
using RowDim = std::optional<int64_t>;

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

RankedTensorType rowType(RankedTensorType type, RowDim dim) {
  if (!dim)
    return type;
  SmallVector<int64_t> shape(type.getShape());
  shape[*dim] = 1;
  return RankedTensorType::get(shape, type.getElementType());
}

// The position of iterator `iterator` among the results of `map`; -1 where it is not used, -2 where it is used
// otherwise than alone in one result.
int64_t positionOf(AffineMap map, unsigned iterator) {
  int64_t position = -1;
  for (auto [i, expression] : llvm::enumerate(map.getResults())) {
    if (!expression.isFunctionOfDim(iterator))
      continue;
    if (position != -1 || !isa<AffineDimExpr>(expression))
      return -2;
    position = i;
  }
  return position;
}

// Rewrites one kernel. Values of the old function are looked up by (value, row dim) and made on demand.
class RowLoopFormer {
public:
  RowLoopFormer(func::FuncOp function, KernelSignature signature)
      : source(function), signature(std::move(signature)), builder(function.getContext()), loc(function.getLoc()) {}

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

  void createFunction();
  FailureOr<Value> makeView(unsigned binding, RankedTensorType type, const Sizes &sizes);
  Sizes sizesOf(const KernelBinding &binding);
  FailureOr<Sizes> reshapedSizes(const Sizes &from, RankedTensorType type, ArrayRef<ReassociationIndices> groups,
                                 bool collapse);
  FailureOr<Root> makeRoot(unsigned result);
  RowDim chooseRow(Value value);
  LogicalResult formLoop(ArrayRef<Root> roots);
  OpFoldResult addOffset(OpFoldResult offset, Value row);

  FailureOr<Value> scalar(Value value);
  FailureOr<OpFoldResult> scalar(OpFoldResult value);
  FailureOr<Value> slice(Value value, RowDim row, Value destination = {});
  FailureOr<Value> sliceUncached(Value value, RowDim row, Value destination);
  FailureOr<Value> sliceArgument(BlockArgument argument, RowDim row);
  FailureOr<Value> sliceGeneric(linalg::GenericOp op, unsigned result, RowDim row, Value destination);
  FailureOr<Value> sliceReshape(Operation *op, RowDim row);
  FailureOr<Value> sliceExtract(tensor::ExtractSliceOp op, RowDim row);
  Value extractRow(Value whole, const Sizes &sizes, RowDim row);
  // The argument behind a chain of reshapes, and its binding's sizes in the shape of `value`; null where there is none.
  std::optional<std::pair<unsigned, Sizes>> viewedArgument(Value value);

  Value constantIndex(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }
  Value asValue(OpFoldResult value) { return getValueOrCreateConstantIndexOp(builder, loc, value); }

  func::FuncOp source, target;
  KernelSignature signature;
  OpBuilder builder;
  Location loc;
  SmallVector<Value> argumentTensors; // by binding; null for written arguments
  SmallVector<Sizes> bindingSizes;
  llvm::DenseMap<std::pair<unsigned, Type>, Value> views;
  llvm::DenseMap<unsigned, Value> writtenTensors; // inside a loop: the current tensor of a written argument
  llvm::DenseMap<Value, Value> scalars;
  llvm::DenseMap<std::pair<Value, int64_t>, Value> slices;
  llvm::DenseMap<std::pair<Value, int64_t>, Value> destinations; // where results of this loop go
  Value row;                                                     // the loop's index; null outside
  Operation *entryEnd = nullptr;                                 // views and whole values are made before it
};

void RowLoopFormer::createFunction() {
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
  entryEnd = func::ReturnOp::create(builder, loc);
  builder.setInsertionPoint(entryEnd);
}

Sizes RowLoopFormer::sizesOf(const KernelBinding &binding) {
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

FailureOr<Value> RowLoopFormer::makeView(unsigned binding, RankedTensorType type, const Sizes &sizes) {
  Value &view = views[{binding, type}];
  if (view)
    return view;
  OpBuilder::InsertionGuard guard(builder);
  // Before everything else that is computed, after the sizes.
  builder.setInsertionPoint(entryEnd);
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

FailureOr<Sizes> RowLoopFormer::reshapedSizes(const Sizes &from, RankedTensorType type,
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
                        [&](AffineMap other) { return positionOf(other, iterator.getPosition()) != -2; });
  };
  for (bool dynamic : {true, false})
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim) == dynamic && type.getDimSize(dim) != 1 && divisible(dim))
        return dim;
  return std::nullopt;
}

FailureOr<RowLoopFormer::Root> RowLoopFormer::makeRoot(unsigned result) {
  Root root;
  root.value = source.getBody().front().getTerminator()->getOperand(result);
  root.binding = signature.resultBindings[result];
  root.sizes = bindingSizes[root.binding];
  bool tied = root.binding < signature.arguments;
  // A reshape of the result is a view of its buffer. Not for tied results: they are read in their own shape.
  while (!tied) {
    FailureOr<Sizes> sizes = failure();
    Value inner;
    if (auto op = root.value.getDefiningOp<tensor::CollapseShapeOp>()) {
      inner = op.getSrc();
      sizes = reshapedSizes(root.sizes, tensorType(inner), op.getReassociationIndices(), /*collapse=*/false);
    } else if (auto op = root.value.getDefiningOp<tensor::ExpandShapeOp>()) {
      inner = op.getSrc();
      sizes = reshapedSizes(root.sizes, tensorType(inner), op.getReassociationIndices(), /*collapse=*/true);
    }
    if (failed(sizes))
      break;
    root.value = inner;
    root.sizes = *sizes;
  }
  auto type = tensorType(root.value);
  FailureOr<Value> buffer = makeView(root.binding, type, root.sizes);
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
  createFunction();
  argumentTensors.resize(signature.bindings.size());
  for (unsigned i = 0; i < signature.arguments; ++i) {
    if (signature.bindings[i].written || source.getArgument(i).use_empty())
      continue;
    FailureOr<Value> view = makeView(i, signature.bindings[i].type, bindingSizes[i]);
    if (failed(view))
      return failure();
    argumentTensors[i] = bufferization::ToTensorOp::create(builder, loc, signature.bindings[i].type, *view,
                                                           /*restrict=*/true, /*writable=*/false);
  }
  SmallVector<Root> roots;
  for (unsigned i = 0; i < source.getNumResults(); ++i) {
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
        size = argument.getArgNumber() - signature.bindings.size();
      if (size < 0)
        return source.emitOpError("E4121 cannot divide a result into rows because its number of rows is not a size "
                                  "argument");
      grid = {1, size};
    }
    if (failed(formLoop(group)))
      return failure();
    roots = std::move(rest);
  }
  target->setAttr(gridAttributeName, builder.getDenseI64ArrayAttr({grid.factor, grid.size}));
  source.erase();
  return success();
}

LogicalResult RowLoopFormer::formLoop(ArrayRef<Root> roots) {
  unsigned arguments = target.getNumArguments();
  Value worker = target.getArgument(arguments - 2), workers = target.getArgument(arguments - 1);
  Value rows = asValue(roots.front().rows);
  auto bound = [&](Value index) {
    return builder.createOrFold<arith::DivUIOp>(loc, arith::MulIOp::create(builder, loc, rows, index), workers);
  };
  Value one = constantIndex(1);
  Value begin = bound(worker), end = bound(arith::AddIOp::create(builder, loc, worker, one));
  SmallVector<Value> initial;
  for (const Root &root : roots)
    initial.push_back(root.destination);
  auto loop = scf::ForOp::create(builder, loc, begin, end, one, initial);

  // Rows are short loops of their own; making vectors across rows would let a row's bits depend on its neighbours.
  bool nested = false;
  source.walk([&](linalg::GenericOp op) { nested |= op.getNumLoops() > 1; });
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
  Operation *outerEnd = entryEnd;
  entryEnd = loop;
  builder.setInsertionPointToStart(loop.getBody());
  row = loop.getInductionVar();
  slices.clear();
  writtenTensors.clear();
  for (auto [root, current] : llvm::zip(roots, loop.getRegionIterArgs()))
    if (root.binding < signature.arguments)
      writtenTensors[root.binding] = current;
  // Known before anything is made: one result may be on the way to another.
  destinations.clear();
  for (auto [root, current] : llvm::zip(roots, loop.getRegionIterArgs()))
    destinations[{root.value, root.row.value_or(-1)}] = extractRow(current, root.sizes, root.row);
  SmallVector<Value> yielded;
  for (auto [root, current] : llvm::zip(roots, loop.getRegionIterArgs())) {
    FailureOr<Value> value = slice(root.value, root.row);
    if (failed(value))
      return failure();
    int64_t rank = tensorType(root.value).getRank();
    Sizes offsets(rank, builder.getIndexAttr(0)), sizes(root.sizes), strides(rank, builder.getIndexAttr(1));
    if (root.row) {
      offsets[*root.row] = row;
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
  entryEnd = outerEnd;
  row = {};
  return success();
}

Value RowLoopFormer::extractRow(Value whole, const Sizes &sizes, RowDim dim) {
  if (!dim)
    return whole;
  auto type = tensorType(whole);
  Sizes offsets(type.getRank(), builder.getIndexAttr(0)), extents(sizes),
      strides(type.getRank(), builder.getIndexAttr(1));
  offsets[*dim] = row;
  extents[*dim] = builder.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(builder, loc, rowType(type, dim), whole, offsets, extents, strides);
}

FailureOr<OpFoldResult> RowLoopFormer::scalar(OpFoldResult value) {
  if (isa<Attribute>(value))
    return value;
  FailureOr<Value> made = scalar(cast<Value>(value));
  if (failed(made))
    return failure();
  return OpFoldResult(*made);
}

// Index arithmetic and constants: the same for all rows, computed at the function's start.
FailureOr<Value> RowLoopFormer::scalar(Value value) {
  if (Value known = scalars.lookup(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (!op)
    return source.emitOpError("E4121 unsupported scalar argument"), failure();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(entryEnd);
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

std::optional<std::pair<unsigned, Sizes>> RowLoopFormer::viewedArgument(Value value) {
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
  builder.setInsertionPoint(entryEnd);
  bool collapse = isa<tensor::CollapseShapeOp>(op);
  FailureOr<Sizes> sizes = reshapedSizes(inner->second, tensorType(value),
                                         collapse ? cast<tensor::CollapseShapeOp>(op).getReassociationIndices()
                                                  : cast<tensor::ExpandShapeOp>(op).getReassociationIndices(),
                                         collapse);
  if (failed(sizes))
    return std::nullopt;
  return std::make_pair(inner->first, *sizes);
}

FailureOr<Value> RowLoopFormer::slice(Value value, RowDim dim, Value destination) {
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
      builder.setInsertionPoint(entryEnd);
    made = sliceUncached(value, dim, destination);
  }
  if (succeeded(made))
    slices[{value, dim.value_or(-1)}] = *made;
  return made;
}

FailureOr<Value> RowLoopFormer::sliceUncached(Value value, RowDim dim, Value destination) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return sliceArgument(argument, dim);
  Operation *op = value.getDefiningOp();
  if (auto view = viewedArgument(value); view && !signature.bindings[view->first].written) {
    Value whole = slices.lookup({value, -1});
    if (!whole) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPoint(entryEnd);
      FailureOr<Value> buffer = makeView(view->first, tensorType(value), view->second);
      if (failed(buffer))
        return failure();
      whole = bufferization::ToTensorOp::create(builder, loc, tensorType(value), *buffer, true, false);
      slices[{value, -1}] = whole;
    }
    return extractRow(whole, view->second, dim);
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return sliceGeneric(generic, cast<OpResult>(value).getResultNumber(), dim, destination);
  if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    return sliceReshape(op, dim);
  if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op))
    return sliceExtract(extract, dim);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    if (destination)
      return destination;
    auto type = rowType(tensorType(value), dim);
    SmallVector<Value> dynamic;
    unsigned next = 0;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (!empty.getType().isDynamicDim(i))
        continue;
      FailureOr<Value> size = scalar(empty.getDynamicSizes()[next++]);
      if (failed(size))
        return failure();
      if (type.isDynamicDim(i))
        dynamic.push_back(*size);
    }
    return tensor::EmptyOp::create(builder, loc, type, dynamic).getResult();
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto type = tensorType(value);
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (dim && elements && elements.isSplat())
      return arith::ConstantOp::create(builder, loc, elements.resizeSplat(rowType(type, dim))).getResult();
    Value whole = slices.lookup({value, -1});
    if (!whole) {
      OpBuilder::InsertionGuard guard(builder);
      if (row)
        builder.setInsertionPoint(entryEnd);
      whole = builder.clone(*op)->getResult(0);
      slices[{value, -1}] = whole;
    }
    Sizes sizes;
    for (int64_t extent : type.getShape())
      sizes.push_back(builder.getIndexAttr(extent));
    return extractRow(whole, sizes, dim);
  }
  return op->emitOpError("E4121 unsupported in a host kernel: expected linalg, tensor.extract_slice, expand_shape, "
                         "collapse_shape, empty or a constant"),
         failure();
}

FailureOr<Value> RowLoopFormer::sliceArgument(BlockArgument argument, RowDim dim) {
  unsigned index = argument.getArgNumber();
  if (!signature.bindings[index].written)
    return extractRow(argumentTensors[index], bindingSizes[index], dim);
  Value current = writtenTensors.lookup(index);
  if (!current || !dim)
    return source.emitOpError("E4121 cannot update argument ")
               << index << " in place because other rows of it are read than the one that is written",
           failure();
  return extractRow(current, bindingSizes[index], dim);
}

FailureOr<Value> RowLoopFormer::sliceReshape(Operation *op, RowDim dim) {
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
    FailureOr<OpFoldResult> known = scalar(size);
    if (failed(known))
      return failure();
    sizes.push_back(*known);
  }
  return tensor::ExpandShapeOp::create(builder, loc, type, *made, groups, sizes).getResult();
}

OpFoldResult RowLoopFormer::addOffset(OpFoldResult offset, Value index) {
  if (getConstantIntValue(offset) == 0)
    return index;
  return builder.createOrFold<arith::AddIOp>(loc, asValue(offset), index);
}

FailureOr<Value> RowLoopFormer::sliceExtract(tensor::ExtractSliceOp op, RowDim dim) {
  auto argument = viewedArgument(op.getSource());
  bool fromArgument = argument && !signature.bindings[argument->first].written;
  SmallVector<OpFoldResult> offsets, sizes, strides = op.getMixedStrides();
  for (OpFoldResult value : op.getMixedOffsets()) {
    FailureOr<OpFoldResult> made = scalar(value);
    if (failed(made))
      return failure();
    offsets.push_back(*made);
  }
  for (OpFoldResult value : op.getMixedSizes()) {
    FailureOr<OpFoldResult> made = scalar(value);
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

FailureOr<Value> RowLoopFormer::sliceGeneric(linalg::GenericOp op, unsigned result, RowDim dim, Value destination) {
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
    if (!isa<RankedTensorType>(operand.get().getType())) {
      FailureOr<Value> made = scalar(operand.get());
      if (failed(made))
        return failure();
      operands.push_back(*made);
      continue;
    }
    int64_t position = iterator ? positionOf(op.getMatchingIndexingMap(&operand), *iterator) : -1;
    if (position == -2 || (position == -1 && op.isDpsInit(&operand) && iterator))
      return op.emitOpError("E4121 cannot divide this op into rows because operand ")
                 << operand.getOperandNumber() << " is not indexed by the row alone",
             failure();
    RowDim operandDim = position < 0 ? RowDim() : RowDim(position);
    Value hint;
    if (op.isDpsInit(&operand)) {
      // The destination may be handed on to the op that fills it where nothing else sees that op's result.
      OpResult tied = op.getTiedOpResult(&operand);
      Value place =
          tied.getResultNumber() == result ? destination : destinations.lookup({tied, operandDim.value_or(-1)});
      if (place && (!op.payloadUsesValueFromOperand(&operand) || operand.get().hasOneUse()))
        hint = place;
      if (!op.payloadUsesValueFromOperand(&operand)) {
        Value init = hint;
        if (!init) {
          auto type = rowType(tensorType(operand.get()), operandDim);
          // Extents of an unread init are those of the result; only static ones can be kept on the stack.
          SmallVector<Value> dynamic;
          if (!type.hasStaticShape()) {
            FailureOr<Value> made = slice(operand.get(), operandDim);
            if (failed(made))
              return failure();
            init = *made;
          } else {
            init = tensor::EmptyOp::create(builder, loc, type, dynamic);
          }
        }
        operands.push_back(init);
        types.push_back(init.getType());
        continue;
      }
    }
    FailureOr<Value> made = slice(operand.get(), operandDim, hint);
    if (failed(made))
      return failure();
    operands.push_back(*made);
    if (op.isDpsInit(&operand))
      types.push_back(made->getType());
  }

  IRMapping mapping;
  WalkResult walk = op.getRegion().walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      if (mapping.contains(operand) || op.getRegion().isAncestor(operand.getParentRegion()))
        continue;
      FailureOr<Value> made = isa<TensorType>(operand.getType()) ? slice(operand, std::nullopt) : scalar(operand);
      if (failed(made))
        return WalkResult::interrupt();
      mapping.map(operand, *made);
    }
    return WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  unsigned inputs = op.getNumDpsInputs();
  auto clone = linalg::GenericOp::create(builder, op.getLoc(), types, ValueRange(operands).take_front(inputs),
                                         ValueRange(operands).drop_front(inputs), op.getIndexingMapsArray(),
                                         op.getIteratorTypesArray());
  op.getRegion().cloneInto(&clone.getRegion(), mapping);
  if (iterator) {
    SmallVector<linalg::IndexOp> indices;
    clone.walk([&](linalg::IndexOp index) {
      if (index.getDim() == *iterator)
        indices.push_back(index);
    });
    for (linalg::IndexOp index : indices) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointAfter(index);
      auto shifted = arith::AddIOp::create(builder, loc, index.getResult(), row);
      index.getResult().replaceAllUsesExcept(shifted, shifted);
    }
  }
  // All results of an op are divided alike.
  for (OpResult other : op->getResults()) {
    AffineMap map = op.getIndexingMapMatchingResult(other);
    slices[{other, iterator ? positionOf(map, *iterator) : -1}] = clone->getResult(other.getResultNumber());
  }
  return clone->getResult(result);
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
