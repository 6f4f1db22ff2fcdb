// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/RedistributedDims.h"
#include "compiler/Transforms/RedistributionPlan.h"
#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_EXPANDREDISTRIBUTEPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// One redistribution, read into plain data and written back as collectives.
class Expansion {
public:
  explicit Expansion(RedistributeOp op) : op(op), builder(op) {}

  /// Number of collectives made.
  FailureOr<int64_t> run();

private:
  LogicalResult readMesh();
  LogicalResult readDims();
  LogicalResult readPartials();
  SmallVector<LayoutDimAttr> dimsOf(const Spread &spread);
  /// `dims` are those of the layout before the move.
  Value emit(Value input, const RedistributionMove &move, ArrayRef<LayoutDimAttr> dims);
  RankedTensorType typeOf(const Spread &spread);
  ArrayAttr names(ArrayRef<int> axes);

  RedistributeOp op;
  OpBuilder builder;
  MeshAttr mesh;
  SmallVector<int64_t> axisSizes, sizes;
  /// Dims that no move touches: their size on the rank stays as it is.
  SmallVector<bool> isFixed;
  RedistributionProblem problem;
  ReductionKind kind = ReductionKind::Sum;
};

LogicalResult Expansion::readMesh() {
  mesh = getMesh(op);
  for (MeshAxisAttr axis : mesh.getAxes()) {
    if (ShapedType::isDynamic(axis.getSize()))
      return op.emitOpError() << "E4010 expected a mesh of concrete sizes but got axis '" << axis.getName()
                              << "' of symbolic size";
    axisSizes.push_back(axis.getSize());
  }
  problem.axisSizes = axisSizes;
  return success();
}

LogicalResult Expansion::readDims() {
  auto input = cast<RankedTensorType>(op.getInput().getType()),
       result = cast<RankedTensorType>(op.getResult().getType());
  for (int64_t dim = 0; dim < input.getRank(); ++dim) {
    LayoutDimAttr from = op.getFrom().getDims()[dim], to = op.getTo().getDims()[dim];
    int64_t ranks = 1;
    auto axesOf = [&](LayoutDimAttr layout) {
      std::vector<int> axes;
      for (LayoutTermAttr term : layout.getTerms())
        for (AxisRefAttr ref : term.getAxes()) {
          int axis = static_cast<int>(mesh.findAxis(ref.getName()));
          if (axis >= 0 && axisSizes[axis] > 1 && !llvm::is_contained(axes, axis))
            axes.push_back(axis);
        }
      return axes;
    };
    std::vector<int> axes = axesOf(from);
    // Where all axes of counts have one rank, there is nothing to move.
    TypedValue<CountsType> counts = op.getCountsOf(dim);
    bool isRagged = counts && axes != axesOf(to);
    bool plain = isRagged || (op.getFrom().isPlainDim(dim) && op.getTo().isPlainDim(dim));
    problem.hasOtherChanges |= !plain && !counts && from != to;
    problem.isRagged.push_back(isRagged);
    isFixed.push_back(!plain);
    if (!plain) {
      problem.fixedAxes.insert(problem.fixedAxes.end(), axes.begin(), axes.end());
      axes.clear();
    }
    problem.from.dims.push_back(axes);
    problem.to.dims.push_back(plain ? axesOf(to) : axes);
    for (int axis : axes)
      ranks *= axisSizes[axis];
    int64_t size = input.isDynamicDim(dim) ? -1 : input.getDimSize(dim) * ranks;
    if (size < 0 && !result.isDynamicDim(dim)) {
      size = result.getDimSize(dim);
      for (int axis : problem.to.dims.back())
        size *= axisSizes[axis];
    }
    sizes.push_back(size);
  }
  problem.sizes = sizes;
  return success();
}

LogicalResult Expansion::readPartials() {
  auto read = [&](LayoutAttr layout, std::vector<int> &axes) -> LogicalResult {
    for (PartialAttr partial : layout.getPartials()) {
      for (AxisRefAttr ref : partial.getAxes()) {
        if (!ref.isWholeAxis() || partial.getKind() != op.getFrom().getPartials().front().getKind())
          return op.emitOpError() << "E4012 expected partial axes of one kind and whole but got layout "
                                  << layout.getText();
        int axis = static_cast<int>(mesh.findAxis(ref.getName()));
        if (axisSizes[axis] > 1)
          axes.push_back(axis);
      }
      kind = partial.getKind();
    }
    llvm::sort(axes);
    return success();
  };
  return success(succeeded(read(op.getFrom(), problem.from.partial)) &&
                 succeeded(read(op.getTo(), problem.to.partial)));
}

ArrayAttr Expansion::names(ArrayRef<int> axes) {
  SmallVector<StringRef> names;
  for (int axis : axes)
    names.push_back(mesh.getAxes()[axis].getName());
  return builder.getStrArrayAttr(names);
}

RankedTensorType Expansion::typeOf(const Spread &spread) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  SmallVector<int64_t> shape;
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    int64_t ranks = 1;
    for (int axis : spread.dims[dim])
      ranks *= axisSizes[axis];
    shape.push_back(isFixed[dim] ? input.getDimSize(dim) : size < 0 ? ShapedType::kDynamic : size / ranks);
  }
  return RankedTensorType::get(shape, input.getElementType());
}

