// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sequences on several groups: they join, grow, are refused and leave at random, groups run dry and get work again, and
// each sequence gets what it gets alone. In one process, and in one process a group, where threads stand for processes.
#include "runtime/session/Session.h"

#include "test/unit/runtime/session/PureModel.h"

#include <algorithm>
#include <barrier>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include <gtest/gtest.h>

using namespace muster;
using namespace muster::session;

namespace {

struct Request {
  std::vector<int32_t> tokens, stop, got;
  SequenceOptions options;
};

/// What the sequence has to get, computed without groups, pages, chunks or neighbours.
std::vector<int32_t> alone(const Request &request, const StepLimits &limits) {
  std::vector<int32_t> tokens = request.tokens;
  size_t prompt = tokens.size();
  Sampler sampler(limits.vocabulary);
  while (tokens.size() - prompt < request.options.maxNewTokens && tokens.size() <= limits.contextTokens()) {
    std::vector<float> logits;
    PureModel::logitsAfter(tokens, limits.vocabulary, logits);
    tokens.push_back(sampler.sample(logits, request.options.sampling, tokens.size() - prompt));
    if (std::count(request.stop.begin(), request.stop.end(), tokens.back()))
      break;
  }
  return {tokens.begin() + static_cast<ptrdiff_t>(prompt), tokens.end()};
}

/// What processes exchange.
struct Board {
  explicit Board(uint32_t processes) : meeting(processes), tokens(processes), loads(processes) {}
  std::barrier<> meeting;
  std::vector<uint64_t> tokens;
  std::vector<GroupLoad> loads;
};

/// One of several processes, each with one group.
class OneOfMany : public PureModel {
public:
  OneOfMany(const StepLimits &limits, Board &board, uint32_t own)
      : PureModel(limits, static_cast<uint32_t>(board.loads.size())), board(board), own(own) {}
  bool isOwn(uint32_t group) const override { return group == own; }

protected:
  Result<uint64_t> exchange(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) override {
    board.tokens[own] = batches[own]->tokens.size();
    board.loads[own] = loads[own];
    board.meeting.arrive_and_wait();
    uint64_t all = 0;
    for (uint32_t group = 0; group != loads.size(); ++group) {
      loads[group] = board.loads[group];
      all += board.tokens[group];
    }
    board.meeting.arrive_and_wait();
    return all;
  }

private:
  Board &board;
  uint32_t own;
};

struct Counts {
  uint64_t steps = 0, idle = 0, finished = 0, refused = 0, fullSteps = 0, waited = 0;
};

/// What all processes do, drawn alike by all of them.
struct Script {
  explicit Script(uint32_t seed) : random(seed) {}
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random() % bound); }

  StepLimits limits() {
    StepLimits result;
    result.stepTokens = 1 + below(17);
    result.sequences = 1 + below(4);
    result.logitRows = 1 + below(5);
    result.pageSlots = 1 + below(5);
    result.pagesPerSequence = 1 + below(9);
    result.pages = 1 + below(20);
    result.vocabulary = 31;
    return result;
  }

  Request request(const StepLimits &limits) {
    Request result;
    result.tokens.resize(1 + below(static_cast<uint32_t>(limits.contextTokens()) + 1));
    for (int32_t &token : result.tokens)
      token = static_cast<int32_t>(below(31));
    result.options.maxNewTokens = 1 + below(12);
    if (below(2)) {
      result.options.sampling.temperature = 0.9f;
      result.options.sampling.topP = 0.8f;
      result.options.sampling.seed = random();
    }
    if (below(4) == 0)
      result.stop = {static_cast<int32_t>(below(31)), static_cast<int32_t>(below(31))};
    result.options.logits = static_cast<LogitRequest>(below(3));
    return result;
  }

  std::mt19937 random;
};

