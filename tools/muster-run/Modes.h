// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What muster-run does, one function a mode. Each prints its results to stdout (where options.talks()) and returns the
// exit code, or the error that ends the run.

#ifndef MUSTER_TOOLS_MUSTERRUN_MODES_H
#define MUSTER_TOOLS_MUSTERRUN_MODES_H

#include "tools/muster-run/Answers.h"
#include "tools/muster-run/LoadedModel.h"
#include "tools/muster-run/RunOptions.h"

#include <atomic>
#include <functional>

#include <sys/types.h>

namespace muster::run {

/// --prompt, --prompts: text. `shared` is null where there is one process only.
Result<int> generate(const RunOptions &options, const std::vector<std::string> &prompts, Answers *shared);
/// The prompts of --prompt and --prompts. Error: E0103.
Result<std::vector<std::string>> readPrompts(const RunOptions &options);
/// Where answers to `count` prompts go.
Result<std::unique_ptr<Answers>> makeAnswers(const plan::LoadedPlan &plan, const RunOptions &options, size_t count);

/// --tokens: teacher-forced logits.
Result<int> teacherForced(const RunOptions &options);

/// --input: any entry.
Result<int> runEntry(const RunOptions &options);

/// --bench.
Result<int> bench(const RunOptions &options);

/// True for one caller of all processes that are forked behind its construction; true for every caller where the system
/// has no memory for it.
class OncePerRun {
public:
  OncePerRun();
  ~OncePerRun();
  OncePerRun(const OncePerRun &) = delete;
  OncePerRun &operator=(const OncePerRun &) = delete;
  bool isFirst() { return !isTaken || isTaken->exchange(1) == 0; }

private:
  std::atomic<uint32_t> *isTaken; // in memory that the processes share
};

/// --processes: forks one process for each of `ranks` ranks, each of which runs `body` with its own options, and waits
/// for all of them. Must be called before anything that starts threads.
Result<int> inProcesses(uint32_t ranks, const RunOptions &options, const std::function<int(const RunOptions &)> &body);

// ---- shared by the modes

/// Steps until nothing is left to compute, calling `afterStep` after each.
Status runSteps(session::Session &session, const std::function<Status(const session::StepReport &)> &afterStep);

/// Gives the logits behind every token of `tokens`, in order; `row` has one float a word of the vocabulary.
Status forEachLogits(session::Session &session, std::span<const int32_t> tokens,
                     const std::function<Status(uint64_t position, std::span<const float> row)> &visit);

/// --check: both models compute the logits behind every token of every sequence; the result is 0 where they agree, else
/// 1. Prints what it found.
Result<int> compareWith(LoadedModel &model, const RunOptions &options,
                        const std::vector<std::vector<int32_t>> &sequences);

/// Writes the trace and prints the numbers that --stats asks for.
struct RunCounts {
  uint64_t promptTokens = 0;
  uint64_t newTokens = 0;
  uint64_t steps = 0;
  double firstTokenMs = 0;
  double seconds = 0;
};
Status finishRun(const LoadedModel &model, const RunOptions &options, const RunCounts &counts);

/// Greatest memory of this process so far.
uint64_t peakMemoryBytes();

} // namespace muster::run

#endif // MUSTER_TOOLS_MUSTERRUN_MODES_H
