// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products through oneDNN: result[rows, n] = source[rows, k] * transpose(weight[n, k]) in float32,
// single-threaded inside each worker. Workers of a rank share a product by runs of 64 outputs, which are contiguous in
// the packed weight, or by rows where there are enough for the greatest row count each.
//
// oneDNN (2.6) wants shapes in advance (a run-time number of rows falls back to a path that is half as fast, and making
// a primitive costs 0.1 to 1.3 ms), and its fast path takes dense matrices only, and no single row with fewer outputs
// than inputs. So primitives are made at load for the plan's row counts (`matmul_rows`), for dense operands; a product
// of other size is cut into pieces of those; a piece that is not dense, adds to its result, or has fewer rows than its
// primitive goes through a buffer of the worker, and a single row runs as two where that is the fast path. Few rows
// with a packed weight, which memory bounds and not arithmetic, have a kernel of their own (FewRows.h).
//
// Each output is one sum over k in the same order whatever the piece and the slice (a test compares the bits), so
// results depend neither on the number of workers nor on who else is in a batch.
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

/// Whether the shape's packing pads the weight with zeros.
bool hasPadding(const MatmulShape &shape);

class MatmulWorker;

/// The primitives of all shapes. Immutable after make; shared by all workers of all ranks.
class MatmulLibrary {
public:
  struct Impl;
  /// Makes primitives for every shape, row count and worker. `rows`: ascending, from 1. Errors: E2405 oneDNN refuses.
  static Result<std::shared_ptr<const MatmulLibrary>> make(std::span<const MatmulShape> shapes,
                                                           std::span<const uint32_t> rows, uint32_t workers);
  ~MatmulLibrary();
  /// For tests and tools: what worker 0 runs for a shape at a row count: "few rows", or oneDNN's name
  /// ("brg:avx512_core").
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

  /// This worker's share of a product of `rows` rows. False where oneDNN reports a failure.
  bool run(uint32_t binding, const float *source, float *result, int64_t rows);

private:
  explicit MatmulWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// Sets the number of OpenMP threads of the calling thread to 1 (it is kept per thread), which oneDNN asks for.
void useOneThread();

} // namespace muster::kernels

#endif // MUSTER_RUNTIME_KERNELS_MATMUL_H
