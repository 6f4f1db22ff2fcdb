// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/Sharding.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace muster;
using namespace muster::reference;

static llvm::Error fail(const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

static int64_t getAxisRefSize(MeshAttr mesh, AxisRefAttr axis) {
  return axis.isWholeAxis() ? mesh.getAxisSize(axis.getName()) : axis.getSize();
}

static int64_t countPositions(MeshAttr mesh, llvm::ArrayRef<AxisRefAttr> axes) {
  int64_t size = 1;
  for (AxisRefAttr axis : axes)
    size *= getAxisRefSize(mesh, axis);
  return size;
}

int64_t muster::reference::getGroupPosition(MeshAttr mesh, int64_t rank, llvm::ArrayRef<AxisRefAttr> axes) {
  llvm::SmallVector<int64_t> coordinates = mesh.getCoordinates(rank);
  int64_t position = 0;
  for (AxisRefAttr axis : axes) {
    int64_t size = getAxisRefSize(mesh, axis);
    position = position * size + coordinates[mesh.findAxis(axis.getName())] / axis.getWeight() % size;
  }
  return position;
}

int64_t muster::reference::getGroupPosition(MeshAttr mesh, int64_t rank, llvm::ArrayRef<mlir::StringAttr> axes) {
  llvm::SmallVector<int64_t> coordinates = mesh.getCoordinates(rank);
  int64_t position = 0;
  for (mlir::StringAttr axis : axes) {
    AxisPart part = *findAxisPart(mesh, axis.getValue());
    position = position * part.size + coordinates[static_cast<size_t>(part.index)] / part.weight % part.size;
  }
  return position;
}

llvm::SmallVector<int64_t> muster::reference::getGroup(MeshAttr mesh, int64_t rank, ArrayAttr axes) {
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<AxisPart> parts;
  for (StringRef axis : axes.getAsValueRange<StringAttr>()) {
    parts.push_back(*findAxisPart(mesh, axis));
    sizes.push_back(parts.back().size);
  }
  llvm::SmallVector<int64_t> coordinates = mesh.getCoordinates(rank), group;
  forEachIndex(sizes, [&](llvm::ArrayRef<int64_t> position) {
    for (auto [part, digit] : llvm::zip_equal(parts, position)) {
      int64_t &coordinate = coordinates[part.index];
      coordinate += (digit - coordinate / part.weight % part.size) * part.weight;
    }
    group.push_back(mesh.getRank(coordinates));
  });
  return group;
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

/// "tokens@step"
static std::string countsKey(LayoutTermAttr term) { return (term.getUnit() + "@" + term.getEpoch()).str(); }

/// Positions that a rank holds of one term of `extent` positions.
static llvm::Expected<std::vector<int64_t>> getTermPositions(LayoutTermAttr term, int64_t extent, MeshAttr mesh,
                                                             int64_t rank, const LogicalSizes &sizes) {
  int64_t parts = countPositions(mesh, term.getAxes()), part = getGroupPosition(mesh, rank, term.getAxes());
  std::vector<int64_t> positions;
  auto append = [&](int64_t first, int64_t count, int64_t step = 1) {
    for (int64_t i = 0; i < count; ++i)
      positions.push_back(first + i * step);
  };
  if (term.isRagged() && parts > 1) {
    auto counts = sizes.counts.find(countsKey(term));
    if (counts == sizes.counts.end() || static_cast<int64_t>(counts->second.size()) != parts)
      return fail("expected " + llvm::Twine(parts) + " counts of " + countsKey(term) + " for dim '" + term.getName() +
                  "' but got " + llvm::Twine(counts == sizes.counts.end() ? 0 : counts->second.size()));
    int64_t total = std::accumulate(counts->second.begin(), counts->second.end(), int64_t(0));
    if (total != extent)
      return fail("expected the counts of " + countsKey(term) + " to add up to " + llvm::Twine(extent) + " but got " +
                  llvm::Twine(total));
    append(std::accumulate(counts->second.begin(), counts->second.begin() + part, int64_t(0)), counts->second[part]);
    return positions;
  }
  int64_t chunks = term.getOrder() == ChunkOrder::ZigZag ? 2 * parts : parts;
  if (extent % chunks != 0)
    return fail("expected dim '" + term.getName() + "' of size " + llvm::Twine(extent) + " to be divisible by " +
                llvm::Twine(chunks));
  int64_t length = extent / chunks;
  switch (term.getOrder()) {
  case ChunkOrder::Contiguous:
    append(part * length, length);
    break;
  case ChunkOrder::ZigZag:
    append(part * length, length);
    append((chunks - 1 - part) * length, length);
    break;
  case ChunkOrder::Stripe:
    append(part, length, parts);
    break;
  }
  return positions;
}

/// Extents of the terms of a dim that is a product of names. At most one of them may be unknown; or all, if only the
/// first is sharded, as the dim is then cut into equal parts whatever the extents are.
static llvm::Expected<llvm::SmallVector<int64_t>> getExtents(LayoutDimAttr dim, int64_t size,
                                                             const LogicalSizes &sizes) {
  llvm::SmallVector<int64_t> extents;
  int64_t known = 1, unknown = -1, unknowns = 0;
  for (auto [index, term] : llvm::enumerate(dim.getTerms())) {
    auto found = sizes.dims.find(term.getName());
    extents.push_back(found == sizes.dims.end() ? 1 : found->second);
    known *= extents.back();
    if (found == sizes.dims.end()) {
      unknown = static_cast<int64_t>(index);
      ++unknowns;
    }
  }
  bool onlyMajor =
      llvm::all_of(dim.getTerms().drop_front(), [](LayoutTermAttr term) { return term.getAxes().empty(); });
  if (unknowns > 1 && onlyMajor) {
    extents.assign(extents.size(), 1);
    extents.front() = size;
    return extents;
  }
  if (unknowns > 1)
    return fail("cannot tell the sizes of dims '" + dim.getTerms().front().getName() + "' and '" +
                dim.getTerms().back().getName() + "' apart in their product of " + llvm::Twine(size) +
                ": give one of them");
  if (unknowns == 1 && known != 0 && size % known == 0)
    extents[unknown] = size / known;
  int64_t product = std::accumulate(extents.begin(), extents.end(), int64_t(1), std::multiplies<>());
  if (product != size)
    return fail("expected the dims that begin with '" + dim.getTerms().front().getName() + "' to have a product of " +
                llvm::Twine(size) + " but got " + llvm::Twine(product));
  return extents;
}

static llvm::Expected<std::vector<int64_t>> getDimPositions(LayoutDimAttr dim, int64_t size, MeshAttr mesh,
                                                            int64_t rank, const LogicalSizes &sizes) {
  if (dim.getSegmented()) {
    std::vector<int64_t> positions;
    int64_t offset = 0;
    for (LayoutTermAttr term : dim.getTerms()) {
      auto part = getTermPositions(term, term.getExtent(), mesh, rank, sizes);
      if (!part)
        return part.takeError();
      for (int64_t position : *part)
        positions.push_back(offset + position);
      offset += term.getExtent();
    }
    if (offset != size)
      return fail("expected the segments to add up to " + llvm::Twine(size) + " but got " + llvm::Twine(offset));
    return positions;
  }
  if (dim.getTerms().size() == 1)
    return getTermPositions(dim.getTerms().front(), size, mesh, rank, sizes);
  auto extents = getExtents(dim, size, sizes);
  if (!extents)
    return extents.takeError();
  std::vector<int64_t> positions = {0};
  for (auto [term, extent] : llvm::zip_equal(dim.getTerms(), *extents)) {
    auto inner = getTermPositions(term, extent, mesh, rank, sizes);
    if (!inner)
      return inner.takeError();
    std::vector<int64_t> product;
    for (int64_t outer : positions)
      for (int64_t position : *inner)
        product.push_back(outer * extent + position);
    positions = std::move(product);
  }
  return positions;
}

llvm::Expected<llvm::SmallVector<std::vector<int64_t>>>
muster::reference::getHeldPositions(LayoutAttr layout, llvm::ArrayRef<int64_t> logical, MeshAttr mesh, int64_t rank,
                                    const LogicalSizes &sizes) {
  if (layout.getRank() != static_cast<int64_t>(logical.size()))
    return fail("expected a tensor of " + llvm::Twine(layout.getRank()) + " dims for layout " + layout.getText() +
                " but got shape " + formatShape(logical));
  llvm::SmallVector<std::vector<int64_t>> held;
  for (auto [dim, size] : llvm::zip_equal(layout.getDims(), logical)) {
    auto positions = getDimPositions(dim, size, mesh, rank, sizes);
    if (!positions)
      return positions.takeError();
    held.push_back(std::move(*positions));
  }
  return held;
}

static llvm::SmallVector<int64_t> getShape(llvm::ArrayRef<std::vector<int64_t>> held) {
  return llvm::map_to_vector(
      held, [](const std::vector<int64_t> &positions) { return static_cast<int64_t>(positions.size()); });
}

static llvm::SmallVector<int64_t> select(llvm::ArrayRef<std::vector<int64_t>> held, llvm::ArrayRef<int64_t> index) {
  llvm::SmallVector<int64_t> logical;
  for (auto [positions, i] : llvm::zip_equal(held, index))
    logical.push_back(positions[i]);
  return logical;
}

//===----------------------------------------------------------------------===//
// Reduction
//===----------------------------------------------------------------------===//

static Number getNeutral(ReductionKind kind, Type type) {
  bool real = llvm::isa<FloatType>(type);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  unsigned width = type.isIndex() ? 64 : real ? 0 : type.getIntOrFloatBitWidth();
  int64_t greatest = real ? 0 : static_cast<int64_t>(~uint64_t(0) >> (65 - width));
  switch (kind) {
  case ReductionKind::Sum:
    return real ? Number::ofReal(0) : Number::ofInteger(0);
  case ReductionKind::Max:
    return real ? Number::ofReal(-infinity) : Number::ofInteger(-greatest - 1);
  case ReductionKind::Min:
    return real ? Number::ofReal(infinity) : Number::ofInteger(greatest);
  }
  llvm_unreachable("every kind is handled");
}

Number muster::reference::reduceStep(ReductionKind kind, Number accumulated, Number value, Type type, bool exact) {
  if (!llvm::isa<FloatType>(type)) {
    int64_t a = accumulated.integer, b = value.integer;
    if (kind == ReductionKind::Sum)
      return Number::ofInteger(
          wrapToType(static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)), type));
    return Number::ofInteger(kind == ReductionKind::Max ? std::max(a, b) : std::min(a, b));
  }
  double a = accumulated.real, b = value.real;
  if (kind == ReductionKind::Sum)
    return Number::ofReal(exact ? a + b : roundToType(a + b, type));
  if (std::isnan(a) || std::isnan(b))
    return getUndefined(type);
  return Number::ofReal(kind == ReductionKind::Max ? std::max(a, b) : std::min(a, b));
}

