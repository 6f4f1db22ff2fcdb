// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Analysis/Program.h"

#include <numeric>

namespace muster::test {

using Kind = ProgramOp::Kind;

int64_t Extent::at(const Sizes &mesh) const {
  int64_t numerator = factor, denominator = 1;
  for (size_t axis = 0; axis < mesh.size(); ++axis) {
    for (int e = 0; e < exponents[axis]; ++e)
      numerator *= mesh[axis];
    for (int e = 0; e > exponents[axis]; --e)
      denominator *= mesh[axis];
  }
  return numerator % denominator == 0 ? numerator / denominator : 0;
}

Extent operator*(Extent a, const Extent &b) {
  a.factor *= b.factor;
  for (size_t i = 0; i < a.exponents.size(); ++i)
    a.exponents[i] += b.exponents[i];
  return a;
}

Extent groupExtent(const std::vector<int> &axes, int power) {
  Extent extent;
  for (int axis : axes)
    extent.exponents[static_cast<size_t>(axis)] += power;
  return extent;
}

Extent Term::local() const {
  Extent extent = groupExtent(axes, -1);
  extent.factor = size;
  return extent;
}

Extent localOf(const Terms &terms) {
  Extent extent;
  for (const Term &term : terms)
    extent = extent * term.local();
  return extent;
}

int64_t sizeOf(const Sizes &mesh, const std::vector<int> &group) {
  int64_t size = 1;
  for (int axis : group)
    size *= mesh[static_cast<size_t>(axis)];
  return size;
}

std::vector<Extent> extentsOf(const std::vector<Terms> &dims) {
  std::vector<Extent> extents;
  for (const Terms &terms : dims)
    extents.push_back(localOf(terms));
  return extents;
}

static int64_t elements(const Sizes &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

/// The shape of a mapped operation: each iterator has one size in all operands.
static std::optional<Sizes> mappedShape(const ProgramOp &op, const std::vector<Sizes> &shapes) {
  std::vector<int64_t> extents(16, 0);
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const Sizes &shape = shapes[static_cast<size_t>(op.operands[i])];
    if (shape.size() != op.maps[i].size())
      return std::nullopt;
    for (size_t d = 0; d < shape.size(); ++d) {
      int64_t &extent = extents[static_cast<size_t>(op.maps[i][d])];
      if (extent != 0 && extent != shape[d])
        return std::nullopt;
      extent = shape[d];
    }
  }
  Sizes result;
  for (int iterator : op.resultMap) {
    result.push_back(extents[static_cast<size_t>(iterator)]);
    if (result.back() == 0)
      return std::nullopt;
  }
  return result;
}

std::optional<std::vector<Sizes>> Program::shapesOfOps(const Sizes &on) const {
  std::vector<Sizes> all;
  for (const ProgramOp &op : ops) {
    Sizes shape = op.operands.empty() ? Sizes() : all[static_cast<size_t>(op.operands.front())];
    int64_t parts = sizeOf(on, op.group);
    auto hasDim = [&](int dim) { return dim >= 0 && static_cast<size_t>(dim) < shape.size(); };
    switch (op.kind) {
    case Kind::Argument:
      for (const Terms &terms : op.dims)
        shape.push_back(localOf(terms).at(on));
      break;
    case Kind::Constant:
    case Kind::Reshape: {
      Sizes target;
      for (const Extent &extent : op.shape)
        target.push_back(extent.at(on));
      if (op.kind == Kind::Reshape && elements(target) != elements(shape))
        return std::nullopt;
      shape = target;
      break;
    }
    case Kind::Transpose: {
      if (op.permutation.size() != shape.size())
        return std::nullopt;
      Sizes from = shape;
      for (size_t i = 0; i < shape.size(); ++i)
        shape[i] = from[static_cast<size_t>(op.permutation[i])];
      break;
    }
    case Kind::AllGather:
      if (!hasDim(op.dim))
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] *= parts;
      break;
    case Kind::Slice:
    case Kind::ReduceScatter:
      if (!hasDim(op.dim) || shape[static_cast<size_t>(op.dim)] % parts != 0)
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] /= parts;
      break;
    case Kind::AllToAll:
      if (!hasDim(op.dim) || !hasDim(op.concat) || shape[static_cast<size_t>(op.dim)] % parts != 0)
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] /= parts;
      shape[static_cast<size_t>(op.concat)] *= parts;
      break;
    case Kind::Exchange:
      if (shape.empty() || shape[0] % parts != 0)
        return std::nullopt;
      break;
    case Kind::AllReduce:
    case Kind::Broadcast:
    case Kind::Unary:
    case Kind::Scale:
    case Kind::Shift:
      break;
    case Kind::Product:
    case Kind::Binary:
    case Kind::Reduce: {
      std::optional<Sizes> mapped = mappedShape(op, all);
      if (!mapped)
        return std::nullopt;
      shape = *mapped;
      break;
    }
    }
    for (int64_t size : shape)
      if (size < 1)
        return std::nullopt;
    if (elements(shape) > 2048)
      return std::nullopt;
    all.push_back(shape);
  }
  return all;
}

std::optional<std::vector<Sizes>> Program::shapes(const Sizes &on) const {
  std::optional<std::vector<Sizes>> all = shapesOfOps(on);
  if (!all)
    return std::nullopt;
  Sizes declared;
  for (const Terms &terms : resultDims)
    declared.push_back(localOf(terms).at(on));
  if (declared != (*all)[static_cast<size_t>(result)])
    return std::nullopt;
  return all;
}

} // namespace muster::test
