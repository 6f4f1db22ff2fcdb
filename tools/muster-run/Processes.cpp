// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --processes: one process a rank on this machine.

#include "tools/muster-run/Modes.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::run {

Result<int> inProcesses(const RunOptions &options, const std::function<int(const RunOptions &)> &body) {
  uint32_t ranks = 0;
  {
    plan::LoadOptions inspect;
    inspect.inspectOnly = true;
    MUSTER_ASSIGN_OR_RETURN(auto plan, plan::loadPlan(options.plan, inspect));
    ranks = plan->ranks();
  }
  std::fflush(nullptr);
  pid_t parent = getpid();
  std::vector<pid_t> children;
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    pid_t child = fork();
    if (child < 0) {
      for (pid_t started : children)
        kill(started, SIGKILL);
      return Status::error(2437, "cannot start process {} of {}: {}", rank + 1, ranks, std::strerror(errno));
    }
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL); // no rank outlives the command
      if (getppid() != parent)
        _exit(static_cast<int>(ExitCode::runTime));
      RunOptions own = options;
      own.processes = false;
      own.transport = executor::TransportKind::shm;
      own.rank = rank;
      own.group = fmt::format("muster-run-{}", parent);
      int code = body(own);
      std::fflush(nullptr);
      _exit(code);
    }
    children.push_back(child);
  }
  int result = 0;
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    int state = 0;
    while (waitpid(children[rank], &state, 0) < 0 && errno == EINTR)
      ;
    int code = WIFEXITED(state) ? WEXITSTATUS(state) : static_cast<int>(ExitCode::runTime);
    if (WIFSIGNALED(state))
      fmt::print(stderr, "muster-run: E2438 rank {} was ended by signal {} ({})\n", rank, WTERMSIG(state),
                 strsignal(WTERMSIG(state)));
    if (result == 0)
      result = code;
  }
  return result;
}

} // namespace muster::run
