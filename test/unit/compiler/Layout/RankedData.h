// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The other side of every rule of the layout algebra: tensors of element numbers on all ranks, moved by the definition
// of each operation.

#ifndef MUSTER_TEST_UNIT_COMPILER_LAYOUT_RANKEDDATA_H
#define MUSTER_TEST_UNIT_COMPILER_LAYOUT_RANKEDDATA_H

#include <cstdint>
#include <vector>

namespace muster::test {

using Shape = std::vector<int64_t>;

inline int64_t elementsOf(const Shape &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

/// Next index of a shape in row-major order; false after the last.
inline bool advance(Shape &index, const Shape &shape) {
  for (size_t i = shape.size(); i-- > 0;) {
    if (++index[i] < shape[i])
      return true;
    index[i] = 0;
  }
  return false;
}

inline int64_t offsetOf(const Shape &index, const Shape &shape) {
  int64_t offset = 0;
  for (size_t i = 0; i < shape.size(); ++i)
    offset = offset * shape[i] + index[i];
  return offset;
}

/// A mesh of named axes, ranks row-major.
struct RankMesh {
  Shape sizes;
  int64_t ranks() const { return elementsOf(sizes); }
  Shape coordinatesOf(int64_t rank) const {
    Shape coordinates(sizes.size());
    for (size_t i = sizes.size(); i-- > 0; rank /= sizes[i])
      coordinates[i] = rank % sizes[i];
    return coordinates;
  }
  /// The ranks that differ from `rank` in the axes of `group` only, by position in the group.
  std::vector<int64_t> groupOf(int64_t rank, const std::vector<uint32_t> &group) const {
    Shape coordinates = coordinatesOf(rank), groupShape;
    for (uint32_t axis : group)
      groupShape.push_back(sizes[axis]);
    std::vector<int64_t> result;
    Shape position(group.size(), 0);
    do {
      for (size_t i = 0; i < group.size(); ++i)
        coordinates[group[i]] = position[i];
      result.push_back(offsetOf(coordinates, sizes));
    } while (advance(position, groupShape));
    return result;
  }
  int64_t positionOf(int64_t rank, const std::vector<uint32_t> &group) const {
    Shape coordinates = coordinatesOf(rank);
    int64_t position = 0;
    for (uint32_t axis : group)
      position = position * sizes[axis] + coordinates[axis];
    return position;
  }
};

/// One tensor on all ranks: element numbers, row-major.
struct RankedData {
  Shape shape;
  std::vector<std::vector<int64_t>> ranks;

  /// Result whose element at (rank, index) is that of `from(rank, index)` -> (source rank, source index).
  template <typename From>
  RankedData pulled(const Shape &newShape, From from) const {
    RankedData result{newShape, {}};
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      std::vector<int64_t> data;
      Shape index(newShape.size(), 0);
      do {
        auto [source, at] = from(static_cast<int64_t>(rank), index);
        data.push_back(ranks[static_cast<size_t>(source)][static_cast<size_t>(offsetOf(at, shape))]);
      } while (advance(index, newShape));
      result.ranks.push_back(std::move(data));
    }
    return result;
  }
  RankedData reshaped(const Shape &newShape) const { return {newShape, ranks}; }
  RankedData transposed(const std::vector<int64_t> &permutation) const {
    Shape newShape;
    for (int64_t dim : permutation)
      newShape.push_back(shape[static_cast<size_t>(dim)]);
    return pulled(newShape, [&](int64_t rank, const Shape &index) {
      Shape at(index.size());
      for (size_t i = 0; i < index.size(); ++i)
        at[static_cast<size_t>(permutation[i])] = index[i];
      return std::pair(rank, at);
    });
  }
  RankedData sliced(const RankMesh &mesh, const std::vector<uint32_t> &group, size_t dim) const {
    int64_t parts = static_cast<int64_t>(mesh.groupOf(0, group).size());
    Shape newShape = shape;
    newShape[dim] /= parts;
    return pulled(newShape, [&](int64_t rank, Shape index) {
      index[dim] += mesh.positionOf(rank, group) * newShape[dim];
      return std::pair(rank, index);
    });
  }
  RankedData gathered(const RankMesh &mesh, const std::vector<uint32_t> &group, size_t dim) const {
    int64_t parts = static_cast<int64_t>(mesh.groupOf(0, group).size());
    Shape newShape = shape;
    newShape[dim] *= parts;
    return pulled(newShape, [&](int64_t rank, Shape index) {
      int64_t source = mesh.groupOf(rank, group)[static_cast<size_t>(index[dim] / shape[dim])];
      index[dim] %= shape[dim];
      return std::pair(source, index);
    });
  }
  RankedData allToAll(const RankMesh &mesh, const std::vector<uint32_t> &group, size_t split, size_t concat) const {
    int64_t parts = static_cast<int64_t>(mesh.groupOf(0, group).size());
    Shape newShape = shape;
    newShape[split] /= parts;
    Shape part = newShape;
    newShape[concat] *= parts;
    return pulled(newShape, [&](int64_t rank, Shape index) {
      int64_t source = mesh.groupOf(rank, group)[static_cast<size_t>(index[concat] / part[concat])];
      index[concat] %= part[concat];
      index[split] += mesh.positionOf(rank, group) * part[split];
      return std::pair(source, index);
    });
  }
  RankedData exchanged(const RankMesh &mesh, const std::vector<uint32_t> &group, size_t dim) const {
    return pulled(shape, [&](int64_t rank, Shape index) {
      int64_t source = mesh.groupOf(rank, group)[static_cast<size_t>(index[dim])];
      index[dim] = mesh.positionOf(rank, group);
      return std::pair(source, index);
    });
  }
};

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_COMPILER_LAYOUT_RANKEDDATA_H