/// At least `rounds` steps, in bursts with pauses between them in which all groups run dry.
void drive(Session &session, uint32_t seed, int rounds, Counts &counts) {
  Script script(seed);
  StepLimits limits = script.limits();
  std::map<SequenceId, Request> live;
  StepReport report;
  for (int round = 0; round < rounds || session.hasWork(); ++round) {
    ASSERT_LT(round, rounds * 60) << "no end with seed " << seed;
    bool isBurst = round < rounds && round / 25 % 2 == 0;
    if (isBurst && script.below(2) == 0)
      for (uint32_t many = 1 + script.below(6); many-- != 0;) {
        Request request = script.request(limits);
        SequenceOptions options = request.options;
        options.stopTokens = request.stop;
        if (script.below(9) == 0)
          options.group = script.below(session.groups());
        Result<SequenceId> id = session.submit(request.tokens, options);
        if (id.isOk())
          live[*id] = request;
        else {
          ++counts.refused;
          ASSERT_TRUE(id.status().number() == 2421 || id.status().number() == 2422) << id.status().text();
        }
      }
    // A sequence is cancelled by all processes between the same steps.
    if (script.below(12) == 0 && !live.empty()) {
      auto victim = std::next(live.begin(), script.below(static_cast<uint32_t>(live.size())));
      ASSERT_TRUE(session.drop(victim->first).isOk());
      live.erase(victim);
    }
    Status status = session.step(report);
    ASSERT_TRUE(status.isOk()) << status.text() << " with seed " << seed;
    ++counts.steps;
    counts.waited += report.waiting != 0;
    counts.fullSteps += report.tokens == limits.stepTokens * session.groups();
    for (auto &[id, request] : live) {
      int32_t fresh[64];
      size_t count = *session.takeTokens(id, fresh);
      request.got.insert(request.got.end(), fresh, fresh + count);
    }
  }
  for (auto &[id, request] : live) {
    SequenceInfo info = *session.info(id);
    ASSERT_NE(info.group, anyGroup) << "sequence " << id << " still waits, seed " << seed;
    if (!session.isOwn(info.group)) {
      ASSERT_EQ(info.state, SequenceState::elsewhere);
      continue;
    }
    ASSERT_EQ(info.state, SequenceState::finished) << "seed " << seed;
    ASSERT_EQ(request.got, alone(request, limits)) << "sequence " << id << ", seed " << seed;
    ++counts.finished;
  }
  for (uint32_t group = 0; group != session.groups(); ++group)
    if (session.isOwn(group)) {
      counts.idle += session.idleSteps(group);
      ASSERT_EQ(session.schedule(group).pagePool().available(), limits.pages) << "seed " << seed;
    }
}

TEST(RandomSteps, EverySequenceGetsWhatItGetsAlone) {
  for (uint32_t groups = 1; groups <= 4; ++groups) {
    Counts counts;
    for (uint32_t seed = 0; seed != 12; ++seed) {
      Session session(std::make_unique<PureModel>(Script(seed).limits(), groups));
      ASSERT_NO_FATAL_FAILURE(drive(session, seed, 1000, counts));
    }
    EXPECT_GT(counts.steps, 12000u);
    EXPECT_GT(counts.finished, 2000u);
    EXPECT_GT(counts.refused, 50u);
    EXPECT_GT(counts.waited, 500u);
    EXPECT_GT(counts.fullSteps, 100u);
    if (groups == 1)
      EXPECT_EQ(counts.idle, 0u);
    else
      EXPECT_GT(counts.idle, 500u);
  }
}

TEST(RandomSteps, ProcessesOfOneGroupEachAgree) {
  for (uint32_t groups = 2; groups <= 4; ++groups)
    for (uint32_t seed = 100; seed != 103; ++seed) {
      Board board(groups);
      std::vector<Counts> counts(groups);
      {
        std::vector<std::jthread> processes;
        for (uint32_t own = 0; own != groups; ++own)
          processes.emplace_back([&, own] {
            Session session(std::make_unique<OneOfMany>(Script(seed).limits(), board, own));
            drive(session, seed, 1000, counts[own]);
            if (testing::Test::HasFatalFailure())
              board.meeting.arrive_and_drop(); // the others may go on
          });
      }
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << groups << " groups, seed " << seed;
      uint64_t idle = 0, finished = 0;
      for (const Counts &own : counts) {
        EXPECT_EQ(own.steps, counts[0].steps) << "all stop behind the same exchange";
        idle += own.idle;
        finished += own.finished;
      }
      EXPECT_GT(finished, 150u);
      EXPECT_GT(idle, 20u);
    }
}

StepLimits roomy() {
  StepLimits limits;
  limits.stepTokens = 8;
  limits.sequences = 2;
  limits.logitRows = 4;
  limits.pages = 6;
  limits.pageSlots = 4;
  limits.pagesPerSequence = 4;
  limits.vocabulary = 31;
  return limits;
}

