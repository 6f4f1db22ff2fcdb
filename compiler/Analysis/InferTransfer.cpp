// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transfers: what a rank holds after it has pulled a strided box from every peer of a group.
//
// A box dim walks one dim of the source and one of the result, each at its stride; an own coordinate in the source
// offset picks the rank's part of a dim, a peer coordinate in the destination offset is a dim that the peers fill. Read
// back from these amounts, and from nothing else, a transfer is: take the walked part of every dim of the source; then
// slice, gather, exchange or reduce; then order the dims by their strides in the result. `kind` plays no part.
#include "compiler/Analysis/CountedTransfer.h"
#include "compiler/Analysis/FunctionInference.h"
#include "dialects/Plan/IR/PlanDialect.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

namespace {

/// constant + sum of coordinate * size, of the own and of the peer's coordinates.
struct Amounts {
  Size constant = 0;
  SmallVector<std::pair<unsigned, Size>, 2> own, peer; // by axis
};

/// Reads the maps of one transfer.
class BoxReader {
public:
  BoxReader(unsigned axes, SmallVector<Size, 4> symbols) : axes(axes), symbols(std::move(symbols)) {}

  /// Sizes without coordinates; nullopt for anything else.
  std::optional<SmallVector<Size, 4>> sizes(AffineMap map) const {
    SmallVector<Size, 4> result;
    for (AffineExpr expression : map.getResults()) {
      std::optional<Size> size = this->size(expression);
      if (!size)
        return std::nullopt;
      result.push_back(*size);
    }
    return result;
  }
  /// An offset; nullopt for anything but a sum of coordinates times sizes.
  std::optional<Amounts> offset(AffineMap map) const {
    Amounts amounts;
    if (map.getNumResults() != 1 || !collect(map.getResult(0), 1, amounts))
      return std::nullopt;
    return amounts;
  }

private:
  std::optional<Size> size(AffineExpr expression) const {
    if (auto constant = dyn_cast<AffineConstantExpr>(expression))
      return constant.getValue() < 0 ? std::nullopt : std::optional<Size>(constant.getValue());
    if (auto symbol = dyn_cast<AffineSymbolExpr>(expression))
      return symbols[symbol.getPosition()];
    auto binary = dyn_cast<AffineBinaryOpExpr>(expression);
    if (!binary || binary.getKind() != AffineExprKind::Mul)
      return std::nullopt;
    std::optional<Size> left = size(binary.getLHS()), right = size(binary.getRHS());
    return left && right ? std::optional<Size>(*left * *right) : std::nullopt;
  }

  bool collect(AffineExpr expression, Size factor, Amounts &amounts) const {
    if (auto dim = dyn_cast<AffineDimExpr>(expression)) {
      bool isPeer = dim.getPosition() >= axes;
      (isPeer ? amounts.peer : amounts.own).push_back({dim.getPosition() % axes, factor});
      return true;
    }
    auto binary = dyn_cast<AffineBinaryOpExpr>(expression);
    if (binary && binary.getKind() == AffineExprKind::Add)
      return collect(binary.getLHS(), factor, amounts) && collect(binary.getRHS(), factor, amounts);
    if (std::optional<Size> constant = size(expression)) {
      if (constant->isZero())
        return true;
      bool isFirst = amounts.constant.isZero();
      amounts.constant = *constant * factor;
      return isFirst;
    }
    if (!binary || binary.getKind() != AffineExprKind::Mul)
      return false;
    if (std::optional<Size> right = size(binary.getRHS()))
      return collect(binary.getLHS(), factor * *right, amounts);
    if (std::optional<Size> left = size(binary.getLHS()))
      return collect(binary.getRHS(), factor * *left, amounts);
    return false;
  }

