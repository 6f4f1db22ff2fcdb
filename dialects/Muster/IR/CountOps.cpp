// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Muster/IR/CountText.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringSet.h"

#include <numeric>

using namespace mlir;
using namespace muster;

//===----------------------------------------------------------------------===//
// What counts are of
//===----------------------------------------------------------------------===//

std::string muster::textOf(CountsType type) {
  std::string text = (stringifyCountUnit(type.getUnit()) + " of batch @" + type.getEpoch().getValue() + " on [").str();
  for (auto [index, axis] : llvm::enumerate(type.getAxes()))
    text += (index ? ", " : "") + axis.getValue().str();
  return text + "]";
}

std::string muster::textOf(RoutedAttr routed) {
  return (stringifyCountUnit(routed.getUnit()) + " of batch @" + routed.getEpoch().getValue()).str();
}

Value muster::makerOf(Value counts) {
  while (Operation *op = counts.getDefiningOp()) {
    if (auto exchange = dyn_cast<ExchangeCountsOp>(op))
      counts = exchange.getInputs()[cast<OpResult>(counts).getResultNumber()];
    else if (isa<AlignOp, ScaleOp, PadCountsOp, ExchangeOp>(op))
      counts = op->getOperand(0);
    else
      break;
  }
  return counts;
}

InFlightDiagnostic muster::refuseMix(Operation *op, Value counts, const Twine &expected, Value other) {
  InFlightDiagnostic diagnostic = op->emitOpError() << "expected " << expected << " but got "
                                                    << textOf(cast<CountsType>(counts.getType()));
  for (Value one : {other, counts})
    if (one)
      diagnostic.attachNote(makerOf(one).getLoc())
          << "batch " << cast<CountsType>(one.getType()).getEpoch() << " is counted here";
  return diagnostic;
}

/// That `result` has axes and epoch of `counts`.
static LogicalResult verifySameBatch(Operation *op, CountsType counts, CountsType result) {
  if (counts.getAxes() == result.getAxes() && counts.getEpoch() == result.getEpoch())
    return success();
  return op->emitOpError() << "expected a result with axes and batch of " << textOf(counts) << " but got "
                           << textOf(result);
}

static LogicalResult verifyMultiple(Operation *op, int64_t multiple) {
  if (multiple < 1)
    return op->emitOpError() << "expected a multiple of at least 1 but got " << multiple;
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult LocalCountOp::verify() {
  if (!getResult().getType().getAxes().empty()) // (C1)
    return emitOpError() << "expected a count without axes but got " << getResult().getType();
  if (getField() && getField()->empty()) // (C2)
    return emitOpError() << "expected a name of a field but got none";
  return success();
}

LogicalResult StepFieldOp::verify() {
  if (!getResult().getType().getAxes().empty()) // (C1)
    return emitOpError() << "expected a count without axes but got " << getResult().getType();
  if (getField().empty() || static_cast<int64_t>(getBound()) < 0) // (C2)
    return emitOpError() << "expected a name and a bound of at least 0 but got \"" << getField() << "\" and "
                         << static_cast<int64_t>(getBound());
  return success();
}

LogicalResult ExchangeCountsOp::verify() {
  if (getInputs().empty() || getInputs().size() != getResults().size()) // (C3)
    return emitOpError() << "expected as many results as counts, at least one, but got " << getResults().size()
                         << " of " << getInputs().size();
  auto axes = cast<CountsType>(getResults().front().getType()).getAxes();
  for (auto [counts, made] : llvm::zip(getInputs(), getResults())) {
    auto input = cast<CountsType>(counts.getType()), result = cast<CountsType>(made.getType());
    if (input.getUnit() != result.getUnit() || input.getEpoch() != result.getEpoch()) // (C2)
      return emitOpError() << "expected unit " << stringifyCountUnit(input.getUnit()) << " of batch "
                           << input.getEpoch() << " but got " << stringifyCountUnit(result.getUnit()) << " of batch "
                           << result.getEpoch();
    if (result.getAxes() != axes) // (C3)
      return emitOpError() << "expected all results over the axes of "
                           << textOf(cast<CountsType>(getResult(0).getType())) << " but got " << textOf(result);
    llvm::StringSet<> seen;
    for (StringAttr axis : input.getAxes())
      seen.insert(axis.getValue());
    for (StringAttr axis : result.getAxes())
      if (!seen.insert(axis.getValue()).second) // (C1)
        return emitOpError() << "expected axis '" << axis.getValue() << "' to be exchanged once but got it twice";
  }
  return success();
}

LogicalResult ExchangeCountsOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = getMesh(*this);
  for (StringAttr axis : cast<CountsType>(getResults().front().getType()).getAxes())
    if (!mesh || mesh.findAxis(axis.getValue()) < 0) // (C1)
      return emitOpError() << "references unknown mesh axis " << axis;
  return success();
}

