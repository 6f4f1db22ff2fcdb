// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations whose text says sizes: reshapes, slices, concatenations.
#include "compiler/Sampling/OneRankWriter.h"

#include "dialects/NN/IR/NNDialect.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace muster;
using namespace muster::sampling;

mlir::Value OneRankWriter::reshape(Location location, mlir::Value value, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  auto together = [](size_t rank) {
    SmallVector<ReassociationIndices> groups;
    if (rank > 0)
      groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, static_cast<int64_t>(rank))));
    return groups;
  };
  if (type.getRank() > 1)
    value = tensor::CollapseShapeOp::create(builder, location, type.clone({type.getNumElements()}), value,
                                            together(static_cast<size_t>(type.getRank())));
  if (shape.size() == 1 && type.getRank() > 0)
    return value;
  if (shape.empty())
    return tensor::CollapseShapeOp::create(builder, location, type.clone(shape), value,
                                           ArrayRef<ReassociationIndices>());
  return tensor::ExpandShapeOp::create(builder, location, type.clone(shape), value,
                                       type.getRank() > 0 ? together(shape.size())
                                                          : SmallVector<ReassociationIndices>());
}

/// Sizes of the dims of `group`, `whole` elements together.
Writing OneRankWriter::cut(ArrayRef<int64_t> group, ArrayRef<OpFoldResult> sizes, int64_t whole, Shape &shape) {
  int64_t left = whole;
  for (int64_t index : group) {
    std::optional<Integer> size = integerOf(sizes[static_cast<size_t>(index)]);
    if (!size)
      return unsupported;
    int64_t taken = size->value;
    if (index == group.back()) {
      // What is left must be the size of this dim on one rank.
      bool fits = size->isWritten ? llvm::is_contained(candidates(taken, left), left) : taken == left;
      if (!fits)
        return misfit;
      taken = left;
    } else if (size->isWritten) {
      SmallVector<int64_t> all = candidates(taken, left);
      llvm::erase_if(all, [&](int64_t size) { return left % size != 0; });
      if (Result result = take(all, taken); result != written)
        return result;
    } else if (taken < 1 || left % taken != 0) {
      return misfit;
    }
    shape.push_back(taken);
    left /= taken;
  }
  return written;
}

Writing OneRankWriter::writeExpand(tensor::ExpandShapeOp op) {
  if (isOpen(op.getSrc()))
    return unsupported;
  Shape source = shapeOf(op.getSrc()), shape;
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
  // A new dim of one element may be a part of whichever dim: [4, 6] into [4, 1, 6] is [8, 24] into [8, 4, 6] as well.
  if (llvm::is_contained(op.getStaticOutputShape(), 1)) {
    SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(sizes.size())));
    if (Result result = cut(all, sizes, typeOf(op.getSrc()).getNumElements(), shape); result != written)
      return result;
  } else {
    for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices()))
      if (Result result = cut(group, sizes, source[dim], shape); result != written)
        return result;
  }
  map.map(op.getResult(), reshape(op.getLoc(), map.lookup(op.getSrc()), shape));
  return written;
}

Writing OneRankWriter::writeCollapse(tensor::CollapseShapeOp op) {
  if (isOpen(op.getSrc()))
    return unsupported;
  Shape source = shapeOf(op.getSrc()), shape;
  RankedTensorType local = op.getSrcType();
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    int64_t product = 1;
    for (int64_t dim : group) {
      int64_t size = source[static_cast<size_t>(dim)];
      // A dim of one element on each rank goes away: is each element meant for itself?
      if (group.size() > 1 && local.getDimSize(static_cast<unsigned>(dim)) == 1 && size > 1)
        return unsupported;
      product *= size;
    }
    shape.push_back(product);
  }
  if (op.getReassociationIndices().empty() && typeOf(op.getSrc()).getNumElements() != 1)
    return unsupported;
  map.map(op.getResult(), reshape(op.getLoc(), map.lookup(op.getSrc()), shape));
  return written;
}

Writing OneRankWriter::writeReshape(tensor::ReshapeOp op) {
  auto source = dyn_cast<RankedTensorType>(op.getSource().getType());
  if (!source || isOpen(op.getSource()))
    return unsupported;
  // A dim of one element on each rank may go away: is each element meant for itself?
  for (auto [size, local] : llvm::zip_equal(shapeOf(op.getSource()), source.getShape()))
    if (local == 1 && size > 1)
      return unsupported;
  SmallVector<OpFoldResult> sizes;
  DenseIntElementsAttr numbers;
  if (matchPattern(op.getShape(), m_Constant(&numbers)))
    for (const APInt &number : numbers.getValues<APInt>())
      sizes.push_back(builder.getIndexAttr(number.getSExtValue()));
  else if (auto elements = op.getShape().getDefiningOp<tensor::FromElementsOp>())
    sizes.append(elements.getElements().begin(), elements.getElements().end());
  else
    return unsupported;
  Shape shape;
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(sizes.size())));
  int64_t count = typeOf(op.getSource()).getNumElements();
  if (all.empty() && count != 1)
    return misfit;
  if (Result result = cut(all, sizes, count, shape); result != written)
    return result;
  map.map(op.getResult(), reshape(op.getLoc(), map.lookup(op.getSource()), shape));
  return written;
}