  unsigned axes;
  SmallVector<Size, 4> symbols;
};

/// Row-major strides.
SmallVector<Size, 4> stridesOf(ArrayRef<Size> shape) {
  SmallVector<Size, 4> strides(shape.size());
  Size stride = 1;
  for (size_t dim = shape.size(); dim-- > 0;) {
    strides[dim] = stride;
    stride *= shape[dim];
  }
  return strides;
}

/// A coordinate in an offset.
struct Coordinate {
  layout::AxisId axis;
  Size count, stride;
};

/// How a box and coordinates walk a dense tensor, dim by dim.
struct Walk {
  struct Dim {
    std::optional<unsigned> box;
    Size length = 1;                     ///< the part that is walked
    SmallVector<layout::AxisId, 2> axes; ///< of the coordinates that divide it, outer first
  };
  SmallVector<Dim, 4> dims;
  bool isChoice = false; ///< several dims of one element, which the strides do not tell apart
};

/// Nullopt where the box walks no dims of the tensor, or not each dim once. `mayCut`: parts of dims may be left out.
std::optional<Walk> walkOf(ArrayRef<Size> shape, ArrayRef<Size> extents, ArrayRef<Size> boxStrides,
                           ArrayRef<Coordinate> coordinates, bool mayCut) {
  Walk walk;
  walk.dims.resize(shape.size());
  SmallVector<Size, 4> strides = stridesOf(shape);
  SmallVector<bool, 6> isTaken(extents.size(), false);
  SmallVector<Coordinate, 2> left(coordinates);
  // Coordinates each of which steps over what the next one covers, the last over the box dim, to the length of the dim.
  auto divide = [&](unsigned dim, unsigned box) {
    SmallVector<Coordinate, 2> rest = left;
    SmallVector<layout::AxisId, 2> minorFirst;
    Size extent = strides[dim] * extents[box], whole = strides[dim] * shape[dim];
    while (!(extent == whole)) {
      auto *next = llvm::find_if(rest, [&](const Coordinate &coordinate) { return coordinate.stride == extent; });
      if (next == rest.end())
        return false;
      minorFirst.push_back(next->axis);
      extent *= next->count;
      rest.erase(next);
    }
    walk.dims[dim].axes.assign(minorFirst.rbegin(), minorFirst.rend());
    left = rest;
    return true;
  };
  // Dims of one element share strides with their neighbours, so whole dims come first, in their order.
  for (bool isCut : {false, true})
    for (unsigned dim = 0; dim < shape.size(); ++dim)
      for (unsigned box = 0; box < extents.size() && !walk.dims[dim].box; ++box) {
        if (isTaken[box] || !(boxStrides[box] == strides[dim]))
          continue;
        bool isPart = isCut && mayCut && extents[box].isConcrete() && shape[dim].isConcrete() &&
                      extents[box].getValue() < shape[dim].getValue();
        if (!isPart && !divide(dim, box))
          continue;
        for (unsigned other = box + 1; other < extents.size(); ++other)
          walk.isChoice |=
              !isTaken[other] && extents[box].isOne() && extents[other].isOne() && boxStrides[other] == boxStrides[box];
        walk.dims[dim].box = box;
        walk.dims[dim].length = isPart ? extents[box] : shape[dim];
        isTaken[box] = true;
      }
  for (unsigned dim = 0; dim < shape.size(); ++dim)
    if (!walk.dims[dim].box && !shape[dim].isOne() && !mayCut)
      return std::nullopt;
  for (unsigned box = 0; box < extents.size(); ++box)
    if (!isTaken[box] && !extents[box].isOne())
      return std::nullopt;
  if (!left.empty())
    return std::nullopt;
  return walk;
}

} // namespace

