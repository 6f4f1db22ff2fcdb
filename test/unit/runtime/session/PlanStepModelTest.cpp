// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans whose ranks have tokens, sequences and rows in unequal numbers, made by hand: as threads and as processes.
#include "runtime/session/PlanStepModel.h"
#include "runtime/session/Session.h"

#include "test/unit/runtime/builder/StepPlan.h"
#include "test/unit/runtime/executor/SmallPlans.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <unistd.h>

#include <gtest/gtest.h>

using namespace muster;
using namespace muster::test;
using namespace muster::session;

namespace {

constexpr uint32_t pages = 24;

struct Opened {
  std::shared_ptr<executor::Executor> executor;
  std::unique_ptr<PlanStepModel> model;
  Status status;
};

Opened open(const std::string &path, const executor::ExecutorOptions &given) {
  executor::ExecutorOptions options = given;
  options.pages = pages;
  options.deadlineMs = 20000;
  Opened opened;
  auto plan = plan::loadPlan(path, {});
  if (!plan.isOk())
    return {nullptr, nullptr, plan.status()};
  auto executor = executor::Executor::create(*std::move(plan), options);
  if (!executor.isOk())
    return {nullptr, nullptr, executor.status()};
  opened.executor = *std::move(executor);
  auto model = PlanStepModel::create(opened.executor);
  if (model.isOk())
    opened.model = *std::move(model);
  else
    opened.status = model.status();
  return opened;
}

executor::ExecutorOptions processOptions(const std::string &group, uint32_t rank) {
  executor::ExecutorOptions options;
  options.transport = executor::TransportKind::shm;
  options.group = group + std::to_string(getppid());
  options.rank = rank;
  return options;
}

StepPlanOptions groupsOf(uint32_t groups, uint32_t ranks) {
  StepPlanOptions options;
  options.groups = groups;
  options.ranks = ranks;
  options.stepTokens = 13;
  options.sequences = 3;
  options.logitRows = 3;
  options.tokenizer = false;
  options.pageSlots = 4;
  options.pagesPerSequence = 9;
  return options;
}

std::string write(const StepPlanOptions &options, const std::string &name) {
  return stepPlan(options).write(scratchFolder(), name);
}

std::vector<int32_t> alone(std::vector<int32_t> tokens, uint32_t count) {
  size_t prompt = tokens.size();
  while (tokens.size() - prompt != count) {
    std::vector<float> logits = stepPlanLogits(tokens);
    tokens.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return {tokens.begin() + static_cast<ptrdiff_t>(prompt), tokens.end()};
}

/// Prompts of very unequal length in bursts; 0 where every sequence of own groups got what it gets alone.
int serve(Session &session, uint32_t seed, uint64_t &idle) {
  std::mt19937 random(seed);
  std::map<SequenceId, std::pair<std::vector<int32_t>, uint32_t>> all;
  StepReport report;
  for (int round = 0; round < 60 || session.hasWork(); ++round) {
    if (round < 60 && round / 10 % 2 == 0 && random() % 2 == 0) {
      uint32_t most = random() % 3 ? 5 : 30;
      std::vector<int32_t> prompt(1 + random() % most);
      for (int32_t &token : prompt)
        token = static_cast<int32_t>(random() % 300);
      SequenceOptions options;
      options.maxNewTokens = 1 + random() % 6;
      Result<SequenceId> id = session.submit(prompt, options);
      if (!id.isOk())
        return std::fprintf(stderr, "%s\n", id.status().text().c_str()), 1;
      all[*id] = {prompt, options.maxNewTokens};
    }
    if (Status status = session.step(report); !status.isOk())
      return std::fprintf(stderr, "%s\n", status.text().c_str()), 2;
  }
  size_t own = 0;
  for (auto &[id, request] : all) {
    SequenceInfo info = *session.info(id);
    if (!session.isOwn(info.group)) {
      if (info.state != SequenceState::elsewhere)
        return 3;
      continue;
    }
    int32_t got[16];
    size_t count = *session.takeTokens(id, got);
    if (std::vector<int32_t>(got, got + count) != alone(request.first, request.second))
      return std::fprintf(stderr, "sequence %llu of group %u differs\n", static_cast<unsigned long long>(id),
                          info.group),
             4;
    ++own;
  }
  for (uint32_t group = 0; group != session.groups(); ++group)
    idle += session.idleSteps(group);
  return own == 0 ? 5 : 0;
}

/// Runs every step on two models and compares the logits to the bit.
class Both final : public StepModel {
public:
  Both(std::unique_ptr<StepModel> first, std::unique_ptr<StepModel> second)
      : one(std::move(first)), other(std::move(second)) {}
  const StepLimits &limits() const override { return one->limits(); }
  uint32_t groups() const override { return one->groups(); }
  Result<uint64_t> run(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) override {
    std::vector<GroupLoad> said(loads.begin(), loads.end());
    MUSTER_ASSIGN_OR_RETURN(uint64_t tokens, one->run(batches, loads));
    MUSTER_ASSIGN_OR_RETURN(uint64_t same, other->run(batches, said));
    EXPECT_EQ(tokens, same);
    EXPECT_TRUE(std::equal(loads.begin(), loads.end(), said.begin()));
    for (uint32_t group = 0; tokens != 0 && group != groups(); ++group) {
      size_t count = batches[group]->logitRows.size() * limits().vocabulary;
      EXPECT_TRUE(std::equal(one->logits(group), one->logits(group) + count, other->logits(group)));
    }
    ++steps;
    return tokens;
  }
  const float *logits(uint32_t group) const override { return one->logits(group); }
  static inline uint64_t steps = 0;

private:
  std::unique_ptr<StepModel> one, other;
};

// A step in two halves is the step: 1 to 4 groups, sequences in both halves, empty halves, idle groups.
TEST(PlanStepModel, HalvesMakeTheSameStep) {
  Both::steps = 0;
  uint64_t idle = 0;
  for (uint32_t seed = 0; seed < 32 || Both::steps < 1000; ++seed) {
    StepPlanOptions options = groupsOf(1 + seed % 4, 1 + seed / 4 % 2);
    options.dividesColumns = seed % 3 == 0;
    Opened whole = open(write(options, "whole"), {});
    options.halves = true;
    executor::ExecutorOptions threads;
    threads.transferThreads = seed % 2 ? executor::TransferThreads::always : executor::TransferThreads::never;
    threads.delaySeed = seed % 4 == 1 ? seed : 0;
    Opened halves = open(write(options, "halves"), threads);
    ASSERT_TRUE(whole.model && halves.model) << halves.status.text();
    ASSERT_EQ(halves.executor->stats().transferThreads, seed % 2 == 1);
    ASSERT_EQ(halves.model->limits().stepTokens, whole.model->limits().stepTokens);
    ASSERT_EQ(halves.model->limits().sequences, whole.model->limits().sequences);
    ASSERT_EQ(halves.model->limits().logitRows, whole.model->limits().logitRows);
    Session session(std::make_unique<Both>(std::move(halves.model), std::move(whole.model)));
    ASSERT_EQ(serve(session, seed, idle), 0) << "seed " << seed;
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(idle, 100u);
}

// Each half has room for half of the tokens, but for all sequences and rows.
TEST(PlanStepModel, LimitsAreThoseOfTheHalves) {
  struct {
    const char *field;
    int64_t bound;
    uint32_t tokens, sequences, rows;
  } cases[] = {{"t.a", 7, 13, 3, 3}, {"t.a", 6, 12, 3, 3}, {"t.a", 13, 13, 3, 3},
               {"s.a", 2, 13, 2, 3}, {"s.b", 1, 13, 1, 3}, {"r.a", 2, 13, 3, 2}};
  for (const auto &each : cases) {
    StepPlanOptions options = groupsOf(2, 1);
    options.halves = true;
    PlanBuilder builder = stepPlan(options);
    for (auto &input : builder.plan.counts->inputs)
      if (input->name == each.field)
        input->bound = each.bound;
    Opened opened = open(builder.write(scratchFolder(), "limits"), {});
    ASSERT_TRUE(opened.model) << opened.status.text();
    EXPECT_EQ(opened.model->limits().stepTokens, each.tokens) << each.field << " " << each.bound;
    EXPECT_EQ(opened.model->limits().sequences, each.sequences) << each.field << " " << each.bound;
    EXPECT_EQ(opened.model->limits().logitRows, each.rows) << each.field << " " << each.bound;
  }
}

// What halves add to what a batch must be, and what all ranks say of a first half above the whole.
TEST(PlanStepModel, ABadBatchOfHalvesIsRefused) {
  StepPlanOptions options = groupsOf(1, 1);
  options.halves = true;
  Opened opened = open(write(options, "badhalves"), {});
  ASSERT_TRUE(opened.model) << opened.status.text();
  StepBatch batch;
  batch.tokens = batch.positions = batch.writeSlots = {0, 1, 2};
  batch.queryStarts = {0, 3};
  batch.blockTable.assign(options.pagesPerSequence, 0);
  batch.logitRows = {2, 0};
  std::vector<GroupLoad> loads(1);
  std::vector<const StepBatch *> batches{&batch};
  EXPECT_EQ(opened.model->run(batches, loads).status().text(),
            "E2407 expected logit rows of group 0 that ascend but got 2 rows that do not");
  std::vector<int64_t> record(6, 0);
  record[*opened.executor->plan().findRecordField("t")] = 2;
  record[*opened.executor->plan().findRecordField("t.a")] = 3;
  EXPECT_EQ(opened.executor->begin(0, record).number(), 2411);
  batch.logitRows = {0, 2};
  ASSERT_TRUE(opened.model->run(batches, loads).isOk());
  std::vector<float> expected = stepPlanLogits({0}), last = stepPlanLogits({0, 1, 2});
  expected.insert(expected.end(), last.begin(), last.end());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), opened.model->logits(0)));
}

