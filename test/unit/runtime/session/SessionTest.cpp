// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Session.h"

#include "test/unit/runtime/session/PureModel.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

using namespace muster;
using namespace muster::session;

namespace {

StepLimits smallLimits() {
  StepLimits limits;
  limits.stepTokens = 13;
  limits.sequences = 5;
  limits.logitRows = 7;
  limits.pages = 23;
  limits.pageSlots = 3;
  limits.pagesPerSequence = 11;
  limits.vocabulary = 31;
  return limits;
}

std::vector<int32_t> randomTokens(std::mt19937 &random, size_t count) {
  std::vector<int32_t> tokens(count);
  for (int32_t &token : tokens)
    token = static_cast<int32_t>(random() % 31);
  return tokens;
}

SequenceOptions generate(uint32_t count) {
  SequenceOptions options;
  options.maxNewTokens = count;
  return options;
}

/// What the sequence has to get, computed without pages, chunks or neighbours.
std::vector<int32_t> expectedTokens(std::vector<int32_t> tokens, const SequenceOptions &options,
                                    const StepLimits &limits) {
  size_t prompt = tokens.size();
  Sampler sampler(limits.vocabulary);
  while (tokens.size() - prompt < options.maxNewTokens && tokens.size() <= limits.contextTokens()) {
    std::vector<float> logits;
    PureModel::logitsAfter(tokens, limits.vocabulary, logits);
    tokens.push_back(sampler.sample(logits, options.sampling, tokens.size() - prompt));
    if (std::count(options.stopTokens.begin(), options.stopTokens.end(), tokens.back()))
      break;
  }
  return {tokens.begin() + static_cast<ptrdiff_t>(prompt), tokens.end()};
}

void runAll(Session &session) {
  StepReport report;
  while (session.hasWork()) {
    Status status = session.step(report);
    ASSERT_TRUE(status.isOk()) << status.text();
    ASSERT_GT(report.tokens, 0u);
  }
}

std::vector<int32_t> take(Session &session, SequenceId id) {
  std::vector<int32_t> tokens(100);
  Result<size_t> count = session.takeTokens(id, tokens);
  EXPECT_TRUE(count.isOk());
  tokens.resize(count.isOk() ? *count : 0);
  return tokens;
}

TEST(Session, OneSequenceGetsWhatTheModelSays) {
  Session session(std::make_unique<PureModel>(smallLimits()));
  std::vector<int32_t> prompt = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2};
  SequenceId id = *session.submit(prompt, generate(9));
  runAll(session);
  EXPECT_EQ(take(session, id), expectedTokens(prompt, generate(9), smallLimits()));
  EXPECT_EQ(session.info(id)->finish, FinishReason::length);
  EXPECT_TRUE(take(session, id).empty());
  EXPECT_EQ(session.schedule().pagePool().available(), smallLimits().pages);
  EXPECT_TRUE(session.drop(id).isOk());
  EXPECT_EQ(session.drop(id).number(), 2424);
  EXPECT_EQ(session.info(id).status().number(), 2424);
  SequenceId next = *session.submit(prompt, generate(9)); // in the same place
  EXPECT_NE(next, id);
  EXPECT_EQ(session.drop(id).number(), 2424);
  EXPECT_TRUE(session.drop(next).isOk());
}

TEST(Session, AStopTokenEndsTheSequenceAndIsReturned) {
  std::vector<int32_t> prompt = {2, 7, 1};
  std::vector<int32_t> free = expectedTokens(prompt, generate(9), smallLimits());
  SequenceOptions options = generate(9);
  options.stopTokens = {&free[4], 1};
  Session session(std::make_unique<PureModel>(smallLimits()));
  SequenceId id = *session.submit(prompt, options);
  runAll(session);
  std::vector<int32_t> expected(free.begin(), std::find(free.begin(), free.end(), free[4]) + 1);
  EXPECT_EQ(take(session, id), expected);
  EXPECT_EQ(session.info(id)->finish, FinishReason::stop);
}

