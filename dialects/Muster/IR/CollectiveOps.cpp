// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constraints and result shapes of the collectives.
#include "dialects/Muster/IR/AxesSyntax.h"
#include "dialects/Muster/IR/CountText.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace muster;

/// Whether two parts of an axis have a digit of its coordinate in common.
static bool overlap(const AxisPart &a, const AxisPart &b) {
  if (a.index != b.index)
    return false;
  if (ShapedType::isDynamic(a.size) || ShapedType::isDynamic(b.size) || (a.weight == b.weight && a.size == b.size))
    return true;
  return a.weight < b.weight * b.size && b.weight < a.weight * a.size;
}

MeshAttr muster::verifyAxes(Operation *op, ArrayAttr axes) {
  std::string reason;
  MeshAttr mesh = getMesh(op, [&](const Twine &text) { reason = text.str(); });
  if (!mesh) {
    op->emitOpError() << "cannot be checked because " << reason;
    return {};
  }
  SmallVector<AxisPart> seen;
  for (StringRef axis : axes.getAsValueRange<StringAttr>()) {
    std::optional<AxisPart> part = findAxisPart(mesh, axis);
    if (!part) {
      op->emitOpError() << "references unknown mesh axis '" << axis << "'";
      return {};
    }
    for (const AxisPart &other : seen)
      if (overlap(*part, other)) {
        op->emitOpError() << "expected distinct axes but got '" << axis << "' twice";
        return {};
      }
    seen.push_back(*part);
  }
  return mesh;
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// `dim` is a dim of the tensor.
static LogicalResult verifyDim(Operation *op, StringRef name, int64_t dim, RankedTensorType type) {
  if (dim < 0 || dim >= type.getRank())
    return op->emitOpError() << "expected '" << name << "' to be a dim of " << type << " but got " << dim;
  return success();
}

/// All dims but `except` are equal, and so are rank and element type.
static LogicalResult verifyOtherDims(Operation *op, RankedTensorType input, RankedTensorType result,
                                     ArrayRef<int64_t> except) {
  if (input.getRank() != result.getRank() || input.getElementType() != result.getElementType())
    return op->emitOpError() << "expected operand and result of one rank and element type but got " << input << " and "
                             << result;
  for (int64_t dim = 0; dim < input.getRank(); ++dim)
    if (!llvm::is_contained(except, dim) && input.getDimSize(dim) != result.getDimSize(dim))
      return op->emitOpError() << "expected dim " << dim << " of the result to have size " << input.getDimSize(dim)
                               << " but got " << result.getDimSize(dim);
  return success();
}

/// large = small * size of the group, where all three are known.
static LogicalResult verifyTimes(Operation *op, ArrayAttr axes, RankedTensorType large, RankedTensorType small,
                                 int64_t dim) {
  MeshAttr mesh = verifyAxes(op, axes);
  if (!mesh)
    return failure();
  int64_t group = getGroupSize(mesh, axes);
  if (ShapedType::isDynamic(group) || large.isDynamicDim(dim) || small.isDynamicDim(dim))
    return success();
  if (large.getDimSize(dim) != small.getDimSize(dim) * group)
    return op->emitOpError() << "expected dim " << dim << " to have sizes in the ratio of the group's " << group
                             << " ranks but got " << large.getDimSize(dim) << " and " << small.getDimSize(dim);
  return success();
}

/// The input, where the group is one rank and the types are the same.
static Value foldSingleRank(Operation *op, ArrayAttr axes) {
  MeshAttr mesh = getMesh(op);
  if (!mesh || op->getOperand(0).getType() != op->getResult(0).getType())
    return {};
  for (StringRef axis : axes.getAsValueRange<StringAttr>())
    if (!findAxisPart(mesh, axis))
      return {};
  return getGroupSize(mesh, axes) == 1 ? op->getOperand(0) : Value();
}

/// That counts are those of the group, in its order, and that the dim they count is dynamic in operand and result.
static LogicalResult verifyCounts(Operation *op, TypedValue<CountsType> counts, ArrayAttr axes, int64_t dim) {
  if (!llvm::equal(counts.getType().getAxes(), axes.getAsRange<StringAttr>())) { // (C3), (C4) of all_to_all
    std::string group;
    llvm::raw_string_ostream os(group);
    llvm::interleaveComma(axes.getAsValueRange<StringAttr>(), os);
    return refuseMix(op, counts, "counts over the axes [" + group + "] of the group");
  }
  for (Value tensor : {op->getOperand(0), Value(op->getResult(0))})
    if (!typeOf(tensor).isDynamicDim(dim)) // (C4), (C5) of all_to_all
      return op->emitOpError() << "expected dim " << dim << " to be dynamic, as it is counted, but got "
                               << tensor.getType();
  return success();
}

/// Size of a dim that counts count: the own count of a part, else the total.
static OpFoldResult reifyCounted(OpBuilder &builder, Location loc, Value counts, bool isPart) {
  if (isPart)
    return OwnCountOp::create(builder, loc, counts).getResult();
  return TotalOp::create(builder, loc, counts).getResult();
}

/// The input's sizes, with dim `dim` multiplied and divided. Fails on a mesh of symbolic size.
static LogicalResult reifyScaled(Operation *op, OpBuilder &builder, Value input,
                                 ArrayRef<std::tuple<int64_t, bool>> scaled, ArrayAttr axes,
                                 ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, op->getLoc(), input);
  int64_t group = getGroupSize(getMesh(op), axes);
  if (ShapedType::isDynamic(group))
    return failure();
  for (auto [dim, multiply] : scaled) {
    if (auto constant = getConstantIntValue(sizes[dim])) {
      sizes[dim] = builder.getIndexAttr(multiply ? *constant * group : *constant / group);
      continue;
    }
    Value value = getValueOrCreateConstantIndexOp(builder, op->getLoc(), sizes[dim]);
    Value factor = arith::ConstantIndexOp::create(builder, op->getLoc(), group);
    sizes[dim] = multiply ? arith::MulIOp::create(builder, op->getLoc(), value, factor).getResult()
                          : arith::DivUIOp::create(builder, op->getLoc(), value, factor).getResult();
  }
  shapes.assign(1, sizes);
  return success();
}

