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

Scopes Program::scopes() const {
  struct Region {
    Kind kind;
    int parent;
    size_t begin;
  };
  std::vector<Region> regions = {{Kind::Argument, -1, 0}};
  Scopes scopes;
  scopes.other.assign(ops.size(), -1);
  int open = 0;
  auto isSeen = [&](int value) {
    for (int region = open; region >= 0; region = regions[static_cast<size_t>(region)].parent) {
      if (scopes.regionOf[static_cast<size_t>(value)] == region)
        return true;
      if (regions[static_cast<size_t>(region)].kind == Kind::CallBegin)
        return false; // a function sees its arguments only
    }
    return false;
  };
  for (size_t i = 0; i < ops.size(); ++i) {
    const ProgramOp &op = ops[i];
    for (int operand : op.operands)
      scopes.isNested &= isSeen(operand);
    auto enter = [&](Kind kind) {
      regions.push_back({kind, open, i});
      open = static_cast<int>(regions.size()) - 1;
    };
    auto leave = [&](Kind kind) {
      const Region &region = regions[static_cast<size_t>(open)];
      scopes.isNested &= region.kind == kind;
      if (region.kind != kind)
        return;
      scopes.other[i] = static_cast<int>(region.begin);
      scopes.other[region.begin] = static_cast<int>(i);
      open = region.parent;
    };
    switch (op.kind) {
    case Kind::Argument:
      scopes.regionOf.push_back(0);
      continue;
    case Kind::LoopBegin:
    case Kind::CallBegin:
      enter(op.kind);
      break;
    case Kind::LoopEnd:
      leave(Kind::LoopBegin);
      break;
    case Kind::CallEnd:
      leave(Kind::CallBegin);
      break;
    case Kind::Then:
      enter(op.kind);
      scopes.regionOf.push_back(-1);
      continue;
    case Kind::Else:
      leave(Kind::Then);
      enter(op.kind);
      scopes.regionOf.push_back(-1);
      continue;
    case Kind::BranchEnd:
      leave(Kind::Else);
      break;
    default:
      break;
    }
    scopes.regionOf.push_back(open);
  }
  scopes.isClosed = scopes.isNested && open == 0;
  return scopes;
}

std::vector<bool> Program::integers() const {
  std::vector<bool> all;
  for (const ProgramOp &op : ops)
    switch (op.kind) {
    case Kind::Argument:
      all.push_back(op.bound > 0);
      break;
    case Kind::Reshape:
    case Kind::Transpose:
    case Kind::AllGather:
    case Kind::Slice:
    case Kind::AllToAll:
    case Kind::Exchange:
    case Kind::Broadcast:
    case Kind::Concat:
    case Kind::Part:
    case Kind::LoopBegin:
    case Kind::LoopEnd:
    case Kind::Else:
    case Kind::BranchEnd:
    case Kind::CallBegin:
    case Kind::CallEnd:
    case Kind::CallAgain:
      all.push_back(all[static_cast<size_t>(op.operands.front())]);
      break;
    default:
      all.push_back(false);
    }
  return all;
}

/// Whether an operation takes operands of these sorts of numbers.
static bool takes(const ProgramOp &op, const std::vector<bool> &integers) {
  for (size_t i = 0; i < op.operands.size(); ++i) {
    bool isInteger = integers[static_cast<size_t>(op.operands[i])];
    switch (op.kind) {
    case Kind::Concat:
      if (isInteger != integers[static_cast<size_t>(op.operands[0])])
        return false;
      break;
    case Kind::Rope:
      if (isInteger != (i == 3))
        return false;
      break;
    case Kind::Then:
      if (!isInteger)
        return false;
      break;
    case Kind::AllReduce:
    case Kind::ReduceScatter:
    case Kind::Product:
    case Kind::Binary:
    case Kind::Unary:
    case Kind::Scale:
    case Kind::Shift:
    case Kind::Reduce:
    case Kind::Matmul:
    case Kind::RmsNorm:
    case Kind::SplitHeads:
    case Kind::MergeHeads:
      if (isInteger)
        return false;
      break;
    default:
      break;
    }
  }
  return true;
}

