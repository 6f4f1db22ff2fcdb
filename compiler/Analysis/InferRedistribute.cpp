// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Redistributions: the sum first, then what leaves a dim, then what comes to divide it.
#include "compiler/Analysis/ChunkOrders.h"
#include "compiler/Analysis/FunctionInference.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;

/// One term in a known order.
static bool isPlainTerm(LayoutDimAttr dim) {
  return !dim.getSegmented() && dim.getTerms().size() == 1 && !dim.getTerms().front().getAnyOrder();
}

void FunctionInference::inferRedistribute(RedistributeOp op) {
  if (const Known &known = get(op.getInput()); known.kind == Known::Kind::Uniform) {
    bool isReduced = llvm::any_of(op.getFrom().getPartials(), [&](PartialAttr partial) {
      return partial.getKind() == ReductionKind::Sum && !llvm::is_contained(op.getTo().getPartials(), partial);
    });
    if (!isReduced || known.isZero)
      return set(op.getResult(), Known(known));
    Refusal refusal{Refusal::Kind::Wrong, "adds up a number that is the same on every rank", ""};
    return reportRefusal(op, refusal, 1105);
  }
  const layout::Value *input = digitsOf(op, op.getInput());
  if (!input)
    return;
  layout::Value value = *input;
  auto apply = [&](Outcome<layout::Value> outcome) {
    if (outcome) {
      value = std::move(*outcome);
      return true;
    }
    reportRefusal(op, outcome.getRefusal(), 1104);
    return false;
  };
  // The sum first, then what leaves, then what arrives: any other way moves the same elements.
  SmallVector<layout::AxisId, 2> staying;
  for (PartialAttr partial : op.getTo().getPartials())
    llvm::append_range(staying, scope.groupOf(partial.getAxes()));
  for (PartialAttr partial : op.getFrom().getPartials())
    for (layout::AxisId axis : scope.groupOf(partial.getAxes()))
      if (!llvm::is_contained(staying, axis) &&
          !apply(layout::allReduce(scope.universe, value, {axis}, reductionOf(partial.getKind()))))
        return;
  unsigned rank = static_cast<unsigned>(value.dims.size());
  for (bool isArriving : {false, true})
    for (unsigned dim = 0; dim < rank; ++dim) {
      LayoutDimAttr from = op.getFrom().getDims()[dim], to = op.getTo().getDims()[dim];
      if (from == to)
        continue;
      if (!isPlainTerm(from) || !isPlainTerm(to)) {
        Refusal refusal{Refusal::Kind::Unknown, "a redistribution of a dim of several terms", "collectives instead"};
        return reportRefusal(op, refusal, 1108);
      }
      LayoutTermAttr term = (isArriving ? to : from).getTerms().front();
      SmallVector<layout::AxisId, 2> group = scope.groupOf(term.getAxes());
      if (group.empty())
        continue;
      if (scope.hasRows() || term.isRagged())
        if (std::optional<Refusal> refusal = refuseRows(op, value, dim))
          return reportRefusal(op, *refusal, 1108);
      if (!apply(isArriving ? dealParts(scope.universe, value, group, dim, term.getOrder())
                            : collectParts(scope.universe, value, group, dim, term.getOrder())))
        return;
    }
  set(op.getResult(), std::move(value));
}