// The exchange in which all say that they have nothing left runs nothing, and ends the time of logits.
TEST(RandomSteps, TheLastExchangeIsOfZeros) {
  StepLimits limits = roomy();
  Board board(2);
  std::vector<std::jthread> processes;
  for (uint32_t own = 0; own != 2; ++own)
    processes.emplace_back([&, own] {
      Session session(std::make_unique<OneOfMany>(limits, board, own));
      SequenceOptions options;
      options.logits = LogitRequest::last;
      options.maxTokens = 2;
      options.group = 1;
      SequenceId id = *session.submit(std::vector<int32_t>{3}, options);
      StepReport report;
      EXPECT_TRUE(session.hasWork());
      EXPECT_TRUE(session.step(report).isOk());
      EXPECT_EQ(report.allTokens, 1u);
      EXPECT_EQ(report.tokens, own);
      EXPECT_EQ(session.logits(id)->rows, own);
      EXPECT_EQ(session.info(id)->state, own == 1 ? SequenceState::idle : SequenceState::elsewhere);
      EXPECT_TRUE(session.hasWork()) << "nobody knows yet that nothing is left";
      EXPECT_TRUE(session.step(report).isOk());
      EXPECT_EQ(report.allTokens, 0u);
      EXPECT_EQ(session.logits(id)->rows, 0u);
      EXPECT_FALSE(session.hasWork());
      EXPECT_EQ(session.stepsDone(), 1u);
      EXPECT_EQ(session.idleSteps(own), 1u - own);
      // An append is said to all, so all know that there is work, though one of them has the sequence.
      EXPECT_TRUE(session.append(id, std::vector<int32_t>{4}).isOk());
      EXPECT_TRUE(session.hasWork());
      EXPECT_TRUE(session.step(report).isOk());
      EXPECT_EQ(report.allTokens, 1u);
      EXPECT_EQ(session.logits(id)->rows, own);
      EXPECT_EQ(session.append(id, std::vector<int32_t>{5}).number(), 2421);
      EXPECT_TRUE(session.step(report).isOk());
      EXPECT_FALSE(session.hasWork());
    });
}

SequenceOptions generate(uint32_t count, uint32_t group = anyGroup) {
  SequenceOptions options;
  options.maxNewTokens = count;
  options.group = group;
  return options;
}

TEST(Groups, LoadsCountWhatWaitsAndWhatRuns) {
  StepLimits limits = roomy();
  SequenceTable table(limits, 1);
  Scheduler scheduler(limits, table);
  scheduler.reserve(3);
  EXPECT_EQ(scheduler.load(), (GroupLoad{2, 6, 0, 0}));
  Sequence &first = **table.add(std::vector<int32_t>(9, 1), generate(4)); // 3 pages
  scheduler.enqueue(first);
  EXPECT_EQ(scheduler.load(), (GroupLoad{1, 3, 9, 1})) << "waits";
  ASSERT_TRUE(scheduler.plan());
  EXPECT_EQ(scheduler.load(), (GroupLoad{1, 3, 9, 1})) << "is in a step";
  scheduler.complete(scheduler.scheduled()[0], -1);
  scheduler.finishStep();
  EXPECT_EQ(scheduler.load(), (GroupLoad{1, 3, 1, 1})) << "8 of 9 are done";
  SequenceOptions held;
  Sequence &second = **table.add(std::vector<int32_t>(1, 1), held);
  scheduler.enqueue(second);
  ASSERT_TRUE(scheduler.plan());
  EXPECT_EQ(scheduler.load(), (GroupLoad{0, 2, 2, 2}));
  scheduler.complete(scheduler.scheduled()[1], -1);
  EXPECT_EQ(second.state, SequenceState::idle);
  EXPECT_EQ(scheduler.load(), (GroupLoad{1, 2, 1, 1})) << "idle: pages, and no place";
  scheduler.complete(scheduler.scheduled()[0], 3);
  scheduler.finishStep();
  scheduler.forget(second);
  scheduler.forget(first);
  EXPECT_EQ(scheduler.load(), (GroupLoad{2, 6, 0, 0}));
}

TEST(Groups, SequencesGoToTheGroupWithLeastToDo) {
  Session session(std::make_unique<PureModel>(roomy(), 3));
  std::vector<SequenceId> ids;
  for (uint32_t length : {8, 2, 1, 1, 1})
    ids.push_back(*session.submit(std::vector<int32_t>(length, 3), generate(6)));
  StepReport report;
  EXPECT_EQ(session.info(ids[0])->group, anyGroup);
  EXPECT_TRUE(session.hasWork());
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.tokens, 13u);
  EXPECT_EQ(report.allTokens, 13u);
  std::vector<uint32_t> groups;
  for (SequenceId id : ids)
    groups.push_back(session.info(id)->group);
  EXPECT_EQ(groups, (std::vector<uint32_t>{0, 1, 2, 2, 1}));
  // Places are full on two groups; the sixth goes to the one with a place, and the seventh waits.
  SequenceId sixth = *session.submit(std::vector<int32_t>{1}, generate(1));
  SequenceId seventh = *session.submit(std::vector<int32_t>{1}, generate(1));
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(sixth)->group, 0u);
  EXPECT_EQ(session.info(seventh)->group, anyGroup);
  EXPECT_EQ(session.info(seventh)->state, SequenceState::waiting);
  EXPECT_EQ(report.waiting, 1u);
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(seventh)->group, 0u);
}

