// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the executor adds to what it runs: transfers beside one memcpy of the same bytes, a small all-reduce beside a
// bare barrier, and the cost of a step by itself. Every benchmark checks its result before it measures.
//
//   AllGather, AllToAll   bytes that a rank receives per second, of 2 ranks at once; "of_memcpy" compares with ranks
//   that
//                         each make one memcpy of as many bytes (the best of interleaved runs)
//   AllReduce2KB          microseconds of one all-reduce of 512 floats, "barrier_us" of a barrier of the same ranks
//   EmptySteps            nanoseconds a step of kernels that do nothing, each waiting for the one before
#include "runtime/comm/control/Progress.h"
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
using schema::Position;

namespace {

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// The least disturbed run: what else runs on the machine only ever adds time.
double best(const std::vector<double> &values) { return *std::min_element(values.begin(), values.end()); }

/// An entry of a sharded input of `part` floats a rank and a result of `full` floats a rank, in spans one behind the
/// other.
schema::VariantT &exchangeEntry(PlanBuilder &builder, const char *name, int64_t part, int64_t full) {
  schema::EntryT &entry = builder.addEntry(name);
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amount(part * builder.ranks()));
  resultDims.push_back(amount(full * builder.ranks()));
  builder.addPort(entry.inputs, "x", std::move(inputDims), {{0}});
  builder.addPort(entry.results, "y", std::move(resultDims), {{0}});
  uint64_t inputBytes = static_cast<uint64_t>(part) * 4, resultBytes = static_cast<uint64_t>(full) * 4;
  schema::VariantT &variant = builder.addVariant(entry, "any", inputBytes + resultBytes);
  variant.inputs.emplace_back(0, inputBytes);
  variant.results.emplace_back(inputBytes, resultBytes);
  return variant;
}

constexpr uint32_t rounds = 8;

/// Entry 0: all_gather of `part` floats a rank, `rounds` times. Entry 1: all_to_all, heads to sequence, of as many
/// bytes. Entries 2 and 3: the same bytes by one memcpy.
std::string exchangePlan(uint32_t ranks, int64_t part) {
  PlanBuilder builder({{"tp", ranks}});
  int64_t full = part * ranks;
  auto repeat = [&](schema::VariantT &variant, auto makeSpec) {
    std::vector<uint32_t> waits;
    for (uint32_t round = 0; round != rounds; ++round)
      waits = {builder.transfer(variant, makeSpec(), waits)};
  };
  repeat(exchangeEntry(builder, "all_gather", part, full), [&] {
    PlanBuilder::TransferSpec spec{"all_gather",
                                   {0},
                                   arena(0, static_cast<uint64_t>(part) * 4),
                                   arena(static_cast<uint64_t>(part) * 4, static_cast<uint64_t>(full) * 4),
                                   amount(0),
                                   amountAt(Position::Peer, 0, part),
                                   {}};
    spec.box.push_back(dim(amount(part), 1, 1));
    return spec;
  });
  // [s/p, h, d] -> [s, h/p, d] with h = 2 p heads of d = 64.
  int64_t heads = 2 * ranks, size = 64, rows = full / (heads * size);
  repeat(exchangeEntry(builder, "all_to_all", full, full), [&] {
    uint64_t bytes = static_cast<uint64_t>(full) * 4;
    PlanBuilder::TransferSpec spec{"all_to_all",
                                   {0},
                                   arena(0, bytes),
                                   arena(bytes, bytes),
                                   amountAt(Position::Own, 0, heads / ranks * size),
                                   amountAt(Position::Peer, 0, rows * heads / ranks * size),
                                   {}};
    spec.box.push_back(dim(amount(rows), heads * size, heads / ranks * size));
    spec.box.push_back(dim(amount(heads / ranks), size, size));
    spec.box.push_back(dim(amount(size), 1, 1));
    return spec;
  });
  uint32_t kernel = builder.kernel("copy_bytes", 2, 1), bytes = builder.constant(full * 4);
  schema::VariantT &plain = exchangeEntry(builder, "memcpy", full, full);
  std::vector<uint32_t> waits;
  for (uint32_t round = 0; round != rounds; ++round)
    waits = {builder.launch(plain, kernel,
                            {{arena(0, static_cast<uint64_t>(full) * 4)},
                             {arena(static_cast<uint64_t>(full) * 4, static_cast<uint64_t>(full) * 4), true}},
                            {bytes}, amount(1), waits)};
  return builder.write(scratchFolder(), "exchange" + std::to_string(ranks) + "_" + std::to_string(part));
}

