// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// That sizes which must be the same are, and that what is made for rows has room for them.
#include "compiler/Analysis/CountChecker.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

void CountChecker::reportRoom(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what,
                              const CountDifference &difference) {
  if (room->kind == Kind::Constant && !reported.contains({&op, 1209}))
    exceeded.push_back({report.findings.size(), needed, room->number});
  add(1209, op, what + " has room for " + room->print() + " rows, but there are " + needed->print(),
      {{op.getLoc(), difference.print() + ", there is room for " + std::to_string(difference.right) +
                         " rows at position " + std::to_string(difference.position) + " and " +
                         std::to_string(difference.left) + " come"}});
}

void CountChecker::checkFits(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what) {
  if (findTerm(needed, Kind::Rows) || findTerm(room, Kind::Rows))
    return checkRoom(op, needed, room, what);
  std::optional<int64_t> most = bounds->greatest(needed);
  if ((most && room->kind == Kind::Constant && *most <= room->number) || bounds->isAtMost(needed, room))
    return;
  if (needed->kind == Kind::Constant && room->kind == Kind::Constant)
    add(1209, op, what + " has room for " + room->print() + " rows, but " + needed->print() + " can come");
  else
    add(1220, op, "cannot prove that " + what + " has room: that " + needed->print() + " is at most " + room->print());
}

void CountChecker::checkRoom(Operation &op, const CountTerm *needed, const CountTerm *room, StringRef what) {
  if (needed == room || (!findTerm(needed, Kind::Rows) && !findTerm(room, Kind::Rows)))
    return;
  if (isUndefined(op, needed, "the number of rows") || isUndefined(op, room, "the size of the buffer"))
    return;
  std::optional<int64_t> most = bounds->greatest(needed);
  if ((most && room->kind == Kind::Constant && *most <= room->number) || bounds->isAtMost(needed, room))
    return;
  auto difference = bounds->findGreater(needed, room);
  if (difference)
    return reportRoom(op, needed, room, what, *difference);
  add(1220, op, "cannot prove that " + what + " has room: that " + needed->print() + " is at most " + room->print());
}

void CountChecker::checkSame(Operation &op, const CountTerm *first, const CountTerm *size, StringRef what) {
  if (first == size || (!findTerm(first, Kind::Rows) && !findTerm(size, Kind::Rows)) ||
      isUndefined(op, first, "the number of rows") || isUndefined(op, size, "the number of rows"))
    return;
  if (auto difference = bounds->findGreater(first, size))
    reportRoom(op, first, size, what, *difference);
  else if (auto reverse = bounds->findGreater(size, first))
    reportRoom(op, size, first, "operand 0", *reverse);
  else
    add(1220, op, "cannot prove that all operands have as many rows: that " + size->print() + " is " + first->print());
}

/// Dims that one loop walks have one size: another would be read or written beyond its end.
void CountChecker::checkStructured(Frame frame, linalg::LinalgOp op) {
  llvm::SmallDenseMap<unsigned, const CountTerm *> loops;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop)
        continue;
      const CountTerm *size = frame.inference.sizeOf(operand.get(), static_cast<int64_t>(dim));
      const CountTerm *&first = loops.try_emplace(loop.getPosition(), size).first->second;
      checkSame(*op, first, size,
                op.isDpsInit(&operand) ? "the buffer" : "operand " + std::to_string(operand.getOperandNumber()));
    }
  }
}

void CountChecker::checkIterated(Frame frame, nn::IterationRuleOpInterface op) {
  nn::IterationRule rule = op.getIterationRule();
  llvm::SmallDenseMap<int64_t, const CountTerm *> sizes;
  unsigned tensor = 0;
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    if (tensor == rule.operands.size())
      break;
    for (auto [dim, iterator] : llvm::enumerate(rule.operands[tensor])) {
      if (iterator == nn::noIterator)
        continue;
      const CountTerm *size = frame.inference.sizeOf(operand, static_cast<int64_t>(dim));
      checkSame(*op, sizes.try_emplace(iterator, size).first->second, size, "operand " + std::to_string(tensor));
    }
    ++tensor;
  }
  if (auto attention = dyn_cast<nn::AttentionOp>(op.getOperation()))
    checkStarts(frame, attention);
}

/// One start more than there are sequences.
void CountChecker::checkStarts(Frame frame, nn::AttentionOp op) {
  const CountTerm *starts = frame.inference.sizeOf(op.getQueryStarts(), 0),
                  *ends = terms->binary(Kind::Add, frame.inference.sizeOf(op.getBlockTable(), 0), terms->constant(1));
  if (starts == ends || (!findTerm(starts, Kind::Rows) && !findTerm(ends, Kind::Rows)))
    return;
  if (auto difference = bounds->findUnequal(starts, ends))
    add(1206, *op, "expected " + ends->print() + " starts of sequences but got " + starts->print(),
        {{op.getLoc(), difference->print() + ", there are " + std::to_string(difference->left) +
                           " starts at position " + std::to_string(difference->position) + " in the place of " +
                           std::to_string(difference->right)}});
  else
    add(1220, *op,
        "cannot prove that there is one start more than sequences: that " + starts->print() + " is " + ends->print());
}

