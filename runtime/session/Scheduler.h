// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which tokens go into a step: continuous batching with chunked prefill over a paged cache.
//
//   scheduler.plan();                    // fills batch() and scheduled()
//   model.run(scheduler.batch());
//   scheduler.complete(i, token);        // for each scheduled sequence, then
//   scheduler.finishStep();
//
// - Sequences wait in the order of submission. The first one is admitted when all pages that it may ever need can be
//   reserved and fewer than `limits.sequences` are running; so nobody overtakes, and nobody admitted runs out of pages.
// - A step takes the sequences with one token left (decode) first, then fills up with the longer ones (prefill) in the
//   order of admission, cut to what fits. While a longer one waits, one place is kept for it.
// - A step that fails changes no sequence: planning again gives the same tokens.
//
// Everything is a function of the calls made, so sessions of several processes that get the same calls plan the same
// steps. Planning and completing allocate nothing; submitting does. Not synchronised.

#ifndef MUSTER_RUNTIME_SESSION_SCHEDULER_H
#define MUSTER_RUNTIME_SESSION_SCHEDULER_H

#include "runtime/session/PagePool.h"
#include "runtime/session/Sequence.h"
#include "runtime/session/StepModel.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace muster::session {

/// One sequence's part of a step.
struct ScheduledSequence {
  uint32_t place = 0;  // in the scheduler's table
  uint32_t tokens = 0; // of this step
  uint32_t logitRow = 0;
  uint32_t logitRows = 0;
  /// The last of its tokens is in this step, and it generates: complete() needs the next token.
  bool samples = false;
};

class Scheduler {
public:
  explicit Scheduler(const StepLimits &limits);

  /// Errors: E2420 no token, E2421 longer than the context, E2422 more pages than there are, E2423 a token outside the
  /// vocabulary, E2425 sampling options.
  Result<SequenceId> submit(std::span<const int32_t> tokens, const SequenceOptions &options);
  /// More tokens for a sequence that does not generate. Errors: E2421 (longer than its maxTokens), E2423, E2424 unknown
  /// sequence, E2427 it generates.
  Status append(SequenceId id, std::span<const int32_t> tokens);
  /// Forgets a sequence in any state; its pages are free at once. Not between plan() and finishStep(). Error: E2424.
  Status drop(SequenceId id);
  /// Null for an unknown id.
  Sequence *find(SequenceId id);
  const Sequence *find(SequenceId id) const { return const_cast<Scheduler *>(this)->find(id); }

  /// Chooses the next step; false where no sequence has anything to compute. May be called again instead of completing.
  bool plan();
  const StepBatch &batch() const { return stepBatch; }
  const std::vector<ScheduledSequence> &scheduled() const { return step; }
  Sequence &sequence(const ScheduledSequence &part) { return *table[part.place]; }
  /// Marks a part of the step as computed; `next` is the sampled token where part.samples, -1 for invalid logits.
  void complete(const ScheduledSequence &part, int32_t next);
  /// After every part was completed.
  void finishStep();

  /// Whether plan() would find something to compute.
  bool hasWork() const;
  uint64_t stepsDone() const { return steps; }
  size_t waitingCount() const { return waiting.size(); }
  size_t activeCount() const { return active.size(); }
  const PagePool &pagePool() const { return pool; }
  const StepLimits &limits() const { return stepLimits; }

private:
  struct Budget {
    uint64_t tokens, sequences, rows;
  };
  Status checkTokens(std::span<const int32_t> tokens) const;
  void admit();
  void planDecodes(Budget &left, bool prefillWaits);
  void planPrefills(Budget &left);
  bool schedule(uint32_t place, uint64_t tokens, Budget &left);
  void release(Sequence &sequence);

  StepLimits stepLimits;
  PagePool pool;
  StepBatch stepBatch;
  std::vector<std::unique_ptr<Sequence>> table;
  std::vector<uint32_t> freePlaces;
  std::vector<uint32_t> waiting; // in the order of submission
  std::vector<uint32_t> active;  // running or idle, in the order of admission
  std::vector<ScheduledSequence> step;
  size_t firstDecode = 0; // where in `active` the next step's decodes begin
  uint64_t steps = 0;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SCHEDULER_H
