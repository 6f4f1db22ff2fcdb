// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/BatchSplit.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace muster::session {

namespace {

/// Percent of the tokens that either half has at least, where it is cut between sequences.
constexpr int64_t leastShare = 48;

/// Rows [begin, end) of `whole`, of the sequences [firstSequence, endSequence) that have any of them.
void takeRows(const StepBatch &whole, uint32_t pagesPerSequence, int32_t begin, int32_t end, size_t firstSequence,
              size_t endSequence, StepBatch &half) {
  half.clear();
  half.tokens.assign(whole.tokens.begin() + begin, whole.tokens.begin() + end);
  half.positions.assign(whole.positions.begin() + begin, whole.positions.begin() + end);
  half.writeSlots.assign(whole.writeSlots.begin() + begin, whole.writeSlots.begin() + end);
  for (size_t sequence = firstSequence; sequence != endSequence; ++sequence)
    half.queryStarts.push_back(std::max(whole.queryStarts[sequence] - begin, 0));
  half.queryStarts.push_back(end - begin);
  auto page = [&](size_t sequence) {
    return whole.blockTable.begin() + static_cast<ptrdiff_t>(sequence * pagesPerSequence);
  };
  half.blockTable.assign(page(firstSequence), page(endSequence));
  auto rows = std::lower_bound(whole.logitRows.begin(), whole.logitRows.end(), begin);
  for (; rows != whole.logitRows.end() && *rows < end; ++rows)
    half.logitRows.push_back(*rows - begin);
}

} // namespace

BatchCut findCut(std::span<const int32_t> queryStarts) {
  if (queryStarts.size() < 2)
    return {};
  int64_t all = queryStarts.back();
  BatchCut cut;
  // The difference falls up to the middle and rises behind it.
  for (uint32_t sequence = 1; sequence + 1 < queryStarts.size(); ++sequence) {
    int64_t token = queryStarts[sequence];
    if (cut.sequence != 0 && std::abs(2 * token - all) > std::abs(2 * int64_t(cut.token) - all))
      break;
    cut = {static_cast<uint32_t>(token), sequence, false};
  }
  int64_t share = 100 * int64_t(cut.token);
  if (all < 2 || (share >= leastShare * all && share <= (100 - leastShare) * all))
    return cut;
  cut.token = static_cast<uint32_t>(all / 2);
  auto behind = std::upper_bound(queryStarts.begin(), queryStarts.end(), static_cast<int32_t>(cut.token)) - 1;
  cut.sequence = static_cast<uint32_t>(behind - queryStarts.begin());
  cut.cutsSequence = *behind != static_cast<int32_t>(cut.token);
  return cut;
}

uint32_t greatestHalf(uint32_t tokens) {
  if (tokens < 2)
    return tokens;
  uint64_t between = (100 - leastShare) * uint64_t(tokens) / 100;
  return static_cast<uint32_t>(std::max<uint64_t>(between, (uint64_t(tokens) + 1) / 2));
}

void splitBatch(const StepBatch &whole, uint32_t pagesPerSequence, uint32_t unsplitTokens, StepBatch &first,
                StepBatch &second) {
  BatchCut cut = whole.tokens.size() <= unsplitTokens ? BatchCut() : findCut(whole.queryStarts);
  size_t sequences = whole.queryStarts.size() - 1;
  int32_t token = static_cast<int32_t>(cut.token);
  takeRows(whole, pagesPerSequence, 0, token, 0, cut.sequence + cut.cutsSequence, first);
  takeRows(whole, pagesPerSequence, token, static_cast<int32_t>(whole.tokens.size()), cut.sequence, sequences, second);
}

} // namespace muster::session
