// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of few rows with a packed weight, as decoding has them. Such a product is bound by reading the weight once
// from memory, and a library's kernel that is made for weights in cache waits for memory all the same. Here the weight
// is read as one forward stream, which the processor fetches ahead by itself (software prefetches made it slower).
//
// Every output is one sum over the inputs in ascending order with fused multiply-adds, whatever the number of rows,
// which is also the order of oneDNN's batch-reduced kernels: results have the same bits through either (MatmulTest).

#ifndef MUSTER_RUNTIME_KERNELS_FEWROWS_H
#define MUSTER_RUNTIME_KERNELS_FEWROWS_H

#include <cstdint>

namespace muster::kernels {

/// The most rows that multiplyFewRows takes.
constexpr int64_t fewRows = 16;

/// Whether this machine has what multiplyFewRows needs (AVX-512F).
bool canMultiplyFewRows();

/// result[r, j] = (accumulate ? result[r, j] : 0) + sum over i of source[r, i] * weight[j, i], for r < rows <= fewRows,
/// j < n, i < k. `weight` is packed as Packing.BlockedN64K16, best aligned to 64 bytes; strides in elements.
void multiplyFewRows(const float *weight, uint64_t n, uint64_t k, const float *source, uint64_t sourceStride,
                     float *result, uint64_t resultStride, int64_t rows, bool accumulate);

} // namespace muster::kernels

#endif // MUSTER_RUNTIME_KERNELS_FEWROWS_H
