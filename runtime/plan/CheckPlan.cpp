// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/CheckPlan.h"

#include "runtime/count/Bounds.h"
#include "runtime/plan/CheckVariant.h"
#include "runtime/schema/Container.h"
#include "runtime/schema/Elements.h"

#include <algorithm>

namespace muster::plan {

std::optional<uint64_t> packedBytes(schema::ElementType element, const std::vector<int64_t> &shape,
                                    schema::Packing packing) {
  uint64_t size = elementBytes(element);
  if (size == 0)
    return std::nullopt;
  std::vector<int64_t> extents = shape;
  if (packing == schema::Packing::BlockedN64K16) {
    if (shape.size() != 2 || shape[0] < 0 || shape[1] < 0 || shape[0] > count::greatestCount ||
        shape[1] > count::greatestCount)
      return std::nullopt;
    extents = {(shape[0] + 63) / 64 * 64, (shape[1] + 15) / 16 * 16};
  }
  for (int64_t extent : extents) {
    if (extent < 0 || __builtin_mul_overflow(size, static_cast<uint64_t>(extent), &size) ||
        size > static_cast<uint64_t>(count::greatestCount))
      return std::nullopt;
  }
  return size;
}

std::optional<uint32_t> rankCount(const schema::MeshT &mesh) {
  uint64_t ranks = 1;
  for (const auto &axis : mesh.axes) {
    if (axis->size == 0 || axis->size > greatestRanks)
      return std::nullopt;
    ranks *= axis->size;
    if (ranks > greatestRanks)
      return std::nullopt;
  }
  return static_cast<uint32_t>(ranks);
}

Status checkSlot(const count::Program &counts, int64_t slot, schema::Element element, bool allowPeer,
                 const char *what) {
  if (slot < 0 || slot >= int64_t(counts.slots()))
    return Status::error(2102, "expected a count slot below {} in {} but got {}", counts.slots(), what, slot);
  if (element > schema::Element::Peer)
    return Status::error(2101, "expected an element up to 2 in {} but got {}", what, int(element));
  if (element == schema::Element::Fixed)
    return Status::ok();
  if (element == schema::Element::Peer && !allowPeer)
    return Status::error(2101, "expected no element of a peer in {} but got one", what);
  if (!counts.isVector(static_cast<uint32_t>(slot)))
    return Status::error(2126, "expected the first slot of a vector in {} but got slot {}", what, slot);
  return Status::ok();
}

Status checkAmount(const schema::AmountT &amount, const schema::PlanT &plan, const count::Program &counts,
                   bool allowPeer, const char *what, uint32_t columns) {
  for (const schema::Term &term : amount.terms) {
    if (term.slot() != -1)
      MUSTER_RETURN_IF_ERROR(checkSlot(counts, term.slot(), term.index(), allowPeer, what));
    if (term.position() > schema::Position::Listed)
      return Status::error(2101, "expected a position up to 3 in {} but got {}", what, int(term.position()));
    if (term.position() == schema::Position::Listed) {
      if (term.axis() >= columns)
        return Status::error(2102, "expected a column below {} in {} but got {}", columns, what, term.axis());
      continue;
    }
    if (term.position() == schema::Position::Peer && !allowPeer)
      return Status::error(2101, "expected no peer coordinate in {} but got one", what);
    if (term.position() != schema::Position::One && term.axis() >= plan.mesh->axes.size())
      return Status::error(2102, "expected a mesh axis below {} in {} but got {}", plan.mesh->axes.size(), what,
                           term.axis());
  }
  return Status::ok();
}

namespace {

Status checkMesh(const schema::MeshT &mesh) {
  if (mesh.axes.size() > greatestAxes)
    return Status::error(2103, "expected at most {} axes in mesh {} but got {}", greatestAxes, mesh.name,
                         mesh.axes.size());
  if (!rankCount(mesh))
    return Status::error(2103, "expected between 1 and {} ranks in mesh {} but its axes say otherwise", greatestRanks,
                         mesh.name);
  return Status::ok();
}

/// Every rank has a part, and parts are numbered in the order of their first rank, so that none is missing.
Status checkWeightGroups(const schema::PlanT &plan, uint32_t ranks) {
  for (const auto &group : plan.weight_groups) {
    if (group->parts.size() != ranks)
      return Status::error(2105, "expected a part of each weight group for {} ranks but got {}", ranks,
                           group->parts.size());
    uint32_t next = 0;
    for (uint32_t rank = 0; rank != ranks; ++rank) {
      if (group->parts[rank] > next)
        return Status::error(2105, "expected a part of at most {} for rank {} in a weight group but got {}", next, rank,
                             group->parts[rank]);
      next = std::max(next, group->parts[rank] + 1);
    }
  }
  return Status::ok();
}

Status checkWeights(const schema::PlanT &plan) {
  for (const auto &weight : plan.weights) {
    if (weight->packing > schema::Packing::BlockedN64K16)
      return Status::error(2101, "expected a packing up to 1 for weight {} but got {}", weight->name,
                           int(weight->packing));
    if (!elementBytes(weight->element))
      return Status::error(2101, "expected an element type up to 8 for weight {} but got {}", weight->name,
                           int(weight->element));
    std::optional<uint64_t> bytes = packedBytes(weight->element, weight->shape, weight->packing);
    if (!bytes || *bytes != weight->length)
      return Status::error(2105, "expected {} bytes for the shape of weight {} but got {}",
                           bytes ? fmt::to_string(*bytes) : std::string("fewer than 2^62"), weight->name,
                           weight->length);
    if (weight->group >= plan.weight_groups.size())
      return Status::error(2102, "expected a weight group below {} for weight {} but got {}", plan.weight_groups.size(),
                           weight->name, weight->group);
    uint64_t section = plan.weight_groups[weight->group]->section_bytes;
    if (weight->offset % schema::spanAlignment != 0)
      return Status::error(2105, "expected weight {} at a multiple of {} but got offset {}", weight->name,
                           schema::spanAlignment, weight->offset);
    if (weight->offset > section || weight->length > section - weight->offset)
      return Status::error(2105, "expected weight {} inside its section of {} bytes but got [{}, +{})", weight->name,
                           section, weight->offset, weight->length);
  }
  if (!plan.weights.empty() && plan.weights_id.size() != 16)
    return Status::error(2105, "expected a weights id of 16 bytes but got {}", plan.weights_id.size());
  return Status::ok();
}

Status checkStates(const schema::PlanT &plan) {
  for (const auto &state : plan.states) {
    if (!elementBytes(state->element))
      return Status::error(2101, "expected an element type up to 8 for state {} but got {}", state->name,
                           int(state->element));
    std::vector<int64_t> shape = state->shape;
    if (state->paged && (shape.empty() || shape.front() != -1))
      return Status::error(2106, "expected -1 in front of the shape of paged state {} but got {}", state->name,
                           shape.empty() ? 0 : shape.front());
    if (state->paged)
      shape.erase(shape.begin());
    std::optional<uint64_t> bytes = packedBytes(state->element, shape, schema::Packing::RowMajor);
    if (!bytes || *bytes != state->page_bytes)
      return Status::error(2106, "expected {} bytes for the shape of state {} but got {}",
                           bytes ? fmt::to_string(*bytes) : std::string("fewer than 2^62"), state->name,
                           state->page_bytes);
  }
  return Status::ok();
}

Status checkSections(const schema::PlanT &plan, uint64_t planEnd, uint64_t fileBytes) {
  for (const auto &section : plan.sections) {
    if (section->kind > schema::SectionKind::Program)
      return Status::error(2101, "expected a section kind up to 4 for {} but got {}", section->name,
                           int(section->kind));
    if (section->offset % schema::pageBytes != 0 || section->offset < planEnd)
      return Status::error(2104, "expected section {} behind byte {} at a multiple of {} but got offset {}",
                           section->name, planEnd, schema::pageBytes, section->offset);
    if (section->offset > fileBytes || section->length > fileBytes - section->offset)
      return Status::error(2104, "expected section {} inside the file's {} bytes but got [{}, +{})", section->name,
                           fileBytes, section->offset, section->length);
  }
  for (const auto &kernel : plan.kernels) {
    if (kernel->section >= plan.sections.size())
      return Status::error(2102, "expected a section below {} for kernel {} but got {}", plan.sections.size(),
                           kernel->name, kernel->section);
    schema::SectionKind kind = plan.sections[kernel->section]->kind;
    if (kind != schema::SectionKind::HostObject)
      return Status::unsupported(2125, "expected a host object behind kernel {} but got section kind {}", kernel->name,
                                 int(kind));
  }
  return Status::ok();
}

/// A dim in unequal parts: a vector over its axes, and a size that is the vector's sum.
Status checkParts(const count::Program &counts, const schema::EntryT &entry, const schema::PortT &port,
                  const schema::PortDimT &dim) {
  if (dim.parts < 0 || static_cast<uint32_t>(dim.parts) >= counts.slots())
    return Status::error(2102, "expected a count slot below {} as parts of port {} of entry {} but got {}",
                         counts.slots(), port.name, entry.name, dim.parts);
  uint32_t parts = static_cast<uint32_t>(dim.parts);
  if (!counts.isVector(parts) || counts.maker(parts).axes != dim.axes)
    return Status::error(2126, "expected parts of port {} of entry {} to be a vector over its axes but got slot {}",
                         port.name, entry.name, dim.parts);
  const schema::AmountT &size = *dim.size;
  bool isSlot =
      size.constant == 0 && size.terms.size() == 1 && size.terms[0].coefficient() == 1 && size.terms[0].slot() >= 0;
  const count::Program::Instruction *maker =
      isSlot ? &counts.maker(static_cast<uint32_t>(size.terms[0].slot())) : nullptr;
  if (!maker || maker->op != schema::CountOp::Sum || maker->operands[0] != parts)
    return Status::error(2121, "expected the sum of its parts as a size of port {} of entry {} but got another",
                         port.name, entry.name);
  return Status::ok();
}

Status checkPort(const schema::PlanT &plan, const count::Program &counts, const schema::EntryT &entry,
                 const schema::PortT &port) {
  if (!elementBytes(port.element))
    return Status::error(2101, "expected an element type up to 8 for port {} of entry {} but got {}", port.name,
                         entry.name, int(port.element));
  if (port.dims.size() > greatestPortDims)
    return Status::error(2121, "expected at most {} dimensions of port {} of entry {} but got {}", greatestPortDims,
                         port.name, entry.name, port.dims.size());
  std::vector<bool> used(plan.mesh->axes.size());
  for (const auto &dim : port.dims) {
    MUSTER_RETURN_IF_ERROR(checkAmount(*dim->size, plan, counts, false, "the size of a port"));
    for (const schema::Term &term : dim->size->terms)
      if (term.position() != schema::Position::One || term.index() != schema::Element::Fixed)
        return Status::error(2121, "expected a size without coordinates for port {} of entry {} but got one with",
                             port.name, entry.name);
    for (uint8_t axis : dim->axes) {
      if (axis >= used.size() || used[axis])
        return Status::error(2121, "expected distinct mesh axes below {} for port {} of entry {} but got {}",
                             used.size(), port.name, entry.name, axis);
      used[axis] = true;
    }
    if (dim->parts != -1)
      MUSTER_RETURN_IF_ERROR(checkParts(counts, entry, port, *dim));
  }
  return Status::ok();
}

Status checkEntry(const schema::PlanT &plan, const count::Program &counts, const schema::EntryT &entry) {
  for (const auto *ports : {&entry.inputs, &entry.results})
    for (const auto &port : *ports)
      MUSTER_RETURN_IF_ERROR(checkPort(plan, counts, entry, *port));
  if (entry.variants.empty())
    return Status::error(2121, "expected at least 1 variant of entry {} but got 0", entry.name);
  for (const auto &variant : entry.variants)
    MUSTER_RETURN_IF_ERROR(checkVariant(plan, counts, entry, *variant));
  return Status::ok();
}

Status checkMatmulRows(const schema::PlanT &plan) {
  for (size_t i = 0; i != plan.matmul_rows.size(); ++i) {
    uint32_t least = i == 0 ? 1 : plan.matmul_rows[i - 1] + 1;
    if (i == 0 ? plan.matmul_rows[i] != 1 : plan.matmul_rows[i] < least || plan.matmul_rows[i] > 4096)
      return Status::error(2124, "expected ascending matmul row counts from 1 to 4096 but got {} at place {}",
                           plan.matmul_rows[i], i);
  }
  return Status::ok();
}

} // namespace

Result<count::Program> checkPlan(const schema::PlanT &plan, uint64_t planEnd, uint64_t fileBytes) {
  MUSTER_RETURN_IF_ERROR(checkMesh(*plan.mesh));
  MUSTER_ASSIGN_OR_RETURN(count::Program counts, count::Program::make(*plan.counts, *plan.mesh));
  MUSTER_RETURN_IF_ERROR(count::slotBounds(counts).status());
  MUSTER_RETURN_IF_ERROR(checkWeightGroups(plan, *rankCount(*plan.mesh)));
  MUSTER_RETURN_IF_ERROR(checkWeights(plan));
  MUSTER_RETURN_IF_ERROR(checkStates(plan));
  MUSTER_RETURN_IF_ERROR(checkSections(plan, planEnd, fileBytes));
  MUSTER_RETURN_IF_ERROR(checkMatmulRows(plan));
  if (plan.entries.empty())
    return Status::error(2121, "expected at least 1 entry but got 0");
  for (const auto &entry : plan.entries)
    MUSTER_RETURN_IF_ERROR(checkEntry(plan, counts, *entry));
  return counts;
}

} // namespace muster::plan
