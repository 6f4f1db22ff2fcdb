// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Copy.h"

#include "runtime/executor/Share.h"
#include "runtime/executor/Stream.h"

#include <algorithm>
#include <cstring>

namespace muster::executor {

Stores storesFor(uint64_t receivedBytes) { return receivedBytes >= (4 << 20) ? Stores::streamed : Stores::cached; }

int normalise(std::span<BoxDim> dims) {
  size_t count = 0;
  for (const BoxDim &dim : dims) {
    if (dim.extent <= 0)
      return -1;
    if (dim.extent != 1)
      dims[count++] = dim;
  }
  auto isOuter = [](const BoxDim &a, const BoxDim &b) {
    return std::abs(a.destinationStride) > std::abs(b.destinationStride);
  };
  // Insertion sort: a handful of dimensions, and no allocation.
  for (size_t i = 1; i < count; ++i)
    for (size_t j = i; j != 0 && isOuter(dims[j], dims[j - 1]); --j)
      std::swap(dims[j], dims[j - 1]);
  size_t merged = 0;
  for (size_t i = 0; i != count; ++i) {
    BoxDim &last = dims[merged == 0 ? 0 : merged - 1];
    if (merged != 0 && last.sourceStride == dims[i].sourceStride * dims[i].extent &&
        last.destinationStride == dims[i].destinationStride * dims[i].extent)
      last = {last.extent * dims[i].extent, dims[i].sourceStride, dims[i].destinationStride};
    else
      dims[merged++] = dims[i];
  }
  return static_cast<int>(merged);
}

namespace {

/// Walks all but the last `inner` dimensions and calls `visit(source, destination)` with byte pointers.
template <typename Visit>
void walk(const std::byte *source, std::byte *destination, std::span<const BoxDim> outer, int64_t elementBytes,
          const Visit &visit) {
  if (outer.empty()) {
    visit(source, destination);
    return;
  }
  const BoxDim &dim = outer.front();
  for (int64_t i = 0; i != dim.extent; ++i)
    walk(source + i * dim.sourceStride * elementBytes, destination + i * dim.destinationStride * elementBytes,
         outer.subspan(1), elementBytes, visit);
}

template <typename T>
void copyLine(const T *source, T *destination, const BoxDim &dim) {
  for (int64_t i = 0; i != dim.extent; ++i)
    destination[i * dim.destinationStride] = source[i * dim.sourceStride];
}

/// Two dimensions of which the source is contiguous along `a` and the destination along `b`: in tiles, so that lines of
/// both sides stay in the cache until they are used up.
template <typename T>
void copyPlane(const T *source, T *destination, const BoxDim &a, const BoxDim &b) {
  constexpr int64_t tile = 64 / sizeof(T) > 16 ? 64 / sizeof(T) : 16;
  for (int64_t i0 = 0; i0 < a.extent; i0 += tile) {
    int64_t i1 = std::min(i0 + tile, a.extent);
    for (int64_t j0 = 0; j0 < b.extent; j0 += tile) {
      int64_t j1 = std::min(j0 + tile, b.extent);
      for (int64_t i = i0; i != i1; ++i)
        for (int64_t j = j0; j != j1; ++j)
          destination[i * a.destinationStride + j * b.destinationStride] =
              source[i * a.sourceStride + j * b.sourceStride];
    }
  }
}

template <typename T>
void copyStrided(const std::byte *source, std::byte *destination, std::span<const BoxDim> dims) {
  const BoxDim inner = dims.back();
  std::span<const BoxDim> outer = dims.first(dims.size() - 1);
  auto contiguous = std::find_if(outer.begin(), outer.end(), [](const BoxDim &dim) { return dim.sourceStride == 1; });
  if (contiguous == outer.end()) {
    walk(source, destination, outer, sizeof(T), [&](const std::byte *from, std::byte *to) {
      copyLine(reinterpret_cast<const T *>(from), reinterpret_cast<T *>(to), inner);
    });
    return;
  }
  BoxDim others[ShareLimits::greatestDims];
  size_t count = 0;
  for (const BoxDim &dim : outer)
    if (&dim != &*contiguous)
      others[count++] = dim;
  walk(source, destination, std::span(others, count), sizeof(T), [&](const std::byte *from, std::byte *to) {
    copyPlane(reinterpret_cast<const T *>(from), reinterpret_cast<T *>(to), *contiguous, inner);
  });
}

/// `rows` runs of `bytes` bytes. The runs of a box are often those of a head or two, too short for a call of memcpy
/// each.
template <typename Vector>
[[gnu::always_inline]] inline void copyRowsBy(const std::byte *source, int64_t sourcePitch, std::byte *destination,
                                              int64_t destinationPitch, int64_t rows, size_t bytes) {
  for (int64_t row = 0; row != rows; ++row, source += sourcePitch, destination += destinationPitch) {
    size_t i = 0;
    for (; i + 4 * sizeof(Vector) <= bytes; i += 4 * sizeof(Vector)) {
      Vector vectors[4];
      for (size_t j = 0; j != 4; ++j)
        __builtin_memcpy(&vectors[j], source + i + j * sizeof(Vector), sizeof(Vector));
      for (size_t j = 0; j != 4; ++j)
        __builtin_memcpy(destination + i + j * sizeof(Vector), &vectors[j], sizeof(Vector));
    }
    for (; i + sizeof(Vector) <= bytes; i += sizeof(Vector))
      __builtin_memcpy(destination + i, source + i, sizeof(Vector));
    if (i != bytes)
      std::memcpy(destination + i, source + i, bytes - i);
  }
}

typedef char Vector16 __attribute__((vector_size(16)));
#if defined(__x86_64__)
typedef char Vector64 __attribute__((vector_size(64)));

[[gnu::target("avx512f")]] void copyRowsWide(const std::byte *source, int64_t sourcePitch, std::byte *destination,
                                             int64_t destinationPitch, int64_t rows, size_t bytes) {
  copyRowsBy<Vector64>(source, sourcePitch, destination, destinationPitch, rows, bytes);
}
#endif

/// Whether rows are copied by vectors of 64 bytes.
bool isWide() {
#if defined(__x86_64__)
  static const bool result = __builtin_cpu_supports("avx512f");
  return result;
#else
  return false;
#endif
}

/// From here on, a call of memcpy for each run costs nothing beside the run.
constexpr size_t longRun = 4096;
/// Rows shorter than this are not worth bypassing the caches: too much of them are parts of lines.
constexpr size_t shortestStreamed = 256;

void copyRows(const std::byte *source, int64_t sourcePitch, std::byte *destination, int64_t destinationPitch,
              int64_t rows, size_t bytes, Stores stores) {
#if defined(MUSTER_HAS_STREAMED_STORES)
  if (stores == Stores::streamed && bytes >= shortestStreamed)
    return streamRows(source, sourcePitch, destination, destinationPitch, rows, bytes);
#endif
#if defined(__x86_64__)
  // Ahead of memcpy at all sizes that stay in caches: 45 against 26 GB/s at 2 MiB.
  if (isWide())
    return copyRowsWide(source, sourcePitch, destination, destinationPitch, rows, bytes);
#endif
  if (bytes < longRun)
    return copyRowsBy<Vector16>(source, sourcePitch, destination, destinationPitch, rows, bytes);
  for (int64_t row = 0; row != rows; ++row, source += sourcePitch, destination += destinationPitch)
    std::memcpy(destination, source, bytes);
}

} // namespace

void copyBox(const std::byte *source, std::byte *destination, std::span<const BoxDim> dims, uint64_t elementBytes,
             uint32_t worker, uint32_t workers, Stores stores) {
  BoxDim own[ShareLimits::greatestDims];
  Share share = shareOf(dims, own, elementBytes, worker, workers);
  if (share.isEmpty)
    return;
  source += share.sourceOffset * static_cast<int64_t>(elementBytes);
  destination += share.destinationOffset * static_cast<int64_t>(elementBytes);
  std::span<const BoxDim> box(own, dims.size());
  if (box.empty()) {
    std::memcpy(destination, source, elementBytes);
    return;
  }
  if (box.back().sourceStride == 1 && box.back().destinationStride == 1) {
    size_t run = static_cast<size_t>(box.back().extent) * elementBytes;
    int64_t width = static_cast<int64_t>(elementBytes);
    if (box.size() == 1)
      return copyRows(source, 0, destination, 0, 1, run, stores);
    const BoxDim &rows = box[box.size() - 2];
    walk(source, destination, box.first(box.size() - 2), width, [&](const std::byte *from, std::byte *to) {
      copyRows(from, rows.sourceStride * width, to, rows.destinationStride * width, rows.extent, run, stores);
    });
    return;
  }
  switch (elementBytes) {
  case 1:
    return copyStrided<uint8_t>(source, destination, box);
  case 2:
    return copyStrided<uint16_t>(source, destination, box);
  case 4:
    return copyStrided<uint32_t>(source, destination, box);
  default:
    return copyStrided<uint64_t>(source, destination, box);
  }
}

} // namespace muster::executor
