// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A variant's steps of one stream as one rank runs them: pointers instead of spans, coordinates folded into amounts,
// barriers placed. Made once; walking it needs no look-ups.
//
// Progress and barriers. The workers of a rank's stream walk its steps in lock step: before some steps they meet, and
// then all earlier steps of the stream are done here. A barrier stands before the first step that waits for (or must
// have acknowledged) a step of its stream behind the last barrier; every rank places them alike. Position p of a
// stream's progress on a rank means "all steps of this stream before p are done here"; ranks publish the positions that
// others need. A transfer waits until the peers it pulls from have come to the first barrier behind everything that the
// transfer waits for, in each stream; an acknowledgement, until the peers of that transfer have come to the first
// barrier behind it.
//
// Two streams. A step that waits for a step of the other stream waits for that stream's progress on its own rank. The
// position that it waits for promises no step behind itself: a barrier stands before the next step of the other stream
// where no earlier one does. So every wait, of own progress or a peer's, is for steps before the waiting one in the
// order of the variant, and no waits form a circle.

#ifndef MUSTER_RUNTIME_EXECUTOR_PREPARED_H
#define MUSTER_RUNTIME_EXECUTOR_PREPARED_H

#include "runtime/executor/Copy.h"
#include "runtime/kernels/Matmul.h"
#include "runtime/plan/LoadedPlan.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace muster::executor {

/// A sum of count slots with coefficients.
struct Amount {
  int64_t constant = 0;
  uint32_t firstTerm = 0;
  uint32_t termCount = 0;
};
struct AmountTerm {
  int64_t coefficient;
  uint32_t slot;
};

/// Streams of a variant: steps, and transfers that go beside them.
inline constexpr uint32_t streamCount = 2;

/// Wait until `stream` of `rank` has come to `position`.
struct Awaited {
  uint32_t rank;
  uint32_t stream;
  uint32_t position;
};

enum class OpKind : uint8_t { launch, matmul, transfer };

struct Op {
  OpKind kind;
  bool barrier = false;
  /// Whether a peer or the other stream waits for the position of this barrier.
  bool publishes = false;
  uint32_t step = 0;
  uint32_t index = 0; // into launches, matmuls or transfers
  uint32_t firstAwaited = 0;
  uint32_t awaitedCount = 0;
};

struct PreparedLaunch {
  muster_kernel_fn kernel;
  uint32_t firstBinding;
  const int64_t *sizes;
  Amount grid;
  bool isLimited; // by the grid
};

struct PreparedMatmul {
  uint32_t binding; // of MatmulWorker, the same on all workers of the rank
  const float *source;
  float *result;
  Amount rows;
};

/// One peer of a transfer. Its amounts are consecutive: source offset, destination offset, then extent, source stride
/// and destination stride of each dimension.
struct Pull {
  const std::byte *source;
  uint32_t firstAmount;
};

/// Of a transfer of rows that the device has counted.
struct PreparedRouted {
  uint32_t firstCounts; // into PreparedVariant.counts: one for each position of the group
  uint32_t ownPosition;
  uint32_t parts;           // numbers of each position
  bool areWide;             // of 8 bytes, else of 4
  int64_t sourceRows, room; // of each rank
  int64_t rowElements;
};

struct PreparedTransfer {
  std::byte *destination;
  uint32_t firstPull; // in the order of position
  uint32_t pullCount;
  uint32_t dims;
  uint32_t elementBytes;
  schema::ElementType element;
  schema::Reduction reduction;
  std::optional<PreparedRouted> routed;
};

/// The counts of a rank.
struct SentCounts {
  const std::byte *numbers;
  uint32_t rank;
};

struct PreparedVariant {
  std::vector<Op> ops;
  std::vector<Awaited> awaited;
  std::vector<PreparedLaunch> launches;
  std::vector<void *> bindings;
  std::vector<PreparedMatmul> matmuls;
  std::vector<PreparedTransfer> transfers;
  std::vector<Pull> pulls;
  std::vector<SentCounts> counts;
  std::vector<Amount> amounts;
  std::vector<AmountTerm> terms;
  uint32_t mostPulls = 0;

  int64_t evaluate(const Amount &amount, const int64_t *slots) const {
    int64_t value = amount.constant;
    for (uint32_t i = 0; i != amount.termCount; ++i)
      value += terms[amount.firstTerm + i].coefficient * slots[terms[amount.firstTerm + i].slot];
    return value;
  }
};

/// The sizes of a variant's launches on a rank: distinct slot lists one behind the other, filled once a step.
struct SizeLists {
  std::vector<uint32_t> slots;
  std::vector<int64_t> values;
  /// Place of each launch's list in `values`, by step (launches only).
  std::vector<uint32_t> place;
};
SizeLists makeSizeLists(const plan::LoadedPlan &plan, const schema::VariantT &variant, uint32_t rank);

/// Where things are on the rank that is prepared.
struct RankView {
  uint32_t rank;
  /// Which stream's steps are prepared; and whether there are two: if not, stream 0 takes all steps.
  uint32_t stream = 0;
  bool hasStreams = false;
  /// Arena of each rank.
  std::function<std::byte *(uint32_t rank)> arena;
  std::function<std::byte *(uint32_t state)> state;
  /// Registers a product; the same index on all workers.
  std::function<Result<uint32_t>(const schema::MatmulT &matmul, const std::byte *weight)> bindMatmul;
};

/// Prepares a checked variant for a stream of a rank. `sizes` must stay where it is.
Result<PreparedVariant> prepareVariant(const plan::LoadedPlan &plan, const schema::VariantT &variant,
                                       const SizeLists &sizes, const RankView &view);

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_PREPARED_H
