// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/CallMemo.h"

#include "compiler/Layout/History.h"

using namespace muster;
using layout::Anchor;
using layout::Digit;
using layout::Dim;
using layout::History;
using layout::Value;

// Everything is compared that a later operation may look at, marks and histories too: a call that is taken for another
// must be judged as the other was.

template <typename Range, typename Equal>
static bool isEach(const Range &a, const Range &b, Equal equal) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal);
}

static bool isSameDigit(const Digit &a, const Digit &b) {
  return a.names(b) && a.home == b.home && a.isAmbiguous == b.isAmbiguous;
}

static bool isSameAnchor(const Anchor &a, const Anchor &b) {
  return a == b && a.group == b.group && a.item == b.item && a.unit == b.unit;
}

static bool isSameDim(const Dim &a, const Dim &b) {
  return isEach(a.digits, b.digits, isSameDigit) && isEach(a.anchors, b.anchors, isSameAnchor) &&
         isEach(a.segments, b.segments, isSameDim) && isEach(a.at, b.at, std::equal_to<>());
}

static bool isSameHistory(const History *a, const History *b) {
  while (a != b) {
    if (!a || !b || a->kind != b->kind || a->length != b->length || a->from != b->from || a->to != b->to ||
        a->onOneRank != b->onOneRank || a->permutation != b->permutation)
      return false;
    auto isSameHeld = [](const layout::HeldDim &x, const layout::HeldDim &y) { return isEach(x, y, isSameDigit); };
    auto isSameArrangement = [&](const layout::Arrangement &x, const layout::Arrangement &y) {
      return isEach(x, y, isSameHeld);
    };
    if (!isEach(a->arrangements, b->arrangements, isSameArrangement))
      return false;
    a = a->before.get();
    b = b->before.get();
  }
  return true;
}

bool muster::isArrangedAlike(const Value &a, const Value &b) {
  return (!layout::hasMoved(a) && !layout::hasMoved(b)) || isSameHistory(a.history.get(), b.history.get());
}

static bool isSameValue(const Value &a, const Value &b) {
  return isEach(a.dims, b.dims, isSameDim) && isEach(a.floats, b.floats, isSameDigit) &&
         isEach(a.pending, b.pending, std::equal_to<>()) && isEach(a.parts, b.parts, std::equal_to<>()) &&
         isEach(a.at, b.at, std::equal_to<>()) && a.multiplicity == b.multiplicity && a.isChoice == b.isChoice &&
         a.isUnsettled == b.isUnsettled && isSameHistory(a.history.get(), b.history.get());
}

static bool isSameOperand(const CallValue &a, const CallValue &b) {
  // What is known place by place only leads back through the operations of one call.
  bool isPlain = a.known.kind != Known::Kind::Waiting && a.known.kind != Known::Kind::Pulled;
  return isPlain && a.known.kind == b.known.kind && a.known.isZero == b.known.isZero &&
         a.known.isUnwritten == b.known.isUnwritten && a.divergence == b.divergence && a.origin == b.origin &&
         isSameValue(a.known.value, b.known.value);
}

const std::vector<CallValue> *CallMemo::find(mlir::func::FuncOp callee, llvm::ArrayRef<CallValue> operands,
                                             const Uniformity *variation) const {
  auto known = calls.find(callee);
  if (known == calls.end())
    return nullptr;
  for (const Call &call : known->second)
    if (call.variation == variation && isEach(llvm::ArrayRef<CallValue>(call.operands), operands, isSameOperand))
      return &call.results;
  return nullptr;
}

void CallMemo::add(mlir::func::FuncOp callee, std::vector<CallValue> operands, const Uniformity *variation,
                   std::vector<CallValue> results) {
  // A function whose calls all differ costs no more for those that came before.
  constexpr size_t most = 32;
  std::deque<Call> &known = calls[callee];
  if (known.size() == most)
    known.pop_front();
  known.push_back({std::move(operands), variation, std::move(results)});
}
