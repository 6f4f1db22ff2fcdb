// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a step does once: its exchange of counts.
#include "compiler/Analysis/CountChecker.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

void CountChecker::checkExchange(Frame frame, ExchangeCountsOp op) {
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    auto type = cast<CountsType>(input.getType());
    Countable what{type.getEpoch().getValue().str(), type.getUnit()};
    epochs.insert(what.epoch);
    std::string field;
    if (auto local = input.getDefiningOp<LocalCountOp>())
      field = local.getFieldName().str();
    else if (auto step = input.getDefiningOp<StepFieldOp>())
      field = step.getField().str();
    // Both children together have no more rows than a record may say.
    auto limits = entry->getAttrOfType<DictionaryAttr>(attribute::bounds);
    auto limit = limits && split && what.epoch == split->parent ? limits.getAs<IntegerAttr>(field) : IntegerAttr();
    if (limit && op->getParentOp() == entry)
      bounds->ensure(terms->elementOf(Kind::Maximum, frame.inference.termOf(op.getResult(index))), limit.getInt());
    Exchange exchange{what, field, chain};
    exchange.chain.push_back(op);
    addExchange(std::move(exchange));
  }
}

/// One of two ways through calls excludes the other.
static bool areExclusiveWays(ArrayRef<Operation *> left, ArrayRef<Operation *> right) {
  for (auto [a, b] : llvm::zip(left, right))
    if (a != b)
      return areExclusive(a, b);
  return false;
}

void CountChecker::addExchange(Exchange exchange) {
  Operation *op = exchange.chain.back();
  for (Operation *step : exchange.chain)
    if (Operation *loop = step->getParentOfType<LoopLikeOpInterface>())
      add(1212, *op, "exchanges counts at every turn of a loop: a step has one record",
          {{loop->getLoc(), "this loop"}});
  std::vector<Exchange> &others = exchanges[{exchange.what, exchange.field}];
  for (const Exchange &other : others)
    if (other.chain != exchange.chain && !areExclusiveWays(other.chain, exchange.chain)) {
      bool isSame = other.chain.back() == op;
      add(1212, *op, "expected one exchange of " + exchange.what.text() + " in a step but got two",
          {{(isSame ? other.chain.front() : other.chain.back())->getLoc(),
            isSame ? "one is made by this call" : "the other is here"}});
      break;
    }
  // Where there are many, one more says nothing new.
  constexpr size_t mostKept = 16;
  if (others.size() < mostKept)
    others.push_back(exchange);
  if (made.size() < mostKept * mostKept)
    made.push_back(std::move(exchange));
}

void CountChecker::checkCarried(Operation &op) {
  for (Type type : op.getResultTypes())
    if (isa<CountsType, OffsetsType>(type))
      add(1212, op, "carries counts from turn to turn: the counts of a step do not change");
}
