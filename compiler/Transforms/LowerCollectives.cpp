// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives become transfers. A collective is read as two layouts of its operand's dims, between which the layout
// algebra derives the boxes (compiler/Layout/TransferForm.h); a neighbouring transposition only permutes their strides,
// a neighbouring slice only shifts and shortens them.
#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/RedistributedDims.h"
#include "compiler/Transforms/ResolveSizes.h"
#include "compiler/Transforms/TransferBox.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_LOWERCOLLECTIVESPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// What a collective does, in terms of the dims of its operand.
struct Movement {
  ArrayAttr axes;
  std::optional<int64_t> splitDim;  // dealt to the ranks
  std::optional<int64_t> concatDim; // dealt to them before
  std::optional<ReductionKind> reduction;
  SmallVector<int64_t> sources; // permutations
};

std::optional<Movement> getMovement(Operation *op, int64_t group) {
  return TypeSwitch<Operation *, std::optional<Movement>>(op)
      .Case([&](AllGatherOp op) { return Movement{op.getAxes(), std::nullopt, op.getDim(), std::nullopt, {}}; })
      .Case([&](ReduceScatterOp op) { return Movement{op.getAxes(), op.getDim(), std::nullopt, op.getKind(), {}}; })
      .Case([&](AllReduceOp op) { return Movement{op.getAxes(), std::nullopt, std::nullopt, op.getKind(), {}}; })
      .Case([&](AllToAllOp op) { return Movement{op.getAxes(), op.getSplit(), op.getConcat(), std::nullopt, {}}; })
      .Case([&](ExchangeOp op) { return Movement{op.getAxes(), 0, 0, std::nullopt, {}}; })
      .Case([&](SliceOp op) { return Movement{op.getAxes(), op.getDim(), std::nullopt, std::nullopt, {}}; })
      .Case([&](BroadcastOp op) {
        return Movement{op.getAxes(), std::nullopt, std::nullopt, std::nullopt,
                        SmallVector<int64_t>(group, op.getRoot())};
      })
      .Case([&](PermuteOp op) {
        return Movement{op.getAxes(), std::nullopt, std::nullopt, std::nullopt, SmallVector<int64_t>(op.getSources())};
      })
      .Default([](Operation *) { return std::nullopt; });
}

/// A dim that counts hand out or gather.
struct RaggedDim {
  int64_t dim;
  Value counts;
  bool isGathered; ///< each rank has its part before and all of them behind; else the other way round
};

SmallVector<RaggedDim> getRaggedDims(Operation *op) {
  SmallVector<RaggedDim> ragged;
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](AllGatherOp op) {
        if (op.getCounts())
          ragged.push_back({static_cast<int64_t>(op.getDim()), op.getCounts(), true});
      })
      .Case<ReduceScatterOp, SliceOp>([&](auto op) {
        if (op.getCounts())
          ragged.push_back({static_cast<int64_t>(op.getDim()), op.getCounts(), false});
      })
      .Case([&](AllToAllOp op) {
        if (op.getCounts())
          ragged.push_back({op.getRaggedDim(), op.getCounts(), op.getRagged() == RaggedSide::Concat});
      })
      .Case([&](RedistributeOp op) {
        for (int64_t dim : op.getRaggedDims())
          if (Value counts = op.getCountsOf(dim))
            ragged.push_back({dim, counts, op.getFrom().getDims()[dim].getTerms().front().isRagged()});
      });
  return ragged;
}

/// The dims of a collective's operand, dealt as before and as behind it. A dim that is handed out and filled at once
/// becomes three: which rank a part goes to, which one it comes from, and the part.
/// A dim in parts of unequal length is one of one unit: counts say more of it.
SmallVector<RedistributedDim> dimsOf(const Movement &movement, MeshAttr mesh, int64_t rank,
                                     ArrayRef<RaggedDim> ragged) {
  layout::Deal dealt;
  for (StringRef axis : movement.axes.getAsValueRange<StringAttr>())
    if (int64_t size = mesh.getAxisSize(axis); size > 1)
      dealt.axes.push_back({static_cast<unsigned>(mesh.findAxis(axis)), size});
  int64_t parts = dealt.ranks();
  SmallVector<RedistributedDim> dims;
  for (int64_t dim = 0; dim < rank; ++dim) {
    bool isRagged = llvm::any_of(ragged, [&](const RaggedDim &moved) { return moved.dim == dim; });
    bool isSplit = !isRagged && movement.splitDim == dim, isConcat = !isRagged && movement.concatDim == dim;
    if (isSplit && isConcat) {
      dims.push_back({dim, {{{parts, {}}}}, {{{parts, dealt}}}, true});
      dims.push_back({dim, {{{parts, dealt}}}, {{{parts, {}}}}, true});
      dims.push_back({dim, {{{1, {}}}}, {{{1, {}}}}, false});
      continue;
    }
    layout::Deal none, from = isConcat ? dealt : none, to = isSplit ? dealt : none;
    int64_t units = isSplit || isConcat ? parts : 1;
    dims.push_back({dim, {{{units, from}}}, {{{units, to}}}, false});
  }
  return dims;
}