/// Slices of one value that lie side by side in `dim` and are all of it, in order; empty where there are others.
static SmallVector<tensor::ExtractSliceOp> tilesOf(mlir::Value source, size_t dim) {
  SmallVector<tensor::ExtractSliceOp> tiles;
  auto type = cast<RankedTensorType>(source.getType());
  for (Operation *user : source.getUsers())
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(user); slice && slice.getSource() == source)
      tiles.push_back(slice);
  auto begin = [dim](tensor::ExtractSliceOp slice) { return slice.getStaticOffsets()[dim]; };
  llvm::sort(tiles, [&](auto a, auto b) { return begin(a) < begin(b); });
  int64_t end = 0;
  for (tensor::ExtractSliceOp tile : tiles) {
    if (begin(tile) != end || ShapedType::isDynamic(tile.getStaticSizes()[dim]))
      return {};
    end += tile.getStaticSizes()[dim];
  }
  return end == type.getDimSize(static_cast<unsigned>(dim)) ? tiles : SmallVector<tensor::ExtractSliceOp>();
}

/// Whether nothing looks across dim 1: heads, each of which attends for itself.
static bool isCarriedAsHeads(mlir::Value value) {
  for (Operation *user : value.getUsers()) {
    if (isa<nn::CacheAppendOp, nn::AttentionOp, tensor::DimOp>(user))
      continue;
    bool isSame = isa<nn::RopeOp, AssertLayoutOp, AllReduceOp, BroadcastOp>(user);
    auto allToAll = dyn_cast<AllToAllOp>(user);
    isSame |= allToAll && allToAll.getSplit() == allToAll.getConcat();
    if (!isSame || user->getOperand(0) != value || !isCarriedAsHeads(user->getResult(0)))
      return false;
  }
  return true;
}

/// Where parts that are all of a dim lie side by side, they do so on one rank: sizes are chosen, offsets follow.
Writing OneRankWriter::placeTile(tensor::ExtractSliceOp op, size_t dim, int64_t whole, int64_t &at, int64_t &count) {
  SmallVector<tensor::ExtractSliceOp> tiles = tilesOf(op.getSource(), dim);
  at = 0;
  for (tensor::ExtractSliceOp tile : tiles) {
    if (tile == op)
      break;
    auto before = tileSizes.find({tile, dim});
    if (before == tileSizes.end())
      return unsupported;
    at += before->second;
  }
  SmallVector<int64_t> all = candidates(op.getStaticSizes()[dim], whole - at);
  if (!tiles.empty() && tiles.back() == op)
    llvm::erase_if(all, [&](int64_t size) { return at + size != whole; });
  Result result = take(all, count);
  tileSizes[{op, dim}] = count;
  return result;
}

Writing OneRankWriter::writeSlice(tensor::ExtractSliceOp op) {
  if (isOpen(op.getSource()))
    return unsupported;
  Shape source = shapeOf(op.getSource()), offsets, sizes, shape;
  RankedTensorType local = op.getSourceType();
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<OpFoldResult> mixedOffsets = op.getMixedOffsets(), mixedSizes = op.getMixedSizes();
  int64_t joined = 1;
  for (auto [dim, whole] : llvm::enumerate(source)) {
    std::optional<Integer> offset = integerOf(mixedOffsets[dim]), size = integerOf(mixedSizes[dim]);
    if (!offset || !size || getConstantIntValue(op.getMixedStrides()[dim]) != 1)
      return unsupported;
    int64_t at = offset->value, count = size->value;
    if (size->isWritten && count == local.getDimSize(static_cast<unsigned>(dim))) {
      count = whole;
    } else if (tilesOf(op.getSource(), dim).size() > 1) {
      if (Result result = placeTile(op, dim, whole, at, count); result != written)
        return result;
    } else {
      // Of parts side by side that are divided in different ways no multiple of the number is the same part.
      int64_t own = local.getDimSize(static_cast<unsigned>(dim));
      if (offset->isWritten && at != 0 && !ShapedType::isDynamic(own) && whole % own != 0)
        return unsupported;
      if (size->isWritten)
        if (Result result = take(candidates(count, whole), count); result != written)
          return result;
      if (offset->isWritten && at != 0)
        if (Result result = take(candidates(at, whole - count), at); result != written)
          return result;
    }
    if (at < 0 || count < 1 || at + count > whole)
      return misfit;
    offsets.push_back(at);
    sizes.push_back(count);
    if (!dropped.test(static_cast<unsigned>(dim))) {
      shape.push_back(count * joined);
      joined = 1;
      continue;
    }
    // A dim of one element on each rank goes away. Is each meant for itself? With heads that is the same.
    if (count != 1 && (shape.size() != 1 || !isCarriedAsHeads(op.getResult())))
      return unsupported;
    joined *= count;
  }
  if (joined != 1)
    return unsupported;
  auto attributes = [&](ArrayRef<int64_t> numbers) {
    return llvm::map_to_vector(numbers, [&](int64_t number) -> OpFoldResult { return builder.getIndexAttr(number); });
  };
  mlir::Value slice =
      tensor::ExtractSliceOp::create(builder, op.getLoc(), map.lookup(op.getSource()), attributes(offsets),
                                     attributes(sizes), attributes(Shape(sizes.size(), 1)));
  map.map(op.getResult(), reshape(op.getLoc(), slice, shape));
  return written;
}

Writing OneRankWriter::writeConcat(tensor::ConcatOp op) {
  Shape shape;
  size_t dim = static_cast<size_t>(op.getDim());
  SmallVector<mlir::Value> inputs;
  for (mlir::Value input : op.getInputs()) {
    if (isOpen(input))
      return unsupported;
    Shape own = shapeOf(input);
    inputs.push_back(map.lookup(input));
    if (shape.empty()) {
      shape = own;
      continue;
    }
    int64_t size = shape[dim];
    shape[dim] = own[dim];
    if (shape != own)
      return misfit;
    shape[dim] = size + own[dim];
  }
  auto type = cast<RankedTensorType>(op.getResult().getType()).clone(shape);
  map.map(op.getResult(), tensor::ConcatOp::create(builder, op.getLoc(), type, op.getDim(), inputs).getResult());
  work += type.getNumElements();
  return written;
}
