// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/CheckVariant.h"

#include "runtime/count/Bounds.h"
#include "runtime/plan/CheckPlan.h"
#include "runtime/plan/MemoryOrder.h"
#include "runtime/plan/StepOrder.h"
#include "runtime/schema/Container.h"
#include "runtime/schema/Elements.h"

#include <algorithm>
#include <optional>

namespace muster::plan {

using count::Interval;
using schema::Memory;

namespace {

using Wide = __int128;

/// The amounts of one side of a transfer, source or destination.
struct BoxSide {
  const schema::AmountT *offset;
  std::vector<const schema::AmountT *> strides;
};

/// Rows of a vector of counts that stand at their scan: at most as many rows as the sum, whichever element is meant.
/// The offset has a term k * scan(v)[e], and dim `dim` of the box has extent v[e] and stride k > 0.
struct ScannedRows {
  size_t dim = 0, term = 0;
  int64_t stride = 0;
  int64_t rows = 0;
};

/// Checks one variant; holds what every check needs.
class VariantCheck {
public:
  VariantCheck(const schema::PlanT &plan, const count::Program &counts, const schema::EntryT &entry,
               const schema::VariantT &variant)
      : plan(plan), counts(counts), entry(entry), variant(variant) {}

  Status run();

private:
  /// "step 3 (layer 0) of variant x"
  std::string place() const;
  Status checkBounds();
  Status checkSpan(uint64_t offset, uint64_t length, const char *what) const;
  Status checkPorts(const std::vector<std::unique_ptr<schema::PortT>> &ports, const std::vector<schema::Span> &spans,
                    const char *what) const;
  Status checkBinding(const schema::Binding &binding) const;
  Status bound(const schema::AmountT &amount, bool allowPeer, const char *what, Interval &result) const;
  Status checkStep(const schema::StepT &step);
  Status checkLaunch(const schema::LaunchT &launch);
  Status checkMatmul(const schema::MatmulT &matmul);
  Status checkMatmulWeight(const schema::MatmulT &matmul) const;
  Status checkTransfer(const schema::TransferT &transfer);
  Status checkGroup(const schema::TransferT &transfer) const;
  Status checkBox(const schema::TransferT &transfer) const;
  std::optional<ScannedRows> findScannedRows(const schema::TransferT &transfer, const BoxSide &side) const;
  bool isNeverNegative(const count::Program::Instruction &scan) const;
  /// For one row of the sources.
  Status checkBoxAt(const schema::TransferT &transfer, std::span<const int32_t> row) const;
  Status checkReduction(const schema::TransferT &transfer) const;
  Status checkRouted(const schema::TransferT &transfer) const;
  Status checkApart(const schema::Binding &written, const schema::Binding &other, bool mayBeEqual) const;
  Status checkMemory();

  uint64_t lengthOf(const schema::Binding &binding) const;
  Access accessOf(const schema::Binding &binding) const;