/// A slice whose place is known when it is compiled; null otherwise.
tensor::ExtractSliceOp getStaticSlice(Operation *op) {
  auto slice = dyn_cast_or_null<tensor::ExtractSliceOp>(op);
  return slice && slice.getOffsets().empty() && slice.getStrides().empty() ? slice : tensor::ExtractSliceOp();
}

/// For each dim of a slice's result, the dim of its source.
SmallVector<int64_t> getKeptDims(tensor::ExtractSliceOp slice) {
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  SmallVector<int64_t> dims;
  for (int64_t dim = 0; dim < slice.getSourceType().getRank(); ++dim)
    if (!dropped.test(dim))
      dims.push_back(dim);
  return dims;
}

/// Where the elements of a value lie: in the memory of `source`, from `offset` (a sum) on.
struct Place {
  Value source;
  SmallVector<Amount> offset;
  SmallVector<Amount> strides; // of the value's dims
  unsigned absorbed = 0;       // transpositions and slices between the two
};

FailureOr<Place> findPlace(Value value, BoxBuilder &box, SizeResolver &resolver) {
  if (auto transpose = value.getDefiningOp<linalg::TransposeOp>()) {
    FailureOr<Place> inner = findPlace(transpose.getInput(), box, resolver);
    if (failed(inner))
      return failure();
    Place place{inner->source, inner->offset, {}, inner->absorbed + 1};
    for (int64_t from : transpose.getPermutation())
      place.strides.push_back(inner->strides[from]);
    return place;
  }
  if (auto slice = getStaticSlice(value.getDefiningOp())) {
    FailureOr<Place> inner = findPlace(slice.getSource(), box, resolver);
    if (failed(inner))
      return failure();
    Place place{inner->source, inner->offset, {}, inner->absorbed + 1};
    for (auto [offset, stride] : llvm::zip_equal(slice.getStaticOffsets(), inner->strides))
      if (offset != 0)
        place.offset.push_back(box.multiply({offset, Value()}, stride));
    for (int64_t dim : getKeptDims(slice))
      place.strides.push_back(box.multiply({slice.getStaticStride(dim), Value()}, inner->strides[dim]));
    return place;
  }
  FailureOr<SmallVector<OpFoldResult>> sizes = resolver.getSizes(value);
  if (failed(sizes))
    return failure();
  return Place{value, {}, box.strides(box.fromSizes(*sizes)), 0};
}

/// The rank takes its own of equal parts of a dim: its position on `axes` times `step` indices further on.
struct OwnPart {
  ArrayAttr axes;
  int64_t dim; // of the collective's result
  int64_t step;
};

/// What becomes of a collective's result: the part of it that is wanted, and the order of its dims in memory.
struct Destination {
  Value value; // what the transfer stands for
  SmallVector<OpFoldResult> sizes;
  SmallVector<int64_t> dims;           // for each dim of `value`, that of the collective's result
  SmallVector<int64_t> offsets, steps; // of the wanted part, for each dim of the collective's result
  // Extents of the wanted part, for each dim of the collective's result that is cut; null for others.
  SmallVector<OpFoldResult> extents;
  SmallVector<OwnPart> ownParts;
  SmallVector<Operation *> absorbed;
};

