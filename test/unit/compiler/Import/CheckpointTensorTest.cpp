// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Import/CheckpointTensor.h"
#include "Inputs/GoldenBlocks.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

using namespace muster;

namespace {

CheckpointTensor tensorOf(const GoldenBlocks &golden, llvm::ArrayRef<int64_t> shape) {
  CheckpointTensor tensor;
  tensor.name = "golden";
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.encoding = golden.encoding;
  tensor.bytes = golden.bytes;
  return tensor;
}

TEST(CheckpointTensorTest, DecodesEveryEncodingBitForBitAsGgmlDoes) {
  for (const GoldenBlocks &golden : goldenBlocks()) {
    SCOPED_TRACE(name(golden.encoding).str());
    const auto count = static_cast<int64_t>(golden.values.size());
    CheckpointTensor tensor = tensorOf(golden, {2, count / 2});
    ASSERT_EQ(encodedBytes(tensor.encoding, tensor.shape), static_cast<int64_t>(golden.bytes.size()));
    std::vector<float> decoded(golden.values.size(), -1.0f);
    decodeRows(tensor, 0, 2, decoded.data());
    for (size_t i = 0; i < decoded.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), std::bit_cast<uint32_t>(golden.values[i])) << "element " << i;
    // The second row alone.
    std::vector<float> row(golden.values.size() / 2 + 1, -7.0f);
    decodeRows(tensor, 1, 1, row.data());
    for (size_t i = 0; i + 1 < row.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(row[i]), std::bit_cast<uint32_t>(golden.values[row.size() - 1 + i]));
    EXPECT_EQ(row.back(), -7.0f) << "writes past its rows";
  }
}

TEST(CheckpointTensorTest, DecodesAnyPartOfAQuantisedVector) {
  for (const GoldenBlocks &golden : goldenBlocks()) {
    SCOPED_TRACE(name(golden.encoding).str());
    const auto count = static_cast<int64_t>(golden.values.size());
    CheckpointTensor tensor = tensorOf(golden, {count});
    for (auto [first, rows] :
         {std::pair<int64_t, int64_t>{0, count}, {1, 5}, {count / 2 - 1, 3}, {count - 1, 1}, {3, 0}}) {
      std::vector<float> decoded(static_cast<size_t>(rows) + 1, -7.0f);
      decodeRows(tensor, first, rows, decoded.data());
      for (int64_t i = 0; i < rows; ++i)
        ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), std::bit_cast<uint32_t>(golden.values[first + i]));
      EXPECT_EQ(decoded.back(), -7.0f);
    }
  }
}

// Every one of the 65,536 halves against arithmetic on its fields.
TEST(CheckpointTensorTest, DecodesEveryHalf) {
  std::vector<uint8_t> bytes(2 * 65536);
  for (uint32_t half = 0; half < 65536; ++half) {
    bytes[2 * half] = static_cast<uint8_t>(half);
    bytes[2 * half + 1] = static_cast<uint8_t>(half >> 8);
  }
  CheckpointTensor tensor;
  tensor.shape = {65536};
  tensor.encoding = TensorEncoding::F16;
  tensor.bytes = bytes;
  std::vector<float> decoded(65536);
  decodeRows(tensor, 0, 65536, decoded.data());
  for (uint32_t half = 0; half < 65536; ++half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const float sign = half >> 15 ? -1.0f : 1.0f;
    if (exponent == 31 && fraction != 0) {
      EXPECT_TRUE(std::isnan(decoded[half]));
      continue;
    }
    float expected = exponent == 31  ? std::numeric_limits<float>::infinity()
                     : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                     : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    ASSERT_EQ(decoded[half], sign * expected) << half;
    ASSERT_EQ(std::signbit(decoded[half]), half >> 15 == 1) << half;
  }
}

TEST(CheckpointTensorTest, SizesAreCheckedForOverflowAndWholeBlocks) {
  constexpr int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(encodedBytes(TensorEncoding::F32, {3, 5}), 60);
  EXPECT_EQ(encodedBytes(TensorEncoding::F32, {}), 4);
  EXPECT_EQ(encodedBytes(TensorEncoding::F32, {0, 5}), 0);
  EXPECT_EQ(encodedBytes(TensorEncoding::Q4_1, {3, 64}), 3 * 2 * 20);
  EXPECT_EQ(encodedBytes(TensorEncoding::Q4_1, {64, 3}), std::nullopt);
  EXPECT_EQ(encodedBytes(TensorEncoding::Q6_K, {1, 288}), std::nullopt);
  EXPECT_EQ(encodedBytes(TensorEncoding::F32, {huge}), std::nullopt);
  EXPECT_EQ(encodedBytes(TensorEncoding::F16, {huge / 2, 2}), std::nullopt);
  EXPECT_EQ(encodedBytes(TensorEncoding::F16, {1, huge / 2}), huge - 1);
  EXPECT_EQ(encodedBytes(TensorEncoding::F16, {-1, 2}), std::nullopt);
  EXPECT_EQ(encodedBytes(TensorEncoding::F16, {2, -2}), std::nullopt);
}

} // namespace