// A batch that a variant without the first half has room for is not cut; whoever cuts, all ranks take the same variant.
TEST(PlanStepModel, SmallBatchesStayWhole) {
  StepPlanOptions options = groupsOf(2, 2);
  options.halves = true;
  options.wholeTokens = 4;
  Opened opened = open(write(options, "whole"), {});
  ASSERT_TRUE(opened.model) << opened.status.text();
  std::vector<GroupLoad> loads(2);
  const auto &inputs = opened.executor->plan().root().entries[0]->inputs;
  auto isFirst = [](const auto &port) { return port->name == "tokens.a"; };
  auto first = static_cast<uint32_t>(std::find_if(inputs.begin(), inputs.end(), isFirst) - inputs.begin());
  for (auto [a, b, variant] : {std::tuple{4, 1, 0u}, {0, 4, 0u}, {5, 1, 1u}, {4, 4, 0u}, {3, 13, 1u}}) {
    StepBatch batches[2];
    for (auto [batch, tokens] : {std::pair{&batches[0], a}, {&batches[1], b}}) {
      batch->queryStarts = {0};
      for (int32_t i = 0; i != tokens; ++i) {
        batch->tokens.push_back(3 + i);
        batch->positions.push_back(i);
        batch->writeSlots.push_back(i);
      }
      if (tokens == 0)
        continue;
      batch->queryStarts.push_back(tokens);
      for (uint32_t page = 0; page != options.pagesPerSequence; ++page)
        batch->blockTable.push_back(static_cast<int32_t>(page));
      batch->logitRows.push_back(tokens - 1);
    }
    std::vector<const StepBatch *> both{&batches[0], &batches[1]};
    Result<uint64_t> done = opened.model->run(both, loads);
    ASSERT_TRUE(done.isOk()) << done.status().text();
    EXPECT_EQ(opened.executor->variant(), variant) << a << ", " << b;
    for (uint32_t group = 0; group != 2; ++group) {
      const StepBatch &batch = batches[group];
      int64_t tokens = static_cast<int64_t>(batch.tokens.size());
      EXPECT_EQ(opened.executor->inputPartDim(first, group * options.ranks, 0), tokens <= 4 ? 0 : tokens / 2);
      std::vector<float> expected = tokens ? stepPlanLogits(batch.tokens) : std::vector<float>();
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), opened.model->logits(group)));
    }
  }
}

