// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives become transfers. A box is read off the collective's meaning; a neighbouring transposition only permutes
// its strides.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/ResolveSizes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_LOWERCOLLECTIVESPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// A size or stride: factor * symbol (symbol null: 1).
struct Amount {
  int64_t factor = 1;
  Value symbol;
};

/// Collects the symbols of one transfer and makes its affine maps.
class BoxBuilder {
public:
  BoxBuilder(OpBuilder &builder, Location loc, MeshAttr mesh) : builder(builder), loc(loc), mesh(mesh) {}

  Amount fromSize(OpFoldResult size) {
    if (std::optional<int64_t> constant = getConstantIntValue(size))
      return {*constant, Value()};
    return {1, cast<Value>(size)};
  }

  Amount multiply(Amount a, Amount b) {
    Amount product{a.factor * b.factor, a.symbol ? a.symbol : b.symbol};
    if (a.symbol && b.symbol)
      product.symbol = arith::MulIOp::create(builder, loc, a.symbol, b.symbol);
    return product;
  }

  /// Exact division by a number of ranks.
  Amount divide(Amount a, int64_t ranks) {
    if (a.factor % ranks == 0)
      return {a.factor / ranks, a.symbol};
    Value whole = a.symbol;
    if (a.factor != 1)
      whole = arith::MulIOp::create(builder, loc, whole, arith::ConstantIndexOp::create(builder, loc, a.factor));
    return {1, arith::DivUIOp::create(builder, loc, whole, arith::ConstantIndexOp::create(builder, loc, ranks))};
  }

  /// Row-major strides of a shape.
  SmallVector<Amount> strides(ArrayRef<Amount> shape) {
    SmallVector<Amount> result(shape.size());
    Amount stride;
    for (size_t dim = shape.size(); dim-- > 0;) {
      result[dim] = stride;
      stride = multiply(stride, shape[dim]);
    }
    return result;
  }

  AffineExpr expression(Amount amount) {
    if (!amount.symbol)
      return builder.getAffineConstantExpr(amount.factor);
    auto *found = llvm::find(symbols, amount.symbol);
    if (found == symbols.end())
      found = symbols.insert(symbols.end(), amount.symbol);
    return builder.getAffineSymbolExpr(found - symbols.begin()) * amount.factor;
  }

  /// Position in the group of the own rank or of the peer, row-major over `axes`.
  AffineExpr position(ArrayAttr axes, bool peer) {
    AffineExpr result = builder.getAffineConstantExpr(0);
    for (StringRef axis : axes.getAsValueRange<StringAttr>()) {
      int64_t index = mesh.findAxis(axis);
      result = result * mesh.getAxes()[index].getSize() +
               builder.getAffineDimExpr(index + (peer ? mesh.getAxes().size() : 0));
    }
    return result;
  }

  AffineMapAttr map(ArrayRef<AffineExpr> results) {
    return AffineMapAttr::get(AffineMap::get(2 * mesh.getAxes().size(), symbols.size(), results, builder.getContext()));
  }
  AffineMapAttr map(ArrayRef<Amount> amounts) {
    SmallVector<AffineExpr> results;
    for (Amount amount : amounts)
      results.push_back(expression(amount));
    return map(results);
  }

  OpBuilder &builder;
  Location loc;
  MeshAttr mesh;
  SmallVector<Value> symbols;
};

/// What a collective does to its box, in terms of the dims of its operand.
struct Movement {
  ArrayAttr axes;
  std::optional<int64_t> splitDim;  // the own part of this dim is pulled
  std::optional<int64_t> concatDim; // the peer's part lands here
  std::optional<ReductionKind> reduction;
  SmallVector<int64_t> sources; // permutations
  bool local = false;           // nothing is pulled from others
};

std::optional<Movement> getMovement(Operation *op, int64_t group) {
  return TypeSwitch<Operation *, std::optional<Movement>>(op)
      .Case([&](AllGatherOp op) { return Movement{op.getAxes(), std::nullopt, op.getDim(), std::nullopt, {}, false}; })
      .Case([&](ReduceScatterOp op) {
        return Movement{op.getAxes(), op.getDim(), std::nullopt, op.getKind(), {}, false};
      })
      .Case([&](AllReduceOp op) { return Movement{op.getAxes(), std::nullopt, std::nullopt, op.getKind(), {}, false}; })
      .Case(
          [&](AllToAllOp op) { return Movement{op.getAxes(), op.getSplit(), op.getConcat(), std::nullopt, {}, false}; })
      .Case([&](ExchangeOp op) { return Movement{op.getAxes(), 0, 0, std::nullopt, {}, false}; })
      .Case([&](SliceOp op) { return Movement{op.getAxes(), op.getDim(), std::nullopt, std::nullopt, {}, true}; })
      .Case([&](BroadcastOp op) {
        return Movement{
            op.getAxes(), std::nullopt, std::nullopt, std::nullopt, SmallVector<int64_t>(group, op.getRoot()), false};
      })
      .Case([&](PermuteOp op) {
        return Movement{op.getAxes(), std::nullopt, std::nullopt, std::nullopt, SmallVector<int64_t>(op.getSources()),
                        false};
      })
      .Default([](Operation *) { return std::nullopt; });
}

/// The transposition behind a collective, where it is the only use.
linalg::TransposeOp getFollowingTranspose(Value result) {
  if (!result.hasOneUse())
    return {};
  auto transpose = dyn_cast<linalg::TransposeOp>(*result.user_begin());
  return transpose && transpose.getInput() == result ? transpose : linalg::TransposeOp();
}

