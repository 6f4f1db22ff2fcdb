// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-run/Modes.h"

#include "test/unit/runtime/builder/StepPlan.h"

#include <cerrno>
#include <csignal>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {
int forksLeft = -1; // any number
} // namespace

// Stands in front of the C library's.
extern "C" pid_t fork() noexcept {
  static auto real = reinterpret_cast<pid_t (*)()>(dlsym(RTLD_NEXT, "fork"));
  if (forksLeft != 0) {
    forksLeft -= forksLeft > 0;
    return real();
  }
  errno = EAGAIN;
  return -1;
}

using namespace muster;
using namespace muster::test;

namespace {

TEST(Processes, EndsTheStartedOnesWhereOneCannotBeStarted) {
  StepPlanOptions plan;
  plan.ranks = 3;
  run::RunOptions options;
  options.plan = stepPlan(plan).write(scratchFolder(), "three");
  forksLeft = 2;
  Result<int> code = run::inProcesses(plan.ranks, options, [](const run::RunOptions &) {
    sleep(60);
    return 0;
  });
  forksLeft = -1;
  ASSERT_FALSE(code.isOk());
  EXPECT_EQ(code.status().text(), "E2437 cannot start process 3 of 3: Resource temporarily unavailable");
  for (int started = 0; started != 2; ++started) {
    int state = 0;
    ASSERT_GT(waitpid(-1, &state, 0), 0);
    EXPECT_TRUE(WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL);
  }
  EXPECT_EQ(waitpid(-1, nullptr, 0), -1);
}

// Of all processes that ask, one is the first.
TEST(Processes, OncePerRun) {
  run::OncePerRun once;
  int firsts = 0;
  for (int i = 0; i != 5; ++i) {
    pid_t child = fork();
    if (child == 0)
      _exit(once.isFirst() ? 1 : 0);
    int state = 0;
    ASSERT_EQ(waitpid(child, &state, 0), child);
    firsts += WEXITSTATUS(state);
  }
  EXPECT_EQ(firsts, 1);
  EXPECT_FALSE(once.isFirst());
}

} // namespace