//===----------------------------------------------------------------------===//
// Scatter and gather
//===----------------------------------------------------------------------===//

/// The rank stands at position 0 of every partial axis.
static bool holdsPartialValue(LayoutAttr layout, MeshAttr mesh, int64_t rank, ReductionKind &kind) {
  for (PartialAttr partial : layout.getPartials())
    if (getGroupPosition(mesh, rank, partial.getAxes()) != 0) {
      kind = partial.getKind();
      return false;
    }
  return true;
}

llvm::Expected<RankValues> muster::reference::scatter(const Tensor &logical, LayoutAttr layout, MeshAttr mesh,
                                                      const LogicalSizes &sizes) {
  RankValues parts;
  for (int64_t rank = 0; rank < mesh.getRankCount(); ++rank) {
    auto held = getHeldPositions(layout, logical.getShape(), mesh, rank, sizes);
    if (!held)
      return held.takeError();
    ReductionKind kind = ReductionKind::Sum;
    bool holds = holdsPartialValue(layout, mesh, rank, kind);
    Tensor part(getShape(*held), logical.getElementType(), getNeutral(kind, logical.getElementType()));
    if (holds)
      forEachIndex(part.getShape(),
                   [&](llvm::ArrayRef<int64_t> index) { part.at(index) = logical.at(select(*held, index)); });
    parts.push_back(share(std::move(part)));
  }
  return parts;
}

