// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A session's steps allocate nothing. The hook counts what C++ allocates in this program.
#include "runtime/session/PlanStepModel.h"
#include "runtime/session/Session.h"

#include "test/unit/runtime/builder/StepPlan.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

namespace {
std::atomic<uint64_t> allocations;
}

void *operator new(size_t bytes) {
  ++allocations;
  if (void *memory = std::malloc(bytes ? bytes : 1))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

using namespace muster;
using namespace muster::session;

namespace {

/// Logits that depend on the row alone, in memory that is there from the start.
class ConstantModel : public StepModel {
public:
  explicit ConstantModel(const StepLimits &limits, uint32_t groups)
      : stepLimits(limits), groupCount(groups), rows(size_t(limits.logitRows) * limits.vocabulary) {
    for (size_t i = 0; i != rows.size(); ++i)
      rows[i] = static_cast<float>(i * 2654435761u % 1000) / 100;
  }
  const StepLimits &limits() const override { return stepLimits; }
  uint32_t groups() const override { return groupCount; }
  const float *logits(uint32_t) const override { return rows.data(); }
  Result<uint64_t> run(std::span<const StepBatch *const> batches, std::span<GroupLoad>) override {
    uint64_t tokens = 0;
    for (const StepBatch *batch : batches)
      tokens += batch->tokens.size();
    return tokens;
  }

private:
  StepLimits stepLimits;
  uint32_t groupCount;
  std::vector<float> rows;
};

/// Of prompts of one length, which are served `lengths` times, each with another length.
void stepsAllocateNothing(std::unique_ptr<StepModel> model, uint32_t lengths) {
  Session session(std::move(model));
  uint32_t groups = session.groups();
  StepReport report;
  int32_t fresh[4];
  uint64_t steps = 0;
  for (uint32_t length = 1; length <= lengths; ++length) {
    std::vector<int32_t> prompt(length, 7);
    SequenceOptions options;
    options.maxNewTokens = 1 + length % 5;
    if (length % 2) {
      options.sampling.temperature = 0.7f;
      options.sampling.topP = 0.9f;
    }
    // One for each group, and some that wait; they are assigned in the steps.
    std::vector<SequenceId> ids;
    for (uint32_t i = 0; i != groups * (1 + length % 11 * (groups - 1)); ++i) {
      Result<SequenceId> id = session.submit(prompt, options);
      ASSERT_TRUE(id.isOk()) << id.status().text();
      ids.push_back(*id);
    }
    uint64_t before = allocations;
    while (session.hasWork()) {
      ASSERT_TRUE(session.step(report).isOk());
      for (SequenceId id : ids) {
        ASSERT_TRUE(session.takeTokens(id, fresh).isOk());
        ASSERT_TRUE(session.logits(id).isOk());
      }
      ++steps;
    }
    ASSERT_EQ(allocations, before) << "with a prompt of " << length;
    for (SequenceId id : ids) {
      ASSERT_EQ(session.info(id)->state, SequenceState::finished);
      ASSERT_TRUE(session.drop(id).isOk());
    }
  }
  EXPECT_GT(steps, lengths * 4);
  EXPECT_GT(allocations, lengths) << "the hook counts";
}

StepLimits wideLimits() {
  StepLimits limits;
  limits.stepTokens = 64;
  limits.sequences = 8;
  limits.logitRows = 8;
  limits.pages = 500;
  limits.pageSlots = 4;
  limits.pagesPerSequence = 200;
  limits.vocabulary = 999;
  return limits;
}

TEST(Allocation, StepsAllocateNothing) { stepsAllocateNothing(std::make_unique<ConstantModel>(wideLimits(), 1), 500); }

TEST(Allocation, StepsOfTwoGroupsAllocateNothing) {
  stepsAllocateNothing(std::make_unique<ConstantModel>(wideLimits(), 2), 500);
}

// The same with a plan, its executor and its ranks.
void stepsOfAPlanAllocateNothing(bool halves) {
  test::StepPlanOptions options;
  options.groups = 2;
  options.halves = halves;
  options.tokenizer = false;
  auto plan = plan::loadPlan(test::stepPlan(options).write(test::scratchFolder(), "allocation"), {});
  ASSERT_TRUE(plan.isOk()) << plan.status().text();
  executor::ExecutorOptions runner;
  runner.pages = 60;
  runner.transferThreads = executor::TransferThreads::always;
  auto executor = executor::Executor::create(*std::move(plan), runner);
  ASSERT_TRUE(executor.isOk()) << executor.status().text();
  auto model = PlanStepModel::create(*std::move(executor));
  ASSERT_TRUE(model.isOk()) << model.status().text();
  stepsAllocateNothing(*std::move(model), 100);
}

TEST(Allocation, StepsOfAPlanWithTwoGroupsAllocateNothing) { stepsOfAPlanAllocateNothing(false); }

TEST(Allocation, StepsInTwoHalvesAllocateNothing) { stepsOfAPlanAllocateNothing(true); }

} // namespace