static LogicalResult verifyExchanged(Operation *op, CountsType counts) {
  if (counts.getAxes().empty()) // (C1)
    return op->emitOpError() << "expected counts of a group but got " << textOf(counts) << ", known to each rank alone";
  return success();
}

LogicalResult TotalOp::verify() { return verifyExchanged(*this, getCounts().getType()); }
LogicalResult MaximumOp::verify() { return verifyExchanged(*this, getCounts().getType()); }
LogicalResult OwnCountOp::verify() { return verifyExchanged(*this, getCounts().getType()); }

LogicalResult OffsetsOp::verify() {
  CountsType counts = getCounts().getType();
  OffsetsType result = getResult().getType();
  if (failed(verifyExchanged(*this, counts)))
    return failure();
  if (counts.getAxes() != result.getAxes() || counts.getUnit() != result.getUnit() ||
      counts.getEpoch() != result.getEpoch()) // (C1)
    return emitOpError() << "expected offsets of " << textOf(counts) << " but got " << result;
  return success();
}

LogicalResult FirstRowOp::verify() {
  ArrayRef<LayoutDimAttr> dims = getLayout().getDims();
  bool isRows = dims.size() == 1 && dims.front().getTerms().size() == 1 && getRows().isRagged() &&
                getLayout().getPartials().empty();
  if (!isRows) // (C1)
    return emitOpError() << "expected a layout of one dim that counts divide but got " << getLayout().getText();
  return success();
}

LogicalResult FirstRowOp::verifySymbolUses(SymbolTableCollection &) {
  MeshAttr mesh = getMesh(*this);
  for (AxisRefAttr axis : getRows().getAxes())
    if (!mesh || !findAxisPart(mesh, getAxisName(axis))) // (C2)
      return emitOpError() << "references unknown mesh axis '" << getAxisName(axis) << "'";
  return success();
}

LogicalResult AlignOp::verify() {
  CountsType counts = getCounts().getType(), result = getResult().getType();
  if (failed(verifyMultiple(*this, static_cast<int64_t>(getMultiple()))) ||
      failed(verifySameBatch(*this, counts, result)))
    return failure();
  bool isKept = getMultiple() == 1 && result.getUnit() == counts.getUnit();
  if (result.getUnit() != CountUnit::Padded && !isKept) // (C2)
    return emitOpError() << "expected unit padded but got " << stringifyCountUnit(result.getUnit());
  return success();
}

OpFoldResult AlignOp::fold(FoldAdaptor) {
  if (getMultiple() == 1 && getCounts().getType() == getResult().getType())
    return getCounts();
  // What was rounded to a multiple of this multiple is one.
  auto inner = getCounts().getDefiningOp<AlignOp>();
  if (inner && getCounts().getType() == getResult().getType() && inner.getMultiple() % getMultiple() == 0)
    return getCounts();
  return {};
}

LogicalResult ScaleOp::verify() {
  if (static_cast<int64_t>(getFactor()) < 1 || static_cast<int64_t>(getAddend()) < 0) // (C1)
    return emitOpError() << "expected a factor of at least 1 and an addend of at least 0 but got "
                         << static_cast<int64_t>(getFactor()) << " and " << static_cast<int64_t>(getAddend());
  return verifySameBatch(*this, getCounts().getType(), getResult().getType());
}

