// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/Copy.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <vector>

using namespace muster;
using namespace muster::executor;

namespace {

struct Free {
  void operator()(std::byte *bytes) const { std::free(bytes); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Buffer makeBuffer(size_t bytes, uint32_t seed) {
  Buffer buffer(static_cast<std::byte *>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
  std::mt19937 random(seed);
  for (size_t i = 0; i != bytes; ++i)
    buffer.get()[i] = static_cast<std::byte>(random());
  return buffer;
}

/// A box of these extents whose source is permuted by `order`, copied by copyBox and element by element. Source and
/// destination begin `sourceShift` and `shift` bytes behind a cache line; what lies around the destination must stay.
void compare(std::vector<int64_t> extents, std::vector<size_t> order, uint64_t width, uint32_t workers,
             Stores stores = Stores::cached, size_t sourceShift = 0, size_t shift = 0) {
  std::vector<BoxDim> dims(extents.size());
  int64_t destinationStride = 1, sourceStride = 1;
  for (size_t i = extents.size(); i-- != 0;) {
    dims[i].extent = extents[i];
    dims[i].destinationStride = destinationStride;
    destinationStride *= extents[i];
  }
  for (size_t i = extents.size(); i-- != 0;) {
    dims[order[i]].sourceStride = sourceStride;
    sourceStride *= extents[order[i]];
  }
  size_t bytes = static_cast<size_t>(destinationStride) * width;
  size_t around = 128;
  Buffer source = makeBuffer(bytes + around, 1), result = makeBuffer(bytes + around, 2),
         expected = makeBuffer(bytes + around, 2);
  for (int64_t element = 0; element != destinationStride; ++element) {
    int64_t from = 0, rest = element;
    for (size_t i = extents.size(); i-- != 0; rest /= extents[i])
      from += rest % extents[i] * dims[i].sourceStride;
    std::memcpy(expected.get() + shift + static_cast<size_t>(element) * width,
                source.get() + sourceShift + static_cast<size_t>(from) * width, width);
  }
  int count = normalise(dims);
  ASSERT_GE(count, 0);
  for (uint32_t worker = 0; worker != workers; ++worker)
    copyBox(source.get() + sourceShift, result.get() + shift, std::span(dims.data(), static_cast<size_t>(count)), width,
            worker, workers, stores);
  EXPECT_EQ(std::memcmp(result.get(), expected.get(), bytes + around), 0)
      << testing::PrintToString(extents) << " by " << testing::PrintToString(order) << " of " << width << " bytes, "
      << workers << " workers, shifts " << sourceShift << " and " << shift;
}

TEST(Copy, EqualsElementByElement) {
  for (uint64_t width : {1u, 2u, 4u, 8u})
    for (uint32_t workers : {1u, 2u, 3u, 7u}) {
      for (std::vector<size_t> order :
           {std::vector<size_t>{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {0, 2, 1}, {2, 0, 1}, {1, 2, 0}}) {
        compare({5, 7, 11}, order, width, workers);
        compare({3, 1, 67}, order, width, workers);
        compare({17, 2, 128}, order, width, workers);
      }
      compare({2, 3, 5, 7}, {2, 0, 3, 1}, width, workers);
      compare({1}, {0}, width, workers);
    }
}

// Past the caches: every other row, short rows, rows of several pieces, one run; parts of lines at either end.
TEST(Copy, StreamedEqualsElementByElement) {
  for (uint32_t workers : {1u, 3u})
    for (size_t sourceShift : {0u, 4u, 36u})
      for (size_t shift : {0u, 4u, 60u}) {
        for (int64_t run : {63, 64, 65, 127, 128, 1000, 1024, 1037, 2048, 2049, 5000}) {
          compare({2, 7, run}, {1, 0, 2}, 4, workers, Stores::streamed, sourceShift, shift);
          compare({3, 5, run}, {1, 0, 2}, 4, workers, Stores::streamed, sourceShift, shift);
        }
        compare({40009}, {0}, 4, workers, Stores::streamed, sourceShift, shift);
        compare({5, 7, 11}, {2, 1, 0}, 4, workers, Stores::streamed, sourceShift, shift);
      }
}

// What a rank receives in one transfer decides, not the size of each box.
TEST(Copy, LargeTransfersAreStreamed) {
  EXPECT_EQ(storesFor(0), Stores::cached);
  EXPECT_EQ(storesFor((4 << 20) - 1), Stores::cached);
  EXPECT_EQ(storesFor(4 << 20), Stores::streamed);
}

TEST(Copy, NormalFormIsSmall) {
  BoxDim dims[] = {{3, 20, 20}, {1, 999, 999}, {4, 5, 5}, {5, 1, 1}};
  EXPECT_EQ(normalise(dims), 1);
  EXPECT_EQ(dims[0].extent, 60);
  BoxDim empty[] = {{3, 1, 1}, {0, 1, 1}};
  EXPECT_EQ(normalise(empty), -1);
  BoxDim one[] = {{1, 1, 1}};
  EXPECT_EQ(normalise(one), 0);
}

template <typename T>
void compareReduction(schema::ElementType element, schema::Reduction reduction, T nan) {
  std::vector<std::vector<T>> values(3, std::vector<T>(1000));
  std::mt19937 random(3);
  for (auto &own : values)
    for (T &value : own)
      value = static_cast<T>(static_cast<int>(random() % 2000) - 1000);
  values[1][17] = nan;
  std::vector<const std::byte *> sources;
  for (auto &own : values)
    sources.push_back(reinterpret_cast<const std::byte *>(own.data()));
  for (uint32_t workers : {1u, 3u}) {
    std::vector<T> result(1000);
    BoxDim dims[] = {{1000, 1, 1}};
    for (uint32_t worker = 0; worker != workers; ++worker)
      reduceBox(sources, reinterpret_cast<std::byte *>(result.data()), dims, element, reduction, worker, workers);
    for (size_t i = 0; i != 1000; ++i) {
      T a = values[0][i], b = values[1][i], c = values[2][i];
      T expected = reduction == schema::Reduction::Sum       ? a + b + c
                   : reduction == schema::Reduction::Maximum ? std::max({a, b, c})
                                                             : std::min({a, b, c});
      if (nan != nan && i == 17)
        EXPECT_NE(result[i], result[i]) << "a NaN wins";
      else
        EXPECT_EQ(result[i], expected);
    }
  }
}

TEST(Reduce, CombinesInOrder) {
  for (auto reduction : {schema::Reduction::Sum, schema::Reduction::Maximum, schema::Reduction::Minimum}) {
    compareReduction<float>(schema::ElementType::F32, reduction, std::nanf(""));
    compareReduction<double>(schema::ElementType::F64, reduction, std::nan(""));
    compareReduction<int32_t>(schema::ElementType::I32, reduction, 0);
    compareReduction<int64_t>(schema::ElementType::I64, reduction, 0);
  }
}

} // namespace
