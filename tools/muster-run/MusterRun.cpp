// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run: runs a plan. docs/tools/muster-run.md shows it in use.

#include "tools/muster-run/Modes.h"

#include <cstdio>

using namespace muster;
using namespace muster::run;

namespace {

int fail(const Status &status) {
  std::fflush(stdout);
  fmt::print(stderr, "muster-run: {}\n", status.text());
  return static_cast<int>(status.exitCode());
}

/// Several processes have to be told these before they are made.
struct Shared {
  OncePerRun errorIsSaid;
  std::vector<std::string> prompts;
  std::unique_ptr<Answers> answers;
};

bool generates(const RunOptions &options) {
  return !options.bench && options.tokens.empty() && options.inputs.empty() && options.entry.empty();
}

Result<int> runMode(const RunOptions &options, const Shared &shared) {
  if (options.bench)
    return bench(options);
  if (!options.tokens.empty())
    return teacherForced(options);
  if (!generates(options))
    return runEntry(options);
  return generate(options, shared.prompts, shared.answers.get());
}

int runRank(const RunOptions &options, Shared &shared) {
  Result<int> code = runMode(options, shared);
  if (code.isOk())
    return *code;
  // What ends a step is the same error on all ranks; what only one rank meets is a loss to the others. The first says
  // it.
  if (shared.errorIsSaid.isFirst())
    fail(code.status());
  return static_cast<int>(code.status().exitCode());
}

Result<int> runAll(const RunOptions &options) {
  Shared shared;
  auto body = [&](const RunOptions &own) { return runRank(own, shared); };
  uint32_t ranks = 0;
  if (options.processes) {
    plan::LoadOptions inspect;
    inspect.inspectOnly = true;
    MUSTER_ASSIGN_OR_RETURN(auto plan, plan::loadPlan(options.plan, inspect));
    ranks = plan->ranks();
    if (generates(options)) {
      MUSTER_ASSIGN_OR_RETURN(shared.prompts, readPrompts(options));
      MUSTER_ASSIGN_OR_RETURN(shared.answers, makeAnswers(*plan, options, shared.prompts.size()));
    }
  } else if (generates(options)) {
    MUSTER_ASSIGN_OR_RETURN(shared.prompts, readPrompts(options));
  }
  return options.processes ? inProcesses(ranks, options, body) : Result<int>(body(options));
}

} // namespace

int main(int argc, char **argv) {
  Result<RunOptions> options = parseCommandLine(argc, argv);
  if (!options.isOk())
    return fail(options.status());
  if (options->plan.empty())
    return 0;
  Result<int> code = runAll(*options);
  return code.isOk() ? *code : fail(code.status());
}