  const schema::PlanT &plan;
  const count::Program &counts;
  const schema::EntryT &entry;
  const schema::VariantT &variant;
  count::SlotBounds slots;
  uint32_t current = 0;
};

std::string VariantCheck::place() const { return stepName(plan, variant, current); }

Status VariantCheck::checkBounds() {
  for (const schema::SlotBound &limit : variant.bounds)
    if (limit.slot() >= counts.slots())
      return Status::error(2102, "expected a count slot below {} in the bounds of variant {} but got {}",
                           counts.slots(), variant.name, limit.slot());
  slots = count::variantBounds(counts, variant);
  return Status::ok();
}

Status VariantCheck::checkSpan(uint64_t offset, uint64_t length, const char *what) const {
  // Subtract instead of adding: offset + length may wrap around.
  if (offset > variant.arena_bytes || length > variant.arena_bytes - offset)
    return Status::error(2107, "expected {} of variant {} inside the arena of {} bytes but got [{}, +{})", what,
                         variant.name, variant.arena_bytes, offset, length);
  if (offset % schema::spanAlignment != 0)
    return Status::error(2108, "expected {} of variant {} at a multiple of {} but got offset {}", what, variant.name,
                         schema::spanAlignment, offset);
  return Status::ok();
}

Status VariantCheck::checkPorts(const std::vector<std::unique_ptr<schema::PortT>> &ports,
                                const std::vector<schema::Span> &spans, const char *what) const {
  if (spans.size() != ports.size())
    return Status::error(2121, "expected {} {} spans in variant {} but got {}", ports.size(), what, variant.name,
                         spans.size());
  for (size_t i = 0; i != spans.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(checkSpan(spans[i].offset(), spans[i].length(), what));
    Wide bytes = elementBytes(ports[i]->element);
    for (const auto &dim : ports[i]->dims) {
      Interval size;
      MUSTER_RETURN_IF_ERROR(bound(*dim->size, false, "the size of a port", size));
      Wide part = std::max<Wide>(size.high, 0);
      for (uint8_t axis : dim->axes)
        if (dim->parts < 0)
          part /= plan.mesh->axes[axis]->size;
      if (dim->parts >= 0)
        part = std::max<Wide>(count::anyElement(counts, slots, static_cast<uint32_t>(dim->parts)).high, 0);
      bytes *= part;
      if (bytes > count::greatestCount)
        break;
    }
    if (bytes > Wide(spans[i].length()))
      return Status::error(2121, "expected at least {} bytes for {} {} of variant {} but got {}",
                           static_cast<uint64_t>(std::min<Wide>(bytes, count::greatestCount)), what, ports[i]->name,
                           variant.name, spans[i].length());
  }
  return Status::ok();
}

Status VariantCheck::checkBinding(const schema::Binding &binding) const {
  size_t objects = 0;
  uint64_t length = 0;
  switch (binding.memory()) {
  case Memory::Arena:
    return checkSpan(binding.offset(), binding.length(), place().c_str());
  case Memory::Weight:
    objects = plan.weights.size();
    length = binding.index() < objects ? plan.weights[binding.index()]->length : 0;
    break;
  case Memory::State:
    objects = plan.states.size();
    length = binding.index() < objects && !plan.states[binding.index()]->paged
                 ? plan.states[binding.index()]->page_bytes
                 : 0;
    break;
  default:
    return Status::error(2101, "expected a memory up to 2 in {} but got {}", place(), int(binding.memory()));
  }
  if (binding.index() >= objects)
    return Status::error(2102, "expected a weight or state below {} in {} but got {}", objects, place(),
                         binding.index());
  if (binding.offset() != 0 || (binding.length() != 0 && binding.length() != length))
    return Status::error(2112, "expected a weight or state of {} bytes as a whole in {} but got [{}, +{})", length,
                         place(), binding.offset(), binding.length());
  return Status::ok();
}

Status VariantCheck::bound(const schema::AmountT &amount, bool allowPeer, const char *what, Interval &result) const {
  MUSTER_RETURN_IF_ERROR(checkAmount(amount, plan, counts, allowPeer, what));
  MUSTER_ASSIGN_OR_RETURN(result, count::amountBounds(amount, counts, slots, *plan.mesh));
  return Status::ok();
}

/// Bytes that an operand has; those of a paged state depend on the session.
uint64_t VariantCheck::lengthOf(const schema::Binding &binding) const {
  if (binding.memory() == Memory::Weight)
    return plan.weights[binding.index()]->length;
  if (binding.memory() == Memory::State)
    return plan.states[binding.index()]->page_bytes;
  return binding.length();
}

Access VariantCheck::accessOf(const schema::Binding &binding) const {
  if (binding.memory() == Memory::Arena)
    return {Memory::Arena, 0, binding.offset(), binding.offset() + binding.length()};
  return {binding.memory(), binding.index(), 0, 1};
}

Status VariantCheck::checkApart(const schema::Binding &written, const schema::Binding &other, bool mayBeEqual) const {
  Access a = accessOf(written), b = accessOf(other);
  if (a.memory != b.memory || a.index != b.index || a.end <= b.begin || b.end <= a.begin)
    return Status::ok();
  if (mayBeEqual && a.begin == b.begin && a.end == b.end)
    return Status::ok();
  return Status::error(2119, "expected the result [{}, {}) of {} apart from its operand [{}, {}) but they overlap",
                       a.begin, a.end, place(), b.begin, b.end);
}

Status VariantCheck::checkLaunch(const schema::LaunchT &launch) {
  if (launch.kernel >= plan.kernels.size())
    return Status::error(2102, "expected a kernel below {} in {} but got {}", plan.kernels.size(), place(),
                         launch.kernel);
  const schema::KernelT &kernel = *plan.kernels[launch.kernel];
  if (launch.bindings.size() != kernel.bindings || launch.sizes.size() != kernel.sizes)
    return Status::error(2111, "expected {} bindings and {} sizes for kernel {} in {} but got {} and {}",
                         kernel.bindings, kernel.sizes, kernel.name, place(), launch.bindings.size(),
                         launch.sizes.size());
  if (launch.written.size() != launch.bindings.size())
    return Status::error(2111, "expected {} written marks in {} but got {}", launch.bindings.size(), place(),
                         launch.written.size());
  for (const schema::Binding &binding : launch.bindings)
    MUSTER_RETURN_IF_ERROR(checkBinding(binding));
  for (size_t i = 0; i != launch.bindings.size(); ++i) {
    if (!launch.written[i])
      continue;
    if (launch.bindings[i].memory() == Memory::Weight)
      return Status::error(2112, "expected no weight among what {} writes but got weight {}", place(),
                           launch.bindings[i].index());
    for (size_t j = 0; j != launch.bindings.size(); ++j)
      if (j != i)
        MUSTER_RETURN_IF_ERROR(checkApart(launch.bindings[i], launch.bindings[j], true));
  }
  if (!launch.size_elements.empty() && launch.size_elements.size() != launch.sizes.size())
    return Status::error(2126, "expected an element for each of {} sizes in {} but got {}", launch.sizes.size(),
                         place(), launch.size_elements.size());
  for (size_t i = 0; i != launch.sizes.size(); ++i) {
    auto element = launch.size_elements.empty() ? schema::Element::Fixed : schema::Element(launch.size_elements[i]);
    MUSTER_RETURN_IF_ERROR(checkSlot(counts, launch.sizes[i], element, false, place().c_str()));
  }
  Interval grid;
  return launch.grid ? bound(*launch.grid, false, "a grid", grid) : Status::ok();
}

Status VariantCheck::checkMatmulWeight(const schema::MatmulT &matmul) const {
  if (matmul.weight.get()->memory() != Memory::Weight)
    return Status::error(2118, "expected a weight in {} but got memory {}", place(), int(matmul.weight->memory()));
  const schema::WeightT &weight = *plan.weights[matmul.weight->index()];
  if (weight.element != matmul.element || weight.shape.size() != 2 ||
      weight.shape[0] != static_cast<int64_t>(matmul.n) || weight.shape[1] != static_cast<int64_t>(matmul.k))
    return Status::error(2118, "expected weight {} of element type {} and shape [{}, {}] in {} but got {} and [{}]",
                         weight.name, int(matmul.element), matmul.n, matmul.k, place(), int(weight.element),
                         fmt::join(weight.shape, ", "));
  return Status::ok();
}

Status VariantCheck::checkMatmul(const schema::MatmulT &matmul) {
  for (const schema::Binding *binding : {matmul.source.get(), matmul.weight.get(), matmul.result.get()})
    MUSTER_RETURN_IF_ERROR(checkBinding(*binding));
  if (matmul.element != schema::ElementType::F32)
    return Status::unsupported(2118, "unsupported element type {} of the matrix product in {}", int(matmul.element),
                               place());
  constexpr uint64_t greatest = uint64_t(1) << 31;
  if (matmul.n == 0 || matmul.k == 0 || matmul.n >= greatest || matmul.k >= greatest ||
      matmul.source_stride >= greatest || matmul.result_stride >= greatest || matmul.source_stride < matmul.k ||
      matmul.result_stride < matmul.n)
    return Status::error(2118,
                         "expected 0 < k <= source stride < 2^31 and 0 < n <= result stride < 2^31 in {} but got k {} "
                         "of {}, n {} of {}",
                         place(), matmul.k, matmul.source_stride, matmul.n, matmul.result_stride);
  MUSTER_RETURN_IF_ERROR(checkMatmulWeight(matmul));
  if (plan.matmul_rows.empty())
    return Status::error(2124, "expected row counts for the matrix product in {} but the plan has none", place());
  Interval rows;
  MUSTER_RETURN_IF_ERROR(bound(*matmul.rows, false, "the rows of a matrix product", rows));
  auto checkRows = [&](const schema::Binding &binding, uint64_t width, uint64_t stride, const char *what) {
    Wide bytes = rows.high <= 0 ? 0 : (Wide(rows.high - 1) * stride + width) * 4;
    if (binding.memory() == Memory::Weight || bytes <= Wide(lengthOf(binding)))
      return Status::ok();
    return Status::error(2118, "expected room for {} rows in the {} of {} but its span has {} bytes", rows.high, what,
                         place(), lengthOf(binding));
  };
  if (matmul.source->memory() == Memory::Weight || matmul.result->memory() != Memory::Arena)
    return Status::error(2118, "expected the arena as source and result of {} but got memories {} and {}", place(),
                         int(matmul.source->memory()), int(matmul.result->memory()));
  MUSTER_RETURN_IF_ERROR(checkRows(*matmul.source, matmul.k, matmul.source_stride, "source"));
  MUSTER_RETURN_IF_ERROR(checkRows(*matmul.result, matmul.n, matmul.result_stride, "result"));
  return checkApart(*matmul.result, *matmul.source, false);
}

Status VariantCheck::checkGroup(const schema::TransferT &transfer) const {
  std::vector<bool> used(plan.mesh->axes.size());
  uint64_t positions = 1;
  for (uint8_t axis : transfer.group) {
    if (axis >= used.size() || used[axis])
      return Status::error(2117, "expected distinct mesh axes below {} as group of {} but got {}", used.size(), place(),
                           axis);
    used[axis] = true;
    positions *= plan.mesh->axes[axis]->size;
  }
  uint64_t width = uint64_t(1) + transfer.columns;
  if (transfer.sources.empty()) {
    if (width == 1)
      return Status::ok();
    return Status::error(2117, "expected sources with {} columns in {} but got none", transfer.columns, place());
  }
  if (transfer.sources.size() % (positions * width) != 0 || transfer.reduction != schema::Reduction::None)
    return Status::error(2117, "expected a multiple of {} sources and no reduction in {} but got {} sources",
                         positions * width, place(), transfer.sources.size());
  for (size_t row = 0; row < transfer.sources.size(); row += width)
    if (transfer.sources[row] < -1 || transfer.sources[row] >= static_cast<int64_t>(positions))
      return Status::error(2117, "expected sources in [-1, {}) in {} but got {}", positions, place(),
                           transfer.sources[row]);
  return Status::ok();
}

/// Elements that a box touches from `offset` on, for all coordinates and sizes.
struct Reach {
  Wide low = 0;
  Wide high = 0;
  void add(Interval stride, int64_t extent) {
    Wide last = Wide(extent) - 1;
    low += std::min<Wide>({0, last * stride.low, last * stride.high});
    high += std::max<Wide>({0, last * stride.low, last * stride.high});
  }
};

Status VariantCheck::checkBox(const schema::TransferT &transfer) const {
  if (transfer.box.size() > greatestBoxDims)
    return Status::error(2117, "expected a box of at most {} dimensions in {} but got {}", greatestBoxDims, place(),
                         transfer.box.size());
  // What depends on a row is checked row by row: a list may have long boxes early in a tensor and short ones late.
  if (transfer.columns == 0)
    return checkBoxAt(transfer, {});
  size_t width = size_t(1) + transfer.columns;
  std::span<const int32_t> sources = transfer.sources;
  for (size_t row = 0; row < sources.size(); row += width)
    if (sources[row] >= 0)
      MUSTER_RETURN_IF_ERROR(checkBoxAt(transfer, sources.subspan(row + 1, transfer.columns)));
  return Status::ok();
}

std::optional<ScannedRows> VariantCheck::findScannedRows(const schema::TransferT &transfer, const BoxSide &side) const {
  for (size_t at = 0; at != side.offset->terms.size(); ++at) {
    const schema::Term &offset = side.offset->terms[at];
    if (offset.slot() < 0 || offset.index() == schema::Element::Fixed || offset.position() != schema::Position::One ||
        offset.coefficient() <= 0)
      continue;
    const count::Program::Instruction &scan = counts.maker(static_cast<uint32_t>(offset.slot()));
    if (scan.op != schema::CountOp::ExclusiveScan)
      continue;
    for (size_t dim = 0; dim != transfer.box.size(); ++dim) {
      const schema::AmountT &extent = *transfer.box[dim]->extent, &stride = *side.strides[dim];
      if (extent.constant == 0 && extent.terms.size() == 1 && extent.terms[0].coefficient() == 1 &&
          extent.terms[0].position() == schema::Position::One && extent.terms[0].index() == offset.index() &&
          extent.terms[0].slot() == static_cast<int32_t>(scan.operands[0]) && stride.terms.empty() &&
          stride.constant == offset.coefficient() && isNeverNegative(scan))
        return ScannedRows{dim, at, stride.constant, slots.sums[scan.operands[0]]};
    }
  }
  return std::nullopt;
}

bool VariantCheck::isNeverNegative(const count::Program::Instruction &scan) const {
  std::span<const Interval> elements = std::span(slots.slots).subspan(scan.operands[0], scan.widths[0]);
  return std::all_of(elements.begin(), elements.end(), [](const Interval &element) { return element.low >= 0; });
}

Status VariantCheck::checkBoxAt(const schema::TransferT &transfer, std::span<const int32_t> row) const {
  auto bound = [&](const schema::AmountT &amount, const char *what, Interval &result) -> Status {
    MUSTER_RETURN_IF_ERROR(checkAmount(amount, plan, counts, true, what, transfer.columns));
    MUSTER_ASSIGN_OR_RETURN(result, count::amountBounds(amount, counts, slots, *plan.mesh, row));
    return Status::ok();
  };
  BoxSide sides[2] = {{transfer.source_offset.get(), {}}, {transfer.destination_offset.get(), {}}};
  for (const auto &dim : transfer.box) {
    sides[0].strides.push_back(dim->source_stride.get());
    sides[1].strides.push_back(dim->destination_stride.get());
  }
  Reach reaches[2];
  bool isEmpty = false;
  for (size_t i = 0; i != 2; ++i) {
    const BoxSide &side = sides[i];
    Interval offset;
    MUSTER_RETURN_IF_ERROR(bound(*side.offset, i == 0 ? "a source offset" : "a destination offset", offset));
    std::vector<Interval> extents(transfer.box.size()), strides(transfer.box.size());
    for (size_t dim = 0; dim != transfer.box.size(); ++dim) {
      MUSTER_RETURN_IF_ERROR(bound(*transfer.box[dim]->extent, "a box extent", extents[dim]));
      MUSTER_RETURN_IF_ERROR(
          bound(*side.strides[dim], i == 0 ? "a source stride" : "a destination stride", strides[dim]));
      isEmpty |= extents[dim].high <= 0;
    }
    std::optional<ScannedRows> rows = findScannedRows(transfer, side);
    if (rows) {
      schema::AmountT rest = *side.offset;
      rest.terms.erase(rest.terms.begin() + static_cast<ptrdiff_t>(rows->term));
      MUSTER_RETURN_IF_ERROR(bound(rest, "an offset", offset));
    }
    reaches[i] = {offset.low, offset.high};
    // Products of two values up to 2^62 fit 128 bits, and so do the sums of a few of them.
    for (size_t dim = 0; dim != transfer.box.size() && !isEmpty; ++dim)
      reaches[i].add(strides[dim], rows && rows->dim == dim ? std::max<int64_t>(rows->rows, 1) : extents[dim].high);
  }
  Wide width = elementBytes(transfer.element);
  auto checkReach = [&](const Reach &reach, const schema::Binding &binding, const char *what) {
    constexpr Wide greatest = count::greatestCount;
    if (isEmpty || (reach.low >= 0 && reach.high < greatest && (reach.high + 1) * width <= Wide(lengthOf(binding))))
      return Status::ok();
    auto shown = [&](Wide value) { return static_cast<int64_t>(std::clamp<Wide>(value, -greatest, greatest)); };
    return Status::error(2116,
                         "expected elements of the {} of {} within {} bytes but it may touch [{}, {}] of {} bytes each",
                         what, place(), lengthOf(binding), shown(reach.low), shown(reach.high), int(width));
  };
  MUSTER_RETURN_IF_ERROR(checkReach(reaches[0], *transfer.source, "source"));
  return checkReach(reaches[1], *transfer.destination, "destination");
}

Status VariantCheck::checkReduction(const schema::TransferT &transfer) const {
  if (transfer.reduction == schema::Reduction::None)
    return Status::ok();
  std::vector<const schema::AmountT *> amounts{transfer.destination_offset.get()};
  for (const auto &dim : transfer.box)
    amounts.insert(amounts.end(), {dim->extent.get(), dim->source_stride.get(), dim->destination_stride.get()});
  for (const schema::AmountT *amount : amounts)
    for (const schema::Term &term : amount->terms)
      if (term.position() == schema::Position::Peer || term.index() == schema::Element::Peer)
        return Status::error(2117, "expected the same box for all peers of the reduction in {} but it varies", place());
  return Status::ok();
}

/// How many rows move is read while the step runs, and held against numbers that are checked here: how many the source
/// has and the destination has room for. All ranks are of one group: each then reads the counts of all.
Status VariantCheck::checkRouted(const schema::TransferT &transfer) const {
  const schema::RoutedRowsT &routed = *transfer.routed;
  MUSTER_RETURN_IF_ERROR(checkBinding(*routed.counts));
  auto isConstant = [](const schema::AmountT &amount) { return amount.terms.empty(); };
  auto isZero = [&](const schema::AmountT &amount) { return isConstant(amount) && amount.constant == 0; };
  if (transfer.reduction != schema::Reduction::None || !transfer.sources.empty() || transfer.columns != 0 ||
      !isZero(*transfer.source_offset) || !isZero(*transfer.destination_offset))
    return Status::error(2117, "expected routed rows without offsets, sources or a reduction in {} but got some",
                         place());
  uint64_t positions = 1;
  for (uint8_t axis : transfer.group)
    positions *= plan.mesh->axes[axis]->size;
  for (size_t axis = 0; axis != plan.mesh->axes.size(); ++axis)
    if (plan.mesh->axes[axis]->size > 1 &&
        std::find(transfer.group.begin(), transfer.group.end(), axis) == transfer.group.end())
      return Status::error(2117, "expected routed rows over all axes of the mesh in {} but axis {} is missing", place(),
                           plan.mesh->axes[axis]->name);
  if (transfer.group.empty())
    return Status::error(2117, "expected routed rows over at least one axis in {} but got none", place());
  if (transfer.box.size() != 2)
    return Status::error(2117, "expected a box of rows and their elements in {} but got {} dimensions", place(),
                         transfer.box.size());
  for (const auto &dim : transfer.box)
    for (const auto *amount : {&dim->extent, &dim->source_stride, &dim->destination_stride})
      if (!isConstant(**amount) || (*amount)->constant < 0 || (*amount)->constant > count::greatestCount)
        return Status::error(2117, "expected constants of at least 0 in the box of routed rows of {} but got others",
                             place());
  int64_t width = transfer.box[1]->extent->constant, room = transfer.box[0]->extent->constant;
  if (transfer.box[1]->source_stride->constant != 1 || transfer.box[1]->destination_stride->constant != 1 ||
      transfer.box[0]->source_stride->constant != width || transfer.box[0]->destination_stride->constant != width)
    return Status::error(2117, "expected routed rows of {} elements one behind the other in {} but got others", width,
                         place());
  if (routed.element != schema::ElementType::I32 && routed.element != schema::ElementType::I64)
    return Status::error(2117, "expected counts of element type {} or {} in {} but got {}",
                         int(schema::ElementType::I32), int(schema::ElementType::I64), place(), int(routed.element));
  if (routed.counts->memory() != Memory::Arena)
    return Status::error(2117, "expected the arena as counts of {}, which peers read, but got memory {}", place(),
                         int(routed.counts->memory()));
  if (routed.parts == 0)
    return Status::error(2117, "expected at least 1 count for each position of {} but got 0", place());
  auto checkRoom = [&](Wide elements, uint64_t bytes, const schema::Binding &binding, const char *what) {
    if (elements * bytes <= Wide(lengthOf(binding)))
      return Status::ok();
    return Status::error(2116, "expected {} {} of {} bytes each in {} but its span has {} bytes",
                         static_cast<uint64_t>(std::min<Wide>(elements, count::greatestCount)), what, bytes, place(),
                         lengthOf(binding));
  };
  uint64_t bytes = schema::elementBytes(transfer.element);
  if (routed.source_rows > static_cast<uint64_t>(count::greatestCount))
    return Status::error(2117, "expected at most 2^62 rows to send in {} but got {}", place(), routed.source_rows);
  MUSTER_RETURN_IF_ERROR(
      checkRoom(Wide(positions) * routed.parts, schema::elementBytes(routed.element), *routed.counts, "counts"));
  MUSTER_RETURN_IF_ERROR(checkRoom(Wide(routed.source_rows) * width, bytes, *transfer.source, "elements to send"));
  MUSTER_RETURN_IF_ERROR(checkRoom(Wide(room) * width, bytes, *transfer.destination, "elements to receive"));
  return checkApart(*transfer.destination, *routed.counts, false);
}

Status VariantCheck::checkTransfer(const schema::TransferT &transfer) {
  MUSTER_RETURN_IF_ERROR(checkBinding(*transfer.source));
  MUSTER_RETURN_IF_ERROR(checkBinding(*transfer.destination));
  if (transfer.reduction > schema::Reduction::Minimum)
    return Status::error(2101, "expected a reduction up to 3 in {} but got {}", place(), int(transfer.reduction));
  if (!elementBytes(transfer.element))
    return Status::error(2101, "expected an element type up to 8 in {} but got {}", place(), int(transfer.element));
  if (transfer.reduction != schema::Reduction::None &&
      (transfer.element == schema::ElementType::Bool || transfer.element == schema::ElementType::I8 ||
       transfer.element == schema::ElementType::U8))
    return Status::unsupported(2117, "unsupported reduction of element type {} in {}", int(transfer.element), place());
  if (transfer.destination->memory() == Memory::Weight)
    return Status::error(2112, "expected no weight as destination of {} but got weight {}", place(),
                         transfer.destination->index());
  if (!transfer.group.empty() && transfer.source->memory() != Memory::Arena)
    return Status::error(2117, "expected the arena as source of {}, which peers read, but got memory {}", place(),
                         int(transfer.source->memory()));
  MUSTER_RETURN_IF_ERROR(checkGroup(transfer));
  if (transfer.routed) {
    MUSTER_RETURN_IF_ERROR(checkRouted(transfer));
  } else {
    MUSTER_RETURN_IF_ERROR(checkBox(transfer));
    MUSTER_RETURN_IF_ERROR(checkReduction(transfer));
  }
  return checkApart(*transfer.destination, *transfer.source, false);
}

Status VariantCheck::checkStep(const schema::StepT &step) {
  if (step.location >= plan.locations.size())
    return Status::error(2102, "expected a location below {} in step {} of variant {} but got {}",
                         plan.locations.size(), current, variant.name, step.location);
  if (step.stream > (step.action.AsTransfer() ? 1 : 0))
    return Status::error(2127, "expected stream 0, or 1 of a transfer, in {} but got {}", place(), step.stream);
  switch (step.action.type) {
  case schema::Action::Launch:
    return checkLaunch(*step.action.AsLaunch());
  case schema::Action::Matmul:
    return checkMatmul(*step.action.AsMatmul());
  case schema::Action::Transfer:
    return checkTransfer(*step.action.AsTransfer());
  default:
    return Status::error(2101, "expected an action up to 3 in step {} of variant {} but got {}", current, variant.name,
                         int(step.action.type));
  }
}

Status VariantCheck::checkMemory() {
  MUSTER_ASSIGN_OR_RETURN(StepOrder order, StepOrder::make(variant));
  MemoryOrder memory(plan, variant, order);
  for (const schema::Span &input : variant.inputs)
    MUSTER_RETURN_IF_ERROR(memory.addInput(input));
  std::vector<Access> reads, writes;
  for (current = 0; current != variant.steps.size(); ++current) {
    const schema::StepT &step = *variant.steps[current];
    reads.clear();
    writes.clear();
    if (const schema::LaunchT *launch = step.action.AsLaunch())
      for (size_t i = 0; i != launch->bindings.size(); ++i)
        (launch->written[i] ? writes : reads).push_back(accessOf(launch->bindings[i]));
    if (const schema::MatmulT *matmul = step.action.AsMatmul()) {
      reads.push_back(accessOf(*matmul->source));
      (matmul->accumulate ? reads : writes).push_back(accessOf(*matmul->result));
      if (matmul->accumulate)
        writes.push_back(accessOf(*matmul->result));
    }
    const schema::TransferT *transfer = step.action.AsTransfer();
    if (transfer) {
      reads.push_back(accessOf(*transfer->source));
      if (transfer->routed)
        reads.push_back(accessOf(*transfer->routed->counts));
      writes.push_back(accessOf(*transfer->destination));
    }
    bool readByPeers = peerTransfer(step) != nullptr;
    for (const Access &access : reads)
      MUSTER_RETURN_IF_ERROR(memory.read(current, access, readByPeers));
    for (const Access &access : writes)
      MUSTER_RETURN_IF_ERROR(memory.write(current, access));
  }
  for (size_t i = 0; i != variant.results.size(); ++i)
    MUSTER_RETURN_IF_ERROR(memory.checkResult(variant.results[i], entry.results[i]->name));
  return Status::ok();
}

Status VariantCheck::run() {
  if (variant.steps.size() > greatestSteps)
    return Status::error(2122, "expected at most {} steps in variant {} but got {}", greatestSteps, variant.name,
                         variant.steps.size());
  if (variant.arena_bytes > static_cast<uint64_t>(count::greatestCount))
    return Status::error(2107, "expected an arena of at most 2^62 bytes in variant {} but got {}", variant.name,
                         variant.arena_bytes);
  MUSTER_RETURN_IF_ERROR(checkBounds());
  MUSTER_RETURN_IF_ERROR(checkPorts(entry.inputs, variant.inputs, "input"));
  MUSTER_RETURN_IF_ERROR(checkPorts(entry.results, variant.results, "result"));
  for (current = 0; current != variant.steps.size(); ++current)
    MUSTER_RETURN_IF_ERROR(checkStep(*variant.steps[current]));
  return checkMemory();
}

} // namespace

Status checkVariant(const schema::PlanT &plan, const count::Program &counts, const schema::EntryT &entry,
                    const schema::VariantT &variant) {
  return VariantCheck(plan, counts, entry, variant).run();
}

} // namespace muster::plan