// A plan that asks is told how many sequences of a batch, or of a half, have more than one token.
TEST(PlanStepModel, PromptsOfAStepAreCounted) {
  for (bool halves : {false, true}) {
    StepPlanOptions options = groupsOf(2, 1);
    options.halves = halves;
    PlanBuilder builder = stepPlan(options);
    std::vector<uint32_t> slots;
    for (const char *name : halves ? std::vector<const char *>{"prefills.a", "prefills.b"} : std::vector{"prefills"})
      slots.push_back(builder.input(name, options.sequences, {0}));
    Opened opened = open(builder.write(scratchFolder(), halves ? "halfprompts" : "prompts"), {});
    ASSERT_TRUE(opened.model) << opened.status.text();
    StepBatch batches[2];
    std::vector<int32_t> lengths[2] = {{4, 1, 2}, {1}};
    for (size_t group = 0; group != 2; ++group) {
      StepBatch &batch = batches[group];
      batch.queryStarts = {0};
      for (int32_t length : lengths[group]) {
        auto sequence = static_cast<int32_t>(batch.queryStarts.size()) - 1;
        for (int32_t i = 0; i != length; ++i) {
          batch.tokens.push_back(7 + i);
          batch.positions.push_back(i);
          batch.writeSlots.push_back(sequence * static_cast<int32_t>(options.pageSlots) + i);
        }
        batch.queryStarts.push_back(batch.queryStarts.back() + length);
        batch.blockTable.resize(batch.blockTable.size() + options.pagesPerSequence);
        batch.blockTable[static_cast<size_t>(sequence) * options.pagesPerSequence] = sequence;
        batch.logitRows.push_back(batch.queryStarts.back() - 1);
      }
    }
    std::vector<GroupLoad> loads(2);
    std::vector<const StepBatch *> both{&batches[0], &batches[1]};
    Result<uint64_t> done = opened.model->run(both, loads);
    ASSERT_TRUE(done.isOk()) << done.status().text();
    // In halves: 3 | 1, 1, 2 and | 1.
    std::vector<int64_t> expected = halves ? std::vector<int64_t>{1, 0, 1, 0} : std::vector<int64_t>{2, 0}, got;
    for (uint32_t slot : slots)
      got.insert(got.end(), {opened.executor->count(slot), opened.executor->count(slot + 1)});
    EXPECT_EQ(got, expected);
  }
}

