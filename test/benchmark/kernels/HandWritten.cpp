// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "test/benchmark/kernels/HandWritten.h"

#include <bit>
#include <cmath>

namespace muster::handwritten {

namespace {

constexpr int64_t width = 576, feedForward = 1536;

void normRow(const float *__restrict x, const float *__restrict scale, float *__restrict y) {
  float sum = 0;
  for (int64_t d = 0; d < width; ++d)
    sum += x[d] * x[d];
  const float factor = 1.0f / std::sqrt(sum / width + 1e-5f);
  for (int64_t d = 0; d < width; ++d)
    y[d] = x[d] * factor * scale[d];
}

// expf of the C library is not made into vectors; this is Cephes'.
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  const float n = __builtin_roundevenf(x * 1.44269504f);
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

} // namespace

void rmsNorm(const float *__restrict x, const float *__restrict scale, float *__restrict y, int64_t rows) {
  for (int64_t t = 0; t < rows; ++t)
    normRow(x + t * width, scale, y + t * width);
}

void addNorm(float *__restrict h, const float *__restrict y, const float *__restrict scale, float *__restrict n,
             int64_t rows) {
  for (int64_t t = 0; t < rows; ++t) {
    float *__restrict row = h + t * width;
    float sum = 0;
    for (int64_t d = 0; d < width; ++d) {
      row[d] += y[t * width + d];
      sum += row[d] * row[d];
    }
    const float factor = 1.0f / std::sqrt(sum / width + 1e-5f);
    for (int64_t d = 0; d < width; ++d)
      n[t * width + d] = row[d] * factor * scale[d];
  }
}

void siluMul(const float *__restrict gate, const float *__restrict up, float *__restrict y, int64_t rows) {
  for (int64_t i = 0; i < rows * feedForward; ++i)
    y[i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
}

void rope(const float *__restrict x, const int32_t *__restrict positions, const float *__restrict cosines,
          const float *__restrict sines, float *__restrict y, int64_t rows) {
  for (int64_t t = 0; t < rows; ++t) {
    const float *__restrict c = cosines + positions[t] * 32, *__restrict s = sines + positions[t] * 32;
    for (int64_t h = 0; h < 9; ++h) {
      const float *__restrict from = x + (t * 9 + h) * 64;
      float *__restrict to = y + (t * 9 + h) * 64;
      for (int64_t i = 0; i < 32; ++i) {
        to[i] = from[i] * c[i] - from[i + 32] * s[i];
        to[i + 32] = from[i + 32] * c[i] + from[i] * s[i];
      }
    }
  }
}

void gatherPacked(const int32_t *__restrict tokens, const float *__restrict table, float *__restrict y, int64_t rows) {
  for (int64_t t = 0; t < rows; ++t) {
    const float *__restrict from = table + tokens[t] / 64 * (36 * 16 * 64) + tokens[t] % 64;
    for (int64_t k = 0; k < width; ++k)
      y[t * width + k] = from[k * 64];
  }
}

void transpose(const float *__restrict x, float *__restrict y, int64_t rows) {
  for (int64_t h = 0; h < 9; ++h)
    for (int64_t t = 0; t < rows; ++t)
      for (int64_t i = 0; i < 64; ++i)
        y[(h * rows + t) * 64 + i] = x[(t * 9 + h) * 64 + i];
}

} // namespace muster::handwritten
