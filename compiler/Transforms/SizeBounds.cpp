// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Transforms/SizeBounds.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace muster;

static LogicalResult overflows(Operation *op) {
  return op->emitOpError() << "E4032 expected sizes below 2^63 bytes but this one overflows";
}

/// What checks say of a size: no more than the greatest limit, which is 2^63 - 1 without one.
static int64_t getLimit(Value size) {
  int64_t limit = std::numeric_limits<int64_t>::max();
  for (Operation *user : size.getUsers())
    if (auto check = dyn_cast<CheckCountOp>(user))
      limit = std::min(limit, static_cast<int64_t>(check.getBound()));
  return limit;
}

std::optional<int64_t> SizeBounds::findBound(StringRef name) const {
  auto bound = bounds.getAs<IntegerAttr>(name);
  return bound ? std::optional(bound.getInt()) : std::nullopt;
}

FailureOr<SizeBounds::Counts> SizeBounds::getGreatestCounts(Value counts) const {
  Operation *op = counts.getDefiningOp();
  if (!op)
    return failure();
  Counts greatest;
  int64_t sumLimit = std::numeric_limits<int64_t>::max();
  bool overflow = false;
  if (auto record = dyn_cast<plan::RecordOp>(op)) {
    greatest.element = static_cast<int64_t>(record.getBound());
    if (std::optional<int64_t> bound = findBound(record.getName()))
      greatest.element = std::min(greatest.element, *bound);
    if (record.getTotal())
      sumLimit = static_cast<int64_t>(*record.getTotal());
    if (std::optional<int64_t> bound = findBound((record.getName() + ".total").str()))
      sumLimit = std::min(sumLimit, *bound);
  } else if (isa<AlignOp, PadCountsOp, ScaleOp, SplitCountsOp>(op)) {
    // Of a split: what one child leaves to the other is at most all.
    auto split = dyn_cast<SplitCountsOp>(op);
    FailureOr<Counts> inner =
        getGreatestCounts(split && counts == split.getFirstChild() ? split.getFirst() : op->getOperand(0));
    if (failed(inner))
      return failure();
    greatest.element = inner->element;
    int64_t multiple = 1;
    if (auto align = dyn_cast<AlignOp>(op))
      multiple = static_cast<int64_t>(align.getMultiple());
    if (auto pad = dyn_cast<PadCountsOp>(op))
      multiple = static_cast<int64_t>(pad.getMultiple());
    overflow |= llvm::MulOverflow(llvm::divideCeilSigned(greatest.element, multiple), multiple, greatest.element);
    if (auto scale = dyn_cast<ScaleOp>(op)) {
      overflow |= llvm::MulOverflow(greatest.element, static_cast<int64_t>(scale.getFactor()), greatest.element);
      overflow |= llvm::AddOverflow(greatest.element, static_cast<int64_t>(scale.getAddend()), greatest.element);
    }
  } else {
    return op->emitOpError() << "E4031 cannot bound these counts";
  }
  for (Operation *user : counts.getUsers()) {
    if (isa<OwnCountOp, MaximumOp>(user))
      greatest.element = std::min(greatest.element, getLimit(user->getResult(0)));
    if (isa<TotalOp>(user))
      sumLimit = std::min(sumLimit, getLimit(user->getResult(0)));
  }
  MeshAttr mesh = getMesh(op);
  for (StringAttr axis : cast<CountsType>(counts.getType()).getAxes())
    greatest.positions *= mesh.getAxisSize(axis.getValue());
  overflow |= llvm::MulOverflow(greatest.element, greatest.positions, greatest.sum);
  if (overflow)
    return overflows(op);
  greatest.sum = std::min(greatest.sum, sumLimit);
  greatest.element = std::min(greatest.element, greatest.sum);
  return greatest;
}

FailureOr<int64_t> SizeBounds::getGreatestOf(Operation *op) const {
  if (auto count = dyn_cast<plan::CountOp>(op))
    return findBound(count.getName()).value_or(static_cast<int64_t>(count.getBound()));
  if (auto constant = dyn_cast<arith::ConstantIndexOp>(op))
    return constant.value();
  if (isa<OwnCountOp, MaximumOp, TotalOp, OwnOffsetOp>(op)) {
    auto offsets = op->getOperand(0).getDefiningOp<OffsetsOp>();
    FailureOr<Counts> counts = getGreatestCounts(offsets ? offsets.getCounts() : op->getOperand(0));
    if (failed(counts))
      return failure();
    if (isa<TotalOp>(op))
      return counts->sum;
    return isa<OwnOffsetOp>(op) ? std::min((counts->positions - 1) * counts->element, counts->sum) : counts->element;
  }
  if (op->getNumOperands() != 2)
    return op->emitOpError() << "E4031 cannot bound this size";
  FailureOr<int64_t> a = getGreatest(op->getOperand(0)), b = getGreatest(op->getOperand(1));
  if (failed(a) || failed(b))
    return failure();
  bool overflow = false;
  int64_t result = 0;
  bool known = llvm::TypeSwitch<Operation *, bool>(op)
                   .Case([&](arith::AddIOp) { return overflow = llvm::AddOverflow(*a, *b, result), true; })
                   .Case([&](arith::MulIOp) { return overflow = llvm::MulOverflow(*a, *b, result), true; })
                   .Case<arith::DivUIOp, arith::CeilDivUIOp>([&](Operation *division) {
                     // The divisor's least value is needed: only constants are exact.
                     if (!division->getOperand(1).getDefiningOp<arith::ConstantIndexOp>() || *b < 1)
                       return false;
                     result = isa<arith::DivUIOp>(division) ? *a / *b : llvm::divideCeilSigned(*a, *b);
                     return true;
                   })
                   .Case([&](arith::MinUIOp) { return result = std::min(*a, *b), true; })
                   .Case([&](arith::MaxUIOp) { return result = std::max(*a, *b), true; })
                   .Default([](Operation *) { return false; });
  if (!known)
    return op->emitOpError() << "E4031 cannot bound this size";
  if (overflow)
    return overflows(op);
  return result;
}

FailureOr<int64_t> SizeBounds::getGreatest(Value size) const {
  Operation *op = size.getDefiningOp();
  if (!op)
    return failure();
  FailureOr<int64_t> greatest = getGreatestOf(op);
  if (failed(greatest))
    return failure();
  return std::min(*greatest, getLimit(size));
}