TEST(PlanStepModel, GroupsAsThreads) {
  for (uint32_t groups = 1; groups <= 4; ++groups)
    for (uint32_t ranks : {1u, 2u})
      for (bool isOther : {false, true}) {
        StepPlanOptions options = groupsOf(groups, ranks);
        options.startsField = isOther;
        options.dividesColumns = isOther;
        Opened opened = open(write(options, "threads"), {});
        ASSERT_TRUE(opened.model) << opened.status.text();
        EXPECT_EQ(opened.model->groups(), groups);
        EXPECT_EQ(opened.model->limits().stepTokens, 13u);
        EXPECT_EQ(opened.model->limits().sequences, 3u);
        EXPECT_EQ(opened.model->limits().pages, pages);
        Session session(std::move(opened.model));
        uint64_t idle = 0;
        EXPECT_EQ(serve(session, groups * 10 + ranks, idle), 0) << groups << " groups of " << ranks;
        EXPECT_EQ(idle > 0, groups > 1);
      }
}

TEST(PlanStepModel, GroupsAsProcesses) {
  constexpr int neverIdle = 20;
  for (auto [groups, ranks] : {std::pair(2u, 1u), std::pair(3u, 1u), std::pair(2u, 2u)})
    for (bool isOther : {false, true}) {
      StepPlanOptions options = groupsOf(groups, ranks);
      options.dividesColumns = isOther;
      options.halves = isOther;
      std::string path = write(options, "processes");
      auto body = [&, groups = groups, ranks = ranks](uint32_t rank) {
        executor::ExecutorOptions own = processOptions("groups", rank);
        own.delaySeed = 7;
        own.transferThreads = executor::TransferThreads::always;
        Opened opened = open(path, own);
        if (!opened.model)
          return std::fprintf(stderr, "%s\n", opened.status.text().c_str()), 10;
        for (uint32_t group = 0; group != groups; ++group)
          if (opened.model->isOwn(group) != (group == rank / ranks))
            return 11;
        Session session(std::move(opened.model));
        uint64_t idle = 0;
        int code = serve(session, 5, idle);
        return code != 0 || idle != 0 ? code : neverIdle;
      };
      std::vector<int> codes = runProcesses(groups * ranks, body);
      EXPECT_TRUE(std::all_of(codes.begin(), codes.end(), [&](int code) { return code == 0 || code == neverIdle; }))
          << testing::PrintToString(codes) << " of " << groups << " x " << ranks;
      EXPECT_TRUE(std::count(codes.begin(), codes.end(), 0)) << "no process of " << groups << " was ever idle";
    }
}

