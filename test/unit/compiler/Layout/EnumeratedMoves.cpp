// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/compiler/Layout/EnumeratedMoves.h"

#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/NormalForm.h"

#include <algorithm>
#include <functional>
#include <numeric>

using namespace muster::layout;

namespace muster::test {

static std::string printList(const std::vector<int64_t> &list) {
  std::string text = "[";
  for (int64_t number : list)
    text += (text.size() > 1 ? ", " : "") + std::to_string(number);
  return text + "]";
}

std::string Move::print() const {
  std::string axes;
  for (uint32_t axis : group)
    axes += static_cast<char>('p' + axis);
  std::string at = " over " + axes + " dim " + std::to_string(dim);
  switch (kind) {
  case Kind::Reshape:
    return "reshape to " + printList(list);
  case Kind::Transpose:
    return "transpose " + printList(list);
  case Kind::Slice:
    return "slice" + at;
  case Kind::AllGather:
    return "all_gather" + at;
  case Kind::AllToAll:
    return "all_to_all" + at + " concat " + std::to_string(concat);
  case Kind::Exchange:
    return "exchange" + at;
  case Kind::Broadcast:
    return "broadcast over " + axes;
  }
  return "";
}

std::vector<Shape> shapesUpTo(size_t mostDims, int64_t mostSize, int64_t mostElements) {
  std::vector<Shape> shapes;
  std::function<void(Shape, int64_t)> extend = [&](Shape shape, int64_t elements) {
    if (!shape.empty())
      shapes.push_back(shape);
    if (shape.size() == mostDims)
      return;
    shape.push_back(1);
    for (; shape.back() <= mostSize && elements * shape.back() <= mostElements; ++shape.back())
      extend(shape, elements * shape.back());
  };
  extend({}, 1);
  return shapes;
}

std::vector<RankMesh> meshesUpTo(size_t mostAxes, int64_t mostSize) {
  std::vector<RankMesh> meshes;
  for (const Shape &sizes : shapesUpTo(mostAxes, mostSize, elementsOf(Shape(mostAxes, mostSize))))
    if (std::is_sorted(sizes.begin(), sizes.end()))
      meshes.push_back({sizes});
  return meshes;
}

/// Digits of one dim: axes, outer first, and the local elements.
static Entry makeEntry(const RankMesh &mesh, const Shape &local, const std::vector<AxisList> &axes) {
  Entry entry;
  entry.shape = local;
  for (size_t axis = 0; axis < mesh.sizes.size(); ++axis)
    entry.universe.axes.push_back({std::string(1, static_cast<char>('p' + axis)), mesh.sizes[axis]});
  for (size_t d = 0; d < local.size(); ++d) {
    SpaceId space = entry.universe.addSpace({std::string(1, static_cast<char>('a' + d)), 1});
    Dim dim;
    Digit own;
    own.count = local[d];
    own.stride = 1;
    own.space = space;
    dim.digits.push_back(own);
    Size stride = local[d];
    for (size_t i = axes[d].size(); i-- > 0;) {
      Digit digit;
      digit.count = mesh.sizes[axes[d][i]];
      digit.stride = stride;
      digit.space = space;
      digit.axis = axes[d][i];
      digit.home = Size(1);
      dim.digits.insert(dim.digits.begin(), digit);
      stride *= digit.count;
    }
    entry.universe.spaces[space].size = stride;
    entry.value.dims.push_back(dim);
  }
  normalise(entry.value);
  // By the definition of a layout, not by the algebra.
  for (int64_t rank = 0; rank < mesh.ranks(); ++rank) {
    Shape index(local.size(), 0);
    do {
      uint64_t element = 0;
      for (size_t d = 0; d < local.size(); ++d)
        element += spaceWeight(d) * static_cast<uint64_t>(mesh.positionOf(rank, axes[d]) * local[d] + index[d]);
      entry.data.push_back(element);
    } while (advance(index, local));
  }
  return entry;
}

std::vector<Entry> entriesOf(const RankMesh &mesh, const Shape &local) {
  std::vector<Entry> entries;
  std::vector<AxisList> axes(local.size());
  std::function<void(uint32_t)> place = [&](uint32_t axis) {
    if (axis == mesh.sizes.size()) {
      entries.push_back(makeEntry(mesh, local, axes));
      return;
    }
    place(axis + 1);
    for (AxisList &own : axes)
      for (size_t at = 0; at <= own.size(); ++at) {
        own.insert(own.begin() + static_cast<ptrdiff_t>(at), axis);
        place(axis + 1);
        own.erase(own.begin() + static_cast<ptrdiff_t>(at));
      }
  };
  place(0);
  return entries;
}

std::vector<AxisList> groupsOf(const RankMesh &mesh) {
  std::vector<AxisList> groups;
  std::function<void(AxisList)> extend = [&](const AxisList &group) {
    if (!group.empty())
      groups.push_back(group);
    for (uint32_t axis = 0; axis < mesh.sizes.size(); ++axis)
      if (std::find(group.begin(), group.end(), axis) == group.end()) {
        AxisList more = group;
        more.push_back(axis);
        extend(more);
      }
  };
  extend({});
  return groups;
}

std::vector<Move> movesOf(const RankMesh &mesh, const Shape &local, int64_t mostElements) {
  // Numbers of places, moved as the definitions say.
  RankedData places{local, {}};
  for (int64_t rank = 0, place = 0; rank < mesh.ranks(); ++rank) {
    places.ranks.emplace_back();
    for (int64_t i = 0; i < elementsOf(local); ++i)
      places.ranks.back().push_back(place++);
  }
  std::vector<Move> moves;
  auto add = [&](Move move, const RankedData &data) {
    move.shape = data.shape;
    for (const std::vector<int64_t> &rank : data.ranks)
      move.from.insert(move.from.end(), rank.begin(), rank.end());
    moves.push_back(std::move(move));
  };
  // Reshapes to all shapes of up to four dims, of any size.
  for (const Shape &shape : shapesUpTo(4, elementsOf(local), elementsOf(local)))
    if (elementsOf(shape) == elementsOf(local))
      add({.kind = Move::Kind::Reshape, .list = shape}, places.reshaped(shape));
  std::vector<int64_t> permutation(local.size());
  std::iota(permutation.begin(), permutation.end(), 0);
  do
    add({.kind = Move::Kind::Transpose, .list = permutation}, places.transposed(permutation));
  while (std::next_permutation(permutation.begin(), permutation.end()));
  for (const AxisList &group : groupsOf(mesh)) {
    int64_t parts = static_cast<int64_t>(mesh.groupOf(0, group).size());
    RankedData root = places.pulled(
        local, [&](int64_t rank, const Shape &index) { return std::pair(mesh.groupOf(rank, group).front(), index); });
    add({.kind = Move::Kind::Broadcast, .group = group}, root);
    for (unsigned dim = 0; dim < local.size(); ++dim) {
      if (elementsOf(local) * parts <= mostElements)
        add({.kind = Move::Kind::AllGather, .group = group, .dim = dim}, places.gathered(mesh, group, dim));
      if (local[dim] == parts)
        add({.kind = Move::Kind::Exchange, .group = group, .dim = dim}, places.exchanged(mesh, group, dim));
      if (local[dim] % parts != 0)
        continue;
      add({.kind = Move::Kind::Slice, .group = group, .dim = dim}, places.sliced(mesh, group, dim));
      for (unsigned concat = 0; concat < local.size(); ++concat)
        add({.kind = Move::Kind::AllToAll, .group = group, .dim = dim, .concat = concat},
            places.allToAll(mesh, group, dim, concat));
    }
  }
  return moves;
}

Outcome<Value> applyRule(const Universe &universe, const Value &value, const Move &move) {
  switch (move.kind) {
  case Move::Kind::Reshape: {
    llvm::SmallVector<Size, 4> sizes(move.list.begin(), move.list.end());
    return reshape(universe, value, sizes);
  }
  case Move::Kind::Transpose:
    return transpose(value, move.list);
  case Move::Kind::Slice:
    return slice(universe, value, move.group, move.dim);
  case Move::Kind::AllGather:
    return allGather(universe, value, move.group, move.dim);
  case Move::Kind::AllToAll:
    return allToAll(universe, value, move.group, move.dim, move.concat);
  case Move::Kind::Exchange:
    return exchange(universe, value, move.group, move.dim);
  case Move::Kind::Broadcast:
    return broadcast(universe, value, move.group);
  }
  return Refusal::wrong("no movement");
}

std::vector<uint64_t> pull(const std::vector<uint64_t> &data, const Move &move) {
  std::vector<uint64_t> result(move.from.size());
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = data[move.from[i]];
  return result;
}

std::vector<uint64_t> meaningOf(const Universe &universe, const RankMesh &mesh, const Value &value) {
  auto elementOf = [](llvm::ArrayRef<int64_t> positions) {
    uint64_t element = 0;
    for (size_t space = 0; space < positions.size(); ++space)
      element += spaceWeight(space) * static_cast<uint64_t>(positions[space]);
    return element;
  };
  // A place's positions are the sum of what its rank and each of its indices add.
  Place place;
  place.coordinates.assign(mesh.sizes.size(), 0);
  place.index.assign(value.dims.size(), 0);
  std::vector<uint64_t> inside{0};
  for (const Dim &dim : value.dims) {
    int64_t size = dim.localSize().getValue();
    std::vector<uint64_t> longer;
    longer.reserve(inside.size() * static_cast<size_t>(size));
    llvm::SmallVector<uint64_t, 8> own;
    for (int64_t i = 0; i < size; ++i)
      own.push_back(elementOf(positionsAt(universe, dim, place, i)));
    for (uint64_t before : inside)
      for (uint64_t element : own)
        longer.push_back(before + element);
    inside = std::move(longer);
  }
  std::vector<uint64_t> data;
  data.reserve(inside.size() * static_cast<size_t>(mesh.ranks()));
  for (int64_t rank = 0; rank < mesh.ranks(); ++rank) {
    Shape coordinates = mesh.coordinatesOf(rank);
    place.coordinates.assign(coordinates.begin(), coordinates.end());
    uint64_t base = elementOf(positionsAt(universe, value, place));
    for (uint64_t element : inside)
      data.push_back(base + element);
  }
  return data;
}

/// Whether numbers are a mixed-radix number of the index, each digit of one space.
static bool isMixedRadix(const std::vector<uint64_t> &numbers) {
  size_t size = numbers.size();
  if (size == 1)
    return true;
  for (size_t low = 2; low <= size; ++low) {
    if (size % low != 0)
      continue;
    // One space, at most.
    int64_t step = static_cast<int64_t>(numbers[1] - numbers[0]);
    int spaces = 0;
    for (int64_t left = step < 0 ? -step : step; left != 0; left /= 1 << 16)
      spaces += left % (1 << 16) != 0;
    bool fits = step >= 0 && spaces <= 1;
    std::vector<uint64_t> high;
    for (size_t i = 0; i < size && fits; ++i) {
      if (i % low == 0)
        high.push_back(numbers[i]);
      fits = numbers[i] == high.back() + (i % low) * static_cast<uint64_t>(step);
    }
    if (fits && isMixedRadix(high))
      return true;
  }
  return false;
}

bool hasDigits(const RankMesh &mesh, const Shape &shape, const std::vector<uint64_t> &data) {
  Shape all = mesh.sizes;
  all.insert(all.end(), shape.begin(), shape.end());
  std::vector<std::vector<uint64_t>> parts;
  int64_t stride = static_cast<int64_t>(data.size());
  for (int64_t size : all) {
    stride /= size;
    parts.emplace_back();
    for (int64_t i = 0; i < size; ++i)
      parts.back().push_back(data[static_cast<size_t>(i * stride)] - data[0]);
    if (!isMixedRadix(parts.back()))
      return false;
  }
  Shape index(all.size(), 0);
  for (uint64_t element : data) {
    uint64_t sum = data[0];
    for (size_t i = 0; i < all.size(); ++i)
      sum += parts[i][static_cast<size_t>(index[i])];
    if (sum != element)
      return false;
    advance(index, all);
  }
  return true;
}

bool variesOver(const RankMesh &mesh, const AxisList &group, const std::vector<uint64_t> &data) {
  size_t elements = data.size() / static_cast<size_t>(mesh.ranks());
  for (int64_t rank = 0; rank < mesh.ranks(); ++rank) {
    size_t root = static_cast<size_t>(mesh.groupOf(rank, group).front());
    for (size_t i = 0; i < elements; ++i)
      if (data[root * elements + i] != data[static_cast<size_t>(rank) * elements + i])
        return true;
  }
  return false;
}

} // namespace muster::test
