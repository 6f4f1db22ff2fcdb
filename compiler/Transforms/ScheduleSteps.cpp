// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which steps a step waits for: those whose effects it reads or overwrites, read off the bytes that each touches,
// without what other waits imply already; and the transfers whose source it overwrites, which all peers must have read.
#include "compiler/Transforms/Passes.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "llvm/ADT/BitVector.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_SCHEDULESTEPSPASS
#include "compiler/Transforms/Passes.h.inc"
} // namespace muster

namespace {

/// Bytes of the arena, or a state as a whole.
struct Access {
  Attribute state; // null: the arena
  int64_t begin = 0, end = 0;
  bool write = false;
};

bool overlap(const Access &a, const Access &b) {
  if (a.state || b.state)
    return a.state == b.state;
  return a.begin < b.end && b.begin < a.end;
}

struct Step {
  Operation *op;
  std::vector<Access> accesses;
  std::vector<Access> pulled;   // what peers read of this rank
  llvm::BitVector before;       // steps that are over when this one begins, by waits
  llvm::BitVector acknowledged; // transfers whose source is free again when this one begins
};

/// Nothing for weights: they are never written.
std::optional<Access> getAccess(Value span, bool write) {
  if (auto arena = span.getDefiningOp<plan::SpanOp>()) {
    int64_t begin = *arena.getOffset(), bytes = arena->getAttrOfType<IntegerAttr>("bytes").getInt();
    return Access{{}, begin, begin + bytes, write};
  }
  if (auto state = span.getDefiningOp<plan::StateSpanOp>())
    return Access{state.getStateAttr(), 0, 0, write};
  return std::nullopt;
}

SmallVector<Step> collectSteps(plan::VariantOp variant) {
  SmallVector<Step> steps;
  auto add = [](Step &step, Value span, bool write) {
    if (std::optional<Access> access = getAccess(span, write))
      step.accesses.push_back(*access);
  };
  for (Operation &op : variant.getBody().front()) {
    Step step{&op, {}, {}, {}, {}};
    if (auto launch = dyn_cast<plan::LaunchStepOp>(op)) {
      for (auto [index, span] : llvm::enumerate(launch.getSpans()))
        add(step, span, llvm::is_contained(launch.getWrites(), static_cast<int64_t>(index)));
    } else if (auto matmul = dyn_cast<plan::MatmulStepOp>(op)) {
      add(step, matmul.getSource(), false);
      add(step, matmul.getResult(), true);
    } else if (auto transfer = dyn_cast<plan::TransferStepOp>(op)) {
      add(step, transfer.getSource(), false);
      add(step, transfer.getDestination(), true);
      if (std::optional<Access> read = getAccess(transfer.getSource(), false); read && !transfer.getAxes().empty())
        step.pulled.push_back(*read);
    } else if (auto exchange = dyn_cast<plan::ExchangeRowsStepOp>(op)) {
      add(step, exchange.getDestination(), true);
      for (Value span : {exchange.getSource(), exchange.getSend()}) {
        add(step, span, false);
        if (std::optional<Access> read = getAccess(span, false))
          step.pulled.push_back(*read);
      }
    } else {
      continue;
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

struct ScheduleSteps : muster::impl::ScheduleStepsPassBase<ScheduleSteps> {
  void runOnOperation() override {
    getOperation().walk([&](plan::VariantOp variant) { schedule(variant); });
  }

  void schedule(plan::VariantOp variant) {
    SmallVector<Step> steps = collectSteps(variant);
    for (size_t j = 0; j < steps.size(); ++j) {
      Step &step = steps[j];
      step.before.resize(steps.size());
      step.acknowledged.resize(steps.size());
      SmallVector<int64_t> waits, acknowledgements;
      // Latest first: what a later wait implies is not named again.
      for (size_t i = j; i-- > 0;) {
        bool conflict = llvm::any_of(step.accesses, [&](const Access &mine) {
          return llvm::any_of(steps[i].accesses,
                              [&](const Access &other) { return (mine.write || other.write) && overlap(mine, other); });
        });
        if (!conflict || step.before.test(i))
          continue;
        waits.push_back(i);
        step.before.set(i);
        step.before |= steps[i].before;
        step.acknowledged |= steps[i].acknowledged;
      }
      for (size_t i = 0; i < j; ++i) {
        if (step.acknowledged.test(i) || llvm::none_of(step.accesses, [&](const Access &mine) {
              return llvm::any_of(steps[i].pulled,
                                  [&](const Access &read) { return mine.write && overlap(mine, read); });
            }))
          continue;
        acknowledgements.push_back(i);
        step.acknowledged.set(i);
      }
      std::reverse(waits.begin(), waits.end());
      Builder builder(variant.getContext());
      step.op->setAttr("waits", builder.getDenseI64ArrayAttr(waits));
      if (!acknowledgements.empty())
        step.op->setAttr("acknowledgements", builder.getDenseI64ArrayAttr(acknowledgements));
      ++scheduled;
    }
  }
};

} // namespace
