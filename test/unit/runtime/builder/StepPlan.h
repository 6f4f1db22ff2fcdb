// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan with the entry `step` that needs no compiler: its logits are a function of a sequence's tokens alone, which
// its kernel finds through the paged cache (pure_step in kernels.c).

#ifndef MUSTER_TEST_UNIT_RUNTIME_BUILDER_STEPPLAN_H
#define MUSTER_TEST_UNIT_RUNTIME_BUILDER_STEPPLAN_H

#include "test/unit/runtime/builder/PlanBuilder.h"

namespace muster::test {

struct StepPlanOptions {
  uint32_t ranks = 1; ///< of each group
  /// Where not 0: as many groups, each with tokens, sequences, rows and pages of its own (mesh axes dp and tp); the
  /// limits below are those of one.
  uint32_t groups = 0;
  /// Of a plan with groups: `starts` is a field of the step record, not s + 1; tokens of all groups together, 0: what
  /// the groups have; and each rank leaves the columns of the logits that are its own.
  bool startsField = false;
  uint32_t totalTokens = 0;
  bool dividesColumns = false;
  /// Of a plan with groups: the batch goes in as two halves (tokens.a, tokens.b and so on). What the first sends goes
  /// in stream 1 beside the second's kernel, and the rows of both are joined at the end.
  bool halves = false;
  /// Where not 0: a variant in front of the other for steps of up to as many tokens a group, none in the first half.
  uint32_t wholeTokens = 0;
  uint32_t stepTokens = 32, sequences = 4, logitRows = 4;
  uint32_t pageSlots = 8, pagesPerSequence = 16;
  /// Carry the tokenizer of TinyTokenizer.h; the vocabulary is its.
  bool tokenizer = true;
};

/// Ids of TinyTokenizer.h.
inline constexpr uint32_t stepPlanVocabulary = 368;

/// The plan, not yet written: tests can break it first. Every rank computes all logits, and an all-reduce takes the
/// maximum of them, which are equal. With groups, the rows of all groups are gathered before that, and each group takes
/// its own back.
PlanBuilder stepPlan(const StepPlanOptions &options);

/// The logits that follow `tokens`.
std::vector<float> stepPlanLogits(const std::vector<int32_t> &tokens);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_RUNTIME_BUILDER_STEPPLAN_H