/// Follows transpositions and slices (at a constant place, or of the rank's own part) behind a collective, each the
/// only use of what is in front of it. A dim that is made of the parts of several ranks is not cut: what is wanted of
/// them would be of unequal size.
FailureOr<Destination> findDestination(Value result, const llvm::SmallBitVector &gathered, SizeResolver &resolver) {
  FailureOr<SmallVector<OpFoldResult>> sizes = resolver.getSizes(result);
  if (failed(sizes))
    return failure();
  int64_t rank = sizes->size();
  Destination made{result,
                   *sizes,
                   llvm::to_vector(llvm::seq<int64_t>(0, rank)),
                   SmallVector<int64_t>(rank, 0),
                   SmallVector<int64_t>(rank, 1),
                   SmallVector<OpFoldResult>(rank),
                   {},
                   {}};
  Builder builder(result.getContext());
  auto isKnownEarly = [&](OpFoldResult size) {
    auto value = dyn_cast<Value>(size);
    return !value || value.getDefiningOp()->isBeforeInBlock(result.getDefiningOp());
  };
  while (made.value.hasOneUse()) {
    Operation *user = *made.value.user_begin();
    SmallVector<int64_t> from; // dims of made.value
    if (auto transpose = dyn_cast<linalg::TransposeOp>(user); transpose && transpose.getInput() == made.value) {
      from = llvm::to_vector(transpose.getPermutation());
    } else if (auto slice = getStaticSlice(user)) {
      ArrayRef<int64_t> offsets = slice.getStaticOffsets(), steps = slice.getStaticStrides();
      SmallVector<OpFoldResult> wanted = slice.getMixedSizes();
      for (OpFoldResult &size : wanted) {
        FailureOr<OpFoldResult> known = resolver.resolve(size);
        if (failed(known))
          return failure();
        size = *known;
      }
      auto cuts = [&](size_t position) {
        return offsets[position] != 0 || steps[position] != 1 ||
               !isEqualConstantIntOrValue(wanted[position], made.sizes[position]);
      };
      bool cutsGathered = false;
      for (auto [position, dim] : llvm::enumerate(made.dims))
        cutsGathered |= gathered.test(static_cast<unsigned>(dim)) && cuts(position);
      if (cutsGathered || !llvm::all_of(wanted, isKnownEarly))
        break;
      for (auto [position, dim] : llvm::enumerate(made.dims)) {
        if (!cuts(position))
          continue;
        made.offsets[dim] += offsets[position] * made.steps[dim];
        made.steps[dim] *= steps[position];
        made.extents[dim] = wanted[position];
      }
      made.sizes = wanted;
      from = getKeptDims(slice);
    } else if (auto own = dyn_cast<SliceOp>(user)) {
      int64_t position = own.getDim(), dim = made.dims[position], group = getGroupSize(getMesh(own), own.getAxes());
      std::optional<int64_t> size = getConstantIntValue(made.sizes[position]);
      if (gathered.test(static_cast<unsigned>(dim)) || !size || group == 1)
        break;
      made.ownParts.push_back({own.getAxes(), dim, *size / group * made.steps[dim]});
      made.extents[dim] = made.sizes[position] = builder.getIndexAttr(*size / group);
      from = llvm::to_vector(llvm::seq<int64_t>(0, made.dims.size()));
    } else {
      break;
    }
    made.dims = llvm::map_to_vector(from, [&](int64_t dim) { return made.dims[dim]; });
    made.sizes = llvm::map_to_vector(from, [&](int64_t dim) { return made.sizes[dim]; });
    made.absorbed.push_back(user);
    made.value = user->getResult(0);
  }
  return made;
}