double runEntry(Executor &executor, uint32_t entry, const std::vector<float> &x) {
  if (!executor.begin(entry, {}).isOk() || !executor.setInput(0, x.data(), executor.inputBytes(0)).isOk())
    return -1;
  auto begin = Clock::now();
  return executor.run().isOk() ? secondsSince(begin) : -1;
}

void transferBeside(benchmark::State &state, uint32_t entry) {
  constexpr uint32_t ranks = 2;
  int64_t part = state.range(0) / 4;
  auto executor = create(load(exchangePlan(ranks, part)), ExecutorOptions());
  std::vector<float> small = randomValues(static_cast<size_t>(part) * ranks, 1);
  std::vector<float> large = randomValues(static_cast<size_t>(part) * ranks * ranks, 2);
  const std::vector<float> &input = entry == 0 ? small : large;
  std::vector<float> result(static_cast<size_t>(part) * ranks * ranks);
  if (runEntry(*executor, entry, input) < 0 || !executor->readResult(0, result.data(), result.size() * 4).isOk())
    return state.SkipWithError("cannot run");
  // Gathered: each rank's half of the result is the whole input. Exchanged: heads of the own rank from everyone's rows.
  bool isRight = true;
  if (entry == 0) {
    for (uint32_t rank = 0; rank != ranks; ++rank)
      isRight &= std::equal(small.begin(), small.end(), result.begin() + static_cast<ptrdiff_t>(rank * small.size()));
  } else {
    size_t heads = 2 * ranks, rows = static_cast<size_t>(part) * ranks / (heads * 64);
    for (size_t rank = 0; rank != ranks; ++rank)
      for (size_t row = 0; row != rows * ranks; ++row)
        isRight &= std::equal(&result[(rank * rows * ranks + row) * 128],
                              &result[(rank * rows * ranks + row) * 128] + 128, &large[(row * heads + rank * 2) * 64]);
  }
  if (!isRight)
    return state.SkipWithError("wrong result");
  std::vector<double> own, plain;
  for (auto _ : state) {
    double seconds = runEntry(*executor, entry, input);
    state.SetIterationTime(seconds / rounds);
    own.push_back(seconds);
    plain.push_back(runEntry(*executor, 2, large));
  }
  double bytes = static_cast<double>(part) * ranks * 4;
  state.counters["bytes/s"] = benchmark::Counter(bytes * rounds / best(own), benchmark::Counter::kDefaults);
  state.counters["memcpy_bytes/s"] = bytes * rounds / best(plain);
  state.counters["of_memcpy"] = best(plain) / best(own);
}

void AllGather(benchmark::State &state) { transferBeside(state, 0); }
void AllToAll(benchmark::State &state) { transferBeside(state, 1); }
BENCHMARK(AllGather)->Arg(128 << 10)->Arg(1 << 20)->Arg(8 << 20)->UseManualTime()->Iterations(60);
BENCHMARK(AllToAll)->Arg(128 << 10)->Arg(1 << 20)->Arg(8 << 20)->UseManualTime()->Iterations(60);

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
  if (runEntry(executor, 0, tiny) < 0 || !executor.readResult(0, sums.data(), sums.size() * 4).isOk())
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
    seconds.push_back(runEntry(*executor, 0, x) / reductions);
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
        own.push_back(runEntry(*executor, 0, x) / reductions);
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
    seconds.push_back(runEntry(*executor, 0, x));
    state.SetIterationTime(seconds.back());
  }
  if (*std::min_element(seconds.begin(), seconds.end()) < 0)
    return state.SkipWithError("cannot run");
  state.counters["ns/step"] = best(seconds) / steps * 1e9;
}
BENCHMARK(EmptySteps)->Args({1, 1})->Args({1, 2})->Args({2, 1})->UseManualTime()->Iterations(200);

} // namespace

BENCHMARK_MAIN();