void FunctionInference::inferTransfer(plan::TransferOp op) {
  auto unknown = [&](const std::string &what) {
    Refusal refusal{Refusal::Kind::Unknown, "a transfer of which " + what, "a transfer that lower-collectives makes"};
    reportRefusal(op, refusal, 1108);
  };
  if (const Known &known = get(op.getSource()); known.kind == Known::Kind::Uniform) {
    if (op.getReduction() == ReductionKind::Sum && !known.isZero) {
      Refusal refusal{Refusal::Kind::Wrong, "adds up a number that is the same on every rank", ""};
      return reportRefusal(op, refusal, 1105);
    }
    return set(op.getResult(), Known(known));
  }
  const layout::Value *input = digitsOf(op, op.getSource());
  if (!input)
    return;
  layout::Value value = *input;
  layout::Universe &universe = scope.universe;
  auto apply = [&](Outcome<layout::Value> outcome, int number) {
    if (outcome) {
      value = std::move(*outcome);
      return true;
    }
    reportRefusal(op, outcome.getRefusal(), number);
    return false;
  };

  MeshAttr mesh = getMesh(op);
  std::string reason;
  std::optional<CountedTransfer> maps = readCounts(op, scope.hasRows(), reason);
  if (!maps)
    return unknown(reason);
  // All rows of a space have a size of their own here: as a multiple of a part it would be that of equal parts.
  auto sizeOfAll = [&](const layout::Space &space) -> std::optional<Size> {
    if (layout::segmentsOf(universe, *space.rows).isOne())
      return space.rows->part;
    return universe.symbols.add("all " + space.tag);
  };
  auto walkedSize = [&](mlir::Value size) -> std::optional<Size> {
    Operation *maker = size.getDefiningOp();
    std::optional<Size> known = sizeOf(size);
    if (isa_and_nonnull<OwnCountOp, TotalOp>(maker)) {
      std::optional<layout::SpaceId> space = spaceOfCounts(maker->getOperand(0));
      if (!known || !space)
        return std::nullopt;
      return isa<OwnCountOp>(maker) ? universe.spaces[*space].rows->part : sizeOfAll(universe.spaces[*space]);
    }
    return known && scope.isOfRows(*known) ? std::nullopt : known;
  };
  SmallVector<Size, 4> symbols;
  for (mlir::Value size : op.getSizes()) {
    std::optional<Size> known = walkedSize(size);
    if (!known)
      return unknown("a size is not known");
    symbols.push_back(*known);
  }
  for (const CountedTransfer::Rows &rows : maps->rows) {
    std::optional<layout::SpaceId> space = spaceOfCounts(rows.counts);
    if (!space)
      return unknown("the counts are of no rows");
    symbols.push_back(universe.spaces[*space].rows->part);
  }
  // An axis of the mesh may be several axes of the universe; the innermost steps by the stride.
  auto coordinatesOf = [&](ArrayRef<std::pair<unsigned, Size>> terms) {
    SmallVector<Coordinate, 2> coordinates;
    for (auto [axis, stride] : terms)
      for (layout::AxisId digit : llvm::reverse(scope.groupOf(mesh.getAxes()[axis].getName()))) {
        const Size &count = universe.axes[digit].size;
        if (!count.isOne())
          coordinates.push_back({digit, count, stride});
        stride *= count;
      }
    return coordinates;
  };
  // Positions that pull from one peer each, all alike: no peer's place matters.
  SmallVector<layout::AxisId, 2> ranks = scope.groupOf(op.getAxes());
  bool isListed = false;
  if (op.getSources()) {
    isListed = !value.isFull() || llvm::is_contained(*op.getSources(), -1) || plan::getTransferDims(op).columns > 0 ||
               op.getSources()->size() > static_cast<size_t>(getGroupSize(mesh, op.getAxes()));
    value.forEachMeshDigit([&](const layout::Digit &digit) { isListed |= llvm::is_contained(ranks, digit.axis); });
  }
  SmallVector<Size, 4> resultShape, walkedShape;
  auto type = cast<RankedTensorType>(op.getType());
  auto dynamicSize = op.getResultSizes().begin();
  for (unsigned dim = 0; dim < type.getRank(); ++dim) {
    mlir::Value given = type.isDynamicDim(dim) ? *dynamicSize++ : mlir::Value();
    std::optional<Size> size = given ? sizeOf(given) : type.getDimSize(dim),
                        walked = given ? walkedSize(given) : type.getDimSize(dim);
    if (!size || !walked)
      return unknown("a size of the result is not known");
    resultShape.push_back(*size);
    walkedShape.push_back(*walked);
  }
  bool hasRows = llvm::any_of(value.dims, [&](const layout::Dim &dim) { return layout::hasRows(universe, dim); });
  if (isListed && hasRows)
    return unknown("rows that counts divide are pulled from listed ranks");
  if (isListed)
    return inferListed(op, value, symbols, resultShape);
  BoxReader reader(static_cast<unsigned>(mesh.getAxes().size()), symbols);
  auto extents = reader.sizes(maps->extents), sourceStrides = reader.sizes(maps->sourceStrides),
       resultStrides = reader.sizes(maps->destinationStrides);
  std::optional<Amounts> sourceOffset = reader.offset(maps->sourceOffset),
                         resultOffset = reader.offset(maps->destinationOffset);
  if (!extents || !sourceStrides || !resultStrides || !sourceOffset || !resultOffset || !sourceOffset->peer.empty() ||
      !resultOffset->own.empty() || !resultOffset->constant.isZero())
    return unknown("an amount is no sum of coordinates times sizes");
  SmallVector<Size, 4> shape = value.localShape();
  for (auto [size, dim] : llvm::zip_equal(shape, value.dims)) {
    if (!layout::hasRows(universe, dim) || layout::ownRowsOf(universe, dim))
      continue;
    std::optional<layout::SpaceId> all = layout::allRowsOf(universe, dim);
    std::optional<Size> whole = all ? sizeOfAll(universe.spaces[*all]) : std::nullopt;
    if (!whole)
      return unknown("a dim is rows and others: " + print(universe, dim));
    size = *whole;
  }
  SmallVector<Size, 4> strides = stridesOf(shape), sourceExtents(*extents), resultExtents(*extents);
  for (const CountedTransfer::Rows &rows : maps->rows) {
    const layout::Space &space = universe.spaces[*spaceOfCounts(rows.counts)];
    std::optional<Size> whole = sizeOfAll(space);
    if (!whole)
      return unknown("there are more than " + std::to_string(layout::maxSymbols) + " symbolic sizes");
    (rows.isGathered ? resultExtents : sourceExtents)[rows.box] = *whole;
  }
  std::optional<Walk> source = walkOf(shape, sourceExtents, *sourceStrides, coordinatesOf(sourceOffset->own), true),
                      result =
                          walkOf(walkedShape, resultExtents, *resultStrides, coordinatesOf(resultOffset->peer), false);
  if (!source || !result)
    return unknown("the box walks no dims of the source and of the result");
  for (const CountedTransfer::Rows &rows : maps->rows) {
    auto walks = [&](const Walk::Dim &dim) { return dim.box == rows.box; };
    auto *from = llvm::find_if(source->dims, walks), *to = llvm::find_if(result->dims, walks);
    if (from == source->dims.end() || to == result->dims.end() || !from->axes.empty() || !to->axes.empty())
      return unknown("counts measure no dim of the source and of the result");
    const layout::Dim &dim = value.dims[static_cast<size_t>(from - source->dims.begin())];
    std::optional<layout::SpaceId> space =
        rows.isGathered ? layout::ownRowsOf(universe, dim) : layout::allRowsOf(universe, dim);
    if (!space)
      return unknown("counts measure a dim that is not " + std::string(rows.isGathered ? "own" : "all") +
                     " rows: " + print(universe, dim));
    const SmallVector<layout::AxisId, 2> &axes = universe.spaces[*space].rows->axes;
    if (std::optional<Refusal> refusal = refuseCounts(op, rows.counts, *space, axes, rows.isGathered))
      return reportRefusal(op, *refusal, 1108);
    for (layout::AxisId axis : axes)
      if (!universe.axes[axis].size.isOne())
        (rows.isGathered ? to : from)->axes.push_back(axis);
  }

  // The walked part of every dim of the source. A static slice in front of the collective was absorbed.
  Size constant = sourceOffset->constant;
  for (unsigned dim = 0; dim < shape.size(); ++dim) {
    int64_t first = 0;
    if (!constant.isZero()) {
      if (!constant.isConcrete() || !strides[dim].isConcrete())
        return unknown("the offset is symbolic");
      first = constant.getValue() / strides[dim].getValue();
      constant = constant.getValue() % strides[dim].getValue();
    }
    const Size &length = source->dims[dim].length;
    if (first == 0 && length == shape[dim])
      continue;
    if (!length.isConcrete())
      return unknown("a part of a symbolic dim is walked");
    auto taken = segmentsIn(value.dims[dim], first, first + length.getValue());
    if (!taken)
      return unknown("a part of " + print(universe, value.dims[dim]) + " is walked");
    value.dims[dim] = joinSegments(std::move(*taken));
  }

  // What is pulled: the own box, that of one peer, a sum, or one box of each peer, which fill a dim of the result.
  SmallVector<layout::AxisId, 2> group = scope.groupOf(op.getAxes()), peers;
  llvm::erase_if(group, [&](layout::AxisId axis) { return universe.axes[axis].size.isOne(); });
  SmallVector<std::optional<unsigned>, 6> dimOfBox(extents->size());
  for (auto [dim, walked] : llvm::enumerate(source->dims))
    if (walked.box)
      dimOfBox[*walked.box] = static_cast<unsigned>(dim);
  SmallVector<std::pair<unsigned, SmallVector<layout::AxisId, 2>>, 2> gathered;
  for (const Walk::Dim &filled : result->dims)
    if (!filled.axes.empty()) {
      if (!dimOfBox[*filled.box])
        return unknown("the peers fill no dim of the source");
      gathered.push_back({*dimOfBox[*filled.box], filled.axes});
      llvm::append_range(peers, filled.axes);
    }
  // Of several dims that the peers fill, each has its own axes of the group.
  bool isOneBox = group.empty() || op.getReduction() || op.getSources();
  SmallVector<layout::AxisId, 2> members = group;
  if (gathered.size() > 1) {
    llvm::sort(peers);
    llvm::sort(members);
  }
  if (isOneBox ? !peers.empty() : peers != members)
    return unknown("the group is not the axes that divide the parts");
  std::optional<unsigned> concat;
  if (gathered.size() == 1)
    concat = gathered.front().first;
  // Own parts: over other axes they are the same at each peer, so they are taken first; the group's are handed out.
  std::optional<unsigned> split;
  SmallVector<std::pair<unsigned, SmallVector<layout::AxisId, 2>>, 2> behind;
  for (auto [position, walked] : llvm::enumerate(source->dims)) {
    unsigned dim = static_cast<unsigned>(position);
    const SmallVector<layout::AxisId, 2> &parts = walked.axes;
    if (parts.empty())
      continue;
    bool isOwn = llvm::none_of(parts, [&](layout::AxisId axis) { return llvm::is_contained(group, axis); });
    if (isOwn && !apply(layout::slice(universe, value, parts, dim), 1104))
      return;
    if (isOwn)
      continue;
    bool isGathered = llvm::any_of(gathered, [&](const auto &filled) { return filled.first == dim; });
    if (concat && parts == group)
      split = dim;
    else if (isGathered)
      return unknown("parts go to other ranks than they come from");
    else
      behind.push_back({dim, parts});
  }
  if (std::optional<ReductionKind> kind = op.getReduction())
    if (!apply(layout::allReduce(universe, value, group, reductionOf(*kind)), 1105))
      return;
  bool isMoved = true;
  if (split && split == concat)
    isMoved = apply(exchangeParts(universe, value, group, *split), 1104);
  else if (split)
    isMoved = apply(layout::allToAll(universe, value, group, *split, *concat), 1104);
  else
    for (const auto &[dim, axes] : gathered)
      isMoved = isMoved && apply(layout::allGather(universe, value, axes, dim), 1104);
  for (const auto &[dim, parts] : behind)
    isMoved = isMoved && apply(layout::slice(universe, value, parts, dim), 1104);
  if (!isMoved)
    return;

  // Dims in the order of the result; what has one element and is none of its dims goes in front, and then away.
  SmallVector<int64_t, 6> permutation;
  for (const Walk::Dim &filled : result->dims)
    if (filled.box && dimOfBox[*filled.box])
      permutation.push_back(*dimOfBox[*filled.box]);
  SmallVector<int64_t, 6> others;
  for (int64_t dim = 0; dim < static_cast<int64_t>(shape.size()); ++dim)
    if (!llvm::is_contained(permutation, dim))
      others.push_back(dim);
  permutation.insert(permutation.begin(), others.begin(), others.end());
  value = layout::transpose(value, permutation);
  value.isChoice |= source->isChoice || result->isChoice;
  scope.universe.hasOpenChoice |= value.isChoice;
  if (apply(layout::reshape(universe, value, resultShape), 1104))
    set(op.getResult(), std::move(value));
}
