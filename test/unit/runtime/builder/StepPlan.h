// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan with the entry `step` that needs no compiler: its logits are a function of a sequence's tokens alone, which
// its kernel finds through the paged cache (pure_step in kernels.c).

#ifndef MUSTER_TEST_UNIT_RUNTIME_BUILDER_STEPPLAN_H
#define MUSTER_TEST_UNIT_RUNTIME_BUILDER_STEPPLAN_H

#include "test/unit/runtime/builder/PlanBuilder.h"

namespace muster::test {

struct StepPlanOptions {
  uint32_t ranks = 1;
  uint32_t stepTokens = 32, sequences = 4, logitRows = 4;
  uint32_t pageSlots = 8, pagesPerSequence = 16;
  /// Carry the tokenizer of TinyTokenizer.h; the vocabulary is its.
  bool tokenizer = true;
};

/// Ids of TinyTokenizer.h.
inline constexpr uint32_t stepPlanVocabulary = 368;

/// The plan, not yet written: tests can break it first. Every rank computes all logits, and an all-reduce takes the
/// maximum of them, which are equal.
PlanBuilder stepPlan(const StepPlanOptions &options);

/// The logits that follow `tokens`.
std::vector<float> stepPlanLogits(const std::vector<int32_t> &tokens);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_BUILDER_STEPPLAN_H
