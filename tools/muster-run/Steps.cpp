// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the modes of muster-run share.

#include "tools/muster-run/Modes.h"

#include <cstdio>

#include <sys/resource.h>

namespace muster::run {

Status runSteps(session::Session &session, const std::function<Status(const session::StepReport &)> &afterStep) {
  session::StepReport report;
  while (session.hasWork()) {
    MUSTER_RETURN_IF_ERROR(session.step(report));
    MUSTER_RETURN_IF_ERROR(afterStep(report));
  }
  return Status::ok();
}

Status forEachLogits(session::Session &session, std::span<const int32_t> tokens,
                     const std::function<Status(uint64_t position, std::span<const float> row)> &visit) {
  session::SequenceOptions options;
  options.logits = session::LogitRequest::all;
  options.group = 0; // that of rank 0, which says what comes of it
  MUSTER_ASSIGN_OR_RETURN(session::SequenceId id, session.submit(tokens, options));
  Status status = runSteps(session, [&](const session::StepReport &) -> Status {
    MUSTER_ASSIGN_OR_RETURN(session::LogitRows rows, session.logits(id));
    for (uint32_t row = 0; row != rows.rows; ++row)
      MUSTER_RETURN_IF_ERROR(
          visit(rows.firstPosition + row, {rows.data + size_t(row) * rows.vocabulary, rows.vocabulary}));
    return Status::ok();
  });
  MUSTER_RETURN_IF_ERROR(session.drop(id));
  return status;
}

uint64_t peakMemoryBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

Status finishRun(const LoadedModel &model, const RunOptions &options, const RunCounts &counts) {
  if (!options.trace.empty()) {
    std::string path = options.trace;
    if (options.transport == executor::TransportKind::shm && options.rank != 0)
      path += fmt::format(".rank{}", options.rank); // a process knows its own rank's track only
    MUSTER_RETURN_IF_ERROR(model.executor->writeTrace(path));
  }
  if (!options.stats || !options.talks())
    return Status::ok();
  executor::ExecutorStats stats = model.executor->stats();
  const executor::ExecutorOptions &runner = model.executor->options();
  constexpr double mebi = 1 << 20;
  fmt::print(stderr, "ranks          {} x {} workers{}{}\n", model.plan->ranks(), runner.workersPerRank,
             stats.transferThreads ? " + transfers" : "", stats.pinned ? ", pinned" : "");
  fmt::print(stderr, "load           {:.1f} ms\n", model.loadMs);
  if (counts.steps) {
    fmt::print(stderr, "tokens         {} computed of prompts, {} generated in {} steps\n", counts.promptTokens,
               counts.newTokens, counts.steps);
    fmt::print(stderr, "time           {:.3f} s, first token after {:.1f} ms\n", counts.seconds, counts.firstTokenMs);
    fmt::print(stderr, "rate           {:.1f} tokens/s\n",
               static_cast<double>(counts.promptTokens + counts.newTokens) / counts.seconds);
  }
  fmt::print(stderr, "arena          {:.1f} MiB a rank\n", static_cast<double>(stats.arenaBytes) / mebi);
  fmt::print(stderr, "states         {:.1f} MiB a rank, {} pages\n", static_cast<double>(stats.stateBytes) / mebi,
             runner.pages);
  fmt::print(stderr, "peak memory    {:.1f} MiB\n", static_cast<double>(peakMemoryBytes()) / mebi);
  return Status::ok();
}

} // namespace muster::run
