// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Step counts, by their definitions in dialects/Muster/IR/CountOps.td. A value of type counts is a tensor of index: no
// dim for a rank's own count, one dim for those of a group, in the order of position.
#include "compiler/Reference/Execution.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

namespace {

using Counts = SmallVector<int64_t>;
using Compute = llvm::function_ref<llvm::Expected<Counts>(int64_t rank)>;

ArrayAttr axesOf(ArrayRef<StringAttr> names, MLIRContext *context) {
  return ArrayAttr::get(context, SmallVector<Attribute>(names.begin(), names.end()));
}

class CountStep {
public:
  CountStep(Operation *op, const Frame &frame, Execution &execution) : op(op), frame(frame), execution(execution) {}

  Counts operand(unsigned index, int64_t rank) const {
    const Tensor &tensor = *frame.find(op->getOperand(index))->second[static_cast<size_t>(rank)];
    return llvm::map_to_vector(tensor.getElements(), [](Number number) { return number.integer; });
  }

  /// The counts of each rank; one without a dim where `isScalar`.
  llvm::Expected<RankValues> forEachRank(bool isScalar, Compute compute) const {
    auto index = IndexType::get(op->getContext());
    RankValues results;
    for (int64_t rank = 0; rank < execution.getRankCount(); ++rank) {
      auto counts = compute(rank);
      if (!counts)
        return counts.takeError();
      results.push_back(share(isScalar ? Tensor::scalar(index, Number::ofInteger(counts->front()))
                                       : Tensor::ofIntegers({static_cast<int64_t>(counts->size())}, index, *counts)));
    }
    return results;
  }

  /// Position of a rank among the axes of a counts type.
  size_t positionOf(int64_t rank, ArrayRef<StringAttr> axes) const {
    return static_cast<size_t>(getGroupPosition(execution.getMesh(), rank, axes));
  }

  GlobalResults run();

private:
  GlobalResults one(bool isScalar, Compute compute) const {
    auto result = forEachRank(isScalar, compute);
    if (!result)
      return result.takeError();
    return SmallVector<RankValues, 1>{std::move(*result)};
  }
  /// Every element of the first operand by itself.
  GlobalResults map(llvm::function_ref<int64_t(int64_t)> apply) const {
    bool isScalar = cast<CountsType>(op->getOperand(0).getType()).getAxes().empty();
    return one(isScalar,
               [&](int64_t rank) -> llvm::Expected<Counts> { return llvm::map_to_vector(operand(0, rank), apply); });
  }
  GlobalResults runExchange(ExchangeCountsOp op) const;
  GlobalResults runSplit(SplitCountsOp op) const;
  GlobalResults runField(StepFieldOp op) const;

