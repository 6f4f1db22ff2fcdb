// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --processes: one process a rank on this machine.

#include "tools/muster-run/Modes.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <thread>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::run {

namespace {

/// After the first rank has failed the others notice by themselves; one that is stopped does not.
constexpr uint32_t graceMs = 5000;

/// The exit code of the first rank that fails. Ranks that are still there `grace` milliseconds after it are killed.
int waitForAll(std::vector<pid_t> children, uint32_t grace) {
  using Clock = std::chrono::steady_clock;
  int result = 0;
  bool isKilling = false;
  Clock::time_point failed;
  for (size_t left = children.size(); left != 0;) {
    int state = 0;
    pid_t ended = waitpid(-1, &state, result == 0 ? 0 : WNOHANG);
    if (ended < 0 && errno != EINTR)
      break;
    if (ended <= 0) {
      if (Clock::now() - failed > std::chrono::milliseconds(grace)) {
        isKilling = true;
        for (pid_t child : children)
          if (child != 0)
            kill(child, SIGKILL);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    auto child = std::find(children.begin(), children.end(), ended);
    if (child == children.end())
      continue;
    *child = 0;
    --left;
    if (WIFSIGNALED(state) && !isKilling)
      fmt::print(stderr, "muster-run: E2438 rank {} was ended by signal {} ({})\n", child - children.begin(),
                 WTERMSIG(state), strsignal(WTERMSIG(state)));
    int code = WIFEXITED(state) ? WEXITSTATUS(state) : static_cast<int>(ExitCode::runTime);
    if (result == 0 && code != 0) {
      result = code;
      failed = Clock::now();
    }
  }
  return result;
}

} // namespace

OncePerRun::OncePerRun() {
  void *memory = mmap(nullptr, sizeof(*isTaken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  isTaken = memory == MAP_FAILED ? nullptr : new (memory) std::atomic<uint32_t>(0);
}

OncePerRun::~OncePerRun() {
  if (isTaken)
    munmap(isTaken, sizeof(*isTaken));
}

Result<int> inProcesses(uint32_t ranks, const RunOptions &options, const std::function<int(const RunOptions &)> &body) {
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
  return waitForAll(std::move(children), std::min<uint32_t>(options.deadlineMs, graceMs));
}

} // namespace muster::run
