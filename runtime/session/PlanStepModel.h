// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan's entry `step` as the model of a session.
//
// The entry has the inputs tokens [t], positions [t], query_starts [starts = s + 1], block_table [s, pages of a
// sequence], write_slots [t] and logit_rows [r], all i32, and the result logits [r, vocabulary] in f32; t, starts, s
// and r are fields of the step record, and their bounds are what a step holds.
//
// Data parallelism: where s is a vector over mesh axes, so are all of these (and the first dims of the ports are in as
// many unequal parts), the ranks at each position are a group with a batch and pages of its own; starts may then also
// be no field but one more than s. Every group holds what the bounds say, or an equal share of a bound of their sum.
// Values count from the group's first row, sequence and page. A process gives the batches of the groups whose ranks it
// runs.
//
// Two-batch overlap: the entry may take the batch of each group in two halves, with the inputs of StepPorts.h; they are
// cut here as BatchSplit.h says. The result has the rows of both, the first half's first. Where the plan has variants
// for steps without a first half, each group leaves a batch that they have room for whole: if all groups do, such a
// variant fits, and else the others have an empty first half in that step.
//
// Sequence parallelism: where t alone is a vector, the rows of one batch are spread over the positions of its axes, as
// evenly as they go: `evenShare`. Ports have the rank's rows or all of them.
//
// Where a plan divides a dim of t rows into equal parts, a step is padded behind its last token to a multiple of them.
// A row of padding has token 0 and position 0, belongs to no sequence (query_starts ends before it), writes nothing
// (slot -1), and nobody asks for its logits.

#ifndef MUSTER_RUNTIME_SESSION_PLANSTEPMODEL_H
#define MUSTER_RUNTIME_SESSION_PLANSTEPMODEL_H

#include "runtime/executor/Executor.h"
#include "runtime/plan/LoadedPlan.h"
#include "runtime/session/BatchSplit.h"
#include "runtime/session/StepModel.h"
#include "runtime/session/StepPorts.h"

#include <array>
#include <memory>

namespace muster::session {

/// Memory of caches where the user does not say: this, or what one sequence of the greatest length needs if that is
/// more, or what a full step of such sequences needs if that is less.
inline constexpr uint64_t defaultCacheBytes = uint64_t(512) << 20;

/// Bytes of a page of all paged states on all ranks; 0 where the plan has none.
uint64_t pageBytes(const plan::LoadedPlan &plan);

/// Pages for `bytes` bytes of paged states on all ranks together; 0 bytes mean the default. 0 where the plan has no
/// paged state. Never more than slot numbers of 32 bits can name. Error: E2434 where not one page fits.
Result<uint64_t> pagesOfMemory(const plan::LoadedPlan &plan, uint64_t bytes);

/// How many groups the entry `step` of a plan has; 1 where it has none, or no such entry.
uint32_t groupsOf(const plan::LoadedPlan &plan);

/// How many of `size` rows position `position` of `parts` has where they are spread evenly: the first positions have
/// one more where they do not go even.
constexpr int64_t evenShare(int64_t size, int64_t parts, int64_t position) {
  return size / parts + (position < size % parts);
}

class PlanStepModel final : public StepModel {
public:
  /// `executor` runs `plan`. It may be used for other entries between runs. Errors: E2428 where the entry is missing or
  /// has other ports, E2109 where no variant serves the bound of a field, E2434 where the executor has no page or more
  /// than 32 bits can name.
  static Result<std::unique_ptr<PlanStepModel>> create(std::shared_ptr<executor::Executor> executor);

  const StepLimits &limits() const override { return stepLimits; }
  uint32_t groups() const override { return groupCount; }
  bool isOwn(uint32_t group) const override;
  /// The lowest rank of a group.
  uint32_t firstRankOf(uint32_t group) const { return firstRank[group]; }
  /// What is wrong with the batches of this process is said to all processes before anything runs, so that all return
  /// the same number. Errors: E2407 a batch that is not a step, E2503 processes of one group with other loads; those of
  /// Executor::begin and run.
  Result<uint64_t> run(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) override;
  const float *logits(uint32_t group) const override { return currentLogits[group]; }

private:
  PlanStepModel() = default;
  void bindGroups();
  Status checkBound(uint32_t field) const;
  Status readLimits();
  void limitHalves();
  uint32_t findUnsplit() const;
  Status readPages();
  void reserve();
  int64_t boundOfSum(uint32_t field) const;
  uint32_t boundOf(uint32_t field) const;
  Status check(const StepBatch &batch, uint32_t group) const;
  Status checkValues(const StepBatch &batch, uint32_t group) const;
  Status beginGroups(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads);
  Status agreeLoads(std::span<GroupLoad> loads) const;
  const StepBatch &partOf(std::span<const StepBatch *const> batches, uint32_t group, uint32_t part) const;
  Status setInputs(uint32_t rank, const StepPorts::Part &part, const StepBatch &batch);
  Status runAlone(const StepBatch &batch);
  Status takeLogits();

  std::shared_ptr<executor::Executor> runner;
  StepLimits stepLimits;
  StepPorts ports;
  uint32_t groupCount = 1;
  /// Batches of up to as many tokens are not cut.
  uint32_t unsplitTokens = 0;
  std::vector<std::array<StepBatch, 2>> halves; // by group, where the step takes halves
  std::vector<uint32_t> groupOf;                // by rank
  std::vector<uint32_t> firstRank;              // by group
  std::vector<int64_t> record;                  // of all ranks of this process, one behind the other where they differ
  std::vector<comm::StepNote> notes;            // by rank of this process
  /// The rows of a step are a multiple of this.
  size_t rowMultiple = 1;
  /// tokens, positions and write slots of a step that is padded.
  std::vector<int32_t> paddedTokens, paddedPositions, paddedSlots;
  std::vector<float> gathered;              // where the ranks hold parts of the logits
  std::vector<const float *> currentLogits; // by group
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_PLANSTEPMODEL_H