  Operation *op;
  const Frame &frame;
  Execution &execution;
};

GlobalResults CountStep::runExchange(ExchangeCountsOp op) const {
  SmallVector<RankValues, 1> results;
  for (unsigned i = 0; i < op.getInputs().size(); ++i) {
    if (!cast<CountsType>(op.getInputs()[i].getType()).getAxes().empty())
      return failAt(op, "unsupported: counts that were exchanged before");
    ArrayAttr axes = axesOf(cast<CountsType>(op.getResult(i).getType()).getAxes(), op.getContext());
    auto result = forEachRank(false, [&](int64_t rank) -> llvm::Expected<Counts> {
      return llvm::map_to_vector(getGroup(execution.getMesh(), rank, axes),
                                 [&](int64_t member) { return operand(i, member).front(); });
    });
    if (!result)
      return result.takeError();
    results.push_back(std::move(*result));
  }
  return results;
}

GlobalResults CountStep::runSplit(SplitCountsOp op) const {
  bool isScalar = op.getParent().getType().getAxes().empty();
  auto second = forEachRank(isScalar, [&](int64_t rank) -> llvm::Expected<Counts> {
    Counts parent = operand(0, rank), first = operand(1, rank), rest;
    for (auto [all, taken] : llvm::zip_equal(parent, first)) {
      if (taken > all)
        return failAt(op, "expected a first child of at most " + Twine(all) + " but got " + Twine(taken));
      rest.push_back(all - taken);
    }
    return rest;
  });
  if (!second)
    return second.takeError();
  return SmallVector<RankValues, 1>{frame.find(op.getFirst())->second, std::move(*second)};
}

GlobalResults CountStep::runField(StepFieldOp op) const {
  auto values = execution.getSizes().fields.find(op.getField());
  if (values == execution.getSizes().fields.end() ||
      static_cast<int64_t>(values->second.size()) != execution.getRankCount())
    return failAt(op, "expected a value of field '" + op.getField() + "' for each rank but got none");
  return one(true, [&](int64_t rank) -> llvm::Expected<Counts> {
    int64_t value = values->second[static_cast<size_t>(rank)], bound = static_cast<int64_t>(op.getBound());
    if (value < 0 || value > bound)
      return failAt(op, "expected '" + op.getField() + "' in [0, " + Twine(bound) + "] but got " + Twine(value));
    return Counts{value};
  });
}

GlobalResults CountStep::run() {
  using Result = GlobalResults;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](LocalCountOp) -> Result {
        return one(true, [&](int64_t rank) -> llvm::Expected<Counts> { return operand(0, rank); });
      })
      .Case([&](StepFieldOp op) { return runField(op); })
      .Case([&](ExchangeCountsOp op) { return runExchange(op); })
      .Case([&](TotalOp) -> Result {
        return one(true, [&](int64_t rank) -> llvm::Expected<Counts> {
          int64_t sum = 0;
          for (int64_t count : operand(0, rank))
            sum += count;
          return Counts{sum};
        });
      })
      .Case([&](MaximumOp) -> Result {
        return one(true, [&](int64_t rank) -> llvm::Expected<Counts> {
          Counts counts = operand(0, rank);
          return Counts{*llvm::max_element(counts)};
        });
      })
      .Case([&](OwnCountOp op) -> Result {
        return one(true, [&](int64_t rank) -> llvm::Expected<Counts> {
          return Counts{operand(0, rank)[positionOf(rank, op.getCounts().getType().getAxes())]};
        });
      })
      .Case([&](OwnOffsetOp op) -> Result {
        return one(true, [&](int64_t rank) -> llvm::Expected<Counts> {
          return Counts{operand(0, rank)[positionOf(rank, op.getOffsets().getType().getAxes())]};
        });
      })
      .Case([&](FirstRowOp op) -> Result {
        LayoutTermAttr rows = op.getRows();
        auto counts = execution.getSizes().counts.find((rows.getUnit() + "@" + rows.getEpoch()).str());
        if (counts == execution.getSizes().counts.end())
          return failAt(op, "expected counts of " + rows.getUnit() + " of batch @" + rows.getEpoch() + " but got none");
        return one(true, [&](int64_t rank) -> llvm::Expected<Counts> {
          int64_t position = getGroupPosition(execution.getMesh(), rank, rows.getAxes());
          return Counts{std::accumulate(counts->second.begin(), counts->second.begin() + position, int64_t(0))};
        });
      })
      .Case([&](OffsetsOp) -> Result {
        return one(false, [&](int64_t rank) -> llvm::Expected<Counts> {
          Counts offsets;
          int64_t next = 0;
          for (int64_t count : operand(0, rank)) {
            offsets.push_back(next);
            next += count;
          }
          return offsets;
        });
      })
      .Case([&](AlignOp op) -> Result {
        int64_t multiple = static_cast<int64_t>(op.getMultiple());
        return map([&](int64_t count) { return (count + multiple - 1) / multiple * multiple; });
      })
      .Case([&](ScaleOp op) -> Result {
        return map([&](int64_t count) {
          return count * static_cast<int64_t>(op.getFactor()) + static_cast<int64_t>(op.getAddend());
        });
      })
      .Case([&](PadCountsOp op) -> Result {
        return one(false, [&](int64_t rank) -> llvm::Expected<Counts> {
          bool mayLevel = !op.getUnless() || llvm::all_of(operand(1, rank), [](int64_t count) { return count == 0; });
          return padCounts(operand(0, rank), static_cast<int64_t>(op.getMultiple()), op.getMode(), mayLevel);
        });
      })
      .Case([&](SplitCountsOp op) { return runSplit(op); })
      .Case([&](CheckCountOp op) -> Result {
        for (int64_t rank = 0; rank < execution.getRankCount(); ++rank)
          if (int64_t count = operand(0, rank).front(); count > static_cast<int64_t>(op.getBound()))
            return failAt(op, "expected at most " + Twine(op.getBound()) + " " + op.getNoun() +
                                  " in one step but got " + Twine(count));
        return SmallVector<RankValues, 1>{};
      })
      .Default([](Operation *op) -> Result { return failAt(op, "unsupported: counts of this kind"); });
}

} // namespace

bool muster::reference::isCountOp(Operation *op) {
  return isa<LocalCountOp, StepFieldOp, ExchangeCountsOp, TotalOp, MaximumOp, OwnCountOp, OwnOffsetOp, FirstRowOp,
             OffsetsOp, AlignOp, ScaleOp, PadCountsOp, SplitCountsOp, CheckCountOp>(op);
}

GlobalResults muster::reference::interpretCountOp(Operation *op, const Frame &frame, Execution &execution) {
  return CountStep(op, frame, execution).run();
}