/// A sequence of three tokens at position 0, in page 0.
StepBatch goodBatch() {
  StepBatch batch;
  batch.tokens = {5, 6, 7};
  batch.positions = {0, 1, 2};
  batch.queryStarts = {0, 3};
  batch.blockTable.assign(9, 0);
  batch.writeSlots = {0, 1, 2};
  batch.logitRows = {2};
  return batch;
}

StepBatch emptyBatch() {
  StepBatch batch;
  batch.queryStarts = {0};
  return batch;
}

struct BadBatch {
  const char *text; // of the error behind "group 1"
  void (*spoil)(StepBatch &);
};
constexpr BadBatch badBatches[] = {
    {"at most 13 tokens", [](StepBatch &b) { b.tokens.resize(14); }},
    {"at most 13 tokens", [](StepBatch &b) { b.queryStarts = {0, 1, 2, 3, 3}; }},
    {"at most 13 tokens", [](StepBatch &b) { b.logitRows = {0, 1, 2, 2}; }},
    {"but got 3, -1 and 1", [](StepBatch &b) { b.queryStarts.clear(); }},
    {"positions", [](StepBatch &b) { b.positions.pop_back(); }},
    {"write slots", [](StepBatch &b) { b.writeSlots.push_back(3); }},
    {"pages of group", [](StepBatch &b) { b.blockTable.resize(18); }},
    {"query starts", [](StepBatch &b) { b.queryStarts = {0, 2}; }},
    {"query starts", [](StepBatch &b) { b.queryStarts = {1, 3}; }},
    {"query starts",
     [](StepBatch &b) {
       b.queryStarts = {0, 0, 3};
       b.blockTable.resize(18);
     }},
    {"every token", [](StepBatch &b) { b.tokens[1] = 368; }},
    {"every token", [](StepBatch &b) { b.tokens[1] = -1; }},
    {"every position", [](StepBatch &b) { b.positions[2] = 36; }},
    {"every page", [](StepBatch &b) { b.blockTable[8] = 24; }},
    {"every page", [](StepBatch &b) { b.blockTable[0] = -1; }},
    {"every write slot", [](StepBatch &b) { b.writeSlots[0] = 96; }},
    {"every write slot", [](StepBatch &b) { b.writeSlots[0] = -2; }},
    {"every logit row", [](StepBatch &b) { b.logitRows = {3}; }},
};