//===----------------------------------------------------------------------===//
// all_gather, reduce_scatter, slice
//===----------------------------------------------------------------------===//

#define MUSTER_SCALING_COLLECTIVE(OpTy, GROWS)                                                                         \
  LogicalResult OpTy::verify() {                                                                                       \
    if (failed(verifyDim(*this, "dim", getDim(), typeOf(getInput()))) ||                                               \
        (getCounts() && failed(verifyCounts(*this, getCounts(), getAxes(), getDim()))))                                \
      return failure();                                                                                                \
    return verifyOtherDims(*this, typeOf(getInput()), typeOf(getResult()), static_cast<int64_t>(getDim()));            \
  }                                                                                                                    \
  LogicalResult OpTy::verifySymbolUses(SymbolTableCollection &) {                                                      \
    if (getCounts())                                                                                                   \
      return success(verifyAxes(*this, getAxes()) != nullptr);                                                         \
    return GROWS ? verifyTimes(*this, getAxes(), typeOf(getResult()), typeOf(getInput()), getDim())                    \
                 : verifyTimes(*this, getAxes(), typeOf(getInput()), typeOf(getResult()), getDim());                   \
  }                                                                                                                    \
  LogicalResult OpTy::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {                     \
    if (!getCounts())                                                                                                  \
      return reifyScaled(*this, builder, getInput(), {{static_cast<int64_t>(getDim()), GROWS}}, getAxes(), shapes);    \
    shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getInput()));                                            \
    shapes.front()[getDim()] = reifyCounted(builder, getLoc(), getCounts(), !GROWS);                                   \
    return success();                                                                                                  \
  }
MUSTER_SCALING_COLLECTIVE(AllGatherOp, true)
MUSTER_SCALING_COLLECTIVE(ReduceScatterOp, false)
MUSTER_SCALING_COLLECTIVE(SliceOp, false)
#undef MUSTER_SCALING_COLLECTIVE

OpFoldResult AllGatherOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }
OpFoldResult ReduceScatterOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }

