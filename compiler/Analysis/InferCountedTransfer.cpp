// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The maps of a transfer see elements of counts and of offsets at the own and at the peer's position. They stand where
// they must, and nowhere else:
//
//   | rows                        | extent        | source                     | result                     |
//   | --------------------------- | ------------- | -------------------------- | -------------------------- |
//   | own rows, all are gathered  | c(peer)       | from 0                     | from o(peer) * stride      |
//   | all rows, own ones are kept | c(own)        | from o(own) * stride       | from 0                     |
//
// but for strides in the peer's memory of own rows, which count the peer's rows. If parts were equal, the own element
// could not be told from the peer's, nor a sum from a multiple; so this is asked of the maps as they are written.
#include "compiler/Analysis/CountedTransfer.h"

using namespace mlir;
using namespace muster;
using Kind = plan::TransferDims::Kind;

namespace {

/// Counts of a transfer, and where their parts begin: places among its operands.
struct Division {
  unsigned counts;
  std::optional<unsigned> offsets;
};

class Reader {
public:
  explicit Reader(plan::TransferOp op) : op(op), dims(plan::getTransferDims(op)) {}

  std::optional<CountedTransfer> run(bool hasRows, std::string &why);

private:
  bool fail(std::string what) {
    reason = std::move(what);
    return false;
  }
  bool readDivisions();
  bool readRows(unsigned number);
  bool usesOnly(AffineMap map, ArrayRef<unsigned> allowed, StringRef what);
  bool readsPeersAlike();
  bool differs(Value size);
  AffineExpr element(unsigned operand, bool ofPeer) {
    return getAffineDimExpr(dims.count(operand, ofPeer), op.getContext());
  }

