// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the executor adds to what it runs: a small all-reduce beside a bare barrier, and the cost of a step by itself.
// Every benchmark checks its result before it measures. See docs/benchmarks.md.
//
//   AllReduce2KB  "us" of one all-reduce of 512 floats, "barrier_us" of a barrier of the same ranks, in batches in
//   turn:
//                 medians; "barriers" that one all-reduce costs (median of ratios); both of the least disturbed batch
//   StepRecord    "us" of an exchange of step records of 7 fields, "barrier_us" of a barrier of the same ranks,
//   "extra_us"
//                 their difference: medians of batches in turn; as threads and as processes
//   TwoHalves     "overlap_us" of a layer of two halves (each a kernel and an all-reduce of 256 KiB) with a thread for
//                 transfers; "one_walk_us" without; "ratio" of one walk to overlap: medians of runs in turn.
//                 Without a CPU for every thread there is nothing to gain
//   EmptySteps    nanoseconds a step of kernels that do nothing, each waiting for the one before; ranks, workers
#include "runtime/comm/control/Progress.h"
#include "runtime/comm/shm/ShmGroup.h"
#include "runtime/device/host/Affinity.h"
#include "test/benchmark/runtime/executor/Exchange.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <algorithm>
#include <benchmark/benchmark.h>
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

constexpr int batches = 40;

/// Seconds of all-reduces and barriers, one batch of each in turn.
struct Log {
  comm::ProgressWord words[8];
  double reduction[batches], barrier[batches];
};

/// A batch of barriers as ranks make them; returns the seconds of one. Party `rank` of `ranks`.
double meet(Log &log, uint32_t ranks, uint32_t rank, int batch) {
  constexpr uint32_t meetings = 100;
  comm::WaitPolicy policy;
  policy.spins = ranks <= std::thread::hardware_concurrency() ? 2000 : 0; // as the executor's
  auto begin = Clock::now();
  for (uint32_t meeting = 1; meeting <= meetings; ++meeting) {
    uint32_t number = static_cast<uint32_t>(batch) * meetings + meeting;
    comm::publish(log.words[rank], number);
    for (uint32_t other = 0; other != ranks; ++other)
      comm::await(log.words[other], number, policy);
  }
  return secondsSince(begin) / meetings;
}

/// Where ranks have a CPU each, they are pinned.
void pin(const std::vector<uint32_t> &cpus, uint32_t ranks, uint32_t rank) {
  if (ranks <= cpus.size())
    device::pinToCpu(cpus[rank]);
}

void report(benchmark::State &state, const Log &log) {
  std::vector<double> reduction(log.reduction, log.reduction + batches), barrier(log.barrier, log.barrier + batches);
  std::vector<double> ratios;
  for (int batch = 0; batch != batches; ++batch)
    ratios.push_back(reduction[static_cast<size_t>(batch)] / barrier[static_cast<size_t>(batch)]);
  state.SetIterationTime(median(reduction));
  state.counters["us"] = median(reduction) * 1e6;
  state.counters["barrier_us"] = median(barrier) * 1e6;
  state.counters["barriers"] = median(ratios);
  state.counters["best_us"] = best(reduction) * 1e6;
  state.counters["best_barrier_us"] = best(barrier) * 1e6;
}

void AllReduce2KBThreads(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  auto executor = create(load(reducePlan(ranks)), ExecutorOptions());
  if (!isReduced(*executor, ranks))
    return state.SkipWithError("wrong result");
  std::vector<float> x(512 * ranks);
  std::vector<uint32_t> cpus = device::allowedCpus();
  auto log = std::make_unique<Log>();
  for (auto _ : state) {
    for (int batch = 0; batch != batches; ++batch) {
      log->reduction[batch] = runEntry(*executor, 0, x).wall / reductions;
      std::vector<std::thread> threads;
      for (uint32_t rank = 0; rank != ranks; ++rank)
        threads.emplace_back([&, rank] {
          pin(cpus, ranks, rank);
          double seconds = meet(*log, ranks, rank, batch);
          if (rank == 0)
            log->barrier[batch] = seconds;
        });
      for (std::thread &thread : threads)
        thread.join();
    }
    report(state, *log);
  }
}
BENCHMARK(AllReduce2KBThreads)->Arg(2)->Arg(3)->UseManualTime()->Iterations(1);

