// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Copy.h"

#include "runtime/executor/Share.h"
#include "runtime/schema/Elements.h"

#include <algorithm>
#include <bit>

namespace muster::executor {

namespace {

struct BFloat16 {
  uint16_t bits;
};

template <typename T>
struct Arithmetic {
  using Accumulator = T;
  static T load(T value) { return value; }
  static T store(T value) { return value; }
};

template <>
struct Arithmetic<_Float16> {
  using Accumulator = float;
  static float load(_Float16 value) { return static_cast<float>(value); }
  static _Float16 store(float value) { return static_cast<_Float16>(value); }
};

template <>
struct Arithmetic<BFloat16> {
  using Accumulator = float;
  static float load(BFloat16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
  static BFloat16 store(float value) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if (value != value)
      return {static_cast<uint16_t>(bits >> 16 | 0x40)};
    return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)}; // to nearest, ties to even
  }
};

struct Sum {
  template <typename A>
  static A combine(A a, A b) {
    return a + b;
  }
};
struct Maximum {
  template <typename A>
  static A combine(A a, A b) {
    return a > b || a != a ? a : b;
  }
};
struct Minimum {
  template <typename A>
  static A combine(A a, A b) {
    return a < b || a != a ? a : b;
  }
};

/// `count` contiguous elements at `offset` of every source, in chunks that stay in registers and the first cache.
template <typename T, typename Operation>
void reduceRun(std::span<const std::byte *const> sources, int64_t offset, T *destination, int64_t count) {
  using Math = Arithmetic<T>;
  constexpr int64_t chunk = 256;
  typename Math::Accumulator sums[chunk];
  auto source = [&](size_t peer) { return reinterpret_cast<const T *>(sources[peer]) + offset; };
  for (int64_t begin = 0; begin < count; begin += chunk) {
    int64_t length = std::min(chunk, count - begin);
    const T *first = source(0) + begin;
    for (int64_t i = 0; i != length; ++i)
      sums[i] = Math::load(first[i]);
    for (size_t peer = 1; peer != sources.size(); ++peer) {
      const T *next = source(peer) + begin;
      for (int64_t i = 0; i != length; ++i)
        sums[i] = Operation::combine(sums[i], Math::load(next[i]));
    }
    for (int64_t i = 0; i != length; ++i)
      destination[begin + i] = Math::store(sums[i]);
  }
}

template <typename T, typename Operation>
void reduceLine(std::span<const std::byte *const> sources, int64_t offset, T *destination, const BoxDim &dim) {
  if (dim.sourceStride == 1 && dim.destinationStride == 1)
    return reduceRun<T, Operation>(sources, offset, destination, dim.extent);
  for (int64_t i = 0; i != dim.extent; ++i)
    reduceRun<T, Operation>(sources, offset + i * dim.sourceStride, destination + i * dim.destinationStride, 1);
}

template <typename T, typename Operation>
void reduceDims(std::span<const std::byte *const> sources, int64_t offset, T *destination,
                std::span<const BoxDim> dims) {
  if (dims.empty())
    return reduceRun<T, Operation>(sources, offset, destination, 1);
  if (dims.size() == 1)
    return reduceLine<T, Operation>(sources, offset, destination, dims.front());
  const BoxDim &dim = dims.front();
  for (int64_t i = 0; i != dim.extent; ++i)
    reduceDims<T, Operation>(sources, offset + i * dim.sourceStride, destination + i * dim.destinationStride,
                             dims.subspan(1));
}

template <typename T>
void reduceTyped(std::span<const std::byte *const> sources, int64_t offset, std::byte *destination,
                 std::span<const BoxDim> dims, schema::Reduction reduction) {
  T *result = reinterpret_cast<T *>(destination);
  switch (reduction) {
  case schema::Reduction::Maximum:
    return reduceDims<T, Maximum>(sources, offset, result, dims);
  case schema::Reduction::Minimum:
    return reduceDims<T, Minimum>(sources, offset, result, dims);
  default:
    return reduceDims<T, Sum>(sources, offset, result, dims);
  }
}

} // namespace

void reduceBox(std::span<const std::byte *const> sources, std::byte *destination, std::span<const BoxDim> dims,
               schema::ElementType element, schema::Reduction reduction, uint32_t worker, uint32_t workers) {
  BoxDim own[ShareLimits::greatestDims];
  uint64_t width = schema::elementBytes(element);
  Share share = shareOf(dims, own, width, worker, workers);
  if (share.isEmpty)
    return;
  destination += share.destinationOffset * static_cast<int64_t>(width);
  std::span<const BoxDim> box(own, dims.size());
  switch (element) {
  case schema::ElementType::F16:
    return reduceTyped<_Float16>(sources, share.sourceOffset, destination, box, reduction);
  case schema::ElementType::BF16:
    return reduceTyped<BFloat16>(sources, share.sourceOffset, destination, box, reduction);
  case schema::ElementType::F64:
    return reduceTyped<double>(sources, share.sourceOffset, destination, box, reduction);
  case schema::ElementType::I64:
    return reduceTyped<int64_t>(sources, share.sourceOffset, destination, box, reduction);
  case schema::ElementType::I32:
    return reduceTyped<int32_t>(sources, share.sourceOffset, destination, box, reduction);
  default:
    return reduceTyped<float>(sources, share.sourceOffset, destination, box, reduction);
  }
}

} // namespace muster::executor
