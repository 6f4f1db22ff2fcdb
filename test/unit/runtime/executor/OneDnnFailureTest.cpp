// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What happens where oneDNN fails: this program's functions stand in front of the library's, and fail on demand.
#include "test/unit/runtime/executor/SmallPlans.h"

#include <atomic>
#include <dlfcn.h>
#include <dnnl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {
std::atomic<bool> failsToCreate{false}, failsToExecute{false};
} // namespace

extern "C" dnnl_status_t dnnl_primitive_create(dnnl_primitive_t *primitive, const_dnnl_primitive_desc_t description) {
  static auto real = reinterpret_cast<decltype(&dnnl_primitive_create)>(dlsym(RTLD_NEXT, "dnnl_primitive_create"));
  return failsToCreate ? dnnl_out_of_memory : real(primitive, description);
}

extern "C" dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count,
                                                const dnnl_exec_arg_t *arguments) {
  static auto real = reinterpret_cast<decltype(&dnnl_primitive_execute)>(dlsym(RTLD_NEXT, "dnnl_primitive_execute"));
  return failsToExecute ? dnnl_out_of_memory : real(primitive, stream, count, arguments);
}

using namespace muster;
using namespace muster::test;
using executor::Executor;
using testing::HasSubstr;

namespace {

TEST(OneDnnFailure, CannotPrepareAProduct) {
  auto plan = load(layerPlan("prepare", 2, 64, schema::Packing::RowMajor));
  failsToCreate = true;
  auto executor = Executor::create(plan, {});
  failsToCreate = false;
  ASSERT_FALSE(executor.isOk());
  EXPECT_EQ(executor.status().number(), 2405);
  EXPECT_THAT(executor.status().text(), HasSubstr("oneDNN returned 1 from dnnl_primitive_create"));
  EXPECT_NE(create(plan, {}), nullptr);
}

TEST(OneDnnFailure, EndsTheSessionInAStep) {
  auto executor = create(load(layerPlan("execute", 2, 64, schema::Packing::RowMajor)), {});
  ASSERT_NE(executor, nullptr);
  std::vector<float> x = randomValues(5 * features, 1);
  runOnce(*executor, {5}, x);
  ASSERT_TRUE(executor->begin(0, std::vector<int64_t>{5}).isOk());
  ASSERT_TRUE(executor->setInput(0, x.data(), executor->inputBytes(0)).isOk());
  failsToExecute = true;
  Status status = executor->run();
  failsToExecute = false;
  EXPECT_EQ(status.number(), 2406);
  EXPECT_THAT(status.text(), HasSubstr("oneDNN failed in step 1"));
  EXPECT_THAT(status.text(), HasSubstr("on rank "));
  EXPECT_EQ(executor->begin(0, std::vector<int64_t>{5}).text(), status.text()); // poisoned
}

} // namespace