// Decodes go first and prefill fills the rest of the step.
TEST(Session, DecodesComeBeforePrefill) {
  Session session(std::make_unique<PureModel>(smallLimits()));
  StepReport report;
  ASSERT_TRUE(session.submit(std::vector<int32_t>{1, 2}, generate(9)).isOk());
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.tokens, 2u);
  SequenceId late = *session.submit(std::vector<int32_t>(20, 4), generate(2));
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.tokens, 13u);
  EXPECT_EQ(report.newTokens, 1u);
  EXPECT_EQ(session.info(late)->computedTokens, 12u);
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.tokens, 9u);
  EXPECT_EQ(report.newTokens, 2u);
}

// More sequences generate than a step has tokens: they take turns.
TEST(Session, DecodesTakeTurns) {
  StepLimits limits = smallLimits();
  limits.stepTokens = 2;
  limits.sequences = 4;
  limits.pages = 100;
  Session session(std::make_unique<PureModel>(limits));
  std::vector<SequenceId> ids;
  for (int32_t i = 0; i != 4; ++i)
    ids.push_back(*session.submit(std::vector<int32_t>{i}, generate(20)));
  StepReport report;
  for (int step = 0; step != 10; ++step)
    ASSERT_TRUE(session.step(report).isOk());
  for (SequenceId id : ids)
    EXPECT_EQ(session.info(id)->newTokens, 5u);
}

// Sequences that generate leave a place in every step to one that still has a prompt to compute.
TEST(Session, APromptIsNotStarved) {
  StepLimits limits = smallLimits();
  limits.stepTokens = 3;
  limits.sequences = 4;
  limits.pages = 100;
  Session session(std::make_unique<PureModel>(limits));
  StepReport report;
  for (int32_t i = 0; i != 3; ++i)
    ASSERT_TRUE(session.submit(std::vector<int32_t>{i}, generate(30)).isOk());
  ASSERT_TRUE(session.step(report).isOk());
  SequenceId late = *session.submit(std::vector<int32_t>(5, 9), generate(1));
  for (int step = 0; step != 5; ++step)
    ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(late)->state, SequenceState::finished);
}

TEST(Session, CapacityHasTwoSides) {
  StepLimits limits = smallLimits(); // context 33, 23 pages
  Session session(std::make_unique<PureModel>(limits));
  EXPECT_EQ(session.submit({}, generate(1)).status().number(), 2420);
  EXPECT_EQ(session.submit(std::vector<int32_t>(34, 1), generate(1)).status().text(),
            "E2421 expected a sequence of at most 33 tokens but got 34");
  SequenceId id = *session.submit(std::vector<int32_t>(33, 1), generate(5));
  runAll(session);
  EXPECT_EQ(take(session, id).size(), 1u);
  EXPECT_EQ(session.info(id)->finish, FinishReason::context);

  SequenceOptions held;
  held.maxTokens = 34;
  EXPECT_EQ(session.submit(std::vector<int32_t>(2, 1), held).status().number(), 2421);
  EXPECT_EQ(session.submit(std::vector<int32_t>{3, 31}, generate(1)).status().text(),
            "E2423 expected token 1 in [0, 31) but got 31");
  EXPECT_EQ(session.submit(std::vector<int32_t>{-1}, generate(1)).status().number(), 2423);
  SequenceOptions hot = generate(1);
  hot.sampling.temperature = -1;
  EXPECT_EQ(session.submit(std::vector<int32_t>{1}, hot).status().number(), 2425);

  limits.pages = 4;
  Session tight(std::make_unique<PureModel>(limits));
  EXPECT_EQ(tight.submit(std::vector<int32_t>(10, 1), generate(4)).status().text(),
            "E2422 expected a sequence of at most 4 pages of 3 tokens but got 13 tokens, which need 5");
  EXPECT_TRUE(tight.submit(std::vector<int32_t>(10, 1), generate(3)).isOk());
}