llvm::Expected<llvm::SmallVector<int64_t>> muster::reference::getLogicalShape(const RankValues &parts,
                                                                              LayoutAttr layout, MeshAttr mesh) {
  llvm::SmallVector<int64_t> shape;
  if (parts.front()->getRank() != layout.getRank())
    return fail("expected a tensor of " + llvm::Twine(layout.getRank()) + " dims for layout " + layout.getText() +
                " but got shape " + formatShape(parts.front()->getShape()));
  for (auto [dim, attr] : llvm::enumerate(layout.getDims())) {
    int64_t size = 0;
    if (attr.getSegmented()) {
      for (LayoutTermAttr term : attr.getTerms())
        size += term.getExtent();
    } else if (attr.getTerms().size() == 1 && attr.getTerms().front().isRagged()) {
      // The lengths stand in the parts: one rank of every position of the axes counts.
      llvm::ArrayRef<AxisRefAttr> axes = attr.getTerms().front().getAxes();
      std::vector<bool> seen(countPositions(mesh, axes), false);
      for (auto [rank, part] : llvm::enumerate(parts)) {
        int64_t position = getGroupPosition(mesh, static_cast<int64_t>(rank), axes);
        if (!seen[position])
          size += part->getDimSize(static_cast<int64_t>(dim));
        seen[position] = true;
      }
    } else {
      size = parts.front()->getDimSize(static_cast<int64_t>(dim));
      for (LayoutTermAttr term : attr.getTerms())
        size *= countPositions(mesh, term.getAxes());
    }
    shape.push_back(size);
  }
  return shape;
}

