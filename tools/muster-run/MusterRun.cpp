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

Result<int> runMode(const RunOptions &options) {
  if (options.bench)
    return bench(options);
  if (!options.tokens.empty())
    return teacherForced(options);
  if (!options.inputs.empty() || !options.entry.empty())
    return runEntry(options);
  return generate(options);
}

int runRank(const RunOptions &options, OncePerRun &lossIsSaid) {
  Result<int> code = runMode(options);
  if (code.isOk())
    return *code;
  // All ranks return one error, and rank 0 says it. A lost rank may be rank 0: the first that notices says that.
  bool isLoss = code.status().number() / 100 == 25;
  if (isLoss ? lossIsSaid.isFirst() : options.talks())
    fail(code.status());
  return static_cast<int>(code.status().exitCode());
}

} // namespace

int main(int argc, char **argv) {
  Result<RunOptions> options = parseCommandLine(argc, argv);
  if (!options.isOk())
    return fail(options.status());
  if (options->plan.empty())
    return 0;
  OncePerRun lossIsSaid;
  auto body = [&](const RunOptions &own) { return runRank(own, lossIsSaid); };
  if (!options->processes)
    return body(*options);
  Result<int> code = inProcesses(*options, body);
  return code.isOk() ? *code : fail(code.status());
}
