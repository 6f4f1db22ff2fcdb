// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A session's steps allocate nothing. The hook counts what C++ allocates in this program.
#include "runtime/session/Session.h"

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
  explicit ConstantModel(const StepLimits &limits)
      : stepLimits(limits), rows(size_t(limits.logitRows) * limits.vocabulary) {
    for (size_t i = 0; i != rows.size(); ++i)
      rows[i] = static_cast<float>(i * 2654435761u % 1000) / 100;
  }
  const StepLimits &limits() const override { return stepLimits; }
  const float *logits() const override { return rows.data(); }
  Status run(const StepBatch &) override { return Status::ok(); }

private:
  StepLimits stepLimits;
  std::vector<float> rows;
};

TEST(Allocation, StepsAllocateNothing) {
  StepLimits limits;
  limits.stepTokens = 64;
  limits.sequences = 8;
  limits.logitRows = 8;
  limits.pages = 500;
  limits.pageSlots = 4;
  limits.pagesPerSequence = 200;
  limits.vocabulary = 999;
  Session session(std::make_unique<ConstantModel>(limits));
  StepReport report;
  int32_t fresh[4];
  uint64_t steps = 0;
  for (uint32_t length = 1; length <= 500; ++length) {
    std::vector<int32_t> prompt(length, 7);
    SequenceOptions options;
    options.maxNewTokens = 1 + length % 5;
    if (length % 2) {
      options.sampling.temperature = 0.7f;
      options.sampling.topP = 0.9f;
    }
    Result<SequenceId> id = session.submit(prompt, options);
    ASSERT_TRUE(id.isOk()) << id.status().text();
    uint64_t before = allocations;
    bool done = false;
    while (!done) {
      ASSERT_TRUE(session.step(report).isOk());
      done = session.info(*id)->state == SequenceState::finished;
      ASSERT_TRUE(session.takeTokens(*id, fresh).isOk());
      ASSERT_TRUE(session.logits(*id).isOk());
      ++steps;
    }
    ASSERT_EQ(allocations, before) << "with a prompt of " << length;
    ASSERT_TRUE(session.drop(*id).isOk());
  }
  EXPECT_GT(steps, 2000u);
  EXPECT_GT(allocations, 500u) << "the hook counts";
}

} // namespace
