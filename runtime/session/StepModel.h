// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a session needs of a model: one ragged step over tokens of several sequences, which serves prefill, decode,
// chunked and mixed batches alike. PlanStepModel.h runs a plan's entry `step`; tests have a model of their own.
//
// A model may have several *groups* (data parallelism): each has a batch and pages of its own in every step, and limits
// that are the same for all. A process runs all groups or some; in a step it gives the batches of its own.

#ifndef MUSTER_RUNTIME_SESSION_STEPMODEL_H
#define MUSTER_RUNTIME_SESSION_STEPMODEL_H

#include "runtime/status/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace muster::session {

/// What one step can hold of one group, and the pages that the group's sequences share.
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

/// The inputs of one step of a group, for t tokens of s sequences with r rows of logits. Rows of one sequence lie
/// together, in the order of their positions. Rows, starts and pages count from the group's first. A group with nothing
/// to compute has the batch of 0 tokens: queryStarts is [0], everything else is empty.
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

/// What a group has to do and room for, as its process says it with a step and all processes know it behind that.
struct GroupLoad {
  /// Sequences that could be admitted at once, and pages that are neither taken nor promised.
  int64_t freePlaces = 0;
  int64_t freePages = 0;
  /// Tokens to be computed, those of the step itself included, and sequences that have any.
  int64_t pendingTokens = 0;
  int64_t running = 0;

  bool operator==(const GroupLoad &) const = default;
};

class StepModel {
public:
  virtual ~StepModel() = default;
  virtual const StepLimits &limits() const = 0;
  virtual uint32_t groups() const { return 1; }
  /// Whether this process runs ranks of `group`.
  virtual bool isOwn(uint32_t group) const { return group < groups(); }

  /// Runs a step: `batches` has one a group, each within the limits; null for groups of other processes. Every process
  /// calls it for every step, its own batches empty or not. `loads`, one a group: in, those of own groups; out, all of
  /// them, the same in every process. Returns the tokens of all groups together; where that is 0, nothing was run.
  /// E24xx: nothing was run, all processes get the same number, and the model can be used again; E25xx: it cannot.
  virtual Result<uint64_t> run(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) = 0;
  /// Logits of an own group in the last run, [r, vocabulary], row-major. Valid until the next run.
  virtual const float *logits(uint32_t group) const = 0;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_STEPMODEL_H