TEST(PlanStepModel, ABadBatchIsRefusedBeforeAnythingRuns) {
  Opened opened = open(write(groupsOf(2, 1), "bad"), {});
  ASSERT_TRUE(opened.model) << opened.status.text();
  StepBatch first = goodBatch(), empty = emptyBatch();
  std::vector<GroupLoad> loads(2);
  auto run = [&](const StepBatch *a, const StepBatch *b) {
    return opened.model->run(std::vector<const StepBatch *>{a, b}, loads);
  };
  uint64_t runs = 0;
  for (const BadBatch &bad : badBatches) {
    StepBatch second = goodBatch();
    bad.spoil(second);
    Result<uint64_t> refused = run(&first, &second);
    EXPECT_EQ(refused.status().number(), 2407);
    EXPECT_NE(refused.status().text().find(bad.text), std::string::npos) << refused.status().text();
    EXPECT_EQ(opened.executor->stats().runs, runs);
    Result<uint64_t> good = run(&first, &empty);
    ASSERT_TRUE(good.isOk()) << good.status().text();
    EXPECT_EQ(*good, 3u);
    ++runs;
    std::vector<float> expected = stepPlanLogits({5, 6, 7});
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), opened.model->logits(0)));
  }
  EXPECT_EQ(run(&first, nullptr).status().text(), "E2407 expected a batch of group 1 but got none");
  EXPECT_EQ(opened.model->run(std::vector<const StepBatch *>{&first}, loads).status().text(),
            "E2407 expected batches and loads of 2 groups but got 1 and 2");
  std::vector<int64_t> record(3, 1);
  EXPECT_EQ(opened.executor->begin(0, record, std::vector<comm::StepNote>(1)).text(),
            "E2410 expected notes of 2 ranks with a step record but got 1");
  ASSERT_TRUE(opened.executor->begin(0, record, std::vector<comm::StepNote>{{1, 2, 3, 4}, {5, 6, 7, 8}}).isOk());
  EXPECT_EQ(opened.executor->note(1), (comm::StepNote{5, 6, 7, 8}));
  ASSERT_TRUE(opened.executor->begin(0, record).isOk());
  EXPECT_EQ(opened.executor->note(1), comm::StepNote());
  // Nothing to do for anybody: agreed, and not run.
  EXPECT_EQ(*run(&empty, &empty), 0u);
  EXPECT_EQ(opened.executor->stats().runs, runs);
}

// What is wrong in one process is the same error in all of them, and the step behind it is right.
TEST(PlanStepModel, OneProcessWithABadBatchIsEverybodysError) {
  std::string path = write(groupsOf(2, 2), "badprocess");
  auto body = [&](uint32_t rank) {
    Opened opened = open(path, processOptions("bad", rank));
    if (!opened.model)
      return 10;
    uint32_t group = rank / 2;
    std::vector<float> expected = stepPlanLogits({5, 6, 7});
    for (const BadBatch &bad : badBatches) {
      StepBatch batch = goodBatch();
      if (group == 1)
        bad.spoil(batch);
      std::vector<const StepBatch *> batches(2);
      std::vector<GroupLoad> loads(2);
      batches[group] = &batch;
      Result<uint64_t> refused = opened.model->run(batches, loads);
      if (refused.isOk() || refused.status().number() != 2407 ||
          refused.status().text().find(bad.text) == std::string::npos)
        return std::fprintf(stderr, "rank %u: %s\n", rank, refused.status().text().c_str()), 1;
      batch = group == 0 ? goodBatch() : emptyBatch();
      loads[group] = {group + 1, 20, 3, group == 0};
      Result<uint64_t> good = opened.model->run(batches, loads);
      if (!good.isOk() || *good != 3 || opened.executor->stats().runs != static_cast<uint64_t>(&bad - badBatches) + 1)
        return std::fprintf(stderr, "rank %u: %s\n", rank, good.status().text().c_str()), 2;
      if (group == 0 && !std::equal(expected.begin(), expected.end(), opened.model->logits(0)))
        return 3;
      // Loads of other groups arrive with the step.
      if (loads != std::vector<GroupLoad>{{1, 20, 3, 1}, {2, 20, 3, 0}})
        return 4;
      // Ranks of one group that disagree about it.
      loads[group].running = rank == 3 ? 9 : 0;
      Result<uint64_t> other = opened.model->run(batches, loads);
      if (other.isOk() || other.status().text() !=
                              "E2503 expected the load of group 1 on rank 3 to be as on rank 2 but "
                              "got 9 running for 0")
        return std::fprintf(stderr, "rank %u: %s\n", rank, other.status().text().c_str()), 5;
    }
    return 0;
  };
  EXPECT_EQ(runProcesses(4, body), std::vector<int>(4, 0));
}