OpFoldResult ScaleOp::fold(FoldAdaptor) {
  if (getFactor() == 1 && getAddend() == 0 && getCounts().getType() == getResult().getType())
    return getCounts();
  return {};
}

LogicalResult PadCountsOp::verify() {
  CountsType counts = getCounts().getType(), result = getResult().getType();
  if (failed(verifyMultiple(*this, static_cast<int64_t>(getMultiple()))) || failed(verifyExchanged(*this, counts)) ||
      failed(verifySameBatch(*this, counts, result)))
    return failure();
  if (result.getUnit() != CountUnit::Padded) // (C2)
    return emitOpError() << "expected unit padded but got " << stringifyCountUnit(result.getUnit());
  if (!getUnless())
    return success();
  if (getMode() != PaddingMode::Balanced) // (C3)
    return emitOpError() << "expected mode balanced beside 'unless' but got " << stringifyPaddingMode(getMode());
  CountsType unless = getUnless().getType();
  if (unless.getUnit() != CountUnit::Requests || unless.getAxes() != counts.getAxes() ||
      unless.getEpoch() != counts.getEpoch()) // (C3)
    return refuseMix(*this, getUnless(),
                     "requests of batch @" + counts.getEpoch().getValue() + " over the axes of the counts",
                     getCounts());
  return success();
}

LogicalResult SplitCountsOp::verify() {
  CountsType parent = getParent().getType(), first = getFirst().getType(), second = getSecondChild().getType();
  if (first.getUnit() != parent.getUnit() || first.getAxes() != parent.getAxes()) // (C1)
    return refuseMix(*this, getFirst(), "a first child counted as " + textOf(parent), getParent());
  if (second.getUnit() != parent.getUnit() || second.getAxes() != parent.getAxes()) // (C1)
    return emitOpError() << "expected a second child counted as " << textOf(parent) << " but got " << textOf(second);
  if (first.getEpoch() == parent.getEpoch() || second.getEpoch() == parent.getEpoch() ||
      first.getEpoch() == second.getEpoch()) // (C1)
    return emitOpError() << "expected three batches but got " << parent.getEpoch() << ", " << first.getEpoch()
                         << " and " << second.getEpoch();
  if (getFirstChild().getType() != first) // (C2)
    return emitOpError() << "expected the first result to be " << textOf(first) << " but got "
                         << textOf(getFirstChild().getType());
  return success();
}

LogicalResult CheckCountOp::verify() {
  if (static_cast<int64_t>(getBound()) < 0) // (C1)
    return emitOpError() << "expected a bound of at least 0 but got " << static_cast<int64_t>(getBound());
  return success();
}

LogicalResult CheckCountOp::canonicalize(CheckCountOp op, PatternRewriter &rewriter) {
  APInt count;
  if (!matchPattern(op.getCount(), m_ConstantInt(&count)) || count.sgt(op.getBound()))
    return failure();
  rewriter.eraseOp(op);
  return success();
}

//===----------------------------------------------------------------------===//
// Padding
//===----------------------------------------------------------------------===//

SmallVector<int64_t> muster::padCounts(ArrayRef<int64_t> counts, int64_t multiple, PaddingMode mode, bool mayLevel) {
  SmallVector<int64_t> padded =
      llvm::map_to_vector(counts, [&](int64_t count) { return (count + multiple - 1) / multiple * multiple; });
  if (padded.empty())
    return padded;
  int64_t sum = std::accumulate(padded.begin(), padded.end(), int64_t(0)), most = *llvm::max_element(padded);
  bool isBalanced = mayLevel && 2 * sum >= static_cast<int64_t>(padded.size()) * most;
  if (mode == PaddingMode::Max || (mode == PaddingMode::Balanced && isBalanced))
    llvm::fill(padded, most);
  return padded;
}
