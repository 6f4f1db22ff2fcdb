// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on a rank's own rows become linalg: nothing is communicated, so they are kernels like any other, and
// sizes of a step say which rows go where.
#include "compiler/Transforms/Passes.h"
#include "compiler/Transforms/ResolveSizes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_LOWERROWSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// Builds linalg for one operation on rows of dim `dim`.
class Lowering {
public:
  Lowering(Operation *op, int64_t dim, SizeResolver &resolver)
      : op(op), loc(op->getLoc()), dim(dim), builder(op), resolver(resolver) {}

  FailureOr<Value> lower(PadRowsOp pad) {
    FailureOr<Value> live = own(pad.getCounts());
    if (failed(live))
      return failure();
    Type element = pad.getType().getElementType();
    // Nobody reads a dead row without `fill`; it is a number all the same, so that nothing depends on the last step.
    Attribute fill = builder.getZeroAttr(element);
    if (pad.getFill() && !matchPattern(pad.getFill(), m_Constant(&fill)))
      return op->emitOpError() << "E4018 unsupported: expected a constant to fill dead rows with", failure();
    return rows(pad.getResult(), [&](OpBuilder &b, Location loc, Value row, ValueRange indices) {
      return choose(
          b, loc, row, *live, [&](OpBuilder &b) { return extract(b, pad.getInput(), row, indices); },
          [&](OpBuilder &b) { return arith::ConstantOp::create(b, loc, cast<TypedAttr>(fill)).getResult(); });
    });
  }

  FailureOr<Value> lower(UnpadRowsOp unpad) { return part(unpad.getInput(), unpad.getResult(), Value()); }

  /// Rows of `whole` from `first` (null: the first) on, as many as `result` has.
  FailureOr<Value> part(Value whole, Value result, Value first) {
    return rows(result, [&](OpBuilder &b, Location loc, Value row, ValueRange indices) {
      return extract(b, whole, first ? arith::AddIOp::create(b, loc, row, first).getResult() : row, indices);
    });
  }

  FailureOr<Value> lower(JoinRowsOp join) {
    FailureOr<Value> first = own(join.getFirst());
    if (failed(first))
      return failure();
    return rows(join.getResult(), [&](OpBuilder &b, Location loc, Value row, ValueRange indices) {
      return choose(
          b, loc, row, *first, [&](OpBuilder &b) { return extract(b, join.getFirstRows(), row, indices); },
          [&](OpBuilder &b) {
            return extract(b, join.getSecondRows(), arith::SubIOp::create(b, loc, row, *first), indices);
          });
    });
  }

  /// The own element of counts, the one value of the function for it.
  FailureOr<Value> own(Value counts) {
    Value made = OwnCountOp::create(builder, loc, counts);
    FailureOr<OpFoldResult> known = resolver.resolve(made);
    if (failed(known))
      return failure();
    Value value = getValueOrCreateConstantIndexOp(builder, loc, *known);
    if (value != made && made.use_empty())
      resolver.erase(made.getDefiningOp());
    return value;
  }

private:
  using Element = function_ref<Value(OpBuilder &, Location, Value, ValueRange)>;

  /// A tensor like `result`, whose element at `indices`, in row `row`, is made by `body`.
  FailureOr<Value> rows(Value result, Element body) {
    auto type = cast<RankedTensorType>(result.getType());
    FailureOr<SmallVector<OpFoldResult>> sizes = resolver.getSizes(result);
    if (failed(sizes))
      return failure();
    Value memory = tensor::EmptyOp::create(builder, loc, *sizes, type.getElementType());
    auto made = linalg::GenericOp::create(
        builder, loc, type, ValueRange(), memory, builder.getMultiDimIdentityMap(type.getRank()),
        SmallVector<utils::IteratorType>(type.getRank(), utils::IteratorType::parallel),
        [&](OpBuilder &b, Location loc, ValueRange) {
          SmallVector<Value> indices;
          for (int64_t i = 0; i < type.getRank(); ++i)
            indices.push_back(linalg::IndexOp::create(b, loc, i));
          linalg::YieldOp::create(b, loc, body(b, loc, indices[dim], indices));
        });
    made->setAttr("plan.name", builder.getStringAttr(op->getName().stripDialect()));
    return made.getResult(0);
  }

  Value extract(OpBuilder &b, Value from, Value row, ValueRange indices) {
    SmallVector<Value> at(indices);
    at[dim] = row;
    return tensor::ExtractOp::create(b, loc, from, at);
  }

  /// A branch, not a selection: a tensor without rows has no element that could be read.
  Value choose(OpBuilder &b, Location loc, Value row, Value end, function_ref<Value(OpBuilder &)> inFront,
               function_ref<Value(OpBuilder &)> behind) {
    Value isInFront = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, row, end);
    return scf::IfOp::create(
               b, loc, isInFront,
               [&](OpBuilder &inner, Location loc) { scf::YieldOp::create(inner, loc, inFront(inner)); },
               [&](OpBuilder &inner, Location loc) { scf::YieldOp::create(inner, loc, behind(inner)); })
        .getResult(0);
  }

  Operation *op;
  Location loc;
  int64_t dim;
  OpBuilder builder;
  SizeResolver &resolver;
};

struct LowerRows : muster::impl::LowerRowsPassBase<LowerRows> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      SizeResolver resolver(function);
      SmallVector<Operation *> ops;
      function.walk([&](Operation *op) {
        if (isa<PadRowsOp, UnpadRowsOp, SplitRowsOp, JoinRowsOp>(op))
          ops.push_back(op);
      });
      for (Operation *op : ops) {
        if (failed(lower(op, resolver)))
          return signalPassFailure();
        resolver.erase(op);
        ++lowered;
      }
    }
  }

  LogicalResult lower(Operation *op, SizeResolver &resolver) {
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](SplitRowsOp split) -> LogicalResult {
          Lowering lowering(op, split.getDim(), resolver);
          FailureOr<Value> end = lowering.own(split.getFirst());
          if (failed(end))
            return failure();
          FailureOr<Value> first = lowering.part(split.getInput(), split.getFirstRows(), Value());
          FailureOr<Value> second = lowering.part(split.getInput(), split.getSecondRows(), *end);
          if (failed(first) || failed(second))
            return failure();
          split.getFirstRows().replaceAllUsesWith(*first);
          split.getSecondRows().replaceAllUsesWith(*second);
          return success();
        })
        .Case<PadRowsOp, UnpadRowsOp, JoinRowsOp>([&](auto rows) -> LogicalResult {
          FailureOr<Value> value = Lowering(op, rows.getDim(), resolver).lower(rows);
          if (succeeded(value))
            rows.getResult().replaceAllUsesWith(*value);
          return value;
        });
  }
};

} // namespace
