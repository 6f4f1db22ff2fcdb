// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Large transfers beside one memcpy of the same bytes, by the same ranks at once. Each round runs both (and the
// three-pass way to exchange), so what else the machine does strikes all alike; ratios are medians over rounds. Every
// benchmark checks its result before it measures. See docs/benchmarks.md.
//
//   bytes/s        that a rank receives
//   of_memcpy      seconds of memcpy / seconds of the transfer
//   of_memcpy_cpu  the same in CPU seconds of all ranks: what counts where ranks outnumber CPUs, or the machine is busy
//   of_memcpy_best likewise, of the round that each spent least in: ranks that wait for a peer without a CPU spin
//   over_packed    seconds of pack + exchange + unpack / seconds of the transfer; over_packed_cpu likewise
#include "test/benchmark/runtime/executor/Exchange.h"

#include <benchmark/benchmark.h>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace muster;
using namespace muster::test;
using executor::Executor;
using executor::ExecutorOptions;
using schema::Position;

namespace {

/// An all-to-all of [batch, rows, heads, size] a rank to [batch, ranks * rows, heads / ranks, size].
struct Shape {
  uint32_t ranks;
  int64_t batch, rows, heads, size;
  int64_t count() const { return batch * rows * heads * size; }
  uint64_t bytes() const { return static_cast<uint64_t>(count()) * 4; }
  int64_t run() const { return heads / ranks * size; }
};

enum Entry : uint32_t { gather, exchange, plain, packed };

void addGather(PlanBuilder &builder, int64_t part, uint32_t rounds) {
  int64_t full = part * builder.ranks();
  schema::VariantT &variant = exchangeEntry(builder, "all_gather", part, full);
  std::vector<uint32_t> waits;
  for (uint32_t round = 0; round != rounds; ++round) {
    PlanBuilder::TransferSpec spec{"all_gather",
                                   {0},
                                   arena(0, static_cast<uint64_t>(part) * 4),
                                   arena(static_cast<uint64_t>(part) * 4, static_cast<uint64_t>(full) * 4),
                                   amount(0),
                                   amountAt(Position::Peer, 0, part),
                                   {}};
    spec.box.push_back(dim(amount(part), 1, 1));
    waits = {builder.transfer(variant, std::move(spec), waits)};
  }
}

void addExchange(PlanBuilder &builder, const Shape &shape, uint32_t rounds) {
  uint64_t bytes = shape.bytes();
  int64_t run = shape.run();
  schema::VariantT &variant = exchangeEntry(builder, "all_to_all", shape.count(), shape.count());
  std::vector<uint32_t> waits;
  for (uint32_t round = 0; round != rounds; ++round) {
    PlanBuilder::TransferSpec spec{"all_to_all",
                                   {0},
                                   arena(0, bytes),
                                   arena(bytes, bytes),
                                   amountAt(Position::Own, 0, run),
                                   amountAt(Position::Peer, 0, shape.rows * run),
                                   {}};
    spec.box.push_back(dim(amount(shape.batch), shape.rows * shape.heads * shape.size, shape.ranks * shape.rows * run));
    spec.box.push_back(dim(amount(shape.rows), shape.heads * shape.size, run));
    spec.box.push_back(dim(amount(run), 1, 1));
    waits = {builder.transfer(variant, std::move(spec), waits)};
  }
}

void addMemcpy(PlanBuilder &builder, uint64_t bytes, uint32_t rounds) {
  uint32_t kernel = builder.kernel("copy_bytes", 2, 1), size = builder.constant(static_cast<int64_t>(bytes));
  int64_t count = static_cast<int64_t>(bytes) / 4;
  schema::VariantT &variant = exchangeEntry(builder, "memcpy", count, count);
  std::vector<uint32_t> waits;
  for (uint32_t round = 0; round != rounds; ++round)
    waits = {
        builder.launch(variant, kernel, {{arena(0, bytes)}, {arena(bytes, bytes), true}}, {size}, amount(1), waits)};
}

/// The same exchange as libraries do it: a copy into one block for each peer, the blocks' exchange, and a copy that
/// puts the received blocks into place.
void addPacked(PlanBuilder &builder, const Shape &shape) {
  uint64_t bytes = shape.bytes();
  int64_t run = shape.run(), block = shape.batch * shape.rows * run;
  schema::VariantT &variant = exchangeEntry(builder, "packed", shape.count(), shape.count(), 2 * bytes);
  auto input = arena(0, bytes), result = arena(bytes, bytes), sent = arena(2 * bytes, bytes),
       received = arena(3 * bytes, bytes);
  PlanBuilder::TransferSpec pack{"pack", {}, input, sent, amount(0), amount(0), {}};
  pack.box.push_back(dim(amount(shape.ranks), run, block));
  pack.box.push_back(dim(amount(shape.batch * shape.rows), shape.heads * shape.size, run));
  pack.box.push_back(dim(amount(run), 1, 1));
  uint32_t first = builder.transfer(variant, std::move(pack));
  PlanBuilder::TransferSpec swap{
      "exchange", {0}, sent, received, amountAt(Position::Own, 0, block), amountAt(Position::Peer, 0, block), {}};
  swap.box.push_back(dim(amount(block), 1, 1));
  uint32_t second = builder.transfer(variant, std::move(swap), {first});
  PlanBuilder::TransferSpec unpack{"unpack", {}, received, result, amount(0), amount(0), {}};
  unpack.box.push_back(dim(amount(shape.ranks), block, shape.rows * run));
  unpack.box.push_back(dim(amount(shape.batch), shape.rows * run, shape.ranks * shape.rows * run));
  unpack.box.push_back(dim(amount(shape.rows * run), 1, 1));
  builder.transfer(variant, std::move(unpack), {second});
}

/// Entries in the order of `Entry`, `packed` only where asked for.
std::string transferPlan(const Shape &shape, uint32_t rounds, bool hasPacked) {
  PlanBuilder builder({{"sp", shape.ranks}});
  addGather(builder, shape.count() / shape.ranks, rounds);
  addExchange(builder, shape, rounds);
  addMemcpy(builder, shape.bytes(), rounds);
  if (hasPacked)
    addPacked(builder, shape);
  return builder.write(scratchFolder(), "transfers");
}

bool isGathered(const Shape &shape, const std::vector<float> &x, const std::vector<float> &y) {
  size_t gathered = static_cast<size_t>(shape.count());
  for (uint32_t rank = 0; rank != shape.ranks; ++rank)
    if (!std::equal(y.begin() + static_cast<ptrdiff_t>(rank * gathered),
                    y.begin() + static_cast<ptrdiff_t>((rank + 1) * gathered), x.begin()))
      return false;
  return true;
}

bool isExchanged(const Shape &shape, const std::vector<float> &x, const std::vector<float> &y) {
  auto count = static_cast<size_t>(shape.count()), run = static_cast<size_t>(shape.run()), at = size_t(0);
  auto batch = static_cast<size_t>(shape.batch), rows = static_cast<size_t>(shape.rows);
  for (size_t rank = 0; rank != shape.ranks; ++rank)
    for (size_t b = 0; b != batch; ++b)
      for (size_t peer = 0; peer != shape.ranks; ++peer)
        for (size_t row = 0; row != rows; ++row, at += run)
          if (std::memcmp(&y[at], &x[peer * count + ((b * rows + row) * shape.ranks + rank) * run], run * 4) != 0)
            return false;
  return true;
}

bool isRight(Executor &executor, const Shape &shape, Entry entry, const std::vector<float> &x, bool reads) {
  if (!runEntry(executor, entry, x).isFine())
    return false;
  if (!reads)
    return true;
  std::vector<float> y(executor.resultBytes(0) / 4);
  if (!executor.readResult(0, y.data(), y.size() * 4).isOk())
    return false;
  return entry == gather ? isGathered(shape, x, y) : isExchanged(shape, x, y);
}

/// What rounds of runs took, by entry.
struct Log {
  static constexpr int mostRounds = 256;
  double wall[4][mostRounds], cpu[4][mostRounds];
};

/// Runs `entries` in turn, `rounds` times.
bool measure(Executor &executor, const std::vector<Entry> &entries, const std::vector<float> &x, int rounds, Log &log) {
  for (int round = 0; round != rounds; ++round)
    for (Entry entry : entries) {
      Times times = runEntry(executor, entry, x);
      if (!times.isFine())
        return false;
      log.wall[entry][round] = times.wall;
      log.cpu[entry][round] = times.cpu;
    }
  return true;
}

double ratio(const double (&of)[Log::mostRounds], const double (&by)[Log::mostRounds], int rounds) {
  std::vector<double> ratios;
  for (int round = 0; round != rounds; ++round)
    ratios.push_back(of[round] / by[round]);
  return median(std::move(ratios));
}

void report(benchmark::State &state, const Log &log, Entry entry, const Shape &shape, uint32_t repeats, int rounds) {
  std::vector<double> seconds(log.wall[entry], log.wall[entry] + rounds);
  state.counters["bytes/s"] = static_cast<double>(shape.bytes()) * repeats / median(std::move(seconds));
  state.counters["of_memcpy"] = ratio(log.wall[plain], log.wall[entry], rounds);
  state.counters["of_memcpy_cpu"] = ratio(log.cpu[plain], log.cpu[entry], rounds);
  state.counters["of_memcpy_best"] =
      best({log.cpu[plain], log.cpu[plain] + rounds}) / best({log.cpu[entry], log.cpu[entry] + rounds});
}

/// 2 ranks, rows of 512 bytes in the exchange (2 heads of 64 floats a rank).
void small(benchmark::State &state, Entry entry) {
  constexpr uint32_t repeats = 8;
  constexpr int rounds = 60;
  int64_t part = state.range(0) / 4;
  Shape shape{2, 1, part * 2 / 256, 4, 64};
  auto executor = create(load(transferPlan(shape, repeats, false)), ExecutorOptions());
  std::vector<float> x = randomValues(static_cast<size_t>(shape.count()) * shape.ranks, 1);
  // The gathered input is a part of the other.
  if (!isRight(*executor, shape, entry, x, true))
    return state.SkipWithError("wrong result");
  auto log = std::make_unique<Log>();
  for (auto _ : state) {
    if (!measure(*executor, {entry, plain}, x, rounds, *log))
      return state.SkipWithError("cannot run");
    state.SetIterationTime(median(std::vector<double>(log->wall[entry], log->wall[entry] + rounds)) / repeats);
  }
  report(state, *log, entry, shape, repeats, rounds);
}
void AllGather(benchmark::State &state) { small(state, gather); }
void AllToAll(benchmark::State &state) { small(state, exchange); }
BENCHMARK(AllGather)->Arg(128 << 10)->Arg(1 << 20)->Arg(8 << 20)->UseManualTime()->Iterations(1);
BENCHMARK(AllToAll)->Arg(128 << 10)->Arg(1 << 20)->Arg(8 << 20)->UseManualTime()->Iterations(1);

/// 64 MiB a rank: batch 2, 24 heads of 128 floats.
void large(benchmark::State &state, bool hasProcesses) {
  constexpr int rounds = 15;
  const std::vector<Entry> entries{exchange, plain, packed};
  Shape shape{static_cast<uint32_t>(state.range(0)), 2, (64 << 20) / (2 * 24 * 128 * 4), 24, 128};
  std::string path = transferPlan(shape, 1, true);
  std::vector<float> x = randomValues(static_cast<size_t>(shape.count()) * shape.ranks, 1);
  auto *logs = static_cast<Log *>(
      mmap(nullptr, shape.ranks * sizeof(Log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  auto runRank = [&](uint32_t rank, const ExecutorOptions &options) {
    auto executor = create(load(path), options);
    return executor && isRight(*executor, shape, exchange, x, rank == 0) &&
           isRight(*executor, shape, packed, x, rank == 0) && measure(*executor, entries, x, rounds, logs[rank]);
  };
  for (auto _ : state) {
    bool isFine;
    if (hasProcesses) {
      std::vector<int> codes = runProcesses(shape.ranks, [&](uint32_t rank) {
        ExecutorOptions options;
        options.transport = executor::TransportKind::shm;
        options.rank = rank;
        options.group = "transfers" + std::to_string(getppid());
        return runRank(rank, options) ? 0 : 1;
      });
      isFine = std::all_of(codes.begin(), codes.end(), [](int code) { return code == 0; });
      for (uint32_t rank = 1; rank != shape.ranks; ++rank)
        for (Entry entry : entries)
          for (int round = 0; round != rounds; ++round)
            logs[0].cpu[entry][round] += logs[rank].cpu[entry][round];
    } else {
      isFine = runRank(0, ExecutorOptions());
    }
    if (!isFine)
      return state.SkipWithError("wrong result");
    state.SetIterationTime(median(std::vector<double>(logs[0].wall[exchange], logs[0].wall[exchange] + rounds)));
  }
  report(state, logs[0], exchange, shape, 1, rounds);
  state.counters["over_packed"] = ratio(logs[0].wall[packed], logs[0].wall[exchange], rounds);
  state.counters["over_packed_cpu"] = ratio(logs[0].cpu[packed], logs[0].cpu[exchange], rounds);
  munmap(logs, shape.ranks * sizeof(Log));
}
void AllToAll64MiBThreads(benchmark::State &state) { large(state, false); }
void AllToAll64MiBProcesses(benchmark::State &state) { large(state, true); }
BENCHMARK(AllToAll64MiBThreads)->DenseRange(2, 4)->UseManualTime()->Iterations(1);
BENCHMARK(AllToAll64MiBProcesses)->DenseRange(2, 4)->UseManualTime()->Iterations(1);

} // namespace

BENCHMARK_MAIN();
