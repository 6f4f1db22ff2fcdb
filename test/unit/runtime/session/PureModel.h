// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model for tests: its logits are a pure function of a sequence's tokens, but it finds them only through the paged
// cache, as attention does. A page that is shared, lost or misread changes them. With groups, each has a cache of its
// own.

#ifndef MUSTER_TEST_RUNTIME_SESSION_PUREMODEL_H
#define MUSTER_TEST_RUNTIME_SESSION_PUREMODEL_H

#include "runtime/session/StepModel.h"

#include <functional>
#include <set>

namespace muster::session {

class PureModel : public StepModel {
public:
  explicit PureModel(const StepLimits &limits, uint32_t groups = 1) : stepLimits(limits), parts(groups) {
    for (Part &part : parts) {
      part.cache.assign(size_t(limits.pages) * limits.pageSlots, -1);
      part.rows.reserve(size_t(limits.logitRows) * limits.vocabulary);
    }
  }

  const StepLimits &limits() const override { return stepLimits; }
  uint32_t groups() const override { return static_cast<uint32_t>(parts.size()); }
  const float *logits(uint32_t group) const override { return parts[group].rows.data(); }

  Result<uint64_t> run(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) override {
    if (beforeRun)
      MUSTER_RETURN_IF_ERROR(beforeRun());
    if (batches.size() != parts.size() || loads.size() != parts.size())
      return Status::error(2411, "{} batches and {} loads of {} groups", batches.size(), loads.size(), parts.size());
    for (size_t group = 0; group != parts.size(); ++group)
      if (isOwn(static_cast<uint32_t>(group)))
        MUSTER_RETURN_IF_ERROR(check(*batches[group]));
      else if (batches[group])
        return Status::error(2411, "a batch of group {}, which is another process's", group);
    MUSTER_ASSIGN_OR_RETURN(uint64_t all, exchange(batches, loads));
    if (all == 0)
      return all;
    for (size_t group = 0; group != parts.size(); ++group)
      if (isOwn(static_cast<uint32_t>(group)))
        compute(*batches[group], parts[group]);
    ++runs;
    return all;
  }

  /// The logits that follow `tokens`.
  static void logitsAfter(const std::vector<int32_t> &tokens, uint32_t vocabulary, std::vector<float> &into) {
    uint64_t hash = 1469598103934665603u;
    for (int32_t token : tokens)
      hash = (hash ^ static_cast<uint64_t>(token + 7)) * 1099511628211u;
    for (uint32_t i = 0; i != vocabulary; ++i) {
      hash = hash * 6364136223846793005u + 1442695040888963407u;
      into.push_back(static_cast<float>(hash >> 40) / 16777216.0f * 8);
    }
  }

  std::function<Status()> beforeRun;
  uint64_t runs = 0;

protected:
  struct Part {
    std::vector<int32_t> cache, history;
    std::vector<float> rows;
  };

  /// The tokens of all groups. Of this process alone: all loads are its own.
  virtual Result<uint64_t> exchange(std::span<const StepBatch *const> batches, std::span<GroupLoad>) {
    uint64_t all = 0;
    for (const StepBatch *batch : batches)
      all += batch->tokens.size();
    return all;
  }

  std::vector<float> &rowsOf(uint32_t group) { return parts[group].rows; }

private:
  void compute(const StepBatch &batch, Part &part) {
    for (size_t i = 0; i != batch.tokens.size(); ++i)
      part.cache[batch.writeSlots[i]] = batch.tokens[i];
    part.rows.clear();
    for (int32_t row : batch.logitRows)
      appendLogits(batch, row, part);
  }

  void appendLogits(const StepBatch &batch, int32_t row, Part &part) {
    size_t sequence = 0;
    while (batch.queryStarts[sequence + 1] <= row)
      ++sequence;
    part.history.clear();
    for (int32_t position = 0; position <= batch.positions[row]; ++position) {
      int32_t page = batch.blockTable[sequence * stepLimits.pagesPerSequence + position / stepLimits.pageSlots];
      part.history.push_back(part.cache[size_t(page) * stepLimits.pageSlots + position % stepLimits.pageSlots]);
    }
    logitsAfter(part.history, stepLimits.vocabulary, part.rows);
  }

  Status check(const StepBatch &batch) const {
    size_t t = batch.tokens.size(), s = batch.queryStarts.size() - 1;
    if ((t == 0) != (s == 0) || (t == 0 && parts.size() == 1) || t > stepLimits.stepTokens ||
        s > stepLimits.sequences || batch.logitRows.size() > stepLimits.logitRows)
      return Status::error(2411, "batch over the limits: t {} s {} r {}", t, s, batch.logitRows.size());
    if (batch.positions.size() != t || batch.writeSlots.size() != t ||
        batch.blockTable.size() != s * stepLimits.pagesPerSequence || batch.queryStarts.front() != 0 ||
        batch.queryStarts.back() != static_cast<int32_t>(t))
      return Status::error(2411, "sizes of the batch disagree");
    std::set<int32_t> written;
    for (size_t sequence = 0; sequence != s; ++sequence) {
      if (batch.queryStarts[sequence] >= batch.queryStarts[sequence + 1])
        return Status::error(2411, "sequence {} has no token", sequence);
      for (int32_t row = batch.queryStarts[sequence]; row != batch.queryStarts[sequence + 1]; ++row) {
        int32_t position = batch.positions[row];
        if (row != batch.queryStarts[sequence] && position != batch.positions[row - 1] + 1)
          return Status::error(2411, "positions of sequence {} have a gap", sequence);
        int32_t page = batch.blockTable[sequence * stepLimits.pagesPerSequence + position / stepLimits.pageSlots];
        int32_t slot = page * static_cast<int32_t>(stepLimits.pageSlots) + position % stepLimits.pageSlots;
        if (page < 0 || static_cast<uint32_t>(page) >= stepLimits.pages || slot != batch.writeSlots[row] ||
            !written.insert(slot).second)
          return Status::error(2411, "row {} is written to slot {}", row, batch.writeSlots[row]);
      }
    }
    return Status::ok();
  }

  StepLimits stepLimits;
  std::vector<Part> parts;
};

} // namespace muster::session

#endif // MUSTER_TEST_RUNTIME_SESSION_PUREMODEL_H
