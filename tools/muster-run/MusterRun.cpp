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

int runRank(const RunOptions &options) {
  Result<int> code = runMode(options);
  if (code.isOk())
    return *code;
  // All ranks return one error; the first says it. What concerns the connection may differ.
  bool ownCause = code.status().number() / 100 == 25;
  if (options.talks() || ownCause)
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
  if (!options->processes)
    return runRank(*options);
  Result<int> code = inProcesses(*options, runRank);
  return code.isOk() ? *code : fail(code.status());
}
