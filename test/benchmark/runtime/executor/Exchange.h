// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the benchmarks of the executor share: plans with one sharded input and result, and ways to time a run.

#ifndef MUSTER_TEST_BENCHMARK_RUNTIME_EXECUTOR_EXCHANGE_H
#define MUSTER_TEST_BENCHMARK_RUNTIME_EXECUTOR_EXCHANGE_H

#include "test/unit/runtime/executor/SmallPlans.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

namespace muster::test {

using Clock = std::chrono::steady_clock;
inline double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// CPU seconds of all threads of this process.
inline double cpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The least disturbed run: what else runs on the machine only ever adds time.
inline double best(const std::vector<double> &values) { return *std::min_element(values.begin(), values.end()); }

inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// An entry of a sharded input of `part` floats a rank and a result of `full` floats a rank, in spans one behind the
/// other; `scratchBytes` of the arena behind them are the caller's.
inline schema::VariantT &exchangeEntry(PlanBuilder &builder, const char *name, int64_t part, int64_t full,
                                       uint64_t scratchBytes = 0) {
  schema::EntryT &entry = builder.addEntry(name);
  std::vector<AmountPtr> inputDims, resultDims;
  inputDims.push_back(amount(part * builder.ranks()));
  resultDims.push_back(amount(full * builder.ranks()));
  builder.addPort(entry.inputs, "x", std::move(inputDims), {{0}});
  builder.addPort(entry.results, "y", std::move(resultDims), {{0}});
  uint64_t inputBytes = static_cast<uint64_t>(part) * 4, resultBytes = static_cast<uint64_t>(full) * 4;
  schema::VariantT &variant = builder.addVariant(entry, "any", inputBytes + resultBytes + scratchBytes);
  variant.inputs.emplace_back(0, inputBytes);
  variant.results.emplace_back(inputBytes, resultBytes);
  return variant;
}

/// Seconds on the clock and CPU seconds of this process.
struct Times {
  double wall = -1, cpu = -1;
  bool isFine() const { return wall >= 0; }
};

/// Runs an entry once; only the run itself is timed.
inline Times runEntry(executor::Executor &executor, uint32_t entry, const std::vector<float> &x) {
  if (!executor.begin(entry, {}).isOk() || !executor.setInput(0, x.data(), executor.inputBytes(0)).isOk())
    return {};
  auto begin = Clock::now();
  double cpu = cpuSeconds();
  if (!executor.run().isOk())
    return {};
  return {secondsSince(begin), cpuSeconds() - cpu};
}

} // namespace muster::test

#endif // MUSTER_TEST_BENCHMARK_RUNTIME_EXECUTOR_EXCHANGE_H
