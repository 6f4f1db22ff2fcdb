// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/ChunkOrders.h"

#include "compiler/Layout/Movement.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

/// The dim as the transposed [columns, rows]: element (row, column) goes to (column, row).
static Outcome<layout::Value> transposeDim(const layout::Universe &universe, const layout::Value &value, unsigned dim,
                                           const Size &rows, const Size &columns) {
  SmallVector<Size, 4> shape = value.localShape(), cut = shape;
  cut[dim] = rows;
  cut.insert(cut.begin() + dim + 1, columns);
  Outcome<layout::Value> parts = layout::reshape(universe, value, cut);
  if (!parts)
    return parts;
  SmallVector<int64_t, 6> permutation = llvm::to_vector<6>(llvm::seq<int64_t>(0, static_cast<int64_t>(cut.size())));
  std::swap(permutation[dim], permutation[dim + 1]);
  return layout::reshape(universe, layout::transpose(*parts, permutation), shape);
}

layout::SpaceId muster::zigZagOf(layout::Universe &universe, layout::SpaceId plain, const Size &parts) {
  for (layout::SpaceId other = 0; other < universe.spaces.size(); ++other)
    if (universe.spaces[other].twin == plain && universe.spaces[other].zigZagParts == parts)
      return other;
  layout::Space ordered{universe.spaces[plain].name + " zigzag", universe.spaces[plain].size,
                        "zigzag over " + parts.print(universe.symbols.getNames())};
  ordered.twin = plain;
  ordered.zigZagParts = parts;
  return universe.addSpace(ordered);
}

/// Reads a dim that holds a whole space in order as one of the same elements in another order.
static Outcome<layout::Value> reorder(layout::Universe &universe, layout::Value value, unsigned dim, const Size &parts,
                                      bool toZigZag) {
  layout::Dim &held = value.dims[dim];
  bool isWhole = held.digits.size() == 1 && !held.isSegmented() && !held.digits.front().isMesh() &&
                 held.digits.front().stride.isOne() &&
                 held.digits.front().count == universe.spaces[held.digits.front().space].size;
  const layout::Space *space = isWhole ? &universe.spaces[held.digits.front().space] : nullptr;
  if (space && !toZigZag && space->twin && space->zigZagParts == parts)
    held.digits.front().space = *space->twin;
  else if (space && toZigZag && !space->twin && space->tag.empty())
    held.digits.front().space = zigZagOf(universe, held.digits.front().space, parts);
  else
    return Refusal{Refusal::Kind::Unknown,
                   "the " + std::string(toZigZag ? "plain" : "zig-zag") + " order of " + print(universe, held),
                   "a dim that holds a whole named dim in this order"};
  held.digits.front().home = std::nullopt;
  return value;
}

Outcome<layout::Value> muster::collectParts(layout::Universe &universe, const layout::Value &value, layout::Group group,
                                            unsigned dim, ChunkOrder order) {
  Size part = value.dims[dim].localSize(), ranks = universe.sizeOf(group);
  Outcome<layout::Value> gathered = layout::allGather(universe, value, group, dim);
  if (!gathered || ranks.isOne() || order == ChunkOrder::Contiguous)
    return gathered;
  if (order == ChunkOrder::ZigZag)
    return reorder(universe, std::move(*gathered), dim, ranks, false);
  return transposeDim(universe, *gathered, dim, ranks, part);
}

Outcome<layout::Value> muster::dealParts(layout::Universe &universe, const layout::Value &value, layout::Group group,
                                         unsigned dim, ChunkOrder order) {
  Size ranks = universe.sizeOf(group);
  if (ranks.isOne() || order == ChunkOrder::Contiguous)
    return layout::slice(universe, value, group, dim);
  std::optional<Size> part = layout::divide(value.dims[dim].localSize(), ranks);
  if (!part)
    return Refusal{Refusal::Kind::Wrong,
                   "a dim of " + value.dims[dim].localSize().print(universe.symbols.getNames()) + " has no equal parts",
                   ""};
  Outcome<layout::Value> ordered = order == ChunkOrder::ZigZag ? reorder(universe, value, dim, ranks, true)
                                                               : transposeDim(universe, value, dim, *part, ranks);
  if (!ordered)
    return ordered;
  return layout::slice(universe, *ordered, group, dim);
}