void AllReduce2KBProcesses(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  std::string plan = reducePlan(ranks);
  void *shared = mmap(nullptr, sizeof(Log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Log &log = *new (shared) Log{};
  for (auto _ : state) {
    std::vector<int> codes = runProcesses(ranks, [&](uint32_t rank) {
      ExecutorOptions options;
      options.transport = executor::TransportKind::shm;
      options.rank = rank;
      options.group = "benchmark" + std::to_string(getppid());
      std::vector<uint32_t> cpus = device::allowedCpus();
      auto executor = create(load(plan), options);
      if (!executor || !isReduced(*executor, ranks))
        return 1;
      pin(cpus, ranks, rank);
      std::vector<float> x(512 * ranks);
      for (int batch = 0; batch != batches; ++batch) {
        double reduction = runEntry(*executor, 0, x).wall / reductions, barrier = meet(log, ranks, rank, batch);
        if (rank == 0) {
          log.reduction[batch] = reduction;
          log.barrier[batch] = barrier;
        }
      }
      return 0;
    });
    if (std::any_of(codes.begin(), codes.end(), [](int code) { return code != 0; }))
      return state.SkipWithError("wrong result");
    report(state, log);
  }
  munmap(shared, sizeof(Log));
}
BENCHMARK(AllReduce2KBProcesses)->Arg(2)->Arg(3)->UseManualTime()->Iterations(1);

// ---- step records

/// Batches of exchanges and barriers in turn; 0 where every rank saw what the others said.
int exchangeRecords(uint32_t ranks, uint32_t rank, const std::string &group, Log &log) {
  constexpr int64_t rounds = 50, fields = 7;
  comm::ShmOptions options;
  options.group = group;
  options.rank = rank;
  options.ranks = ranks;
  options.recordFields = fields;
  options.arenaBytes = 64;
  auto joined = comm::ShmGroup::join(options);
  if (!joined)
    return 1;
  std::vector<comm::GatheredRecord> all(ranks);
  std::vector<int64_t> own(fields);
  for (int batch = 0; batch != batches; ++batch) {
    auto begin = Clock::now();
    for (int64_t round = 0; round != rounds; ++round) {
      std::fill(own.begin(), own.end(), batch * rounds + round + rank);
      comm::StepRecord record{static_cast<uint64_t>(round), 0, 0, 0, 0, own};
      if (!(*joined)->exchange({&record, 1}, "", all).isOk())
        return 2;
      for (uint32_t other = 0; other != ranks; ++other)
        if (all[other].fields[fields - 1] != batch * rounds + round + other)
          return 3;
    }
    double exchange = secondsSince(begin) / rounds;
    begin = Clock::now();
    for (int64_t round = 0; round != rounds; ++round)
      if (!(*joined)->barrier().isOk())
        return 4;
    if (rank == 0) {
      log.reduction[batch] = exchange;
      log.barrier[batch] = secondsSince(begin) / rounds;
    }
  }
  return 0;
}

void reportRecords(benchmark::State &state, const Log &log) {
  std::vector<double> exchange(log.reduction, log.reduction + batches), barrier(log.barrier, log.barrier + batches);
  std::vector<double> extra;
  for (size_t batch = 0; batch != batches; ++batch)
    extra.push_back(exchange[batch] - barrier[batch]);
  state.SetIterationTime(median(exchange));
  state.counters["us"] = median(exchange) * 1e6;
  state.counters["barrier_us"] = median(barrier) * 1e6;
  state.counters["extra_us"] = median(extra) * 1e6;
}

void StepRecordThreads(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  auto log = std::make_unique<Log>();
  for (auto _ : state) {
    std::vector<std::thread> threads;
    std::vector<int> codes(ranks);
    for (uint32_t rank = 0; rank != ranks; ++rank)
      threads.emplace_back(
          [&, rank] { codes[rank] = exchangeRecords(ranks, rank, "records" + std::to_string(getpid()), *log); });
    for (std::thread &thread : threads)
      thread.join();
    if (std::any_of(codes.begin(), codes.end(), [](int code) { return code != 0; }))
      return state.SkipWithError("wrong records");
    reportRecords(state, *log);
  }
}
BENCHMARK(StepRecordThreads)->Arg(2)->Arg(16)->UseManualTime()->Iterations(1);

void StepRecordProcesses(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  void *shared = mmap(nullptr, sizeof(Log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Log &log = *new (shared) Log{};
  for (auto _ : state) {
    std::vector<int> codes = runProcesses(
        ranks, [&](uint32_t rank) { return exchangeRecords(ranks, rank, "records" + std::to_string(getppid()), log); });
    if (std::any_of(codes.begin(), codes.end(), [](int code) { return code != 0; }))
      return state.SkipWithError("wrong records");
    reportRecords(state, log);
  }
  munmap(shared, sizeof(Log));
}
BENCHMARK(StepRecordProcesses)->Arg(2)->Arg(8)->UseManualTime()->Iterations(1);

// ---- two halves

constexpr uint32_t layers = 20;
constexpr int64_t halfFloats = 65536;

/// Two chains in turn: y = 2 x + 1, x = sum over ranks of y. The sums of one go beside the kernel of the other.
std::string halvesPlan(uint32_t ranks) {
  PlanBuilder builder({{"tp", ranks}});
  constexpr uint64_t bytes = halfFloats * 4;
  uint32_t one = builder.constant(1), width = builder.constant(halfFloats), affine = builder.kernel("affine", 2, 2);
  schema::VariantT &variant = exchangeEntry(builder, "halves", 2 * halfFloats, 2 * halfFloats);
  uint32_t sums[2] = {}, kernels[2] = {};
  for (uint32_t layer = 0; layer != layers; ++layer)
    for (uint32_t half : {0u, 1u}) {
      auto x = arena(half * bytes, bytes), y = arena((2 + half) * bytes, bytes);
      std::vector<uint32_t> before;
      if (layer != 0)
        before = {sums[half]};
      kernels[half] = builder.launch(variant, affine, {{x}, {y, true}}, {one, width}, nullptr, before, before);
      PlanBuilder::TransferSpec sum{"all_reduce", {0}, y, x, amount(0), amount(0), {}, schema::Reduction::Sum};
      sum.box.push_back(dim(amount(halfFloats), 1, 1));
      sums[half] = builder.transfer(variant, std::move(sum), {kernels[half]});
      variant.steps.back()->stream = 1;
    }
  return builder.write(scratchFolder(), "halves" + std::to_string(ranks));
}

void TwoHalves(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  auto plan = load(halvesPlan(ranks));
  ExecutorOptions options;
  options.transferThreads = executor::TransferThreads::always;
  auto overlap = create(plan, options);
  options.transferThreads = executor::TransferThreads::never;
  auto oneWalk = create(plan, options);
  std::vector<float> x(2 * halfFloats * ranks), results[2] = {x, x};
  for (size_t i = 0; i != x.size(); ++i)
    x[i] = static_cast<float>(i % 7);
  std::vector<double> seconds[2];
  for (auto _ : state) {
    seconds[0].push_back(runEntry(*overlap, 0, x).wall);
    seconds[1].push_back(runEntry(*oneWalk, 0, x).wall);
    state.SetIterationTime(seconds[0].back());
  }
  // The last kernels' results.
  if (!overlap->readResult(0, results[0].data(), x.size() * 4).isOk() ||
      !oneWalk->readResult(0, results[1].data(), x.size() * 4).isOk() || results[0] != results[1] ||
      results[0][0] == 0.0f || best(seconds[0]) < 0 || best(seconds[1]) < 0)
    return state.SkipWithError("wrong result");
  state.counters["overlap_us"] = median(seconds[0]) / layers * 1e6;
  state.counters["one_walk_us"] = median(seconds[1]) / layers * 1e6;
  state.counters["ratio"] = median(seconds[1]) / median(seconds[0]);
}
BENCHMARK(TwoHalves)->Arg(1)->Arg(2)->Arg(3)->UseManualTime()->Iterations(50);

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
  state.counters["ns/step"] = median(seconds) / steps * 1e9;
  state.counters["best_ns/step"] = best(seconds) / steps * 1e9;
}
BENCHMARK(EmptySteps)->Args({1, 1})->Args({1, 2})->Args({2, 1})->UseManualTime()->Iterations(200);

} // namespace

BENCHMARK_MAIN();
