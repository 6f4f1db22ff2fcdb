// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a call of the C API says when there is no memory left, not even for the error.
#include "muster/muster.hpp"

#include "test/unit/runtime/builder/StepPlan.h"

#include <cerrno>
#include <cstdlib>
#include <gtest/gtest.h>

namespace {
thread_local bool isEmpty = false;
} // namespace

// Every small allocation of the process goes through this, those of shared libraries too.
extern "C" {
void *__libc_malloc(size_t);
void *malloc(size_t bytes) {
  if (!isEmpty)
    return __libc_malloc(bytes);
  errno = ENOMEM;
  return nullptr;
}
}

using namespace muster::test;

namespace {

TEST(ApiMemory, SaysSoAndGoesOn) {
  StepPlanOptions options;
  std::string path = stepPlan(options).write(scratchFolder(), "memory");
  muster_plan *plan = nullptr;
  muster_status status;
  isEmpty = true;
  int32_t code = muster_plan_load(path.c_str(), nullptr, &plan, &status);
  isEmpty = false;
  EXPECT_EQ(code, 2435);
  EXPECT_EQ(status.code, 2435);
  EXPECT_EQ(status.exit_code, 4);
  EXPECT_STREQ(status.text, "E2435 cannot get memory for this call");
  EXPECT_EQ(plan, nullptr);
  ASSERT_EQ(muster_plan_load(path.c_str(), nullptr, &plan, &status), 0) << status.text;
  EXPECT_EQ(muster_plan_ranks(plan), options.ranks);
  muster_plan_free(plan);
}

} // namespace
