// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans for the tests of the executor, and the same computations in plain loops.

#ifndef MUSTER_TEST_UNIT_RUNTIME_EXECUTOR_SMALLPLANS_H
#define MUSTER_TEST_UNIT_RUNTIME_EXECUTOR_SMALLPLANS_H

#include "runtime/executor/Executor.h"
#include "test/unit/runtime/builder/PlanBuilder.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster::test {

std::vector<float> randomValues(size_t count, uint32_t seed);
std::shared_ptr<const plan::LoadedPlan> load(const std::string &path);
std::unique_ptr<executor::Executor> create(std::shared_ptr<const plan::LoadedPlan> plan,
                                           const executor::ExecutorOptions &options);
/// begin, setInput(0), run, readResult(0); expects every call to succeed.
std::vector<float> runOnce(executor::Executor &executor, const std::vector<int64_t> &record,
                           const std::vector<float> &input);

constexpr uint64_t mostTokens = 37, features = 24;

/// A small tensor-parallel layer: x [tokens, features] replicated -> affine kernel -> matrix product with this rank's
/// rows of the weight [hidden/tp, features] -> product with this rank's columns [features, hidden/tp], partial sums ->
/// all_reduce -> result replicated. The only field of the step record is the number of tokens.
void buildLayer(PlanBuilder &builder, uint64_t hiddenPerRank, schema::Packing packing, int64_t mostTokens);
/// The same for up to `mostTokens` tokens, written to a file.
std::string layerPlan(const std::string &name, uint32_t ranks, uint64_t hiddenPerRank, schema::Packing packing);
/// The same in plain loops and double precision.
std::vector<double> layerReference(uint32_t ranks, uint64_t hiddenPerRank, const std::vector<float> &x);

/// `rounds` times: s = 2 * (s of the left neighbour) + 1, elementwise on this rank's `width` floats, in one span that
/// is overwritten while peers may still read it unless they acknowledge. Input and result [ranks * width], sharded.
void buildRing(PlanBuilder &builder, uint32_t width, uint32_t rounds);
std::vector<float> ringReference(uint32_t ranks, uint32_t width, uint32_t rounds, const std::vector<float> &x);

/// Kernels, local copies, shifts and sums over all ranks at random, on four spans of `width` floats that they overwrite
/// again and again; each waits for what it must, and nothing that follows from other waits. Input [ranks * width] and
/// four results like it, sharded. The results in plain loops.
struct RandomSteps {
  RandomSteps(uint32_t ranks, uint32_t seed);
  void build(PlanBuilder &builder) const;
  std::vector<std::vector<float>> reference(const std::vector<float> &x) const;

  static constexpr uint32_t spans = 4;
  enum Kind : uint32_t { affine, copy, shift, sum };
  struct Step {
    Kind kind;
    uint32_t from, to;
  };
  uint32_t ranks, width;
  std::vector<Step> steps;
};

/// Puts transfers into stream 1 at random.
void assignStreams(schema::VariantT &variant, uint32_t seed);

/// Sleeps x[rank] ms on each rank, then sums over all ranks, in stream `stream`. Input [ranks] sharded, result [1].
std::string dawdlePlan(const std::string &name, uint32_t ranks, uint8_t stream = 0);

/// Forks a process for each rank, calls `body(rank)` in it and returns the exit codes (128 + signal for one that was
/// killed).
std::vector<int> runProcesses(uint32_t ranks, const std::function<int(uint32_t rank)> &body);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_EXECUTOR_SMALLPLANS_H
