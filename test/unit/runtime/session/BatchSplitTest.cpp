// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/BatchSplit.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace muster::session;

namespace {

std::vector<int32_t> startsOf(const std::vector<int32_t> &lengths) {
  std::vector<int32_t> starts{0};
  for (int32_t length : lengths)
    starts.push_back(starts.back() + length);
  return starts;
}

struct Expected {
  std::vector<int32_t> lengths;
  uint32_t token, sequence;
  bool cutsSequence;
};

// The cases of SGLang's rule, and the limits of 48 and 52 %.
TEST(BatchSplit, CutsByTheRule) {
  const Expected cases[] = {
      {{}, 0, 0, false},
      {{1}, 0, 0, false},
      {{2}, 1, 0, true},
      {{4}, 2, 0, true}, // one sequence a rank, in the first step
      {{4096}, 2048, 0, true},
      {{1, 1}, 1, 1, false},
      {{3000, 1096}, 2048, 0, true},
      {{1000, 1, 1, 1}, 501, 0, true},
      {{1, 1, 1, 1000}, 501, 3, true},
      {{10, 20, 30, 40}, 50, 2, true},
      {{1, 2}, 1, 1, false},      // behind token 1 a sequence begins
      {{1, 1, 1}, 1, 1, false},   // of two cuts that are as good the later, which is 67 %, so behind token 1
      {{12, 13}, 12, 1, false},   // 48 %
      {{13, 12}, 13, 1, false},   // 52 %
      {{47, 53}, 50, 1, true},    // 47 %
      {{53, 47}, 50, 0, true},    // 53 %
      {{48, 4, 48}, 52, 2, false} // both 48 and 52 % would do
  };
  for (const Expected &each : cases) {
    BatchCut cut = findCut(startsOf(each.lengths));
    EXPECT_EQ(cut.token, each.token) << testing::PrintToString(each.lengths);
    EXPECT_EQ(cut.sequence, each.sequence) << testing::PrintToString(each.lengths);
    EXPECT_EQ(cut.cutsSequence, each.cutsSequence) << testing::PrintToString(each.lengths);
  }
}

TEST(BatchSplit, HalvesAreAsLongAsSaid) {
  uint32_t most = 0;
  for (uint32_t tokens = 0; tokens != 200; ++tokens) {
    // Two sequences, at each boundary; and one.
    for (uint32_t left = 0; left < tokens || left == 0; ++left) {
      std::vector<int32_t> starts{0, static_cast<int32_t>(tokens)};
      if (left != 0)
        starts.insert(starts.begin() + 1, static_cast<int32_t>(left));
      if (tokens == 0)
        starts = {0};
      BatchCut cut = findCut(starts);
      most = std::max({most, cut.token, tokens - cut.token});
    }
    EXPECT_EQ(greatestHalf(tokens), most) << tokens << " tokens";
  }
}

/// Random values everywhere, so that nothing is taken for something else.
StepBatch randomBatch(std::mt19937 &random, uint32_t pages) {
  StepBatch batch;
  std::vector<int32_t> lengths(random() % 6);
  for (int32_t &length : lengths)
    length = static_cast<int32_t>(1 + random() % (random() % 3 ? 4 : 50));
  batch.queryStarts = startsOf(lengths);
  for (int32_t row = 0; row != batch.queryStarts.back(); ++row) {
    for (std::vector<int32_t> *values : {&batch.tokens, &batch.positions, &batch.writeSlots})
      values->push_back(static_cast<int32_t>(random() % 10000));
    if (random() % 3 == 0)
      batch.logitRows.push_back(row);
  }
  for (size_t i = 0; i != lengths.size() * pages; ++i)
    batch.blockTable.push_back(static_cast<int32_t>(random() % 10000));
  return batch;
}

/// The sequence of `row`, and its block table.
size_t sequenceOf(const StepBatch &batch, int32_t row) {
  return static_cast<size_t>(std::upper_bound(batch.queryStarts.begin(), batch.queryStarts.end(), row) -
                             batch.queryStarts.begin() - 1);
}
std::vector<int32_t> pagesOf(const StepBatch &batch, int32_t row, uint32_t pages) {
  auto first = batch.blockTable.begin() + static_cast<ptrdiff_t>(sequenceOf(batch, row) * pages);
  return {first, first + pages};
}

// Every row is in one half, as it was; halves are batches of their own.
TEST(BatchSplit, HalvesTileTheWhole) {
  constexpr uint32_t pages = 3;
  std::mt19937 random(1);
  StepBatch halves[2];
  uint32_t cuts = 0, empty = 0;
  for (int round = 0; round != 2000; ++round) {
    StepBatch whole = randomBatch(random, pages);
    splitBatch(whole, pages, 0, halves[0], halves[1]);
    std::vector<int32_t> rows;
    int32_t row = 0;
    size_t sequences = 0;
    for (const StepBatch &half : halves) {
      int32_t count = static_cast<int32_t>(half.tokens.size());
      ASSERT_EQ(half.queryStarts.front(), 0);
      ASSERT_EQ(half.queryStarts.back(), count);
      ASSERT_EQ(std::adjacent_find(half.queryStarts.begin(), half.queryStarts.end(), std::greater_equal<>()),
                half.queryStarts.end());
      ASSERT_EQ(half.blockTable.size(), (half.queryStarts.size() - 1) * pages);
      ASSERT_EQ(half.positions.size(), half.tokens.size());
      ASSERT_EQ(half.writeSlots.size(), half.tokens.size());
      for (int32_t logitRow : half.logitRows)
        rows.push_back(row + logitRow);
      for (int32_t i = 0; i != count; ++i, ++row) {
        ASSERT_EQ(half.tokens[i], whole.tokens[row]);
        ASSERT_EQ(half.positions[i], whole.positions[row]);
        ASSERT_EQ(half.writeSlots[i], whole.writeSlots[row]);
        ASSERT_EQ(pagesOf(half, i, pages), pagesOf(whole, row, pages));
        // Neighbours of one sequence stay so.
        if (i != 0) {
          ASSERT_EQ(sequenceOf(half, i) == sequenceOf(half, i - 1),
                    sequenceOf(whole, row) == sequenceOf(whole, row - 1));
        }
      }
      sequences += half.queryStarts.size() - 1;
    }
    ASSERT_EQ(row, static_cast<int32_t>(whole.tokens.size()));
    ASSERT_EQ(rows, whole.logitRows);
    BatchCut cut = findCut(whole.queryStarts);
    ASSERT_EQ(sequences, whole.queryStarts.size() - 1 + cut.cutsSequence);
    cuts += cut.cutsSequence;
    empty += halves[0].tokens.empty();
  }
  EXPECT_GT(cuts, 500u);
  EXPECT_GT(empty, 100u);
}

} // namespace
