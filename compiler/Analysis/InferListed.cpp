// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transfers that list whom each position of the group pulls from: what the ranks hold afterwards.
//
// A list has no form from which digits could be read off. So its boxes are walked, row by row: a run of places along
// each dim of the result is a run of places along a dim of the source, on the peer of the row, and the peer's value
// says which positions of the dim's space those are. That gives a table for each dim: the position, for every position
// of the group and every place. Rows that contradict one another, or leave places out, have none. How the
// dim is dealt now is found by trial: over some axes of the group in some order, contiguous, in zig-zag or in stripes,
// such that its digits name the table's position at every place on every position. Then the transfer is the movement
// that collects the parts and deals them again, and what that makes of the value is compared with the tables once more.
// Nothing else is taken for an answer.
//
// Symbolic sizes: a dim of c * u elements, u a symbol, is walked in units of u where all amounts are whole units.
#include "compiler/Analysis/ChunkOrders.h"
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/TransferAmounts.h"
#include "compiler/Layout/Movement.h"
#include "compiler/Layout/Parts.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "llvm/ADT/STLExtras.h"

#include <map>

using namespace mlir;
using namespace muster;
using layout::Digit;
using layout::Dim;
using layout::Refusal;
using layout::Size;
using namespace muster::amounts;

namespace {

/// Tables of more places are not made.
constexpr int64_t mostPlaces = int64_t(1) << 20;

/// The positions that a dim of one space names, in units.
class DimPositions {
public:
  static std::optional<DimPositions> make(const layout::Universe &universe, const Dim &dim, const MemoryDim &memory) {
    DimPositions made;
    if (dim.isSegmented())
      return std::nullopt;
    int64_t local = 1;
    for (const Digit &digit : llvm::reverse(dim.digits)) {
      if (!made.digits.empty() && digit.space != dim.digits.back().space)
        return std::nullopt;
      std::optional<Size> stride = divide(digit.stride, memory.unit), count = digit.count;
      if (!digit.isMesh() && !digit.count.isConcrete()) { // the innermost: counted in units
        count = divide(digit.count, memory.unit);
        stride = digit.stride == Size(1) && made.digits.empty() ? std::optional<Size>(1) : std::nullopt;
      } else if (!memory.unit.isOne() && !digit.isMesh() && made.digits.empty()) {
        return std::nullopt;
      }
      if (!count || !count->isConcrete() || !stride || !stride->isConcrete() || !digit.weight.isConcrete())
        return std::nullopt;
      made.digits.push_back({digit.isMesh() ? std::optional<layout::AxisId>(digit.axis) : std::nullopt,
                             count->getValue(), stride->getValue(), digit.weight.getValue()});
      local *= digit.isMesh() ? 1 : count->getValue();
    }
    if (local != memory.count || made.digits.empty())
      return std::nullopt;
    const layout::Space &space = universe.spaces[dim.digits.back().space];
    if (space.twin && space.size.isConcrete() && space.zigZagParts.isConcrete() && memory.unit.isOne())
      made.zigZag = {space.size.getValue(), space.zigZagParts.getValue()};
    else if (space.twin)
      return std::nullopt;
    return made;
  }

  /// Position in the space that a zig-zag space orders, or in the space itself.
  int64_t at(ArrayRef<int64_t> coordinates, int64_t index) const {
    int64_t position = 0;
    for (const Part &part : digits) { // minor first
      int64_t value = part.axis ? coordinates[*part.axis] / part.weight % part.count : index % part.count;
      if (!part.axis)
        index /= part.count;
      position += value * part.stride;
    }
    return zigZag ? layout::zigZagPosition(position, zigZag->first, zigZag->second) : position;
  }

private:
  struct Part {
    std::optional<layout::AxisId> axis;
    int64_t count, stride, weight;
  };
  SmallVector<Part, 3> digits;
  std::optional<std::pair<int64_t, int64_t>> zigZag;
};

} // namespace

namespace muster {

/// One transfer while it is read.
class ListedTransfer {
public:
  ListedTransfer(plan::TransferOp op, const layout::Value &value, ArrayRef<Size> symbols, ArrayRef<Size> resultShape,
                 LayoutScope &scope)
      : op(op), value(value), symbols(symbols), shape(value.localShape()), resultShape(resultShape), scope(scope),
        mesh(getMesh(op)) {}

  /// The value of the result; else `reason` says what is not known.
  std::optional<layout::Value> run();
  std::string reason;

private:
  using Coordinates = SmallVector<int64_t, 4>;
  struct Row {
    Coordinates own, peer; ///< by axis of the universe
    size_t position;
    Walked source, result;
  };

