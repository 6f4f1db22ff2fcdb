// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows of a batch on each rank, by their definitions in dialects/Muster/IR/RowOps.td: what is padded, split or joined
// is held against its counts first. Dead rows hold what nobody has written (Tensor.h: NaN).
#include "compiler/Reference/Parts.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

using Results = llvm::Expected<SmallVector<Tensor, 2>>;

/// One operation on the rows of one rank.
class RowStep {
public:
  RowStep(Operation *op, const Frame &frame, Execution &execution, int64_t rank)
      : op(op), frame(frame), execution(execution), rank(rank) {}

  Results run();

private:
  const Tensor &get(Value value) const { return *frame.find(value)->second[static_cast<size_t>(rank)]; }

  /// The element of counts at the rank's position.
  int64_t own(TypedValue<CountsType> counts) const {
    return get(counts).integer({getGroupPosition(execution.getMesh(), rank, counts.getType().getAxes())});
  }

  llvm::Error checkRows(const Tensor &tensor, int64_t dim, int64_t rows) const {
    if (tensor.getDimSize(dim) == rows)
      return llvm::Error::success();
    return failAt(op, "expected " + Twine(rows) + " rows, as counted, on rank " + Twine(rank) + " but got " +
                          Twine(tensor.getDimSize(dim)));
  }

  /// That padding takes no rows away.
  llvm::Error checkPadded(int64_t live, int64_t rows) const {
    if (live <= rows)
      return llvm::Error::success();
    return failAt(op, "expected padded counts of at least " + Twine(live) + " on rank " + Twine(rank) + " but got " +
                          Twine(rows));
  }

  Results pad(PadRowsOp own) const;
  Results unpad(UnpadRowsOp own) const;
  Results split(SplitRowsOp own) const;
  Results join(JoinRowsOp own) const;

  Operation *op;
  const Frame &frame;
  Execution &execution;
  int64_t rank;
};

Results only(Tensor tensor) {
  SmallVector<Tensor, 2> results;
  results.push_back(std::move(tensor));
  return results;
}

Results RowStep::pad(PadRowsOp pad) const {
  auto dim = static_cast<int64_t>(pad.getDim());
  const Tensor &input = get(pad.getInput());
  int64_t live = own(pad.getCounts()), rows = own(pad.getTo());
  if (llvm::Error error = checkRows(input, dim, live))
    return error;
  if (llvm::Error error = checkPadded(live, rows))
    return error;
  SmallVector<int64_t> shape(input.getShape());
  shape[static_cast<size_t>(dim)] = rows;
  if (std::string reason = whyNoTensor(shape); !reason.empty())
    return failAt(op, reason);
  Type element = input.getElementType();
  Tensor result(shape, element, pad.getFill() ? get(pad.getFill()).getScalar() : getUndefined(element));
  forEachIndex(input.getShape(), [&](ArrayRef<int64_t> index) { result.at(index) = input.at(index); });
  return only(std::move(result));
}

Results RowStep::unpad(UnpadRowsOp unpad) const {
  auto dim = static_cast<int64_t>(unpad.getDim());
  const Tensor &input = get(unpad.getInput());
  int64_t live = own(unpad.getTo()), rows = own(unpad.getCounts());
  if (llvm::Error error = checkRows(input, dim, rows))
    return error;
  if (llvm::Error error = checkPadded(live, rows))
    return error;
  return only(takeRows(input, dim, 0, live));
}

Results RowStep::split(SplitRowsOp split) const {
  auto dim = static_cast<int64_t>(split.getDim());
  const Tensor &input = get(split.getInput());
  int64_t first = own(split.getFirst()), second = own(split.getSecond());
  if (llvm::Error error = checkRows(input, dim, first + second))
    return error;
  SmallVector<Tensor, 2> results;
  results.push_back(takeRows(input, dim, 0, first));
  results.push_back(takeRows(input, dim, first, second));
  return results;
}

Results RowStep::join(JoinRowsOp join) const {
  auto dim = static_cast<int64_t>(join.getDim());
  const Tensor &first = get(join.getFirstRows()), &second = get(join.getSecondRows());
  if (llvm::Error error = checkRows(first, dim, own(join.getFirst())))
    return error;
  if (llvm::Error error = checkRows(second, dim, own(join.getSecond())))
    return error;
  for (int64_t other = 0; other < first.getRank(); ++other)
    if (other != dim && first.getDimSize(other) != second.getDimSize(other))
      return failAt(op, "expected children of shape " + formatShape(first.getShape()) + " but got " +
                            formatShape(second.getShape()));
  Tensor result = concatenate({&first, &second}, dim);
  if (llvm::Error error = checkRows(result, dim, own(join.getTo())))
    return error;
  return only(std::move(result));
}

Results RowStep::run() {
  return llvm::TypeSwitch<Operation *, Results>(op)
      .Case([&](PadRowsOp own) { return pad(own); })
      .Case([&](UnpadRowsOp own) { return unpad(own); })
      .Case([&](SplitRowsOp own) { return split(own); })
      .Case([&](JoinRowsOp own) { return join(own); })
      .Default([](Operation *other) -> Results { return failAt(other, "unsupported: rows of this kind"); });
}

} // namespace

bool muster::reference::isRowOp(Operation *op) { return isa<PadRowsOp, UnpadRowsOp, SplitRowsOp, JoinRowsOp>(op); }

GlobalResults muster::reference::interpretRowOp(Operation *op, const Frame &frame, Execution &execution) {
  SmallVector<RankValues, 1> results(op->getNumResults());
  for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
    Results tensors = RowStep(op, frame, execution, rank).run();
    if (!tensors)
      return tensors.takeError();
    for (auto [values, tensor] : llvm::zip_equal(results, *tensors))
      values.push_back(share(std::move(tensor)));
  }
  return results;
}
