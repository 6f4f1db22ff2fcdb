// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The affine maps of a plan.transfer in the making: boxes of the layout algebra, in sizes that the step knows.
#pragma once

#include "compiler/Layout/TransferForm.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace muster {

/// A size or stride: factor * symbol (symbol null: 1).
struct Amount {
  int64_t factor = 1;
  mlir::Value symbol;
};

/// Collects the symbols of one transfer and makes its affine maps.
class BoxBuilder {
public:
  BoxBuilder(mlir::OpBuilder &builder, mlir::Location loc, MeshAttr mesh) : builder(builder), loc(loc), mesh(mesh) {}

  Amount fromSize(mlir::OpFoldResult size) {
    if (std::optional<int64_t> constant = mlir::getConstantIntValue(size))
      return {*constant, mlir::Value()};
    return {1, llvm::cast<mlir::Value>(size)};
  }

  Amount multiply(Amount a, Amount b) {
    Amount product{a.factor * b.factor, a.symbol ? a.symbol : b.symbol};
    if (a.symbol && b.symbol)
      product.symbol = mlir::arith::MulIOp::create(builder, loc, a.symbol, b.symbol);
    return product;
  }

  /// Exact division by a number of ranks.
  Amount divide(Amount a, int64_t ranks) {
    if (a.factor % ranks == 0)
      return {a.factor / ranks, a.symbol};
    mlir::Value whole = a.symbol;
    if (a.factor != 1)
      whole = mlir::arith::MulIOp::create(builder, loc, whole,
                                          mlir::arith::ConstantIndexOp::create(builder, loc, a.factor));
    return {1, mlir::arith::DivUIOp::create(builder, loc, whole,
                                            mlir::arith::ConstantIndexOp::create(builder, loc, ranks))};
  }

  /// Row-major strides of a shape.
  llvm::SmallVector<Amount> strides(llvm::ArrayRef<Amount> shape) {
    llvm::SmallVector<Amount> result(shape.size());
    Amount stride;
    for (size_t dim = shape.size(); dim-- > 0;) {
      result[dim] = stride;
      stride = multiply(stride, shape[dim]);
    }
    return result;
  }

  mlir::AffineExpr expression(Amount amount) {
    if (!amount.symbol)
      return builder.getAffineConstantExpr(amount.factor);
    if (readsPeer && differs(amount.symbol)) {
      if (auto own = amount.symbol.getDefiningOp<OwnCountOp>())
        return element(own.getCounts(), /*ofPeer=*/true) * amount.factor;
      cannotRead = true;
    }
    auto *found = llvm::find(symbols, amount.symbol);
    if (found == symbols.end())
      found = symbols.insert(symbols.end(), amount.symbol);
    return builder.getAffineSymbolExpr(found - symbols.begin()) * amount.factor;
  }

  /// Whether a size may differ between a rank and its peers: an element of counts over axes of the group.
  bool differs(mlir::Value size) const {
    mlir::Operation *op = size.getDefiningOp();
    if (!op)
      return false;
    auto isInGroup = [&](mlir::StringAttr axis) {
      return llvm::is_contained(group, static_cast<unsigned>(mesh.findAxis(axis.getValue())));
    };
    if (auto own = llvm::dyn_cast<OwnCountOp>(op))
      return llvm::any_of(own.getCounts().getType().getAxes(), isInGroup);
    if (auto own = llvm::dyn_cast<OwnOffsetOp>(op))
      return llvm::any_of(own.getOffsets().getType().getAxes(), isInGroup);
    return llvm::isa<mlir::arith::ArithDialect>(op->getDialect()) &&
           llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return differs(operand); });
  }

  /// Of the peer's memory: sizes that differ between ranks are the peer's.
  template <typename... Args>
  mlir::AffineExpr peerExpression(Args... args) {
    readsPeer = true;
    mlir::AffineExpr result = expression(args...);
    readsPeer = false;
    return result;
  }

  /// A linear amount of the algebra times `unit`.
  mlir::AffineExpr expression(const layout::Linear &linear, Amount unit) {
    int64_t axes = static_cast<int64_t>(mesh.getAxes().size());
    mlir::AffineExpr result = builder.getAffineConstantExpr(0);
    if (linear.constant != 0)
      result = expression(multiply({linear.constant, mlir::Value()}, unit));
    for (const layout::Linear::Term &term : linear.own)
      result = result + builder.getAffineDimExpr(term.axis) * expression(multiply({term.factor, mlir::Value()}, unit));
    for (const layout::Linear::Term &term : linear.peer)
      result = result +
               builder.getAffineDimExpr(axes + term.axis) * expression(multiply({term.factor, mlir::Value()}, unit));
    if (linear.column)
      result = result + builder.getAffineDimExpr(2 * axes + *linear.column) * expression(unit);
    return result;
  }

  /// Position of the own rank in the group, row-major over `axes`.
  mlir::AffineExpr ownPosition(mlir::ArrayAttr axes) {
    mlir::AffineExpr result = builder.getAffineConstantExpr(0);
    for (llvm::StringRef axis : axes.getAsValueRange<mlir::StringAttr>()) {
      int64_t index = mesh.findAxis(axis);
      result = result * mesh.getAxes()[index].getSize() + builder.getAffineDimExpr(index);
    }
    return result;
  }

  /// The own or the peer's element of counts or offsets. `columns` must be known.
  mlir::AffineExpr element(mlir::Value of, bool ofPeer) {
    auto *found = llvm::find(counts, of);
    if (found == counts.end())
      found = counts.insert(counts.end(), of);
    plan::TransferDims dims{static_cast<unsigned>(mesh.getAxes().size()), columns, 0};
    return builder.getAffineDimExpr(dims.count(static_cast<unsigned>(found - counts.begin()), ofPeer));
  }

  mlir::AffineMapAttr map(llvm::ArrayRef<mlir::AffineExpr> results) {
    plan::TransferDims dims{static_cast<unsigned>(mesh.getAxes().size()), columns,
                            static_cast<unsigned>(counts.size())};
    return mlir::AffineMapAttr::get(mlir::AffineMap::get(dims.size(), symbols.size(), results, builder.getContext()));
  }

  llvm::SmallVector<Amount> fromSizes(llvm::ArrayRef<mlir::OpFoldResult> sizes) {
    return llvm::map_to_vector(sizes, [&](mlir::OpFoldResult size) { return fromSize(size); });
  }

  mlir::OpBuilder &builder;
  mlir::Location loc;
  MeshAttr mesh;
  llvm::SmallVector<mlir::Value> symbols, counts;
  unsigned columns = 0;                 ///< of listed boxes
  llvm::SmallVector<unsigned, 4> group; ///< axes on which peers differ
  bool readsPeer = false;               ///< what is written now is of the peer's memory
  bool cannotRead = false;              ///< a size of the peer's is no element of counts
};

} // namespace muster
