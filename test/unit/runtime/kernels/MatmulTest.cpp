// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/kernels/Matmul.h"
#include "runtime/kernels/FewRows.h"

#include "test/unit/runtime/builder/PlanBuilder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <thread>

using namespace muster;
using namespace muster::test;
using kernels::MatmulLibrary;
using kernels::MatmulShape;
using kernels::MatmulWorker;

namespace {

std::vector<float> randomValues(size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(count);
  for (float &value : values)
    value = distribution(generator);
  return values;
}

/// Runs a product with `workers` workers, one after the other.
std::vector<float> product(const MatmulShape &shape, uint32_t workers, const std::vector<float> &weight,
                           const std::vector<float> &source, std::vector<float> result, int64_t rows, int64_t atATime) {
  const uint32_t buckets[] = {1, 2, 4, 8, 16, 32};
  auto library = MatmulLibrary::make(std::span(&shape, 1), buckets, workers);
  EXPECT_TRUE(library.isOk()) << library.status().text();
  std::vector<float> packed =
      shape.packing == schema::Packing::RowMajor ? weight : packBlocked(weight, shape.n, shape.k);
  for (uint32_t i = 0; i != workers; ++i) {
    auto worker = MatmulWorker::make(*library, i);
    EXPECT_TRUE(worker.isOk()) << worker.status().text();
    auto binding = (*worker)->bind(0, reinterpret_cast<const std::byte *>(packed.data()));
    EXPECT_TRUE(binding.isOk()) << binding.status().text();
    for (int64_t row = 0; row < rows; row += atATime)
      EXPECT_TRUE((*worker)->run(*binding, source.data() + static_cast<uint64_t>(row) * shape.sourceStride,
                                 result.data() + static_cast<uint64_t>(row) * shape.resultStride,
                                 std::min(atATime, rows - row)));
  }
  return result;
}

class MatmulTest
    : public testing::TestWithParam<std::tuple<std::pair<uint64_t, uint64_t>, schema::Packing, bool, bool>> {};

// Every number of workers and every cut of the rows has the same bits, and what lies between the rows is left alone.
TEST_P(MatmulTest, EqualsPlainLoopsToTheSameBits) {
  auto [size, packing, isStrided, accumulate] = GetParam();
  auto [n, k] = size;
  MatmulShape shape{n, k, k + (isStrided ? 5 : 0), n + (isStrided ? 3 : 0), packing, accumulate};
  constexpr int64_t rows = 71;
  std::vector<float> weight = randomValues(n * k, 1), source = randomValues(rows * shape.sourceStride, 2);
  std::vector<float> before = randomValues(rows * shape.resultStride, 3);
  std::vector<float> first = product(shape, 1, weight, source, before, rows, rows);
  for (int64_t row = 0; row != rows; ++row)
    for (uint64_t i = 0; i != shape.resultStride; ++i) {
      uint64_t at = static_cast<uint64_t>(row) * shape.resultStride + i;
      if (i >= n) {
        ASSERT_EQ(first[at], before[at]);
        continue;
      }
      double expected = accumulate ? before[at] : 0;
      for (uint64_t j = 0; j != k; ++j)
        expected +=
            static_cast<double>(source[static_cast<uint64_t>(row) * shape.sourceStride + j]) * weight[i * k + j];
      ASSERT_NEAR(first[at], expected, 1e-6 * static_cast<double>(k)) << row << " " << i;
    }
  for (uint32_t workers : {1u, 2u, 3u})
    for (int64_t atATime : {int64_t(1), int64_t(2), int64_t(7), int64_t(19), rows})
      EXPECT_EQ(product(shape, workers, weight, source, before, rows, atATime), first)
          << workers << " workers, " << atATime << " rows at a time";
}

INSTANTIATE_TEST_SUITE_P(Kernels, MatmulTest,
                         testing::Combine(testing::Values(std::pair(192, 64), std::pair(64, 192), std::pair(131, 47),
                                                          std::pair(1, 5), std::pair(2113, 32)),
                                          testing::Values(schema::Packing::RowMajor, schema::Packing::BlockedN64K16),
                                          testing::Bool(), testing::Bool()));

#if defined(__x86_64__)
// The point of preparing shapes: no row count may fall into oneDNN's slow paths where the machine has a fast one.
TEST(Matmul, EveryRowCountIsFast) {
  if (!__builtin_cpu_supports("avx512f"))
    GTEST_SKIP() << "needs AVX-512";
  for (auto [n, k] : {std::pair(576, 576), std::pair(192, 576), std::pair(576, 1536), std::pair(1536, 576)})
    for (uint32_t workers : {1u, 2u}) {
      MatmulShape shape{static_cast<uint64_t>(n), static_cast<uint64_t>(k),       static_cast<uint64_t>(k),
                        static_cast<uint64_t>(n), schema::Packing::BlockedN64K16, false};
      const uint32_t buckets[] = {1, 2, 4, 8, 64};
      auto library = MatmulLibrary::make(std::span(&shape, 1), buckets, workers);
      ASSERT_TRUE(library.isOk());
      for (uint32_t rows : buckets) {
        std::string implementation = (*library)->implementation(0, rows);
        EXPECT_TRUE(rows <= kernels::fewRows ? implementation == "few rows" : implementation.starts_with("brg"))
            << n << " " << k << " " << rows << " " << implementation;
      }
    }
}
#endif

} // namespace