/// What works element by element has one size.
void CountChecker::checkElementwise(Frame frame, Operation &op) {
  const CountTerm *first = nullptr;
  for (int64_t dim = 0;; ++dim) {
    first = nullptr;
    for (OpOperand &operand : op.getOpOperands())
      if (auto type = dyn_cast<RankedTensorType>(operand.get().getType()); type && dim < type.getRank()) {
        const CountTerm *size = frame.inference.sizeOf(operand.get(), dim);
        first = first ? first : size;
        checkSame(op, first, size, "operand " + std::to_string(operand.getOperandNumber()));
      }
    if (!first)
      return;
  }
}

/// What is multiplied, in whatever order.
static SmallVector<const CountTerm *> factorsOf(const CountTerm *term) {
  SmallVector<const CountTerm *> open = {term}, factors;
  while (!open.empty()) {
    const CountTerm *next = open.pop_back_val();
    if (next->kind == Kind::Multiply)
      open.append(next->operands.begin(), next->operands.end());
    else
      factors.push_back(next);
  }
  llvm::sort(factors);
  return factors;
}

/// A dim in several: their product is what it was.
void CountChecker::checkExpanded(Frame frame, tensor::ExpandShapeOp op) {
  for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices())) {
    const CountTerm *product = terms->constant(1),
                    *size = frame.inference.sizeOf(op.getSrc(), static_cast<int64_t>(dim));
    for (int64_t part : group)
      product = terms->binary(Kind::Multiply, product, frame.inference.sizeOf(op.getResult(), part));
    if (factorsOf(size) == factorsOf(product))
      continue;
    checkSame(*op, size, product, "what is reshaped");
  }
}

void CountChecker::checkSlices(Frame frame, Operation &op) {
  auto end = [&](OpFoldResult offset, OpFoldResult size, OpFoldResult stride) -> const CountTerm * {
    auto term = [&](OpFoldResult value) {
      std::optional<int64_t> number = getConstantIntValue(value);
      return number ? terms->constant(*number) : frame.inference.termOf(cast<Value>(value));
    };
    return isConstantIntValue(stride, 1) ? terms->binary(Kind::Add, term(size), term(offset)) : nullptr;
  };
  auto check = [&](auto slice, Value tensor, StringRef what) {
    for (auto [dim, offset, size, stride] :
         llvm::enumerate(slice.getMixedOffsets(), slice.getMixedSizes(), slice.getMixedStrides())) {
      if (const CountTerm *needed = end(offset, size, stride))
        checkRoom(op, needed, frame.inference.sizeOf(tensor, static_cast<int64_t>(dim)), what);
      if (auto value = dyn_cast<Value>(offset))
        checkBegin(op, frame.inference.termOf(value), what);
    }
  };
  if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op))
    check(extract, extract.getSource(), "what is read");
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    check(insert, insert.getDest(), "the buffer");
    llvm::SmallBitVector dropped = insert.getDroppedDims();
    int64_t kept = 0;
    for (auto [dim, size] : llvm::enumerate(insert.getMixedSizes()))
      if (!dropped[dim]) {
        std::optional<int64_t> number = getConstantIntValue(size);
        checkSame(op, frame.inference.sizeOf(insert.getSource(), kept++),
                  number ? terms->constant(*number) : frame.inference.termOf(cast<Value>(size)),
                  "the part of the buffer");
      }
  }
}

void CountChecker::checkBegin(Operation &op, const CountTerm *offset, StringRef what) {
  if (!findTerm(offset, Kind::Rows) || !findTerm(offset, Kind::Subtract))
    return;
  const CountTerm *zero = terms->constant(0);
  if (auto difference = bounds->findGreater(zero, offset))
    add(1209, op, what + " begins at row " + offset->print() + ", in front of the first",
        {{op.getLoc(), difference->print() + ", that is " + std::to_string(difference->right) + " at position " +
                           std::to_string(difference->position)}});
  else
    add(1220, op,
        "cannot prove that " + what + " begins at its first row or behind: that " + offset->print() + " is at least 0");
}

void CountChecker::checkCapacity(Frame frame, CheckCountOp op) {
  const CountTerm *term = frame.inference.termOf(op.getCount());
  std::optional<int64_t> most = bounds->greatest(term);
  // On every path: not in a branch, nor in a function that may be called in one.
  if (op->getParentOp() == entry) {
    bounds->ensure(term, static_cast<int64_t>(op.getBound()));
    for (const Exceeded &use : exceeded)
      if (use.needed == term && static_cast<int64_t>(op.getBound()) <= use.room)
        report.findings[use.finding].notes.push_back(
            {op.getLoc(), "this check comes too late: it bounds what stands behind it, and this stands in front"});
  }
  if (!most || *most > static_cast<int64_t>(op.getBound()))
    report.checks.push_back({op.getLoc(), term->print() + " at most " + std::to_string(op.getBound())});
}