struct LowerCollectives : muster::impl::LowerCollectivesPassBase<LowerCollectives> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      SizeResolver resolver(function);
      SmallVector<Operation *> collectives;
      function.walk([&](Operation *op) {
        if (isa<RedistributeOp>(op) || collectiveAxesOf(op))
          collectives.push_back(op);
        if (auto claim = dyn_cast<AssertLayoutOp>(op)) {
          claim.replaceAllUsesWith(claim.getInput());
          claim.erase();
        }
      });
      for (Operation *op : collectives)
        if (!absorbedOwnParts.contains(op) && failed(lower(op, resolver)))
          return signalPassFailure();
    }
  }

  LogicalResult lower(Operation *op, SizeResolver &resolver) {
    MeshAttr mesh = getMesh(op);
    if (auto redistribute = dyn_cast<RedistributeOp>(op)) {
      if (redistribute.getFrom().getPartials() != redistribute.getTo().getPartials())
        return op->emitOpError() << "E4015 expected nothing to reduce but got layouts "
                                 << redistribute.getFrom().getText() << " and " << redistribute.getTo().getText()
                                 << "; muster-expand-redistribute takes sums out";
      FailureOr<SmallVector<RedistributedDim>> dims = readDims(redistribute);
      return failed(dims) ? failure() : lowerTo(op, {}, *dims, getRaggedDims(op), resolver);
    }
    if (auto exchange = dyn_cast<AllToAllVOp>(op))
      return lowerRouted(exchange, resolver);
    auto axes = op->getAttrOfType<ArrayAttr>("axes");
    for (StringRef axis : axes.getAsValueRange<StringAttr>())
      if (mesh.findAxis(axis) < 0)
        return op->emitOpError() << "E4014 expected a group of whole axes but got '" << axis
                                 << "', a part of one; muster-split-mesh-axes makes it one";
    int64_t group = getGroupSize(mesh, axes);
    if (ShapedType::isDynamic(group))
      return op->emitOpError() << "E4004 cannot be lowered because the mesh has symbolic sizes";
    Movement movement = *getMovement(op, group);
    if (group == 1 && !llvm::is_contained(movement.sources, -1)) {
      op->getResult(0).replaceAllUsesWith(op->getOperand(0));
      resolver.erase(op);
      return success();
    }
    SmallVector<RaggedDim> ragged = getRaggedDims(op);
    int64_t rank = cast<RankedTensorType>(op->getOperand(0).getType()).getRank();
    return lowerTo(op, movement, dimsOf(movement, mesh, rank, ragged), ragged, resolver);
  }

  /// Each rank reads the counts of all: what is wrong with them ends the step on all ranks alike, without a word
  /// between them.
  LogicalResult lowerRouted(AllToAllVOp op, SizeResolver &resolver) {
    MeshAttr mesh = getMesh(op);
    SmallVector<StringRef> group(op.getAxes().getAsValueRange<StringAttr>());
    for (StringRef axis : group)
      if (mesh.findAxis(axis) < 0)
        return op.emitOpError() << "E4014 expected a group of whole axes but got '" << axis
                                << "', a part of one; muster-split-mesh-axes makes it one";
    if (ShapedType::isDynamic(getGroupSize(mesh, op.getAxes())))
      return op.emitOpError() << "E4004 cannot be lowered because the mesh has symbolic sizes";
    for (auto axis : mesh.getAxes())
      if (axis.getSize() != 1 && !llvm::is_contained(group, axis.getName()))
        return op.emitOpError() << "E4019 unsupported: rows that are counted on the device are sent over a part of the "
                                   "mesh, without axis '"
                                << axis.getName() << "'";
    auto rows = cast<RankedTensorType>(op.getInput().getType());
    if (!rows.hasStaticShape())
      return op.emitOpError() << "E4019 unsupported: rows that are counted on the device, out of an unknown number: "
                              << rows;
    OpBuilder builder(op);
    auto lowering =
        plan::ExchangeRowsOp::create(builder, op.getLoc(), op.getType(), op.getInput(), op.getSend(), op.getAxesAttr());
    op.getResult().replaceAllUsesWith(lowering.getResult());
    resolver.erase(op);
    ++lowered;
    return success();
  }

  /// That a dim in parts is as long as its counts say: the own count, or the sum where a rank has all parts.
  LogicalResult checkSize(Operation *op, const RaggedDim &ragged, OpFoldResult size, SizeResolver &resolver) {
    OpBuilder builder(op);
    Value wanted = ragged.isGathered ? OwnCountOp::create(builder, op->getLoc(), ragged.counts).getResult()
                                     : TotalOp::create(builder, op->getLoc(), ragged.counts).getResult();
    FailureOr<OpFoldResult> known = resolver.resolve(wanted);
    wanted.getDefiningOp()->erase();
    if (*known == size)
      return success();
    return op->emitOpError() << "E4016 expected the size of dim " << ragged.dim << " to be the "
                             << (ragged.isGathered ? "own element" : "sum") << " of its counts, "
                             << ragged.counts.getType() << ", but got another";
  }

  /// Where the parts of a value begin.
  Value getOffsets(Value counts) {
    Value &known = offsets[counts];
    if (!known) {
      auto type = cast<CountsType>(counts.getType());
      OpBuilder builder(counts.getContext());
      builder.setInsertionPointAfterValue(counts);
      known = OffsetsOp::create(builder, counts.getLoc(),
                                OffsetsType::get(counts.getContext(), type.getAxes(), type.getUnit(), type.getEpoch()),
                                counts);
    }
    return known;
  }

  /// `movement` says what two layouts of the operand do not: reductions and permutations; `ragged`, of which dims the
  /// parts are as long as counts say.
  LogicalResult lowerTo(Operation *op, const Movement &movement, ArrayRef<RedistributedDim> dims,
                        ArrayRef<RaggedDim> ragged, SizeResolver &resolver) {
    Location loc = op->getLoc();
    MeshAttr mesh = getMesh(op);
    OpBuilder builder(op);
    SmallVector<unsigned> reduced;
    if (movement.reduction)
      for (StringRef axis : movement.axes.getAsValueRange<StringAttr>())
        reduced.push_back(static_cast<unsigned>(mesh.findAxis(axis)));
    // Parts are gathered from all ranks that have one.
    for (const RaggedDim &moved : ragged)
      for (StringAttr axis : cast<CountsType>(moved.counts.getType()).getAxes())
        if (auto index = static_cast<unsigned>(mesh.findAxis(axis.getValue()));
            moved.isGathered && mesh.getAxes()[index].getSize() > 1 && !llvm::is_contained(reduced, index))
          reduced.push_back(index);
    // Sums are of layouts that are dealt behind them only, and so of one form.
    std::optional<layout::TransferForm> made = layout::formOf(redistributionOf(mesh, dims), reduced);
    if (!made)
      return op->emitOpError() << "E4017 unsupported: parts of unequal length are gathered while parts of another dim "
                                  "go to other ranks than they come from";
    layout::TransferForm form = std::move(*made);

    // A dim of which parts come from several ranks, or that is made of several, stays whole.
    int64_t rank = cast<RankedTensorType>(op->getOperand(0).getType()).getRank();
    llvm::SmallBitVector gathered(static_cast<unsigned>(rank));
    for (auto [index, dim] : llvm::enumerate(dims)) {
      auto position = static_cast<unsigned>(dim.tensorDim);
      bool isOwn = dim.from.segments.size() == 1 && dim.from.segments.front().deal.axes.empty() && form.pulls == 0;
      bool isSecond = index > 0 && dims[index - 1].tensorDim == dim.tensorDim;
      bool isRagged = llvm::any_of(ragged, [&](const RaggedDim &moved) { return moved.dim == dim.tensorDim; });
      if ((!isOwn && !(dim.from == dim.to)) || isSecond || isRagged)
        gathered.set(position);
    }
    BoxBuilder box(builder, loc, mesh);
    box.columns = form.columns;
    box.group.assign(form.group.begin(), form.group.end());
    if (!movement.sources.empty())
      for (StringRef axis : movement.axes.getAsValueRange<StringAttr>())
        box.group.push_back(static_cast<unsigned>(mesh.findAxis(axis)));
    FailureOr<SmallVector<OpFoldResult>> inputSizes = resolver.getSizes(op->getOperand(0));
    FailureOr<Place> source = findPlace(op->getOperand(0), box, resolver);
    FailureOr<Destination> destination = findDestination(op->getResult(0), gathered, resolver);
    if (failed(inputSizes) || failed(source) || failed(destination))
      return failure();
    for (const RaggedDim &moved : ragged)
      if (failed(checkSize(op, moved, (*inputSizes)[moved.dim], resolver)))
        return failure();
    absorbed += source->absorbed + destination->absorbed.size();

    SmallVector<Amount> input = box.fromSizes(*inputSizes);
    // A dim that was dropped has one element.
    SmallVector<Amount> destinationStrides(rank, Amount{0, Value()}),
        finalStrides = box.strides(box.fromSizes(destination->sizes));
    for (auto [position, dim] : llvm::enumerate(destination->dims))
      destinationStrides[dim] = finalStrides[position];

    AffineExpr zero = builder.getAffineConstantExpr(0), sourceOffset = zero, destinationOffset = zero;
    for (Amount amount : source->offset)
      sourceOffset = sourceOffset + box.peerExpression(amount);
    SmallVector<AffineExpr> extents, sourceSteps, destinationSteps;
    layout::Coordinates anyRank(mesh.getAxes().size(), 0);
    // Of a dim that does not count elements, the others of the same dim of the tensor do.
    auto unitOf = [&](const RedistributedDim &dim) {
      if (dim.countsElements)
        return Amount{1, Value()};
      int64_t units = 1;
      for (const RedistributedDim &other : dims)
        units *= other.tensorDim == dim.tensorDim ? other.from.localSize(anyRank) : 1;
      return box.divide(input[dim.tensorDim], units);
    };
    for (auto [index, dim] : llvm::enumerate(dims)) {
      const auto *counted = llvm::find_if(ragged, [&](const RaggedDim &moved) { return moved.dim == dim.tensorDim; });
      if (counted != ragged.end()) {
        AffineExpr from = box.peerExpression(source->strides[dim.tensorDim]),
                   to = box.expression(destinationStrides[dim.tensorDim]),
                   rows = box.element(counted->counts, counted->isGathered),
                   start = box.element(getOffsets(counted->counts), counted->isGathered);
        (counted->isGathered ? destinationOffset : sourceOffset) =
            (counted->isGathered ? destinationOffset + start * to : sourceOffset + start * from);
        extents.push_back(rows);
        sourceSteps.push_back(from);
        destinationSteps.push_back(to);
        continue;
      }
      const layout::TransferDim &shape = form.dims[index];
      Amount unit = unitOf(dim), sourceStride = source->strides[dim.tensorDim],
             destinationStride = destinationStrides[dim.tensorDim];
      // What stands behind it in its dim is walked faster.
      for (const RedistributedDim &behind : dims.drop_front(index + 1)) {
        if (behind.tensorDim != dim.tensorDim)
          break;
        Amount inner = unitOf(behind);
        sourceStride = box.multiply(sourceStride, box.multiply({behind.from.localSize(anyRank), Value()}, inner));
        destinationStride =
            box.multiply(destinationStride, box.multiply({behind.to.localSize(anyRank), Value()}, inner));
      }
      sourceOffset = sourceOffset + box.peerExpression(shape.sourceStart, box.multiply(unit, sourceStride));
      destinationOffset = destinationOffset + box.expression(shape.targetStart, box.multiply(unit, destinationStride));
      // Which rank a part comes from and goes to is told by the offsets.
      if (dim.countsElements && movement.axes)
        continue;
      extents.push_back(box.expression(shape.extent, unit));
      box.cannotRead |= unit.symbol && box.differs(unit.symbol);
      sourceSteps.push_back(box.peerExpression(shape.sourceStep, sourceStride));
      destinationSteps.push_back(box.expression(shape.targetStep, destinationStride));
      OpFoldResult wanted = destination->extents[dim.tensorDim];
      if (!wanted)
        continue;
      extents.back() = box.expression(box.fromSize(wanted));
      if (int64_t offset = destination->offsets[dim.tensorDim])
        sourceOffset = sourceOffset + box.peerExpression(box.multiply({offset, Value()}, sourceStride));
      sourceSteps.back() = box.peerExpression(box.multiply({destination->steps[dim.tensorDim], Value()}, sourceStride));
    }
    for (const OwnPart &part : destination->ownParts)
      sourceOffset =
          sourceOffset + box.ownPosition(part.axes) *
                             box.peerExpression(box.multiply({part.step, Value()}, source->strides[part.dim]));
    if (box.cannotRead)
      return op->emitOpError()
             << "E4017 unsupported: a dim that is not moved is of unequal size on the ranks of the group";

    SmallVector<Value> dynamicSizes;
    for (OpFoldResult size : destination->sizes)
      if (auto value = dyn_cast<Value>(size))
        dynamicSizes.push_back(value);
    SmallVector<StringRef> group;
    for (unsigned axis : form.group)
      group.push_back(mesh.getAxes()[axis].getName());
    ArrayRef<int64_t> sources = movement.sources;
    if (sources.empty())
      sources = form.rows;
    // Symbols are numbered as expressions are made: all are made now.
    auto transfer = plan::TransferOp::create(
        builder, loc, destination->value.getType(), source->source, box.symbols, dynamicSizes, box.counts,
        builder.getStringAttr(op->getName().stripDialect()),
        movement.sources.empty() ? builder.getStrArrayAttr(group) : movement.axes,
        movement.reduction ? ReductionKindAttr::get(builder.getContext(), *movement.reduction) : ReductionKindAttr(),
        box.map(extents), box.map({sourceOffset}), box.map(sourceSteps), box.map({destinationOffset}),
        box.map(destinationSteps), sources.empty() ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(sources));
    destination->value.replaceAllUsesWith(transfer.getResult());
    for (Operation *behind : llvm::reverse(destination->absorbed)) {
      if (isa<SliceOp>(behind))
        absorbedOwnParts.insert(behind);
      resolver.erase(behind);
    }
    resolver.erase(op);
    ++lowered;
    return success();
  }

  /// Erased: not to be lowered by themselves.
  DenseSet<Operation *> absorbedOwnParts;
  DenseMap<Value, Value> offsets;
};

} // namespace