TEST(Groups, OneCanBeAskedForAndIsWaitedFor) {
  Session session(std::make_unique<PureModel>(roomy(), 2));
  EXPECT_EQ(session.submit(std::vector<int32_t>{1}, generate(1, 2)).status().text(),
            "E2430 expected a group below 2 but got 2");
  SequenceId first = *session.submit(std::vector<int32_t>(12, 1), generate(5, 1)); // 4 of 6 pages
  SequenceId second = *session.submit(std::vector<int32_t>(9, 1), generate(4, 1));
  SequenceId third = *session.submit(std::vector<int32_t>{1}, generate(1));
  StepReport report;
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(first)->group, 1u);
  EXPECT_EQ(session.info(second)->group, anyGroup);
  EXPECT_EQ(session.info(third)->group, anyGroup) << "nobody overtakes";
  ASSERT_TRUE(session.drop(second).isOk());
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(third)->group, 0u);
  EXPECT_EQ(session.idleSteps(0), 1u);
  EXPECT_EQ(session.idleSteps(1), 0u);
  while (session.hasWork())
    ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(first)->newTokens, 5u);
  EXPECT_GT(session.idleSteps(0), 1u);
  uint64_t idle = session.idleSteps(0);
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.allTokens, 0u);
  EXPECT_EQ(session.idleSteps(0), idle) << "nothing was run";
}

// Idle sequences keep their pages; who waits for them does not keep a caller stepping.
TEST(Groups, WaitingForIdlePagesIsNoWork) {
  Session session(std::make_unique<PureModel>(roomy(), 2));
  SequenceOptions held;
  held.maxTokens = 16;
  StepReport report;
  std::vector<SequenceId> ids;
  for (int i = 0; i != 2; ++i)
    ids.push_back(*session.submit(std::vector<int32_t>{1, 2}, held));
  while (session.hasWork())
    ASSERT_TRUE(session.step(report).isOk());
  SequenceId late = *session.submit(std::vector<int32_t>(12, 1), generate(2));
  EXPECT_FALSE(session.hasWork());
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.allTokens, 0u);
  EXPECT_EQ(report.waiting, 1u);
  ASSERT_TRUE(session.append(ids[0], std::vector<int32_t>{3}).isOk());
  EXPECT_TRUE(session.hasWork());
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(report.allTokens, 1u);
  EXPECT_FALSE(session.hasWork());
  ASSERT_TRUE(session.drop(ids[1]).isOk());
  EXPECT_TRUE(session.hasWork());
  while (session.hasWork())
    ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.info(late)->group, 1u);
  EXPECT_EQ(session.info(late)->newTokens, 2u);
}

TEST(Groups, LogitsAreThoseOfTheSequencesGroup) {
  Session session(std::make_unique<PureModel>(roomy(), 3));
  SequenceOptions all;
  all.logits = LogitRequest::all;
  std::vector<std::vector<int32_t>> tokens = {{1, 2, 3}, {4, 5}, {6, 7, 8, 9}};
  std::vector<SequenceId> ids;
  for (const auto &each : tokens)
    ids.push_back(*session.submit(each, all));
  StepReport report;
  ASSERT_TRUE(session.step(report).isOk());
  for (size_t i = 0; i != ids.size(); ++i) {
    EXPECT_EQ(session.info(ids[i])->group, i);
    LogitRows rows = *session.logits(ids[i]);
    ASSERT_EQ(rows.rows, tokens[i].size());
    std::vector<float> expected;
    for (size_t length = 1; length <= tokens[i].size(); ++length)
      PureModel::logitsAfter({tokens[i].begin(), tokens[i].begin() + static_cast<ptrdiff_t>(length)}, 31, expected);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), rows.data)) << i;
  }
  // A step in which its group is idle ends their time, too.
  ASSERT_TRUE(session.append(ids[0], {}).isOk());
  ASSERT_TRUE(session.submit(std::vector<int32_t>{1}, generate(1, 1)).isOk());
  ASSERT_TRUE(session.step(report).isOk());
  EXPECT_EQ(session.logits(ids[0])->rows, 0u);
}

TEST(Groups, AFailedStepChangesNothing) {
  auto owned = std::make_unique<PureModel>(roomy(), 2);
  PureModel &model = *owned;
  Session session(std::move(owned));
  Request request{std::vector<int32_t>(11, 2), {}, {}, generate(4)};
  std::vector<SequenceId> ids;
  for (int i = 0; i != 5; ++i)
    ids.push_back(*session.submit(request.tokens, request.options));
  int calls = 0;
  model.beforeRun = [&] { return ++calls % 2 ? Status::error(2411, "no") : Status::ok(); };
  StepReport report;
  while (session.hasWork()) {
    bool isOk = session.step(report).isOk();
    EXPECT_EQ(isOk, calls % 2 == 0);
  }
  for (SequenceId id : ids) {
    int32_t got[9];
    ASSERT_EQ(*session.takeTokens(id, got), 4u);
    EXPECT_EQ(std::vector<int32_t>(got, got + 4), alone(request, roomy()));
  }
}

} // namespace
