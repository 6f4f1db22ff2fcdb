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
// Groups: where the model has several (data parallelism), sequences wait in one queue, and the first goes to the group
// with room that has least to do (Router.h). A group without sequences takes part in steps with no tokens.
//
// Processes: where each process runs one rank, all of them make the same calls in the same order. Without groups,
// sampling is a function of the calls and the logits, which are equal on all ranks, so all sessions stay equal. With
// groups, a process knows the tokens of its own; sequences of the others are `elsewhere`. hasWork() is the same
// everywhere, as it is made of what was exchanged with the last step, and so is the error of a step. A sequence that
// was assigned may be dropped by its own process alone; where others wait for the pages of an idle one, all processes
// call step() once more behind that.
//
// Threads: one thread at a time. Errors: E2420 to E2427 concern one call and change nothing; those of the model as it
// says (StepModel.h).

#ifndef MUSTER_RUNTIME_SESSION_SESSION_H
#define MUSTER_RUNTIME_SESSION_SESSION_H

#include "runtime/session/Router.h"
#include "runtime/session/Scheduler.h"

#include <memory>
#include <span>
#include <vector>

namespace muster::session {

/// What a step did, in the groups of this process.
struct StepReport {
  uint32_t tokens = 0;    // computed
  uint32_t sequences = 0; // with at least one of them
  uint32_t newTokens = 0; // sampled
  uint32_t finished = 0;  // sequences that finished in this step
  /// Tokens computed in all groups of all processes; where it is 0, nothing was run.
  uint64_t allTokens = 0;
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

  /// Errors: E2420 to E2423, E2425, E2430 (SequenceTable.h).
  Result<SequenceId> submit(std::span<const int32_t> tokens, const SequenceOptions &options);
  /// More tokens for a sequence that does not generate. Errors: E2421, E2423, E2424, E2427 (SequenceTable.h).
  Status append(SequenceId id, std::span<const int32_t> tokens);
  /// Forgets a sequence in any state; its pages are free at once. Error: E2424.
  Status drop(SequenceId id);

  /// Whether there may be something to compute.
  bool hasWork() const;
  /// Runs one step. With nothing to compute it runs nothing and reports 0 tokens; with groups in other processes that
  /// takes part in the exchange all the same.
  Status step(StepReport &report);

  /// Error: E2424.
  Result<SequenceInfo> info(SequenceId id) const;
  /// Moves generated tokens that were not taken before into `buffer`; the number of them. Error: E2424.
  Result<size_t> takeTokens(SequenceId id, std::span<int32_t> buffer);
  /// Logits that the last step computed for a sequence; no rows where it was not in it or asked for none. Valid until
  /// the next step. Error: E2424.
  Result<LogitRows> logits(SequenceId id) const;

  /// Of one group.
  const StepLimits &limits() const { return stepModel->limits(); }
  uint32_t groups() const { return static_cast<uint32_t>(schedulers.size()); }
  bool isOwn(uint32_t group) const { return stepModel->isOwn(group); }
  /// Of an own group.
  const Scheduler &schedule(uint32_t group = 0) const { return *schedulers[group]; }
  /// Steps in which something was run.
  uint64_t stepsDone() const { return done; }
  /// Steps in which other groups computed something and this one nothing; 0 for groups of other processes.
  uint64_t idleSteps(uint32_t group) const { return idle[group]; }
  StepModel &model() { return *stepModel; }

private:
  void assignWaiting();
  std::span<GroupLoad> currentLoads() const;
  void completeStep(uint32_t group, StepReport &report);

  std::unique_ptr<StepModel> stepModel;
  SequenceTable table;
  Router router; // of more than one group
  /// By group; null for those of other processes.
  std::vector<std::unique_ptr<Scheduler>> schedulers;
  Sampler sampler;
  bool ownsAll = true;
  /// Whether this process was asked for something since the last exchange.
  bool isAsked = false;
  mutable std::vector<GroupLoad> loads; // by group, as agreed in the last step
  std::vector<GroupLoad> exchanged;
  std::vector<const StepBatch *> batches;
  std::vector<uint64_t> idle;
  uint64_t done = 0;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SESSION_H