  plan::TransferOp op;
  plan::TransferDims dims;
  SmallVector<Division, 2> divisions;
  CountedTransfer parts;
  std::string reason;
};

bool Reader::readDivisions() {
  SmallVector<std::pair<unsigned, Value>> offsets;
  for (auto [index, operand] : llvm::enumerate(op.getCounts())) {
    if (isa<CountsType>(operand.getType())) {
      divisions.push_back({static_cast<unsigned>(index), std::nullopt});
      continue;
    }
    auto scan = operand.getDefiningOp<OffsetsOp>();
    if (!scan)
      return fail("offsets are not those of counts");
    offsets.push_back({static_cast<unsigned>(index), scan.getCounts()});
  }
  for (auto [index, counts] : offsets) {
    auto *found = llvm::find_if(divisions, [&, counts = counts](const Division &division) {
      return op.getCounts()[division.counts] == counts && !division.offsets;
    });
    if (found == divisions.end())
      return fail("offsets are not those of its counts");
    found->offsets = index;
  }
  for (const Division &division : divisions)
    if (!division.offsets)
      return fail("counts have no offsets");
  return true;
}

/// Nothing but these elements of counts and offsets.
bool Reader::usesOnly(AffineMap map, ArrayRef<unsigned> allowed, StringRef what) {
  for (unsigned position = 2 * dims.axes + dims.columns; position < dims.size(); ++position)
    if (map.isFunctionOfDim(position) && !llvm::is_contained(allowed, position))
      return fail((what + " has an element of counts that is not of the rows there").str());
  return true;
}

/// `expression` is `offset * stride` and terms without `offset`.
bool hasTerm(AffineExpr expression, AffineExpr offset, AffineExpr stride, unsigned &found) {
  auto position = cast<AffineDimExpr>(offset).getPosition();
  if (!expression.isFunctionOfDim(position))
    return true;
  if (expression == offset * stride) {
    ++found;
    return true;
  }
  auto sum = dyn_cast<AffineBinaryOpExpr>(expression);
  return sum && sum.getKind() == AffineExprKind::Add && hasTerm(sum.getLHS(), offset, stride, found) &&
         hasTerm(sum.getRHS(), offset, stride, found);
}

/// The box dim that counts measure, and how its rows move.
bool Reader::readRows(unsigned number) {
  const Division &division = divisions[number];
  std::optional<unsigned> box;
  bool isGathered = false;
  for (auto [index, extent] : llvm::enumerate(op.getExtents().getResults()))
    for (bool ofPeer : {false, true})
      if (extent == element(division.counts, ofPeer)) {
        if (box)
          return fail("counts measure two dims of the box");
        box = static_cast<unsigned>(index);
        isGathered = ofPeer;
      }
  if (!box)
    return fail("counts measure no dim of the box");
  AffineMap offset = isGathered ? op.getDestinationOffset() : op.getSourceOffset(),
            strides = isGathered ? op.getDestinationStrides() : op.getSourceStrides();
  unsigned found = 0;
  if (!hasTerm(offset.getResult(0), element(*division.offsets, isGathered), strides.getResult(*box), found) ||
      found != 1)
    return fail("rows do not begin where their counts say");
  parts.rows.push_back({op.getCounts()[division.counts], *box, isGathered});
  return true;
}

bool Reader::differs(Value size) {
  Operation *maker = size.getDefiningOp();
  if (!maker)
    return true;
  auto isInGroup = [&](StringAttr axis) { return llvm::is_contained(op.getAxes().getAsRange<StringAttr>(), axis); };
  if (auto own = dyn_cast<OwnCountOp>(maker))
    return llvm::any_of(own.getCounts().getType().getAxes(), isInGroup);
  if (auto own = dyn_cast<OwnOffsetOp>(maker))
    return llvm::any_of(own.getOffsets().getType().getAxes(), isInGroup);
  if (isa<plan::CountOp, SizeOp, TotalOp, MaximumOp, arith::ConstantIndexOp>(maker))
    return false;
  return !isa<arith::ArithDialect>(maker->getDialect()) ||
         llvm::any_of(maker->getOperands(), [&](Value operand) { return differs(operand); });
}

bool Reader::readsPeersAlike() {
  for (auto [symbol, size] : llvm::enumerate(op.getSizes())) {
    auto position = static_cast<unsigned>(symbol);
    bool isOfPeer = op.getExtents().isFunctionOfSymbol(position) || op.getSourceOffset().isFunctionOfSymbol(position) ||
                    op.getSourceStrides().isFunctionOfSymbol(position);
    if (isOfPeer && differs(size))
      return fail("a size of the own memory is taken for the peer's");
  }
  return true;
}

std::optional<CountedTransfer> Reader::run(bool hasRows, std::string &why) {
  auto none = [&]() -> std::optional<CountedTransfer> {
    why = reason;
    return std::nullopt;
  };
  if ((hasRows && !readsPeersAlike()) || !readDivisions())
    return none();
  SmallVector<unsigned> ofExtents, ofSource, ofResult, ofSourceStrides;
  for (unsigned number = 0; number < divisions.size(); ++number) {
    if (!readRows(number))
      return none();
    bool isGathered = parts.rows.back().isGathered;
    ofExtents.push_back(dims.count(divisions[number].counts, isGathered));
    (isGathered ? ofResult : ofSource).push_back(dims.count(*divisions[number].offsets, isGathered));
    if (isGathered) // strides in the memory of the peer's rows
      ofSourceStrides.push_back(dims.count(divisions[number].counts, /*ofPeer=*/true));
  }
  SmallVector<unsigned> ofSourceOffset(ofSource);
  ofSourceOffset.append(ofSourceStrides);
  if (!usesOnly(op.getExtents(), ofExtents, "the box") ||
      !usesOnly(op.getSourceOffset(), ofSourceOffset, "the source") ||
      !usesOnly(op.getSourceStrides(), ofSourceStrides, "a stride of the source") ||
      !usesOnly(op.getDestinationOffset(), ofResult, "the place in the result") ||
      !usesOnly(op.getDestinationStrides(), {}, "a stride of the result"))
    return none();
  // Counts as symbols behind the others, and nothing of where rows begin.
  auto symbols = static_cast<unsigned>(op.getSizes().size());
  SmallVector<AffineExpr> replaced;
  for (unsigned position = 0; position < dims.size(); ++position)
    replaced.push_back(getAffineDimExpr(position, op.getContext()));
  for (auto [number, division] : llvm::enumerate(divisions)) {
    AffineExpr part = getAffineSymbolExpr(symbols + static_cast<unsigned>(number), op.getContext());
    for (bool ofPeer : {false, true}) {
      replaced[dims.count(division.counts, ofPeer)] = part;
      replaced[dims.count(*division.offsets, ofPeer)] = getAffineConstantExpr(0, op.getContext());
    }
  }
  auto without = [&](AffineMap map) {
    SmallVector<AffineExpr> kept;
    for (unsigned symbol = 0; symbol < symbols; ++symbol)
      kept.push_back(getAffineSymbolExpr(symbol, op.getContext()));
    return map.replaceDimsAndSymbols(replaced, kept, 2 * dims.axes + dims.columns,
                                     symbols + static_cast<unsigned>(divisions.size()));
  };
  parts.extents = without(op.getExtents());
  parts.sourceOffset = without(op.getSourceOffset());
  parts.sourceStrides = without(op.getSourceStrides());
  parts.destinationOffset = without(op.getDestinationOffset());
  parts.destinationStrides = without(op.getDestinationStrides());
  return std::move(parts);
}

} // namespace

std::optional<CountedTransfer> muster::readCounts(plan::TransferOp op, bool hasRows, std::string &reason) {
  return Reader(op).run(hasRows, reason);
}
