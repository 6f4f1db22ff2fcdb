// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts that the device makes: what is received is what is sent.
#include "compiler/Analysis/CountChecker.h"

using namespace mlir;
using namespace muster;
using Kind = CountTerm::Kind;

namespace {
/// Routed counts as the counts that they were made from, exchanged over a group or not.
struct Exchanged {
  Value root;
  bool isOdd = false; ///< exchanged an odd number of times: twice is not at all
};
} // namespace

static Exchanged exchangedOver(ArrayAttr axes, Value counts) {
  for (Exchanged made{counts, false};;) {
    Operation *op = made.root.getDefiningOp();
    auto exchange = dyn_cast_or_null<ExchangeOp>(op);
    auto all = dyn_cast_or_null<AllToAllOp>(op);
    bool isExchange = (exchange && exchange.getAxes() == axes) ||
                      (all && all.getAxes() == axes && all.getSplit() == 0 && all.getConcat() == 0 && !all.getCounts());
    if (!isExchange && !isa_and_nonnull<AssertLayoutOp, tensor::CastOp>(op))
      return made;
    made = {op->getOperand(0), made.isOdd != isExchange};
  }
}

void CountChecker::checkRouted(Frame frame, AllToAllVOp op) {
  if (counted.insert(op).second)
    ++report.operations;
  MeshAttr mesh = frame.uniformity.getMesh();
  int64_t group = getGroupSize(mesh, op.getAxes());
  auto type = cast<RankedTensorType>(op.getSend().getType());
  Exchanged sent = exchangedOver(op.getAxes(), op.getSend()), received = exchangedOver(op.getAxes(), op.getReceive());
  if (sent.root == received.root && sent.isOdd == received.isOdd && group != 1)
    add(1213, *op, "expected to receive what the others send but got the counts of what is sent",
        {{op.getLoc(), "where position 0 sends 1 row to position 1, which sends it none, position 0 would take 1 row "
                       "from position 1"},
         {received.root.getLoc(), "the counts are made here; muster.exchange over the group makes of them what is "
                                  "received"}});
  else if (sent.root != received.root)
    add(1220, *op,
        "cannot prove that what is received is what is sent: that one is the other, exchanged over the group",
        {{sent.root.getLoc(), "what is sent is counted here"}, {received.root.getLoc(), "what is received here"}});

  // All that this rank has counted; of counts of other ranks, as many as can come from each position.
  int64_t bound = cast<RoutedAttr>(type.getEncoding()).getBound();
  auto mostOf = [&](Exchanged counts) {
    auto histogram = counts.root.getDefiningOp<nn::HistogramOp>();
    return histogram && !counts.isOdd ? countedBy(frame, histogram) : terms->constant(type.getDimSize(0) * bound);
  };
  checkFits(*op, mostOf(sent), frame.inference.sizeOf(op.getInput(), 0), "what is sent");
  checkFits(*op, mostOf(received), frame.inference.sizeOf(op.getResult(), 0), "the buffer");
}

const CountTerm *CountChecker::countedBy(Frame frame, nn::HistogramOp op) {
  const CountTerm *indices = frame.inference.sizeOf(op.getIndices(), 0);
  return op.getValid() ? terms->binary(Kind::Lesser, frame.inference.termOf(op.getValid()), indices) : indices;
}

void CountChecker::checkHistogram(Frame frame, nn::HistogramOp op) {
  auto routed = cast<RoutedAttr>(cast<RankedTensorType>(op.getType()).getEncoding());
  checkFits(*op, countedBy(frame, op), terms->constant(routed.getBound()), "the bound of the counts");
}