  bool fail(std::string what) {
    reason = std::move(what);
    return false;
  }
  std::nullopt_t none(std::string what) {
    reason = std::move(what);
    return std::nullopt;
  }
  bool readGroup();
  bool readRows();
  bool readRow(ArrayRef<int64_t> dims, Row row);
  bool pairDims();
  bool fillsAll();
  using Table = std::vector<std::vector<int64_t>>;
  /// How the axes of the group deal a dim.
  struct GroupDeal {
    SmallVector<layout::AxisId, 4> axes;
    ChunkOrder order = ChunkOrder::Contiguous;
  };
  /// How a dim of the source is dealt; what `tryDeals` finds is how one of the result is.
  GroupDeal dealOf(const Dim &dim) const;
  bool isKept(unsigned from, unsigned to) const;
  std::optional<Table> tabulate(unsigned from, unsigned to);
  std::optional<GroupDeal> tryDeals(const Dim &dim, const MemoryDim &memory, const Table &table);
  bool names(const Dim &candidate, const MemoryDim &memory, const Table &table);
  Dim dealt(const Dim &kept, layout::SpaceId space, const MemoryDim &memory, ArrayRef<layout::AxisId> axes,
            bool isStriped);

  plan::TransferOp op;
  const layout::Value &value;
  ArrayRef<Size> symbols;
  SmallVector<Size, 4> shape;
  ArrayRef<Size> resultShape;
  LayoutScope &scope;
  MeshAttr mesh;
  Walker source, result;
  SmallVector<layout::AxisId, 4> group; ///< by axis of the transfer
  SmallVector<unsigned, 4> groupAxes;   ///< the same, axes of the mesh
  std::vector<Coordinates> positions;   ///< by axis of the universe
  std::vector<Row> rows;
  /// For each dim of the result, that of the source.
  SmallVector<unsigned, 4> sourceOf;
  std::map<unsigned, unsigned> walkedAs; ///< dim of the result -> of the source, by a box dim
};

bool ListedTransfer::readGroup() {
  int64_t count = 1;
  for (StringRef name : op.getAxes().getAsValueRange<StringAttr>()) {
    auto axis = static_cast<unsigned>(mesh.findAxis(name));
    SmallVector<layout::AxisId, 2> digits = scope.groupOf(name);
    if (digits.size() != 1)
      return fail("parts of an axis are named");
    groupAxes.push_back(axis);
    group.push_back(digits.front());
    count *= mesh.getAxes()[axis].getSize();
  }
  for (int64_t position = 0; position < count; ++position) {
    Coordinates coordinates(scope.universe.axes.size(), 0);
    int64_t rest = position;
    for (auto [axis, id] : llvm::reverse(llvm::zip_equal(groupAxes, group))) {
      coordinates[id] = rest % mesh.getAxes()[axis].getSize();
      rest /= mesh.getAxes()[axis].getSize();
    }
    positions.push_back(std::move(coordinates));
  }
  return true;
}

bool ListedTransfer::readRow(ArrayRef<int64_t> dims, Row row) {
  std::optional<Sum> sourceOffset = evaluate(op.getSourceOffset().getResult(0), dims, symbols),
                     resultOffset = evaluate(op.getDestinationOffset().getResult(0), dims, symbols);
  if (!sourceOffset || !resultOffset)
    return fail("an offset is no sum of products");
  auto sourceStarts = startsAt(source.dims, std::move(*sourceOffset)),
       resultStarts = startsAt(result.dims, std::move(*resultOffset));
  if (!sourceStarts || !resultStarts)
    return fail("an offset lies between places");
  row.source = {*sourceStarts, SmallVector<int64_t, 4>(shape.size(), 1), SmallVector<int64_t, 4>(shape.size(), 1)};
  row.result = {*resultStarts, SmallVector<int64_t, 4>(resultShape.size(), 1),
                SmallVector<int64_t, 4>(resultShape.size(), 1)};
  llvm::SmallBitVector sourceTaken(static_cast<unsigned>(shape.size())),
      resultTaken(static_cast<unsigned>(resultShape.size()));
  for (unsigned box = 0; box < op.getExtents().getNumResults(); ++box) {
    auto amount = [&](AffineMap map) { return single(evaluate(map.getResult(box), dims, symbols)); };
    std::optional<Size> extent = amount(op.getExtents()), sourceStride = amount(op.getSourceStrides()),
                        resultStride = amount(op.getDestinationStrides());
    if (!extent || !sourceStride || !resultStride)
      return fail("an amount is no product");
    if (extent->isOne())
      continue;
    auto from = source.dimAt(*sourceStride, sourceTaken), to = result.dimAt(*resultStride, resultTaken);
    if (!from && !to && extent->getCoefficient() == 1)
      continue; // A dim of one unit.
    if (!from || !to)
      return fail("the box walks no dims of the source and of the result");
    sourceTaken.set(from->first);
    resultTaken.set(to->first);
    std::optional<Size> units = divide(*extent, source.dims[from->first].unit);
    if (!units || !units->isConcrete() || !(source.dims[from->first].unit == result.dims[to->first].unit))
      return fail("the box ends inside a unit");
    auto [known, isNew] = walkedAs.try_emplace(to->first, from->first);
    if (!isNew && known->second != from->first)
      return fail("rows walk different dims");
    row.source.extents[from->first] = row.result.extents[to->first] = units->getValue();
    row.source.steps[from->first] = from->second;
    row.result.steps[to->first] = to->second;
  }
  rows.push_back(std::move(row));
  return true;
}

bool ListedTransfer::readRows() {
  size_t coordinates = 2 * mesh.getAxes().size(), width = plan::getTransferDims(op).columns + 1;
  ArrayRef<int64_t> sources = *op.getSources();
  size_t numbers = sources.size() / positions.size();
  for (size_t position = 0; position < positions.size(); ++position)
    for (size_t at = position * numbers; at < (position + 1) * numbers; at += width) {
      if (sources[at] < 0)
        continue;
      Row row;
      row.own = positions[position];
      row.peer = positions[static_cast<size_t>(sources[at])];
      row.position = position;
      SmallVector<int64_t> dims(coordinates, 0);
      for (auto [axis, id] : llvm::zip_equal(groupAxes, group)) {
        dims[axis] = row.own[id];
        dims[mesh.getAxes().size() + axis] = row.peer[id];
      }
      llvm::append_range(dims, sources.slice(at + 1, width - 1));
      if (!readRow(dims, std::move(row)))
        return false;
    }
  return true;
}

/// What no box walks is paired in order; that the rows agree on every place is asked of the tables.
bool ListedTransfer::pairDims() {
  SmallVector<unsigned, 4> left;
  llvm::SmallBitVector taken(static_cast<unsigned>(shape.size()));
  for (auto [to, from] : walkedAs) {
    if (taken.test(from))
      return fail("two dims of the result walk one of the source");
    taken.set(from);
  }
  for (unsigned dim = 0; dim < shape.size(); ++dim)
    if (!taken.test(dim))
      left.push_back(dim);
  if (shape.size() != resultShape.size())
    return fail("dims of one element come or go");
  size_t next = 0;
  for (unsigned dim = 0; dim < resultShape.size(); ++dim) {
    auto walked = walkedAs.find(dim);
    sourceOf.push_back(walked != walkedAs.end() ? walked->second : left[next++]);
  }
  return true;
}

/// Position of the dim's space, by position of the group and place.
std::optional<ListedTransfer::Table> ListedTransfer::tabulate(unsigned from, unsigned to) {
  std::optional<DimPositions> held = DimPositions::make(scope.universe, value.dims[from], source.dims[from]);
  if (!held)
    return none("dim " + print(scope.universe, value.dims[from]) + " is of several spaces or segments");
  int64_t places = result.dims[to].count;
  if (places * static_cast<int64_t>(positions.size()) > mostPlaces)
    return none("there are too many places");
  Table table(positions.size(), std::vector<int64_t>(static_cast<size_t>(places), -1));
  for (const Row &row : rows)
    for (int64_t i = 0; i < row.result.extents[to]; ++i) {
      int64_t place = row.result.starts[to] + i * row.result.steps[to],
              index = row.source.starts[from] + i * row.source.steps[from];
      if (place >= places || index >= source.dims[from].count)
        return none("the box leaves the tensor");
      int64_t &known = table[row.position][static_cast<size_t>(place)], position = held->at(row.peer, index);
      if (known >= 0 && known != position)
        return none("what stands along one dim depends on the place along another");
      known = position;
    }
  for (const std::vector<int64_t> &own : table)
    if (llvm::is_contained(own, -1))
      return none("a place is left out");
  return table;
}

bool ListedTransfer::names(const Dim &candidate, const MemoryDim &memory, const Table &table) {
  std::optional<DimPositions> named = DimPositions::make(scope.universe, candidate, memory);
  if (!named)
    return false;
  for (auto [coordinates, own] : llvm::zip_equal(positions, table))
    for (auto [place, position] : llvm::enumerate(own))
      if (named->at(coordinates, static_cast<int64_t>(place)) != position)
        return false;
  return true;
}

/// A block of the space over some axes; what `kept` holds divides the space into such blocks.
Dim ListedTransfer::dealt(const Dim &kept, layout::SpaceId space, const MemoryDim &memory,
                          ArrayRef<layout::AxisId> axes, bool isStriped) {
  Size ranks = scope.universe.sizeOf(axes), local = memory.unit * Size(memory.count);
  Digit own;
  own.count = local;
  own.stride = isStriped ? ranks : Size(1);
  own.space = space;
  Dim dim = kept;
  SmallVector<Digit, 2> digits;
  Size stride = isStriped ? Size(1) : local;
  for (layout::AxisId axis : llvm::reverse(axes)) {
    Digit digit;
    digit.count = scope.universe.axes[axis].size;
    digit.stride = stride;
    digit.space = space;
    digit.axis = axis;
    digit.home = Size(1);
    digits.insert(digits.begin(), digit);
    stride *= digit.count;
  }
  if (isStriped)
    digits.insert(digits.begin(), own);
  else
    digits.push_back(own);
  for (Digit &digit : dim.digits)
    digit.space = space;
  llvm::append_range(dim.digits, digits);
  return dim;
}

std::optional<ListedTransfer::GroupDeal> ListedTransfer::tryDeals(const Dim &dim, const MemoryDim &memory,
                                                                  const Table &table) {
  layout::SpaceId space = dim.digits.back().space;
  if (scope.universe.spaces[space].twin)
    space = *scope.universe.spaces[space].twin;
  // Axes outside the group divide the space as before.
  Dim kept;
  Size blocks = 1;
  for (const Digit &digit : dim.digits)
    if (digit.isMesh() && !llvm::is_contained(group, digit.axis)) {
      kept.digits.push_back(digit);
      blocks *= digit.count;
    }
  std::optional<Size> block = divide(scope.universe.spaces[space].size, blocks);
  if (!block)
    return std::nullopt;
  SmallVector<SmallVector<layout::AxisId, 4>> choices = {{}};
  for (size_t next = 0; next < choices.size(); ++next) {
    SmallVector<layout::AxisId, 4> axes = choices[next];
    Size local = memory.unit * Size(memory.count);
    if (scope.universe.sizeOf(axes) * local == *block) {
      if (names(dealt(kept, space, memory, axes, false), memory, table))
        return GroupDeal{axes, ChunkOrder::Contiguous};
      if (names(dealt(kept, space, memory, axes, true), memory, table))
        return GroupDeal{axes, ChunkOrder::Stripe};
      Size parts = scope.universe.sizeOf(axes);
      if (kept.digits.empty() && parts.isConcrete() && block->isConcrete() && parts.getValue() > 1 &&
          block->getValue() % (2 * parts.getValue()) == 0 &&
          names(dealt(kept, zigZagOf(scope.universe, space, parts), memory, axes, false), memory, table))
        return GroupDeal{axes, ChunkOrder::ZigZag};
    }
    if (axes.size() < 4)
      for (layout::AxisId axis : group)
        if (!llvm::is_contained(axes, axis)) {
          SmallVector<layout::AxisId, 4> longer = axes;
          longer.push_back(axis);
          choices.push_back(std::move(longer));
        }
  }
  return std::nullopt;
}

ListedTransfer::GroupDeal ListedTransfer::dealOf(const Dim &dim) const {
  GroupDeal deal;
  for (const Digit &digit : dim.digits)
    if (llvm::is_contained(group, digit.axis))
      deal.axes.push_back(digit.axis);
  if (deal.axes.empty())
    return deal;
  if (scope.universe.spaces[dim.digits.back().space].twin)
    deal.order = ChunkOrder::ZigZag;
  else if (dim.digits.back().isMesh())
    deal.order = ChunkOrder::Stripe;
  return deal;
}

/// A dim that everybody holds as the peer does, and takes as a whole, stays as it is.
bool ListedTransfer::isKept(unsigned from, unsigned to) const {
  const Dim &dim = value.dims[from];
  auto isOutside = [&](const Digit &digit) { return !llvm::is_contained(group, digit.axis); };
  bool isAlike = llvm::all_of(dim.digits, isOutside);
  for (const Dim &segment : dim.segments)
    isAlike &= llvm::all_of(segment.digits, isOutside);
  return isAlike && shape[from] == resultShape[to] && llvm::all_of(rows, [&](const Row &row) {
           return row.source.starts[from] == 0 && row.result.starts[to] == 0 && row.source.steps[from] == 1 &&
                  row.result.steps[to] == 1 && row.source.extents[from] == source.dims[from].count;
         });
}

/// Rows of one position fill different places, and all of them.
bool ListedTransfer::fillsAll() {
  std::vector<std::vector<const Row *>> byPosition(positions.size());
  for (const Row &row : rows)
    byPosition[row.position].push_back(&row);
  int64_t all = 1;
  for (const MemoryDim &dim : result.dims)
    all *= dim.count;
  auto runAt = [](const Row *row, size_t dim) {
    return layout::Run{row->result.starts[dim], row->result.steps[dim], row->result.extents[dim], 0};
  };
  for (const std::vector<const Row *> &own : byPosition) {
    if (own.size() * own.size() * positions.size() > size_t(mostPlaces))
      return fail("there are too many rows");
    int64_t filled = 0;
    for (auto [index, row] : llvm::enumerate(own)) {
      int64_t box = 1;
      for (int64_t extent : row->result.extents)
        box *= extent;
      filled += box;
      for (const Row *other : llvm::ArrayRef(own).drop_front(index + 1))
        if (llvm::all_of(llvm::seq<size_t>(0, result.dims.size()),
                         [&](size_t dim) { return layout::compose(runAt(row, dim), runAt(other, dim)).has_value(); }))
          return fail("a place is written twice");
    }
    if (filled != all)
      return fail("a place is left out");
  }
  return true;
}

std::optional<layout::Value> ListedTransfer::run() {
  if (!readGroup())
    return std::nullopt;
  value.forEachMeshDigit([&](const Digit &digit) {
    if (digit.isAmbiguous)
      reason = "a digit may stand in several dims";
  });
  for (const Digit &digit : value.floats)
    if (llvm::is_contained(group, digit.axis))
      reason = "a digit stands in no dim";
  for (const layout::Pending &pending : value.pending)
    if (llvm::is_contained(group, pending.axis))
      reason = "parts of a sum change places";
  if (!value.parts.empty())
    reason = "parts of a sum lie side by side";
  if (!reason.empty())
    return std::nullopt;
  source.dims = memoryOf(shape);
  result.dims = memoryOf(resultShape);
  if (!readRows() || !pairDims() || !fillsAll())
    return std::nullopt;
  // What changes is collected first, all dims of it, and then dealt.
  SmallVector<std::optional<Table>, 4> tables(resultShape.size());
  SmallVector<GroupDeal, 4> deals(resultShape.size());
  for (unsigned dim = 0; dim < resultShape.size(); ++dim) {
    if (isKept(sourceOf[dim], dim))
      continue;
    tables[dim] = tabulate(sourceOf[dim], dim);
    std::optional<GroupDeal> found;
    if (tables[dim])
      found = tryDeals(value.dims[sourceOf[dim]], result.dims[dim], *tables[dim]);
    if (tables[dim] && !found)
      reason = "the positions along dim " + std::to_string(dim) + " are those of no layout";
    if (!found)
      return std::nullopt;
    deals[dim] = std::move(*found);
  }
  layout::Value made = value;
  auto apply = [&](layout::Outcome<layout::Value> outcome) {
    if (!outcome)
      return fail(outcome.getRefusal().message);
    made = std::move(*outcome);
    return true;
  };
  for (unsigned dim = 0; dim < resultShape.size(); ++dim) {
    GroupDeal before = dealOf(value.dims[sourceOf[dim]]);
    if (!before.axes.empty() && !apply(collectParts(scope.universe, made, before.axes, sourceOf[dim], before.order)))
      return std::nullopt;
  }
  for (unsigned dim = 0; dim < resultShape.size(); ++dim)
    if (!deals[dim].axes.empty() &&
        !apply(dealParts(scope.universe, made, deals[dim].axes, sourceOf[dim], deals[dim].order)))
      return std::nullopt;
  made = layout::transpose(made, SmallVector<int64_t, 6>(sourceOf.begin(), sourceOf.end()));
  for (unsigned dim = 0; dim < resultShape.size(); ++dim)
    if (tables[dim] && !names(made.dims[dim], result.dims[dim], *tables[dim]))
      return none("the parts of dim " + std::to_string(dim) + " are not what its rows bring");
  return made;
}

} // namespace muster

void FunctionInference::inferListed(plan::TransferOp op, const layout::Value &value, ArrayRef<Size> symbols,
                                    ArrayRef<Size> resultShape) {
  ListedTransfer transfer(op, value, symbols, resultShape, scope);
  if (std::optional<layout::Value> result = transfer.run())
    return set(op.getResult(), std::move(*result));
  Refusal refusal{Refusal::Kind::Unknown, "a listed transfer of which " + transfer.reason,
                  "a transfer that lower-collectives makes"};
  reportRefusal(op, refusal, 1108);
}
