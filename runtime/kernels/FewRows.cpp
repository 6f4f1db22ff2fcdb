// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/kernels/FewRows.h"

#if defined(__x86_64__)

#include <algorithm>
#include <immintrin.h>

#define MUSTER_AVX512 __attribute__((target("avx512f")))

namespace muster::kernels {

namespace {

constexpr uint64_t runOutputs = 64, blockInputs = 16, vectorElements = 16, vectors = runOutputs / vectorElements;
/// Rows that are multiplied at once: 16 sums, 4 vectors of weights and a broadcast fit the 32 registers.
constexpr int64_t groupRows = 4;
/// With several groups, each takes this many inputs in turn, 8 KiB of weights that stay in the first-level cache.
constexpr uint64_t stepInputs = 32;

/// sums[r][v] += weights of `inputs` inputs and 64 outputs times source rows r < rows.
template <int rows>
MUSTER_AVX512 inline __attribute__((always_inline)) void
multiplyTile(const float *weight, const float *source, uint64_t sourceStride, uint64_t inputs, float *sums) {
  __m512 own[rows][vectors];
  for (int row = 0; row != rows; ++row)
    for (uint64_t v = 0; v != vectors; ++v)
      own[row][v] = _mm512_load_ps(sums + row * runOutputs + v * vectorElements);
  for (uint64_t i = 0; i != inputs; ++i) {
    const float *line = weight + i * runOutputs;
    __m512 weights[vectors];
    for (uint64_t v = 0; v != vectors; ++v)
      weights[v] = _mm512_loadu_ps(line + v * vectorElements);
    for (int row = 0; row != rows; ++row) {
      __m512 input = _mm512_set1_ps(source[row * sourceStride + i]);
      for (uint64_t v = 0; v != vectors; ++v)
        own[row][v] = _mm512_fmadd_ps(weights[v], input, own[row][v]);
    }
  }
  for (int row = 0; row != rows; ++row)
    for (uint64_t v = 0; v != vectors; ++v)
      _mm512_store_ps(sums + row * runOutputs + v * vectorElements, own[row][v]);
}

MUSTER_AVX512 void multiplyGroup(const float *weight, const float *source, uint64_t sourceStride, uint64_t inputs,
                                 int64_t rows, float *sums) {
  switch (rows) {
  case 1:
    return multiplyTile<1>(weight, source, sourceStride, inputs, sums);
  case 2:
    return multiplyTile<2>(weight, source, sourceStride, inputs, sums);
  case 3:
    return multiplyTile<3>(weight, source, sourceStride, inputs, sums);
  default:
    return multiplyTile<4>(weight, source, sourceStride, inputs, sums);
  }
}

} // namespace

bool canMultiplyFewRows() { return __builtin_cpu_supports("avx512f"); }

void multiplyFewRows(const float *weight, uint64_t n, uint64_t k, const float *source, uint64_t sourceStride,
                     float *result, uint64_t resultStride, int64_t rows, bool accumulate) {
  alignas(64) float sums[fewRows * runOutputs];
  uint64_t runElements = (k + blockInputs - 1) / blockInputs * blockInputs * runOutputs;
  uint64_t step = rows <= groupRows ? k : stepInputs;
  for (uint64_t begin = 0; begin < n; begin += runOutputs, weight += runElements) {
    std::fill_n(sums, static_cast<uint64_t>(rows) * runOutputs, 0.0f);
    for (uint64_t i = 0; i < k; i += step) {
      uint64_t inputs = std::min(step, k - i);
      multiplyGroup(weight + i * runOutputs, source + i, sourceStride, inputs, std::min(rows, groupRows), sums);
      for (int64_t row = groupRows; row < rows; row += groupRows)
        multiplyGroup(weight + i * runOutputs, source + static_cast<uint64_t>(row) * sourceStride + i, sourceStride,
                      inputs, std::min(rows - row, groupRows), sums + static_cast<uint64_t>(row) * runOutputs);
    }
    uint64_t outputs = std::min(runOutputs, n - begin);
    for (int64_t row = 0; row != rows; ++row) {
      float *to = result + static_cast<uint64_t>(row) * resultStride + begin;
      const float *from = sums + static_cast<uint64_t>(row) * runOutputs;
      for (uint64_t j = 0; j != outputs; ++j)
        to[j] = accumulate ? to[j] + from[j] : from[j];
    }
  }
}

} // namespace muster::kernels

#else

#include <cstdlib>

namespace muster::kernels {

bool canMultiplyFewRows() { return false; }

void multiplyFewRows(const float *, uint64_t, uint64_t, const float *, uint64_t, float *, uint64_t, int64_t, bool) {
  std::abort(); // never called where canMultiplyFewRows is false
}

} // namespace muster::kernels

#endif