llvm::Error muster::reference::learnSizes(const RankValues &parts, LayoutAttr layout, MeshAttr mesh,
                                          LogicalSizes &sizes) {
  auto shape = getLogicalShape(parts, layout, mesh);
  if (!shape)
    return shape.takeError();
  for (auto [dim, attr] : llvm::enumerate(layout.getDims())) {
    if (attr.getSegmented() || attr.getTerms().size() != 1)
      continue;
    LayoutTermAttr term = attr.getTerms().front();
    if (term.isRagged()) {
      std::vector<int64_t> counts(countPositions(mesh, term.getAxes()), 0);
      for (auto [rank, part] : llvm::enumerate(parts))
        counts[getGroupPosition(mesh, static_cast<int64_t>(rank), term.getAxes())] =
            part->getDimSize(static_cast<int64_t>(dim));
      auto [entry, isNew] = sizes.counts.try_emplace(countsKey(term), counts);
      if (!isNew && entry->second != counts)
        return fail("expected the counts " + formatShape(entry->second) + " of " + countsKey(term) + " but got " +
                    formatShape(counts));
    }
    auto [entry, isNew] = sizes.dims.try_emplace(term.getName(), (*shape)[dim]);
    if (!isNew && entry->second != (*shape)[dim])
      return fail("expected dim '" + term.getName() + "' to have size " + llvm::Twine(entry->second) + " but got " +
                  llvm::Twine((*shape)[dim]) + " in layout " + layout.getText());
  }
  return llvm::Error::success();
}

