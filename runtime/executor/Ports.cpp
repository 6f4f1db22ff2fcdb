// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Ports.h"

#include "runtime/executor/Copy.h"
#include "runtime/plan/CheckPlan.h"
#include "runtime/schema/Elements.h"

namespace muster::executor {

PortShape::PortShape(const schema::PortT &port, const schema::MeshT &mesh)
    : port(port), mesh(mesh), elementBytes(schema::elementBytes(port.element)), divides(mesh.axes.size()),
      logical(port.dims.size()) {
  for (const auto &dim : port.dims) {
    int64_t count = 1;
    for (uint8_t axis : dim->axes) {
      count *= mesh.axes[axis]->size;
      divides[axis] = true;
    }
    pieces.push_back(count);
    begins.emplace_back(dim->parts < 0 ? 0 : static_cast<size_t>(count) + 1);
  }
}

Status PortShape::resize(std::span<const int64_t> slots) {
  sizeBytes = elementBytes;
  for (size_t i = 0; i != logical.size(); ++i) {
    const schema::AmountT &size = *port.dims[i]->size;
    int64_t value = size.constant;
    for (const schema::Term &term : size.terms)
      value += term.coefficient() * (term.slot() < 0 ? 1 : slots[static_cast<size_t>(term.slot())]);
    if (!begins[i].empty()) {
      const int64_t *parts = &slots[static_cast<size_t>(port.dims[i]->parts)];
      for (size_t part = 0; part + 1 != begins[i].size(); ++part)
        begins[i][part + 1] = begins[i][part] + parts[part];
    } else if (value < 0 || value % pieces[i] != 0)
      return Status::error(2413, "expected dimension {} of {} to be a multiple of {} but got {}", i, port.name,
                           pieces[i], value)
          .withExitCode(ExitCode::input);
    logical[i] = value;
    sizeBytes *= static_cast<uint64_t>(value);
  }
  return Status::ok();
}

/// A rank's part as a box of the logical tensor.
struct PortShape::Part {
  BoxDim dims[plan::greatestPortDims]; // source: the tensor, destination: the part
  int64_t tensorOffset = 0;
};

PortShape::Range PortShape::rangeOf(size_t dim, std::span<const uint32_t> coordinates) const {
  size_t position = 0;
  for (uint8_t axis : port.dims[dim]->axes)
    position = position * mesh.axes[axis]->size + coordinates[axis];
  if (!begins[dim].empty())
    return {begins[dim][position], begins[dim][position + 1] - begins[dim][position]};
  int64_t size = logical[dim] / pieces[dim];
  return {static_cast<int64_t>(position) * size, size};
}

int64_t PortShape::partDim(size_t dim, std::span<const uint32_t> coordinates) const {
  return rangeOf(dim, coordinates).size;
}

uint64_t PortShape::partBytes(std::span<const uint32_t> coordinates) const {
  uint64_t bytes = elementBytes;
  for (size_t dim = 0; dim != logical.size(); ++dim)
    bytes *= static_cast<uint64_t>(partDim(dim, coordinates));
  return bytes;
}

PortShape::Part PortShape::partOf(std::span<const uint32_t> coordinates) const {
  Part part;
  int64_t tensorStride = 1, partStride = 1;
  for (size_t i = logical.size(); i-- != 0;) {
    Range range = rangeOf(i, coordinates);
    part.dims[i] = {range.size, tensorStride, partStride};
    part.tensorOffset += range.begin * tensorStride;
    tensorStride *= logical[i];
    partStride *= range.size;
  }
  return part;
}

void PortShape::scatter(std::span<const uint32_t> coordinates, const std::byte *tensor, std::byte *part) const {
  Part box = partOf(coordinates);
  int count = normalise(std::span(box.dims, logical.size()));
  if (count >= 0)
    copyBox(tensor + box.tensorOffset * static_cast<int64_t>(elementBytes), part,
            std::span(box.dims, static_cast<size_t>(count)), elementBytes, 0, 1);
}

void PortShape::gather(std::span<const uint32_t> coordinates, const std::byte *part, std::byte *tensor) const {
  Part box = partOf(coordinates);
  for (size_t i = 0; i != logical.size(); ++i)
    std::swap(box.dims[i].sourceStride, box.dims[i].destinationStride);
  int count = normalise(std::span(box.dims, logical.size()));
  if (count >= 0)
    copyBox(part, tensor + box.tensorOffset * static_cast<int64_t>(elementBytes),
            std::span(box.dims, static_cast<size_t>(count)), elementBytes, 0, 1);
}

bool PortShape::isFirstHolder(std::span<const uint32_t> coordinates) const {
  for (size_t axis = 0; axis != coordinates.size(); ++axis)
    if (!divides[axis] && coordinates[axis] != 0)
      return false;
  return true;
}

} // namespace muster::executor