OpFoldResult SliceOp::fold(FoldAdaptor) {
  auto gathered = getInput().getDefiningOp<AllGatherOp>();
  if (gathered && gathered.getAxes() == getAxes() && gathered.getDim() == getDim() &&
      gathered.getCounts() == getCounts() && gathered.getInput().getType() == getResult().getType())
    return gathered.getInput();
  return foldSingleRank(*this, getAxes());
}

//===----------------------------------------------------------------------===//
// all_to_all_v
//===----------------------------------------------------------------------===//

OpFoldResult AllToAllVOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }

LogicalResult AllToAllVOp::verify() {
  auto send = dyn_cast_or_null<RoutedAttr>(typeOf(getSend()).getEncoding()),
       receive = dyn_cast_or_null<RoutedAttr>(typeOf(getReceive()).getEncoding());
  for (auto [name, counts, routed] :
       {std::tuple("send", getSend(), send), std::tuple("receive", getReceive(), receive)})
    if (!routed) // (C2)
      return emitOpError() << "expected '" << name
                           << "' to be routed counts, tensor<..., #muster.routed<...>>, but got " << counts.getType();
  if (send.getUnit() != receive.getUnit() || send.getEpoch() != receive.getEpoch()) { // (C2)
    InFlightDiagnostic error = emitOpError()
                               << "expected counts of " << textOf(send) << " to receive but got " << textOf(receive);
    error.attachNote(makerOf(getSend()).getLoc()) << "the counts of what is sent are made here";
    error.attachNote(makerOf(getReceive()).getLoc()) << "those of what is received here";
    return error;
  }
  if (getSend().getType() != getReceive().getType()) // (C2)
    return emitOpError() << "expected counts of one type but got " << getSend().getType() << " and "
                         << getReceive().getType();
  if (typeOf(getInput()).getRank() == 0 || typeOf(getResult()).isDynamicDim(0)) // (C3)
    return emitOpError() << "expected dim 0 of the result to be static, the room for rows, but got "
                         << getResult().getType();
  return verifyOtherDims(*this, typeOf(getInput()), typeOf(getResult()), 0); // (C3)
}

LogicalResult AllToAllVOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = verifyAxes(*this, getAxes());
  if (!mesh)
    return failure();
  int64_t group = getGroupSize(mesh, getAxes()), parts = typeOf(getSend()).getDimSize(0);
  if (!ShapedType::isDynamic(group) && parts != group) // (C2)
    return emitOpError() << "expected counts for the group's " << group << " ranks but got " << getSend().getType();
  return success();
}

LogicalResult AllToAllVOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getInput()));
  shapes.front()[0] = builder.getIndexAttr(typeOf(getResult()).getDimSize(0));
  return success();
}

//===----------------------------------------------------------------------===//
// Collectives that keep the shape
//===----------------------------------------------------------------------===//

#define MUSTER_SHAPE_KEEPING_COLLECTIVE(OpTy)                                                                          \
  LogicalResult OpTy::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {                     \
    shapes.assign(1, tensor::getMixedSizes(builder, getLoc(), getInput()));                                            \
    return success();                                                                                                  \
  }
MUSTER_SHAPE_KEEPING_COLLECTIVE(AllReduceOp)
MUSTER_SHAPE_KEEPING_COLLECTIVE(ExchangeOp)
MUSTER_SHAPE_KEEPING_COLLECTIVE(BroadcastOp)
MUSTER_SHAPE_KEEPING_COLLECTIVE(PermuteOp)
#undef MUSTER_SHAPE_KEEPING_COLLECTIVE

OpFoldResult AllReduceOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }
OpFoldResult ExchangeOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }
OpFoldResult BroadcastOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }

OpFoldResult PermuteOp::fold(FoldAdaptor) {
  // Every position gets its own value.
  return llvm::equal(getSources(), llvm::seq<int64_t>(getSources().size())) ? getInput() : Value();
}

LogicalResult AllReduceOp::verify() { return success(); }
LogicalResult AllReduceOp::verifySymbolUses(SymbolTableCollection &) {
  return success(verifyAxes(*this, getAxes()) != nullptr);
}

LogicalResult ExchangeOp::verify() { return verifyDim(*this, "dim 0", 0, typeOf(getInput())); }
LogicalResult ExchangeOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = verifyAxes(*this, getAxes());
  if (!mesh)
    return failure();
  int64_t group = getGroupSize(mesh, getAxes()), size = typeOf(getInput()).getDimSize(0);
  if (!ShapedType::isDynamic(group) && !ShapedType::isDynamic(size) && size % group != 0) // (C2)
    return emitOpError() << "expected dim 0 to be divisible by the group's " << group << " ranks but got " << size;
  return success();
}

