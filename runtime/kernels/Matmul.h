// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products through oneDNN: result[rows, n] = source[rows, k] * transpose(weight[n, k]) in float32, single-threaded
// inside each worker; workers of a rank share a product by runs of 64 outputs, which are contiguous in the packed weight.
//
// oneDNN wants shapes in advance: a run-time number of rows falls back to a path that is half as fast, and making a
// primitive costs 0.1 to 1.3 ms. So primitives are made at load for the plan's row counts (`matmul_rows`), and a product
// of other size is cut into pieces of those. Each output is one sum over k in the same order whatever the piece and the
// slice (a test compares the bits), so results depend neither on the number of workers nor on who else is in a batch.
//
// Allocation: nothing here allocates in run(), but oneDNN's execute builds a few small maps of its own in each call.
// `isInsideOneDnn` is true on a thread while it is inside such a call, so that a test with an allocation hook can tell
// them from ours.

#ifndef MUSTER_RUNTIME_KERNELS_MATMUL_H
#define MUSTER_RUNTIME_KERNELS_MATMUL_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace muster::kernels {

/// True while the calling thread is inside a oneDNN call of this room.
bool isInsideOneDnn();

/// A product's shape apart from its rows. Strides in elements.
struct MatmulShape {
  uint64_t n = 0;
  uint64_t k = 0;
  uint64_t sourceStride = 0;
  uint64_t resultStride = 0;
  schema::Packing packing = schema::Packing::RowMajor;
  bool accumulate = false;
  bool operator==(const MatmulShape &) const = default;
};

/// Outputs [begin, begin + count) of a product of n outputs that worker `worker` computes.
struct OutputSlice {
  uint64_t begin = 0;
  uint64_t count = 0;
};
OutputSlice outputSlice(uint64_t n, uint32_t worker, uint32_t workers);

/// The last weight elements in [n, k] order that `packing` pads with zeros: whether there are any.
bool hasPadding(const MatmulShape &shape);

class MatmulWorker;

/// The primitives of all shapes. Immutable after make; shared by all workers of all ranks.
class MatmulLibrary {
public:
  struct Impl;
  /// Makes primitives for every shape, row count and worker. `rows`: ascending, from 1. Errors: E2420 oneDNN refuses.
  static Result<std::shared_ptr<const MatmulLibrary>> make(std::span<const MatmulShape> shapes,
                                                           std::span<const uint32_t> rows, uint32_t workers);
  ~MatmulLibrary();
  /// For tests and tools: oneDNN's name for the implementation chosen for a shape at a row count ("brg:avx512_core").
  const char *implementation(uint32_t shape, uint32_t rows) const;

private:
  friend class MatmulWorker;
  explicit MatmulLibrary(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// What one worker of one rank needs: oneDNN memory objects and scratch. Used by one thread at a time.
class MatmulWorker {
public:
  struct Impl;
  static Result<std::unique_ptr<MatmulWorker>> make(std::shared_ptr<const MatmulLibrary> library, uint32_t worker);
  ~MatmulWorker();

  /// Prepares products of shape `shape` with the packed weight at `weight` and returns the index for run. Where
  /// hasPadding(shape), oneDNN zeroes the padding (which is zero already) here, so the weight must be writable now.
  Result<uint32_t> bind(uint32_t shape, const std::byte *weight);

  /// This worker's share of a product. `sourceRows` and `resultRows`: rows for which there is room at source and result
  /// (at least `rows`); the product may read and write garbage in rows from `rows` on where that is faster. False where
  /// oneDNN reports a failure.
  bool run(uint32_t binding, const float *source, float *result, int64_t rows, int64_t sourceRows, int64_t resultRows);

private:
  explicit MatmulWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// Sets the number of OpenMP threads of the calling thread to 1 (it is kept per thread), which oneDNN asks for.
void useOneThread();

} // namespace muster::kernels

#endif // MUSTER_RUNTIME_KERNELS_MATMUL_H