std::optional<std::vector<Sizes>> Program::shapesOfOps(const Sizes &on) const {
  std::vector<Sizes> all;
  Scopes regions = scopes();
  std::vector<bool> whole = integers();
  if (!regions.isNested)
    return std::nullopt;
  for (size_t number = 0; number < ops.size(); ++number) {
    const ProgramOp &op = ops[number];
    if (!takes(op, whole))
      return std::nullopt;
    auto shapeAt = [&](size_t i) -> const Sizes & { return all[static_cast<size_t>(op.operands[i])]; };
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
    case Kind::Matmul:
      if (shape.size() != 2 || shapeAt(1).size() != 2 || shape[1] != shapeAt(1)[1])
        return std::nullopt;
      shape[1] = shapeAt(1)[0];
      break;
    case Kind::RmsNorm:
      if (shape.size() != 2 || shapeAt(1) != Sizes{shape[1]})
        return std::nullopt;
      break;
    case Kind::SplitHeads:
      if (shape.size() != 2 || shape[1] % op.headDim != 0 || op.heads % (shape[1] / op.headDim) != 0)
        return std::nullopt;
      shape = {shape[0], shape[1] / op.headDim, op.headDim};
      break;
    case Kind::MergeHeads:
      if (shape.size() != 3 || shape[2] != op.headDim || op.heads % shape[1] != 0)
        return std::nullopt;
      shape = {shape[0], shape[1] * shape[2]};
      break;
    case Kind::Rope: {
      const Sizes &table = shapeAt(1);
      if (shape.size() != 3 || shape[2] % 2 != 0 || table.size() != 2 || table[1] * 2 != shape[2] ||
          shapeAt(2) != table || shapeAt(3) != Sizes{shape[0]})
        return std::nullopt;
      break;
    }
    case Kind::Concat: {
      if (!hasDim(op.dim))
        return std::nullopt;
      size_t dim = static_cast<size_t>(op.dim);
      int64_t size = 0;
      for (size_t i = 0; i < op.operands.size(); ++i) {
        Sizes own = shapeAt(i);
        if (own.size() != shape.size())
          return std::nullopt;
        size += own[dim];
        own[dim] = shape[dim];
        if (own != shape)
          return std::nullopt;
      }
      shape[dim] = size;
      break;
    }
    case Kind::Part: {
      int64_t offset = op.shape[0].at(on), size = op.shape[1].at(on);
      if (!hasDim(op.dim) || offset + size > shape[static_cast<size_t>(op.dim)])
        return std::nullopt;
      shape[static_cast<size_t>(op.dim)] = size;
      break;
    }
    case Kind::LoopBegin:
    case Kind::CallBegin:
      break;
    case Kind::LoopEnd:
    case Kind::BranchEnd: { // `other` is the Else, whose shape is that of the first branch
      size_t other = static_cast<size_t>(regions.other[number]);
      if (shape != all[other] || whole[number] != whole[other])
        return std::nullopt;
      break;
    }
    case Kind::Then:
      if (shape.size() != 1)
        return std::nullopt;
      break;
    case Kind::Else:
      break;
    case Kind::CallEnd:
      break;
    case Kind::CallAgain: {
      bool isKnown = false;
      for (size_t begin = 0; begin < number; ++begin)
        if (ops[begin].kind == Kind::CallBegin && ops[begin].tag == op.callee && regions.other[begin] >= 0 &&
            static_cast<size_t>(regions.other[begin]) < number && shape == all[begin] &&
            whole[begin] == whole[static_cast<size_t>(op.operands[0])]) {
          shape = all[static_cast<size_t>(regions.other[begin])];
          isKnown = true;
          break;
        }
      if (!isKnown)
        return std::nullopt;
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
  Scopes regions = scopes();
  if (declared != (*all)[static_cast<size_t>(result)] || !regions.isClosed ||
      regions.regionOf[static_cast<size_t>(result)] != 0 || integers()[static_cast<size_t>(result)])
    return std::nullopt;
  return all;
}

} // namespace muster::test