LogicalResult BroadcastOp::verify() { return success(); }
LogicalResult BroadcastOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = verifyAxes(*this, getAxes());
  if (!mesh)
    return failure();
  int64_t group = getGroupSize(mesh, getAxes()), root = getRoot();
  if (root < 0 || (!ShapedType::isDynamic(group) && root >= group)) // (C2)
    return emitOpError() << "expected a position of the group's " << group << " ranks but got " << root;
  return success();
}

LogicalResult PermuteOp::verify() { return success(); }
LogicalResult PermuteOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = verifyAxes(*this, getAxes());
  if (!mesh)
    return failure();
  int64_t group = getGroupSize(mesh, getAxes());
  if (ShapedType::isDynamic(group))
    return emitOpError() << "unsupported on a mesh of symbolic size";
  if (static_cast<int64_t>(getSources().size()) != group) // (C2)
    return emitOpError() << "expected " << group << " sources but got " << getSources().size();
  for (int64_t source : getSources())
    if (source < -1 || source >= group)
      return emitOpError() << "expected sources between -1 and " << group - 1 << " but got " << source;
  return success();
}

//===----------------------------------------------------------------------===//
// all_to_all
//===----------------------------------------------------------------------===//

LogicalResult AllToAllOp::verify() {
  RankedTensorType type = typeOf(getInput());
  if (failed(verifyDim(*this, "split", getSplit(), type)) ||
      failed(verifyDim(*this, "concat", getConcat(), type))) // (C2)
    return failure();
  if (bool(getCounts()) != getRagged().has_value()) // (C5)
    return emitOpError() << "expected counts and the dim that they count, 'ragged concat' or 'ragged split', but got "
                         << (getCounts() ? "counts alone" : "no counts");
  if (getCounts() && getSplit() == getConcat()) // (C5)
    return emitOpError() << "expected two dims with counts but got dim " << getSplit() << " twice";
  if (getCounts() && failed(verifyCounts(*this, getCounts(), getAxes(), getRaggedDim())))
    return failure();
  SmallVector<int64_t> except;
  if (getSplit() != getConcat())
    except = {static_cast<int64_t>(getSplit()), static_cast<int64_t>(getConcat())};
  return verifyOtherDims(*this, type, typeOf(getResult()), except);
}

LogicalResult AllToAllOp::verifySymbolUses(SymbolTableCollection &) {
  RankedTensorType input = typeOf(getInput()), result = typeOf(getResult());
  if (getSplit() != getConcat()) { // (C3); a ragged dim is dynamic
    if (failed(verifyTimes(*this, getAxes(), input, result, getSplit())))
      return failure();
    return verifyTimes(*this, getAxes(), result, input, getConcat());
  }
  MeshAttr mesh = verifyAxes(*this, getAxes());
  if (!mesh)
    return failure();
  int64_t group = getGroupSize(mesh, getAxes()), size = input.getDimSize(getSplit());
  if (!ShapedType::isDynamic(group) && !ShapedType::isDynamic(size) && size % group != 0) // (C3)
    return emitOpError() << "expected dim " << getSplit() << " to be divisible by the group's " << group
                         << " ranks but got " << size;
  return success();
}

LogicalResult AllToAllOp::reifyResultShapes(OpBuilder &builder, ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<std::tuple<int64_t, bool>> scaled;
  int64_t split = getSplit(), concat = getConcat(), ragged = getRaggedDim();
  if (split != concat && ragged != split)
    scaled.push_back({split, false});
  if (split != concat && ragged != concat)
    scaled.push_back({concat, true});
  if (failed(reifyScaled(*this, builder, getInput(), scaled, getAxes(), shapes)))
    return failure();
  if (ragged >= 0)
    shapes.front()[ragged] = reifyCounted(builder, getLoc(), getCounts(), ragged == split);
  return success();
}

OpFoldResult AllToAllOp::fold(FoldAdaptor) { return foldSingleRank(*this, getAxes()); }