/// The dims of a layout that is spread so; dims of other forms as they were in the beginning.
SmallVector<LayoutDimAttr> Expansion::dimsOf(const Spread &spread) {
  SmallVector<LayoutDimAttr> dims;
  for (auto [dim, axes] : llvm::enumerate(spread.dims)) {
    LayoutDimAttr from = op.getFrom().getDims()[dim];
    if (op.getCountsOf(static_cast<int64_t>(dim)) && !isFixed[dim]) { // all axes of the counts, or none
      LayoutTermAttr given = from.getTerms().front(), wanted = op.getTo().getDims()[dim].getTerms().front();
      LayoutTermAttr term = axes.empty()       ? LayoutTermAttr::getPlain(builder.getContext(), given.getName())
                            : given.isRagged() ? given
                                               : wanted;
      from = LayoutDimAttr::get(builder.getContext(), {term}, /*segmented=*/false);
    } else if (!isFixed[dim]) {
      SmallVector<StringRef> divided;
      for (int axis : axes)
        divided.push_back(mesh.getAxes()[axis].getName());
      LayoutTermAttr term = LayoutTermAttr::getPlain(builder.getContext(), from.getTerms().front().getName(), divided);
      from = LayoutDimAttr::get(builder.getContext(), {term}, /*segmented=*/false);
    }
    dims.push_back(from);
  }
  return dims;
}

Value Expansion::emit(Value input, const RedistributionMove &move, ArrayRef<LayoutDimAttr> dims) {
  Location loc = op.getLoc();
  RankedTensorType type = typeOf(move.after);
  ArrayAttr axes = names(move.axes);
  auto kindAttr = ReductionKindAttr::get(builder.getContext(), kind);
  auto dim = builder.getI64IntegerAttr(move.dim);
  // Counts of the dim that is cut or gathered are over all axes of the group, those of one rank too.
  auto countsOf = [&](int64_t moved) {
    bool isRagged = moved >= 0 && problem.isRagged[static_cast<size_t>(moved)];
    TypedValue<CountsType> counts = isRagged ? op.getCountsOf(moved) : TypedValue<CountsType>();
    if (counts) {
      ArrayRef<StringAttr> counted = counts.getType().getAxes();
      axes = builder.getArrayAttr(SmallVector<Attribute>(counted.begin(), counted.end()));
    }
    return counts;
  };
  Value counts = countsOf(move.dim);
  switch (move.kind) {
  case RedistributionMove::Kind::Slice:
    return SliceOp::create(builder, loc, type, input, axes, dim, counts);
  case RedistributionMove::Kind::ReduceScatter:
    return ReduceScatterOp::create(builder, loc, type, input, kindAttr, axes, dim, counts);
  case RedistributionMove::Kind::AllReduce:
    return AllReduceOp::create(builder, loc, type, input, kindAttr, axes);
  case RedistributionMove::Kind::AllToAll: {
    RaggedSide side = counts ? RaggedSide::Split : RaggedSide::Concat;
    if (!counts)
      counts = countsOf(move.concat);
    return AllToAllOp::create(builder, loc, type, input, axes, dim, builder.getI64IntegerAttr(move.concat), counts,
                              counts ? RaggedSideAttr::get(builder.getContext(), side) : RaggedSideAttr());
  }
  case RedistributionMove::Kind::AllGather:
    return AllGatherOp::create(builder, loc, type, input, axes, dim, counts);
  case RedistributionMove::Kind::Redistribute: {
    LayoutAttr to = op.getTo(), from = LayoutAttr::get(builder.getContext(), dims, to.getPartials());
    SmallVector<Value> changing;
    for (auto [position, before] : llvm::enumerate(dims))
      if (Value of = op.getCountsOf(static_cast<int64_t>(position)); of && before != to.getDims()[position])
        changing.push_back(of);
    return RedistributeOp::create(builder, loc, op.getResult().getType(), input, from, to, changing);
  }
  }
  llvm_unreachable("every move is handled");
}

FailureOr<int64_t> Expansion::run() {
  if (failed(readMesh()) || failed(::readDims(op)) || failed(readDims()) || failed(readPartials()))
    return failure();
  std::vector<RedistributionMove> moves = planRedistribution(problem);
  if (moves.size() == 1 && moves.front().kind == RedistributionMove::Kind::Redistribute &&
      op.getInput().getType() == typeOf(problem.from) && op.getFrom().getPartials() == op.getTo().getPartials())
    return 0; // It only moves as it stands.
  Value value = op.getInput();
  auto cast = [&](RankedTensorType type) {
    if (value.getType() != type)
      value = tensor::CastOp::create(builder, op.getLoc(), type, value);
  };
  // Sizes that only the result's type tells are used from the beginning.
  if (!moves.empty())
    cast(typeOf(problem.from));
  Spread spread = problem.from;
  for (const RedistributionMove &move : moves) {
    value = emit(value, move, dimsOf(spread));
    spread = move.after;
  }
  cast(llvm::cast<RankedTensorType>(op.getResult().getType()));
  op.replaceAllUsesWith(value);
  op.erase();
  return static_cast<int64_t>(moves.size());
}

struct ExpandRedistribute : muster::impl::ExpandRedistributePassBase<ExpandRedistribute> {
  void runOnOperation() override {
    SmallVector<RedistributeOp> ops;
    getOperation().walk([&](RedistributeOp op) { ops.push_back(op); });
    for (RedistributeOp op : ops) {
      FailureOr<int64_t> made = Expansion(op).run();
      if (failed(made))
        return signalPassFailure();
      expanded += *made > 0;
      collectives += *made;
    }
  }
};

} // namespace