struct LowerCollectives : muster::impl::LowerCollectivesPassBase<LowerCollectives> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      SizeResolver resolver(function);
      SmallVector<Operation *> collectives;
      function.walk([&](Operation *op) {
        if (isa<AllGatherOp, ReduceScatterOp, AllReduceOp, AllToAllOp, ExchangeOp, SliceOp, BroadcastOp, PermuteOp>(op))
          collectives.push_back(op);
        if (auto claim = dyn_cast<AssertLayoutOp>(op)) {
          claim.replaceAllUsesWith(claim.getInput());
          claim.erase();
        }
      });
      for (Operation *op : collectives)
        if (failed(lower(op, resolver)))
          return signalPassFailure();
    }
  }

  LogicalResult lower(Operation *op, SizeResolver &resolver) {
    Location loc = op->getLoc();
    MeshAttr mesh = getMesh(op);
    auto axes = op->getAttrOfType<ArrayAttr>("axes");
    int64_t group = getGroupSize(mesh, axes);
    if (ShapedType::isDynamic(group))
      return op->emitOpError() << "E4004 cannot be lowered because the mesh has symbolic sizes";
    Movement movement = *getMovement(op, group);
    bool zeros = llvm::is_contained(movement.sources, -1);
    if (group == 1 && !zeros) {
      op->getResult(0).replaceAllUsesWith(op->getOperand(0));
      resolver.erase(op);
      return success();
    }

    OpBuilder builder(op);
    BoxBuilder box(builder, loc, mesh);
    // Shapes of operand and result, and strides of what really lies in memory: transposed neighbours are absorbed.
    FailureOr<SmallVector<OpFoldResult>> inputSizes = resolver.getSizes(op->getOperand(0)),
                                         resultSizes = resolver.getSizes(op->getResult(0));
    if (failed(inputSizes) || failed(resultSizes))
      return failure();
    auto amounts = [&](ArrayRef<OpFoldResult> sizes) {
      return llvm::map_to_vector(sizes, [&](OpFoldResult size) { return box.fromSize(size); });
    };
    SmallVector<Amount> input = amounts(*inputSizes), result = amounts(*resultSizes);

    Value source = op->getOperand(0);
    SmallVector<Amount> sourceStrides = box.strides(input);
    if (auto transpose = source.getDefiningOp<linalg::TransposeOp>()) {
      ArrayRef<int64_t> permutation = transpose.getPermutation();
      SmallVector<Amount> stored(input.size());
      for (auto [dim, from] : llvm::enumerate(permutation))
        stored[from] = input[dim];
      SmallVector<Amount> storedStrides = box.strides(stored);
      for (auto [dim, from] : llvm::enumerate(permutation))
        sourceStrides[dim] = storedStrides[from];
      source = transpose.getInput();
      ++absorbed;
    }
    SmallVector<Amount> destinationStrides = box.strides(result);
    auto resultType = cast<RankedTensorType>(op->getResult(0).getType());
    SmallVector<OpFoldResult> finalSizes = *resultSizes;
    linalg::TransposeOp following = getFollowingTranspose(op->getResult(0));
    if (following) {
      ArrayRef<int64_t> permutation = following.getPermutation();
      SmallVector<Amount> stored;
      finalSizes.clear();
      for (int64_t from : permutation) {
        stored.push_back(result[from]);
        finalSizes.push_back((*resultSizes)[from]);
      }
      SmallVector<Amount> storedStrides = box.strides(stored);
      for (auto [dim, from] : llvm::enumerate(permutation))
        destinationStrides[from] = storedStrides[dim];
      resultType = cast<RankedTensorType>(following->getResult(0).getType());
      ++absorbed;
    }

    // The box walks the operand's dims; a split dim is walked over the own part only.
    SmallVector<Amount> extents = input;
    AffineExpr sourceOffset = builder.getAffineConstantExpr(0), destinationOffset = builder.getAffineConstantExpr(0);
    if (movement.splitDim) {
      extents[*movement.splitDim] = box.divide(extents[*movement.splitDim], group);
      Amount step = box.multiply(extents[*movement.splitDim], sourceStrides[*movement.splitDim]);
      sourceOffset = box.position(movement.axes, /*peer=*/false) * box.expression(step);
    }
    if (movement.concatDim) {
      Amount step = box.multiply(extents[*movement.concatDim], destinationStrides[*movement.concatDim]);
      destinationOffset = box.position(movement.axes, /*peer=*/true) * box.expression(step);
    }
    // Symbols are numbered as expressions are made, so all are made before any map.
    for (ArrayRef<Amount> list :
         {ArrayRef<Amount>(extents), ArrayRef<Amount>(sourceStrides), ArrayRef<Amount>(destinationStrides)})
      for (Amount amount : list)
        box.expression(amount);

    SmallVector<Value> dynamicSizes;
    for (OpFoldResult size : finalSizes)
      if (auto value = dyn_cast<Value>(size))
        dynamicSizes.push_back(value);
    auto transfer = plan::TransferOp::create(
        builder, loc, resultType, source, box.symbols, dynamicSizes,
        builder.getStringAttr(op->getName().stripDialect()),
        movement.local ? builder.getStrArrayAttr({}) : movement.axes,
        movement.reduction ? ReductionKindAttr::get(builder.getContext(), *movement.reduction) : ReductionKindAttr(),
        box.map(extents), box.map({sourceOffset}), box.map(sourceStrides), box.map({destinationOffset}),
        box.map(destinationStrides),
        movement.sources.empty() ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(movement.sources));
    if (following) {
      following->getResult(0).replaceAllUsesWith(transfer.getResult());
      resolver.erase(following);
    } else {
      op->getResult(0).replaceAllUsesWith(transfer.getResult());
    }
    resolver.erase(op);
    ++lowered;
    return success();
  }
};

} // namespace