TEST(Session, ASequenceWaitsForPagesAndNobodyOvertakes) {
  StepLimits limits = smallLimits();
  limits.pages = 7;
  Session session(std::make_unique<PureModel>(limits));
  StepReport report;
  SequenceId first = *session.submit(std::vector<int32_t>(12, 1), generate(4)); // 5 pages
  SequenceId second = *session.submit(std::vector<int32_t>(9, 2), generate(2)); // 4 pages
  SequenceId third = *session.submit(std::vector<int32_t>(2, 3), generate(1));  // 1 page
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(first)->state, SequenceState::running);
  EXPECT_EQ(session.info(second)->state, SequenceState::waiting);
  EXPECT_EQ(session.info(third)->state, SequenceState::waiting);
  EXPECT_EQ(report.waiting, 2u);
  runAll(session);
  for (auto [id, value, length, count] :
       {std::tuple(first, 1, 12, 4), std::tuple(second, 2, 9, 2), std::tuple(third, 3, 2, 1)})
    EXPECT_EQ(take(session, id), expectedTokens(std::vector<int32_t>(length, value), generate(count), limits));
}

TEST(Session, AppendContinuesAnIdleSequence) {
  Session session(std::make_unique<PureModel>(smallLimits()));
  SequenceOptions options;
  options.logits = LogitRequest::last;
  options.maxTokens = 20;
  std::vector<int32_t> tokens = {5, 6, 7};
  SequenceId id = *session.submit(tokens, options);
  for (int i = 0; i != 5; ++i) {
    runAll(session);
    EXPECT_EQ(session.info(id)->state, SequenceState::idle);
    LogitRows rows = *session.logits(id);
    ASSERT_EQ(rows.rows, 1u);
    EXPECT_EQ(rows.firstPosition, tokens.size() - 1);
    std::vector<float> expected;
    PureModel::logitsAfter(tokens, 31, expected);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), rows.data));
    std::vector<int32_t> more(i == 3 ? 2 : 1, i);
    tokens.insert(tokens.end(), more.begin(), more.end());
    ASSERT_TRUE(session.append(id, more).isOk());
  }
  EXPECT_EQ(session.append(id, std::vector<int32_t>(12, 1)).number(), 2421);
  EXPECT_EQ(session.append(id, std::vector<int32_t>{77}).number(), 2423);
  EXPECT_EQ(session.append(id + 1, std::vector<int32_t>{1}).number(), 2424);
  SequenceId other = *session.submit(tokens, generate(3));
  EXPECT_EQ(session.append(other, std::vector<int32_t>{1}).number(), 2427);
}

TEST(Session, LogitsOfEveryTokenAreCutToTheRowsOfAStep) {
  Session session(std::make_unique<PureModel>(smallLimits()));
  std::mt19937 random(5);
  std::vector<int32_t> tokens = randomTokens(random, 29);
  SequenceOptions options;
  options.logits = LogitRequest::all;
  SequenceId id = *session.submit(tokens, options);
  uint64_t position = 0;
  StepReport report;
  while (session.hasWork()) {
    ASSERT_TRUE(session.step(report).isOk());
    LogitRows rows = *session.logits(id);
    ASSERT_LE(rows.rows, 7u);
    ASSERT_EQ(rows.firstPosition, position);
    for (uint32_t row = 0; row != rows.rows; ++row, ++position) {
      std::vector<float> expected;
      PureModel::logitsAfter({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(position) + 1}, 31, expected);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), rows.data + size_t(row) * 31)) << position;
    }
  }
  EXPECT_EQ(position, tokens.size());
}

TEST(Session, AFailedStepChangesNothing) {
  auto owned = std::make_unique<PureModel>(smallLimits());
  PureModel &model = *owned;
  Session session(std::move(owned));
  std::vector<int32_t> prompt(17, 2);
  SequenceId id = *session.submit(prompt, generate(6));
  int calls = 0;
  model.beforeRun = [&] { return ++calls % 2 ? Status::error(2411, "no") : Status::ok(); };
  StepReport report;
  while (session.hasWork()) {
    Status status = session.step(report);
    EXPECT_EQ(status.isOk(), calls % 2 == 0);
  }
  EXPECT_EQ(take(session, id), expectedTokens(prompt, generate(6), smallLimits()));
}

