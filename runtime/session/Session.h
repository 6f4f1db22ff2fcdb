// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sequences of tokens that are computed together, step by step.
//
//   Session session(std::move(model));
//   SequenceOptions options;
//   options.maxNewTokens = 16;
//   MUSTER_ASSIGN_OR_RETURN(SequenceId id, session.submit(promptTokens, options));
//   while (session.hasWork()) {
//     StepReport report;
//     MUSTER_RETURN_IF_ERROR(session.step(report));
//   }
//   MUSTER_ASSIGN_OR_RETURN(size_t count, session.takeTokens(id, buffer));
//   MUSTER_RETURN_IF_ERROR(session.drop(id));
//
// Sequences may be submitted, extended and dropped between any two steps; what one gets does not depend on the others.
// Scheduler.h says who is computed when. A step allocates nothing beyond what its model allocates.
//
// Processes: where each process runs one rank, all of them make the same calls in the same order; sampling is a
// function of the calls and the logits, which are equal on all ranks, so all sessions stay equal.
//
// Threads: one thread at a time. Errors: E2420 to E2427 concern one call and change nothing; those of the model as it
// says (StepModel.h).

#ifndef MUSTER_RUNTIME_SESSION_SESSION_H
#define MUSTER_RUNTIME_SESSION_SESSION_H

#include "runtime/session/Scheduler.h"

#include <memory>
#include <span>

namespace muster::session {

/// What a step did.
struct StepReport {
  uint32_t tokens = 0;    // computed
  uint32_t sequences = 0; // with at least one of them
  uint32_t newTokens = 0; // sampled
  uint32_t finished = 0;  // sequences that finished in this step
  /// After the step.
  uint32_t waiting = 0;
  uint32_t active = 0;
  uint32_t pagesTaken = 0;
};

/// Rows of logits of one sequence, [rows, vocabulary], row-major, in the order of positions.
struct LogitRows {
  const float *data = nullptr;
  uint32_t rows = 0;
  uint32_t vocabulary = 0;
  /// The position whose token the first row follows.
  uint64_t firstPosition = 0;
};

class Session {
public:
  explicit Session(std::unique_ptr<StepModel> model);

  Result<SequenceId> submit(std::span<const int32_t> tokens, const SequenceOptions &options) {
    return scheduler.submit(tokens, options);
  }
  Status append(SequenceId id, std::span<const int32_t> tokens) { return scheduler.append(id, tokens); }
  Status drop(SequenceId id) { return scheduler.drop(id); }

  /// Whether a step would compute anything.
  bool hasWork() const { return scheduler.hasWork(); }
  /// Runs one step. With nothing to compute it runs nothing and reports 0 tokens.
  Status step(StepReport &report);

  /// Error: E2424.
  Result<SequenceInfo> info(SequenceId id) const;
  /// Moves generated tokens that were not taken before into `buffer`; the number of them. Error: E2424.
  Result<size_t> takeTokens(SequenceId id, std::span<int32_t> buffer);
  /// Logits that the last step computed for a sequence; no rows where it was not in it or asked for none. Valid until
  /// the next step. Error: E2424.
  Result<LogitRows> logits(SequenceId id) const;

  const StepLimits &limits() const { return scheduler.limits(); }
  const Scheduler &schedule() const { return scheduler; }
  StepModel &model() { return *stepModel; }

private:
  std::unique_ptr<StepModel> stepModel;
  Scheduler scheduler;
  Sampler sampler;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SESSION_H