TEST(PlanStepModel, ABoundOfAllTokensIsSharedEqually) {
  StepPlanOptions options = groupsOf(3, 1);
  options.totalTokens = 20;
  Opened opened = open(write(options, "total"), {});
  ASSERT_TRUE(opened.model) << opened.status.text();
  EXPECT_EQ(opened.model->limits().stepTokens, 6u);
  EXPECT_EQ(opened.model->limits().sequences, 3u);
  Session session(std::move(opened.model));
  uint64_t idle = 0;
  EXPECT_EQ(serve(session, 3, idle), 0);

  options.totalTokens = 2;
  opened = open(write(options, "toolittle"), {});
  EXPECT_EQ(opened.status.text(),
            "E2428 expected a step of at least 1 token, sequence and row of logits but got 0, 3 and 3");
}

TEST(PlanStepModel, PortsThatDoNotMakeAStepAreRefused) {
  struct Case {
    const char *name;
    void (*spoil)(schema::PlanT &);
    const char *text;
  };
  const Case cases[] = {
      {"axes",
       [](schema::PlanT &plan) {
         schema::EntryT &step = *plan.entries[0];
         for (auto *axes :
              {&plan.counts->inputs[2]->axes, &step.inputs[5]->dims[0]->axes, &step.results[0]->dims[0]->axes})
           *axes = {0, 1};
       },
       "E2428 expected r in unequal numbers over the axes of s, which are 1, but got 2"},
      {"starts", [](schema::PlanT &plan) { plan.counts->instructions[4].mutate_value(2); },
       "E2428 expected input query_starts of i32 with 1 dims, the first starts"},
      {"table", [](schema::PlanT &plan) { plan.entries[0]->inputs[3]->dims[1]->axes = {1}; },
       "E2428 expected input block_table of i32 with 2 dims, the first s"},
      {"name", [](schema::PlanT &plan) { plan.counts->inputs[2]->name = "rows"; },
       "E2428 expected a step record with field r but got none of that name"},
  };
  for (const Case &each : cases) {
    PlanBuilder builder = stepPlan(groupsOf(2, 1));
    each.spoil(builder.plan);
    Opened opened = open(builder.write(scratchFolder(), each.name), {});
    EXPECT_FALSE(opened.model);
    EXPECT_EQ(opened.status.text().substr(0, std::string_view(each.text).size()), each.text) << opened.status.text();
  }
}

TEST(PlanStepModel, PortsOfHalvesThatDoNotFitAreRefused) {
  struct Case {
    const char *name;
    std::function<void(schema::PlanT &)> spoil;
    std::string_view text;
  } cases[] = {
      {"missing", [](schema::PlanT &plan) { plan.entries[0]->inputs[7]->name = "positions"; },
       "E2428 expected entry step with input positions.b but got none of that name"},
      {"first", [](schema::PlanT &plan) { plan.entries[0]->inputs[0]->name = "tokens"; },
       "E2428 expected entry step with input tokens.a but got none of that name"},
      {"field", [](schema::PlanT &plan) { plan.counts->inputs[2]->name = "t.first"; },
       "E2428 expected a step record with field t.a but got none of that name"},
      {"swapped", [](schema::PlanT &plan) { std::swap(plan.counts->inputs[2]->name, plan.counts->inputs[3]->name); },
       "E2428 expected input tokens.a of i32 with 1 dims, the first t.a"},
      {"rest",
       [](schema::PlanT &plan) {
         schema::PortDimT &all = *plan.entries[0]->inputs[6]->dims[0], &first = *plan.entries[0]->inputs[0]->dims[0];
         all.parts = first.parts;
         all.size->terms = first.size->terms;
       },
       "E2428 expected input tokens.b of i32 with 1 dims, the first t.b"},
      {"sequences", [](schema::PlanT &plan) { std::swap(plan.counts->inputs[4]->name, plan.counts->inputs[5]->name); },
       "E2428 expected input query_starts.a of i32 with 1 dims, the first starts.a"},
      {"element", [](schema::PlanT &plan) { plan.entries[0]->inputs[11]->element = schema::ElementType::F32; },
       "E2428 expected input logit_rows.b of i32 with 1 dims, the first r.b, but got F32 with 1"},
      {"one less",
       [](schema::PlanT &plan) {
         plan.entries[0]->inputs.pop_back();
         plan.entries[0]->variants[0]->inputs.pop_back();
       },
       "E2113"},
  };
  for (const Case &each : cases) {
    StepPlanOptions options = groupsOf(2, 1);
    options.halves = true;
    PlanBuilder builder = stepPlan(options);
    each.spoil(builder.plan);
    Opened opened = open(builder.write(scratchFolder(), each.name), {});
    EXPECT_FALSE(opened.model) << each.name;
    EXPECT_EQ(opened.status.text().substr(0, each.text.size()), each.text) << opened.status.text();
  }
}

