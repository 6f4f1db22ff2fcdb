// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the executor adds to what it runs: a small all-reduce beside a bare barrier, and the cost of a step by itself.
// Every benchmark checks its result before it measures. See docs/benchmarks.md.
//
//   AllReduce2KB          microseconds of one all-reduce of 512 floats, "barrier_us" of a barrier of the same ranks
//   EmptySteps            nanoseconds a step of kernels that do nothing, each waiting for the one before
#include "runtime/comm/control/Progress.h"
#include "test/benchmark/runtime/executor/Exchange.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cmath>
#include <cstring>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace muster;
using namespace muster::test;
using executor::Executor;
using executor::ExecutorOptions;

namespace {

// ---- small all-reduces

constexpr uint32_t reductions = 100;

/// `reductions` times: y = sum over ranks of x, then x = sum over ranks of y.
std::string reducePlan(uint32_t ranks) {
  PlanBuilder builder({{"tp", ranks}});
  schema::VariantT &variant = exchangeEntry(builder, "all_reduce", 512, 512);
  std::vector<uint32_t> waits;
  for (uint32_t i = 0; i != reductions; ++i) {
    auto x = arena(i % 2 ? 2048 : 0, 2048), y = arena(i % 2 ? 0 : 2048, 2048);
    PlanBuilder::TransferSpec spec{"all_reduce", {0}, x, y, amount(0), amount(0), {}, schema::Reduction::Sum};
    spec.box.push_back(dim(amount(512), 1, 1));
    std::vector<uint32_t> acknowledgements;
    if (i != 0)
      acknowledgements = {i - 1};
    waits = {builder.transfer(variant, std::move(spec), waits, acknowledgements)};
  }
  variant.results[0] = schema::Span(reductions % 2 ? 2048 : 0, 2048);
  return builder.write(scratchFolder(), "reduce" + std::to_string(ranks));
}

/// Each sum multiplies by the number of ranks, so the input is as small as floats get.
bool isReduced(Executor &executor, uint32_t ranks) {
  std::vector<float> tiny(512 * ranks), sums(512 * ranks);
  for (size_t i = 0; i != tiny.size(); ++i)
    tiny[i] = i % 512 == 3 ? std::ldexp(1.0f, -126) : 0.0f;
  if (!runEntry(executor, 0, tiny).isFine() || !executor.readResult(0, sums.data(), sums.size() * 4).isOk())
    return false;
  double expected = std::ldexp(1.0, -126) * std::pow(static_cast<double>(ranks), static_cast<double>(reductions));
  for (size_t i = 0; i != sums.size(); ++i)
    if (i % 512 == 3 ? std::abs(sums[i] / expected - 1) > 1e-4 : sums[i] != 0.0f)
      return false;
  return true;
}

/// Seconds of a barrier of `ranks` parties that do what ranks do, as threads or processes.
template <typename Start>
double barrierSeconds(uint32_t ranks, const Start &start) {
  constexpr uint32_t meetings = 100, batches = 30;
  struct Shared {
    comm::ProgressWord words[8];
    double seconds[batches];
  };
  auto *shared =
      static_cast<Shared *>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  comm::WaitPolicy policy;
  policy.spins = ranks <= std::thread::hardware_concurrency() ? 2000 : 0;
  start([=](uint32_t rank) {
    for (uint32_t batch = 0; batch != batches; ++batch) {
      auto begin = Clock::now();
      for (uint32_t meeting = 1; meeting <= meetings; ++meeting) {
        comm::publish(shared->words[rank], batch * meetings + meeting);
        for (uint32_t other = 0; other != ranks; ++other)
          comm::await(shared->words[other], batch * meetings + meeting, policy);
      }
      if (rank == 0)
        shared->seconds[batch] = secondsSince(begin) / meetings;
    }
  });
  return *std::min_element(shared->seconds, shared->seconds + batches);
}

void AllReduce2KBThreads(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  auto executor = create(load(reducePlan(ranks)), ExecutorOptions());
  if (!isReduced(*executor, ranks))
    return state.SkipWithError("wrong result");
  std::vector<float> x(512 * ranks);
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(runEntry(*executor, 0, x).wall / reductions);
    state.SetIterationTime(seconds.back());
  }
  state.counters["us"] = best(seconds) * 1e6;
  executor.reset();
  state.counters["barrier_us"] = 1e6 * barrierSeconds(ranks, [&](auto party) {
                                   std::vector<std::thread> threads;
                                   for (uint32_t rank = 0; rank != ranks; ++rank)
                                     threads.emplace_back(party, rank);
                                   for (std::thread &thread : threads)
                                     thread.join();
                                 });
}
BENCHMARK(AllReduce2KBThreads)->Arg(2)->Arg(3)->UseManualTime()->Iterations(30);

void AllReduce2KBProcesses(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  std::string plan = reducePlan(ranks);
  constexpr int runs = 30;
  auto *seconds = static_cast<double *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (auto _ : state) {
    std::vector<int> codes = runProcesses(ranks, [&](uint32_t rank) {
      ExecutorOptions options;
      options.transport = executor::TransportKind::shm;
      options.rank = rank;
      options.group = "benchmark" + std::to_string(getppid());
      auto executor = create(load(plan), options);
      if (!executor || !isReduced(*executor, ranks))
        return 1;
      std::vector<float> x(512 * ranks);
      std::vector<double> own;
      for (int run = 0; run != runs; ++run)
        own.push_back(runEntry(*executor, 0, x).wall / reductions);
      seconds[rank] = best(own);
      return 0;
    });
    if (std::any_of(codes.begin(), codes.end(), [](int code) { return code != 0; }))
      return state.SkipWithError("wrong result");
    state.SetIterationTime(seconds[0]);
  }
  state.counters["us"] = seconds[0] * 1e6;
  state.counters["barrier_us"] = 1e6 * barrierSeconds(ranks, [&](auto party) {
                                   runProcesses(ranks, [&](uint32_t rank) {
                                     party(rank);
                                     return 0;
                                   });
                                 });
}
BENCHMARK(AllReduce2KBProcesses)->Arg(2)->Arg(3)->UseManualTime()->Iterations(1);

// ---- the executor's own cost

void EmptySteps(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0)), steps = 2000;
  PlanBuilder builder({{"tp", ranks}});
  uint32_t size = builder.constant(1), nothing = builder.kernel("nothing", 2, 1);
  schema::VariantT &variant = exchangeEntry(builder, "steps", 16, 16);
  std::vector<uint32_t> waits;
  for (uint32_t i = 0; i != steps; ++i)
    waits = {builder.launch(variant, nothing, {{arena(0, 64)}, {arena(64, 64), true}}, {size}, amountOf(size), waits)};
  ExecutorOptions options;
  options.workersPerRank = static_cast<uint32_t>(state.range(1));
  auto executor = create(load(builder.write(scratchFolder(), "steps")), options);
  std::vector<float> x(16 * ranks);
  std::vector<double> seconds;
  for (auto _ : state) {
    seconds.push_back(runEntry(*executor, 0, x).wall);
    state.SetIterationTime(seconds.back());
  }
  if (*std::min_element(seconds.begin(), seconds.end()) < 0)
    return state.SkipWithError("cannot run");
  state.counters["ns/step"] = best(seconds) / steps * 1e9;
}
BENCHMARK(EmptySteps)->Args({1, 1})->Args({1, 2})->Args({2, 1})->UseManualTime()->Iterations(200);

} // namespace

BENCHMARK_MAIN();
