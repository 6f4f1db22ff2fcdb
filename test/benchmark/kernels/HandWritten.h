// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loops that a person would write for the kernels of a Llama step: the baseline that compiled kernels are measured
// against. Compiled with -O3 -march=native -ffast-math, which gives the compiler more freedom than kernels have.

#ifndef MUSTER_TEST_BENCHMARK_KERNELS_HANDWRITTEN_H
#define MUSTER_TEST_BENCHMARK_KERNELS_HANDWRITTEN_H

#include <cstdint>

namespace muster::handwritten {

/// y[t, d] = x[t, d] * scale[d] / sqrt(mean(x[t]^2) + 1e-5), d < 576
void rmsNorm(const float *x, const float *scale, float *y, int64_t rows);
/// h += y; n = rmsNorm(h)
void addNorm(float *h, const float *y, const float *scale, float *n, int64_t rows);
/// y = gate / (1 + exp(-gate)) * up, 1536 wide
void siluMul(const float *gate, const float *up, float *y, int64_t rows);
/// Half-split rotation of 9 heads of 64 by tables of 32
void rope(const float *x, const int32_t *positions, const float *cosines, const float *sines, float *y, int64_t rows);
/// Rows of a [n/64][36][16][64] table, 576 wide
void gatherPacked(const int32_t *tokens, const float *table, float *y, int64_t rows);
/// [t, 9, 64] -> [9, t, 64]
void transpose(const float *x, float *y, int64_t rows);

} // namespace muster::handwritten

#endif // MUSTER_TEST_BENCHMARK_KERNELS_HANDWRITTEN_H