/// Raises the bound of a field of a step plan whose only variant serves what it was; returns that.
int64_t raise(PlanBuilder &builder, const char *field, int64_t more) {
  auto &fields = builder.plan.counts->inputs;
  auto at = std::find_if(fields.begin(), fields.end(), [&](auto &each) { return each->name == field; });
  uint32_t index = static_cast<uint32_t>(at - fields.begin()), slot = 0;
  for (const schema::CountInstruction &each : builder.plan.counts->instructions) {
    if (each.op() == schema::CountOp::Input && each.a() == static_cast<int32_t>(index))
      break;
    // Fields are vectors over two groups, or the only instructions in front of the others.
    slot += each.op() == schema::CountOp::Sum || (*at)->axes.empty() ? 1 : 2;
  }
  if (!(*at)->axes.empty())
    slot = builder.instruction(schema::CountOp::Greatest, static_cast<int32_t>(slot));
  int64_t served = (*at)->bound;
  builder.plan.entries[0]->variants[0]->bounds.emplace_back(served, slot);
  (*at)->bound += more;
  return served;
}

// The session would take memory for it.
TEST(PlanStepModel, ABoundBeyondEveryVariantIsRefused) {
  for (uint32_t groups : {0u, 2u})
    for (const char *field : {"t", "s", "r"})
      for (int64_t more : {int64_t(0), int64_t(1), int64_t(1) << 40, int64_t(1) << 55}) {
        StepPlanOptions options = groupsOf(groups, 1);
        options.startsField = true; // the first instructions are then the fields and their sums
        PlanBuilder builder = stepPlan(options);
        int64_t served = raise(builder, field, more);
        Opened opened = open(builder.write(scratchFolder(), "beyond"), {});
        if (more == 0) {
          EXPECT_TRUE(opened.model) << opened.status.text();
          continue;
        }
        EXPECT_FALSE(opened.model);
        EXPECT_EQ(opened.status.text(),
                  fmt::format("E2109 expected a bound of at most {}, which a variant serves, for {} of the step record "
                              "but got {}",
                              served, field, served + more));
        EXPECT_EQ(opened.status.exitCode(), ExitCode::input);
      }
}

TEST(PlanStepModel, PagesOfABoundWithoutEndAreCounted) {
  StepPlanOptions options = groupsOf(0, 1);
  options.pagesPerSequence = 16; // 2^62 sequences have 2^66 pages
  PlanBuilder builder = stepPlan(options);
  int64_t served = raise(builder, "s", 0);
  builder.plan.counts->inputs[2]->bound = int64_t(1) << 62;
  ASSERT_EQ(served, 3);
  auto plan = plan::loadPlan(builder.write(scratchFolder(), "pages"), {});
  ASSERT_TRUE(plan.isOk()) << plan.status().text();
  Result<uint64_t> pages = pagesOfMemory(**plan, 0);
  ASSERT_TRUE(pages.isOk()) << pages.status().text();
  EXPECT_GT(*pages, 0u);
}

} // namespace
