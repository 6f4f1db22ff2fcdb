// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a session needs of a model: one ragged step over tokens of several sequences, which serves prefill, decode,
// chunked and mixed batches alike. PlanStepModel.h runs a plan's entry `step`; tests have a model of their own.

#ifndef MUSTER_RUNTIME_SESSION_STEPMODEL_H
#define MUSTER_RUNTIME_SESSION_STEPMODEL_H

#include "runtime/status/Status.h"

#include <cstdint>
#include <vector>

namespace muster::session {

/// What one step can hold, and the pages that all sequences share.
struct StepLimits {
  /// Tokens, sequences and rows of logits in a step; each at least 1.
  uint32_t stepTokens = 0;
  uint32_t sequences = 0;
  uint32_t logitRows = 0;
  /// Pages of the key-value cache, the tokens that fit into one, and the greatest number of pages of one sequence.
  uint32_t pages = 0;
  uint32_t pageSlots = 0;
  uint32_t pagesPerSequence = 0;
  /// Token ids are 0 to vocabulary - 1; also the columns of the logits.
  uint32_t vocabulary = 0;

  /// The greatest number of tokens of one sequence.
  uint64_t contextTokens() const { return uint64_t(pageSlots) * pagesPerSequence; }
  uint64_t pagesFor(uint64_t tokens) const { return (tokens + pageSlots - 1) / pageSlots; }
};

/// The inputs of one step, for t tokens of s sequences with r rows of logits. Rows of one sequence lie together, in the
/// order of their positions.
struct StepBatch {
  std::vector<int32_t> tokens;      // [t]
  std::vector<int32_t> positions;   // [t] position of each token in its sequence, from 0
  std::vector<int32_t> queryStarts; // [s + 1] the first row of each sequence, then t
  std::vector<int32_t> blockTable;  // [s, pagesPerSequence] pages of each sequence; 0 behind the last one
  std::vector<int32_t> writeSlots;  // [t] page * pageSlots + slot where the token's keys and values go
  std::vector<int32_t> logitRows;   // [r] rows whose logits are computed, ascending

  /// Takes all memory that batches within `limits` need.
  void reserve(const StepLimits &limits);
  void clear();
};

class StepModel {
public:
  virtual ~StepModel() = default;
  virtual const StepLimits &limits() const = 0;
  /// Runs a batch within the limits (t and s at least 1). E24xx: nothing was run, and the model can be used again;
  /// E25xx: it cannot.
  virtual Status run(const StepBatch &batch) = 0;
  /// Logits of the last run, [r, vocabulary], row-major. Valid until the next run.
  virtual const float *logits() const = 0;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_STEPMODEL_H
