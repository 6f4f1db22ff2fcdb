// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Inputs and results of an entry between logical tensors and the ranks' parts.

#ifndef MUSTER_RUNTIME_EXECUTOR_PORTS_H
#define MUSTER_RUNTIME_EXECUTOR_PORTS_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace muster::executor {

/// A port of an entry on a mesh. Its dimensions are those of the current step once `resize` was called.
class PortShape {
public:
  PortShape(const schema::PortT &port, const schema::MeshT &mesh);

  /// Evaluates the dimensions. Errors: E2413 where one is negative or not divisible by its mesh axes.
  Status resize(std::span<const int64_t> slots);

  std::span<const int64_t> dims() const { return logical; }
  uint64_t bytes() const { return sizeBytes; }
  /// Of the part of the rank at `coordinates`.
  int64_t partDim(size_t dim, std::span<const uint32_t> coordinates) const;
  uint64_t partBytes(std::span<const uint32_t> coordinates) const;

  /// Copies the part of the rank at `coordinates` out of the logical tensor, or back into it.
  void scatter(std::span<const uint32_t> coordinates, const std::byte *tensor, std::byte *part) const;
  void gather(std::span<const uint32_t> coordinates, const std::byte *part, std::byte *tensor) const;

  /// Whether the rank at `coordinates` is the first that holds its part (the others hold copies).
  bool isFirstHolder(std::span<const uint32_t> coordinates) const;

private:
  struct Part;
  Part partOf(std::span<const uint32_t> coordinates) const;
  /// Where a rank's part of a dim begins, and how long it is.
  struct Range {
    int64_t begin, size;
  };
  Range rangeOf(size_t dim, std::span<const uint32_t> coordinates) const;

  const schema::PortT &port;
  const schema::MeshT &mesh;
  uint64_t elementBytes;
  std::vector<int64_t> pieces; // of each dimension
  /// Of a dimension in unequal parts: where each begins, and the end of all; empty for others.
  std::vector<std::vector<int64_t>> begins;
  std::vector<bool> divides; // by axis: some dimension is divided by it
  std::vector<int64_t> logical;
  uint64_t sizeBytes = 0;
};

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_PORTS_H
