// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which tokens of a group's sequences go into a step: continuous batching with chunked prefill over a paged cache.
//
//   scheduler.enqueue(sequence);
//   scheduler.plan();                    // fills batch() and scheduled()
//   model.run(scheduler.batch());
//   scheduler.complete(i, token);        // for each scheduled sequence, then
//   scheduler.finishStep();
//
// - Sequences wait in the order in which they were enqueued. The first one is admitted when all pages that it may ever
// need can be
//   reserved and fewer than `limits.sequences` are running; so nobody overtakes, and nobody admitted runs out of pages.
// - A step takes the sequences with one token left (decode) first, then fills up with the longer ones (prefill) in the
//   order of admission, cut to what fits. While a longer one waits, one place is kept for it.
// - A step that fails changes no sequence: planning again gives the same tokens.
//
// Everything is a function of the calls made, so sessions of several processes that get the same calls plan the same
// steps. Planning, completing and enqueueing (behind a reserve) allocate nothing. Not synchronised.

#ifndef MUSTER_RUNTIME_SESSION_SCHEDULER_H
#define MUSTER_RUNTIME_SESSION_SCHEDULER_H

#include "runtime/session/PagePool.h"
#include "runtime/session/SequenceTable.h"
#include "runtime/session/StepModel.h"

#include <cstdint>
#include <vector>

namespace muster::session {

/// One sequence's part of a step.
struct ScheduledSequence {
  uint32_t place = 0;  // in the session's table
  uint32_t tokens = 0; // of this step
  uint32_t logitRow = 0;
  uint32_t logitRows = 0;
  /// The last of its tokens is in this step, and it generates: complete() needs the next token.
  bool samples = false;
};

class Scheduler {
public:
  /// For sequences of `table`, which outlives it.
  Scheduler(const StepLimits &limits, SequenceTable &table);

  /// Makes room for sequences at places below `places`.
  void reserve(size_t places);
  /// Takes a sequence that waits. It can have the pages that it needs: the table has seen to that.
  void enqueue(Sequence &sequence);
  /// Forgets one of its sequences in any state; its pages are free at once. Not between plan() and finishStep().
  void forget(Sequence &sequence);

  /// Chooses the next step; false where no sequence has anything to compute. May be called again instead of completing.
  bool plan();
  const StepBatch &batch() const { return stepBatch; }
  const std::vector<ScheduledSequence> &scheduled() const { return step; }
  Sequence &sequence(const ScheduledSequence &part) { return table.at(part.place); }
  /// Marks a part of the step as computed; `next` is the sampled token where part.samples, -1 for invalid logits.
  void complete(const ScheduledSequence &part, int32_t next);
  /// After every part was completed.
  void finishStep();

  /// Whether plan() would find something to compute.
  bool hasWork() const;
  /// What the group has to do and room for.
  GroupLoad load() const;
  uint64_t stepsDone() const { return steps; }
  size_t waitingCount() const { return waiting.size(); }
  size_t activeCount() const { return active.size(); }
  const PagePool &pagePool() const { return pool; }
  const StepLimits &limits() const { return stepLimits; }

private:
  struct Budget {
    uint64_t tokens, sequences, rows;
  };
  void admit();
  void planDecodes(Budget &left, bool prefillWaits);
  void planPrefills(Budget &left);
  bool schedule(uint32_t place, uint64_t tokens, Budget &left);
  void release(Sequence &sequence);

  StepLimits stepLimits;
  PagePool pool;
  StepBatch stepBatch;
  SequenceTable &table;
  std::vector<uint32_t> waiting; // in the order of enqueueing
  std::vector<uint32_t> active;  // running or idle, in the order of admission
  std::vector<ScheduledSequence> step;
  size_t firstDecode = 0; // where in `active` the next step's decodes begin
  uint64_t steps = 0;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SCHEDULER_H