TEST(Session, InvalidLogitsEndOneSequenceOnly) {
  class PoisonModel : public PureModel {
  public:
    using PureModel::PureModel;
    Result<uint64_t> run(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) override {
      MUSTER_ASSIGN_OR_RETURN(uint64_t all, PureModel::run(batches, loads));
      for (size_t i = 0; i != batches[0]->logitRows.size(); ++i)
        if (batches[0]->tokens[batches[0]->logitRows[i]] == 30)
          rowsOf(0)[i * limits().vocabulary + 4] = std::nanf("");
      return all;
    }
  };
  Session session(std::make_unique<PoisonModel>(smallLimits()));
  SequenceId bad = *session.submit(std::vector<int32_t>{1, 30}, generate(4));
  SequenceId good = *session.submit(std::vector<int32_t>{1, 2}, generate(2));
  runAll(session);
  EXPECT_EQ(session.info(bad)->finish, FinishReason::invalidLogits);
  EXPECT_TRUE(take(session, bad).empty());
  EXPECT_EQ(take(session, good), expectedTokens({1, 2}, generate(2), smallLimits()));
}

// Sequences join, grow and leave at random; each gets what it gets alone, and no page is lost.
struct Request {
  std::vector<int32_t> tokens, stop, got;
  SequenceOptions options;
};

void fuzz(uint32_t seed, size_t &finished) {
  std::mt19937 random(seed);
  auto below = [&](uint32_t bound) { return static_cast<uint32_t>(random() % bound); };
  StepLimits limits;
  limits.stepTokens = 1 + below(17);
  limits.sequences = 1 + below(6);
  limits.logitRows = 1 + below(6);
  limits.pageSlots = 1 + below(5);
  limits.pagesPerSequence = 1 + below(9);
  limits.pages = 1 + below(20);
  limits.vocabulary = 31;
  Session session(std::make_unique<PureModel>(limits));
  std::map<SequenceId, Request> live;
  StepReport report;
  for (int round = 0; round < 200 || session.hasWork(); ++round) {
    ASSERT_LT(round, 20000) << "no end with seed " << seed;
    if (round < 200 && below(3) == 0) {
      Request request;
      request.tokens = randomTokens(random, 1 + below(static_cast<uint32_t>(limits.contextTokens()) + 1));
      request.options.maxNewTokens = 1 + below(12);
      if (below(2)) {
        request.options.sampling.temperature = 0.9f;
        request.options.sampling.topP = 0.8f;
        request.options.sampling.seed = random();
      }
      if (below(4) == 0)
        request.stop = randomTokens(random, 2);
      request.options.logits = static_cast<LogitRequest>(below(3));
      SequenceOptions options = request.options;
      options.stopTokens = request.stop;
      Result<SequenceId> id = session.submit(request.tokens, options);
      if (id.isOk())
        live[*id] = request;
      else
        ASSERT_TRUE(id.status().number() == 2421 || id.status().number() == 2422) << id.status().text();
    }
    if (!live.empty() && below(15) == 0) {
      auto victim = std::next(live.begin(), below(static_cast<uint32_t>(live.size())));
      ASSERT_TRUE(session.drop(victim->first).isOk());
      live.erase(victim);
    }
    Status status = session.step(report);
    ASSERT_TRUE(status.isOk()) << status.text();
    for (auto it = live.begin(); it != live.end();) {
      std::vector<int32_t> fresh = take(session, it->first);
      it->second.got.insert(it->second.got.end(), fresh.begin(), fresh.end());
      if (session.info(it->first)->state != SequenceState::finished) {
        ++it;
        continue;
      }
      SequenceOptions options = it->second.options;
      options.stopTokens = it->second.stop;
      ASSERT_EQ(it->second.got, expectedTokens(it->second.tokens, options, limits)) << "seed " << seed;
      ASSERT_TRUE(session.drop(it->first).isOk());
      it = live.erase(it);
      ++finished;
    }
  }
  EXPECT_TRUE(live.empty()) << "seed " << seed;
  EXPECT_EQ(session.schedule().pagePool().available(), limits.pages) << "seed " << seed;
  EXPECT_EQ(session.schedule().pagePool().taken(), 0u);
}

TEST(Session, FuzzJoinsAndLeaves) {
  size_t finished = 0;
  for (uint32_t seed = 0; seed != 150; ++seed) {
    fuzz(seed, finished);
    if (HasFatalFailure())
      return;
  }
  EXPECT_GT(finished, 3000u);
}

} // namespace