/// Puts one rank's part in its place and remembers who wrote what.
static llvm::Error place(Tensor &logical, std::vector<int64_t> &writer, const Tensor &part,
                         llvm::ArrayRef<std::vector<int64_t>> held, int64_t rank, LayoutAttr layout) {
  if (part.getShape() != llvm::ArrayRef<int64_t>(getShape(held)))
    return fail("expected rank " + llvm::Twine(rank) + " to hold shape " + formatShape(getShape(held)) + " of layout " +
                layout.getText() + " but got " + formatShape(part.getShape()));
  std::string conflict;
  forEachIndex(part.getShape(), [&](llvm::ArrayRef<int64_t> index) {
    llvm::SmallVector<int64_t> target = select(held, index);
    int64_t position = logical.getPosition(target);
    Number value = part.at(index);
    if (writer[position] < 0) {
      logical.getElements()[position] = value;
      writer[position] = rank;
      return;
    }
    Number other = logical.getElements()[position];
    bool bothNan = part.isReal() && std::isnan(value.real) && std::isnan(other.real);
    if (conflict.empty() && value.integer != other.integer && !bothNan)
      conflict = "expected ranks " + std::to_string(writer[position]) + " and " + std::to_string(rank) +
                 " to hold the same value at logical index " + formatShape(target) + " of layout " + layout.getText() +
                 " but got " + Tensor::scalar(part.getElementType(), other).getText(true) + " and " +
                 Tensor::scalar(part.getElementType(), value).getText(true);
  });
  return conflict.empty() ? llvm::Error::success() : fail(conflict);
}

llvm::Expected<Tensor> muster::reference::gather(const RankValues &parts, LayoutAttr layout, MeshAttr mesh,
                                                 const LogicalSizes &sizes, bool exact) {
  auto shape = getLogicalShape(parts, layout, mesh);
  if (!shape)
    return shape.takeError();
  LogicalSizes learned;
  learned.counts = sizes.counts;
  if (llvm::Error error = learnSizes(parts, layout, mesh, learned))
    return error;
  learned.dims = sizes.dims;
  // One gathered tensor for every position of the partial axes, in row-major order over the partials.
  int64_t terms = 1;
  for (PartialAttr partial : layout.getPartials())
    terms *= countPositions(mesh, partial.getAxes());
  Type type = parts.front()->getElementType();
  std::vector<Tensor> values(terms, Tensor(*shape, type));
  std::vector<std::vector<int64_t>> writers(terms, std::vector<int64_t>(values.front().getElementCount(), -1));
  for (auto [rank, part] : llvm::enumerate(parts)) {
    int64_t term = 0;
    for (PartialAttr partial : layout.getPartials())
      term = term * countPositions(mesh, partial.getAxes()) +
             getGroupPosition(mesh, static_cast<int64_t>(rank), partial.getAxes());
    auto held = getHeldPositions(layout, *shape, mesh, static_cast<int64_t>(rank), learned);
    if (!held)
      return held.takeError();
    if (llvm::Error error = place(values[term], writers[term], *part, *held, static_cast<int64_t>(rank), layout))
      return error;
  }
  // Reduce the innermost partial first, each in the order of its positions.
  for (PartialAttr partial : llvm::reverse(layout.getPartials())) {
    int64_t size = countPositions(mesh, partial.getAxes());
    std::vector<Tensor> reduced;
    for (size_t first = 0; first < values.size(); first += size) {
      Tensor sum = values[first];
      for (int64_t i = 1; i < size; ++i)
        for (auto [element, value] : llvm::zip_equal(sum.getElements(), std::as_const(values[first + i]).getElements()))
          element = reduceStep(partial.getKind(), element, value, type, exact);
      reduced.push_back(std::move(sum));
    }
    values = std::move(reduced);
  }
  return std::move(values.front());
}
