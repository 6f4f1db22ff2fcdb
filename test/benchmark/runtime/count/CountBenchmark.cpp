// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The count program of a step with a split batch, as each rank evaluates it before anything is launched: tokens,
// requests and asked rows of the batch and of its children, for each the offsets, the total and the greatest part, and
// tokens padded to multiples of 4, to the greatest part where that is not much more.
//
//   Evaluate/R   nanoseconds a step for R ranks; "of_loops": against the same written as loops (medians of rounds in
//                turn)
#include "runtime/count/CountProgram.h"
#include "test/unit/runtime/builder/PlanBuilder.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdlib>
#include <random>

using namespace muster;
using namespace muster::test;
using schema::CountOp;

namespace {

constexpr int64_t bound = 512;
constexpr size_t inputCount = 7, batchCount = 9;
using Clock = std::chrono::steady_clock;

void buildStep(PlanBuilder &builder) {
  auto at = [](uint32_t slot) { return static_cast<int32_t>(slot); };
  std::vector<uint32_t> batches;
  for (const char *name : {"t", "t.a", "s.a", "s.b", "s", "r", "r.a"})
    batches.push_back(builder.input(name, bound, {0}));
  batches.push_back(builder.instruction(CountOp::Subtract, at(batches[0]), at(batches[1])));
  batches.push_back(builder.instruction(CountOp::Subtract, at(batches[5]), at(batches[6])));
  for (uint32_t batch : batches) {
    builder.instruction(CountOp::ExclusiveScan, at(batch));
    builder.instruction(CountOp::Sum, at(batch));
    builder.instruction(CountOp::Greatest, at(batch));
  }
  uint32_t aligned = builder.instruction(CountOp::Align, at(batches[0]), at(builder.constant(4)));
  uint32_t greatest = builder.instruction(CountOp::Greatest, at(aligned));
  uint32_t sum = builder.instruction(CountOp::Sum, at(aligned));
  uint32_t all = builder.instruction(CountOp::Multiply, at(greatest), at(builder.constant(builder.ranks())));
  uint32_t twice = builder.instruction(CountOp::Multiply, at(sum), at(builder.constant(2)));
  uint32_t isUneven = builder.instruction(CountOp::Less, at(twice), at(all));
  uint32_t padded = builder.instruction(CountOp::Select, at(isUneven), at(aligned), at(greatest));
  builder.instruction(CountOp::ExclusiveScan, at(padded));
  builder.instruction(CountOp::Sum, at(padded));
}

/// The same slots, in loops that know the program.
void computeStep(const int64_t *record, size_t ranks, int64_t *slot) {
  const int64_t *batches[batchCount];
  for (size_t i = 0; i != batchCount; ++i)
    batches[i] = slot + i * ranks;
  slot = std::copy_n(record, inputCount * ranks, slot);
  for (size_t i = 0; i != ranks; ++i)
    *slot++ = batches[0][i] - batches[1][i];
  for (size_t i = 0; i != ranks; ++i)
    *slot++ = batches[5][i] - batches[6][i];
  auto addUp = [&](const int64_t *values, bool isScanned) {
    int64_t sum = 0, most = values[0];
    for (size_t i = 0; i != ranks; ++i) {
      if (isScanned)
        *slot++ = sum;
      sum += values[i];
      most = std::max(most, values[i]);
    }
    return std::pair(sum, most);
  };
  for (const int64_t *batch : batches) {
    auto [sum, most] = addUp(batch, true);
    *slot++ = sum;
    *slot++ = most;
  }
  *slot++ = 4;
  const int64_t *aligned = slot;
  for (size_t i = 0; i != ranks; ++i)
    *slot++ = (batches[0][i] + 3) / 4 * 4;
  auto [sum, most] = addUp(aligned, false);
  int64_t count = static_cast<int64_t>(ranks);
  for (int64_t value : {most, sum, count, most * count, int64_t(2), sum * 2, int64_t(sum * 2 < most * count)})
    *slot++ = value;
  const int64_t *padded = slot;
  for (size_t i = 0; i != ranks; ++i)
    *slot++ = sum * 2 < most * count ? aligned[i] : most;
  int64_t total = addUp(padded, true).first;
  *slot++ = total;
}

double secondsOf(int steps, auto &&step) {
  auto begin = Clock::now();
  for (int i = 0; i != steps; ++i) {
    step();
    benchmark::ClobberMemory();
  }
  return std::chrono::duration<double>(Clock::now() - begin).count() / steps;
}

double medianOf(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

void Evaluate(benchmark::State &state) {
  uint32_t ranks = static_cast<uint32_t>(state.range(0));
  PlanBuilder builder({{"dp", ranks}});
  buildStep(builder);
  Result<count::Program> program = count::Program::make(*builder.plan.counts, *builder.plan.mesh);
  if (!program.isOk())
    return state.SkipWithError(program.status().text().c_str());
  std::mt19937 random(1);
  std::vector<int64_t> record(program->recordLength());
  for (int64_t &value : record)
    value = static_cast<int64_t>(random() % (bound + 1));
  std::vector<int64_t> slots(program->slots()), expected(program->slots());
  computeStep(record.data(), ranks, expected.data());
  if (!program->evaluate(record, slots).isOk() || slots != expected)
    return state.SkipWithError("the program and the loops differ");
  std::vector<double> own, loops, ratios;
  constexpr int steps = 2000;
  for (auto _ : state) {
    own.push_back(secondsOf(steps, [&] {
      Status status = program->evaluate(record, slots);
      if (!status.isOk())
        std::abort();
    }));
    loops.push_back(secondsOf(steps, [&] { computeStep(record.data(), ranks, expected.data()); }));
    ratios.push_back(own.back() / loops.back());
  }
  state.counters["ns"] = medianOf(own) * 1e9;
  state.counters["loops_ns"] = medianOf(loops) * 1e9;
  state.counters["of_loops"] = medianOf(ratios);
  state.counters["instructions"] = static_cast<double>(program->instructions().size());
}
BENCHMARK(Evaluate)->Arg(8)->Arg(64)->Arg(256)->Arg(1024)->Iterations(40)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
