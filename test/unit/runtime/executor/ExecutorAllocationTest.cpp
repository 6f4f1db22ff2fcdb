// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of 500 different lengths allocate nothing, except inside oneDNN's execute, which makes a few small maps of its
// own in every call (counted apart, and nothing is left of them).
#include "runtime/kernels/Matmul.h"
#include "test/unit/runtime/builder/RaggedPlan.h"
#include "test/unit/runtime/builder/RoutedPlan.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <gtest/gtest.h>

namespace {
std::atomic<bool> isCounting{false};
std::atomic<int64_t> ours{0};
std::atomic<int64_t> insideOneDnn{0};

void countOne() {
  if (isCounting.load(std::memory_order_relaxed))
    ++(muster::kernels::isInsideOneDnn() ? insideOneDnn : ours);
}
} // namespace

// Every allocation of the process goes through these, those of shared libraries too.
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
  countOne();
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  countOne();
  return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) {
  countOne();
  return __libc_realloc(old, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  countOne();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **result, size_t alignment, size_t bytes) {
  countOne();
  *result = __libc_memalign(alignment, bytes);
  return *result ? 0 : 12;
}
}

using namespace muster;
using namespace muster::test;

namespace {

/// Takes steps with these records and expects that they allocate nothing.
void expectNoAllocations(executor::Executor &executor, const std::vector<std::vector<int64_t>> &records,
                         const std::vector<float> &x, std::vector<float> &y) {
  bool isFine = true;
  isCounting = true;
  for (const std::vector<int64_t> &record : records) {
    isFine &= executor.begin(0, record).isOk();
    isFine &= executor.setInput(0, x.data(), executor.inputBytes(0)).isOk();
    isFine &= executor.run().isOk();
    isFine &= executor.readResult(0, y.data(), executor.resultBytes(0)).isOk();
  }
  isCounting = false;
  EXPECT_TRUE(isFine);
  EXPECT_EQ(ours, 0);
}

/// A layer with a kernel, two products and a reduction, of up to 500 tokens.
TEST(Allocation, NoneInStepsOf500Lengths) {
  constexpr int64_t most = 500;
  for (uint32_t workers : {1u, 2u}) {
    PlanBuilder builder({{"tp", 2}});
    buildLayer(builder, 96, schema::Packing::BlockedN64K16, most);
    executor::ExecutorOptions options;
    options.workersPerRank = workers;
    options.trace = true;
    auto executor = create(load(builder.write(scratchFolder(), "allocation")), options);
    ASSERT_NE(executor, nullptr);
    std::vector<float> x = randomValues(most * features, 1), y(most * features);
    std::vector<std::vector<int64_t>> records;
    for (int64_t tokens = 1; tokens <= most; ++tokens)
      records.push_back({tokens});
    expectNoAllocations(*executor, records, x, y);
    EXPECT_GT(insideOneDnn, 0); // the hook sees the threads of the ranks
    std::printf("%u workers: 0 allocations of ours, %.1f a matrix product inside oneDNN\n", workers,
                static_cast<double>(insideOneDnn) / (most * 2 * 2 * workers));
    insideOneDnn = 0;
  }
}

/// The reduction on a thread of its own.
TEST(Allocation, NoneInTwoStreams) {
  PlanBuilder builder({{"tp", 2}});
  buildLayer(builder, 96, schema::Packing::BlockedN64K16, 200);
  builder.plan.entries[0]->variants[0]->steps.back()->stream = 1;
  executor::ExecutorOptions options;
  options.transferThreads = executor::TransferThreads::always;
  options.trace = true;
  auto executor = create(load(builder.write(scratchFolder(), "streams")), options);
  ASSERT_NE(executor, nullptr);
  ASSERT_TRUE(executor->stats().transferThreads);
  std::vector<float> x = randomValues(200 * features, 1), y(200 * features);
  std::vector<std::vector<int64_t>> records;
  for (int64_t tokens = 0; tokens <= 200; ++tokens)
    records.push_back({tokens});
  expectNoAllocations(*executor, records, x, y);
}

/// Ranks with other numbers of rows in each step.
TEST(Allocation, NoneInRaggedSteps) {
  PlanBuilder builder({{"dp", 3}});
  buildRagged(builder, 40, 100);
  executor::ExecutorOptions options;
  options.workersPerRank = 2;
  auto executor = create(load(builder.write(scratchFolder(), "ragged")), options);
  ASSERT_NE(executor, nullptr);
  std::vector<float> x = randomValues(100 * raggedWidth, 1), y(100 * raggedWidth);
  std::vector<std::vector<int64_t>> records;
  for (int64_t step = 0; step != 300; ++step)
    records.push_back({step % 41, step % 7, step % 11 == 0 ? 0 : step % 40});
  expectNoAllocations(*executor, records, x, y);
}

/// Rows in numbers that a tensor says, right and wrong ones.
TEST(Allocation, NoneInRoutedSteps) {
  PlanBuilder builder({{"ep", 3}});
  buildRouted(builder, 40, 60, 1);
  executor::ExecutorOptions options;
  options.workersPerRank = 2;
  auto executor = create(load(builder.write(scratchFolder(), "routed")), options);
  ASSERT_NE(executor, nullptr);
  std::vector<float> x = randomValues(3 * 40 * routedWidth, 1), y(3 * 60 * routedWidth);
  std::vector<int32_t> counts(9);
  bool isFine = true;
  isCounting = true;
  for (int32_t step = 0; step != 300; ++step) {
    for (int32_t i = 0; i != 9; ++i)
      counts[static_cast<size_t>(i)] = (step * (i + 3)) % 14;
    isFine &= executor->begin(0, {}).isOk();
    isFine &= executor->setInput(0, x.data(), executor->inputBytes(0)).isOk();
    isFine &= executor->setInput(1, counts.data(), executor->inputBytes(1)).isOk();
    isFine &= executor->run().isOk();
    isFine &= executor->readResult(0, y.data(), executor->resultBytes(0)).isOk();
  }
  isCounting = false;
  EXPECT_TRUE(isFine);
  EXPECT_EQ(ours, 0);
}

// The hook works: what allocates is counted.
TEST(Allocation, HookCounts) {
  ours = 0;
  isCounting = true;
  std::free(std::malloc(100));
  delete[] new char[100];
  isCounting = false;
  EXPECT_GE(ours, 1);
  ours = 0;
}

} // namespace
