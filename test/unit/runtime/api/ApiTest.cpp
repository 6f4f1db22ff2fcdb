// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "muster/muster.hpp"

#include "test/unit/runtime/builder/StepPlan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace muster::api;
using namespace muster::test;

extern "C" int32_t generateInC(const char *path, const int32_t *prompt, size_t promptTokens, int32_t *tokens,
                               size_t capacity, size_t *count, muster_status *status);

namespace {

const std::vector<int32_t> prompt = {5, 250, 17, 300, 2};

/// The greedy continuation by stepPlanLogits, which knows no pages and no neighbours.
std::vector<int32_t> expected(std::vector<int32_t> tokens, size_t count) {
  size_t given = tokens.size();
  while (tokens.size() != given + count) {
    std::vector<float> logits = stepPlanLogits(tokens);
    tokens.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return {tokens.begin() + static_cast<ptrdiff_t>(given), tokens.end()};
}

std::string planPath(uint32_t ranks, bool tokenizer = true) {
  StepPlanOptions options;
  options.ranks = ranks;
  options.tokenizer = tokenizer;
  return stepPlan(options).write(scratchFolder(), "step" + std::to_string(ranks) + (tokenizer ? "t" : "n"));
}

struct Loaded {
  Plan plan;
  Session session;
};

Loaded load(uint32_t ranks) {
  Error error;
  Loaded loaded;
  loaded.plan = Plan::load(planPath(ranks), error);
  EXPECT_FALSE(error) << error.text();
  auto options = sessionOptions();
  options.workers = 2;
  loaded.session = Session::create(loaded.plan, &options, error);
  EXPECT_FALSE(error) << error.text();
  return loaded;
}

TEST(Api, ACProgramGenerates) {
  int32_t tokens[7];
  size_t count = 0;
  muster_status status;
  ASSERT_EQ(generateInC(planPath(1).c_str(), prompt.data(), prompt.size(), tokens, 7, &count, &status), 0)
      << status.text;
  EXPECT_EQ(std::vector<int32_t>(tokens, tokens + count), expected(prompt, 7));
  EXPECT_STREQ(status.text, "ok");
}

TEST(Api, SequencesJoinAndLeaveOnThreeRanks) {
  Loaded loaded = load(3);
  EXPECT_EQ(loaded.plan.ranks(), 3u);
  Error error;
  auto options = sequenceOptions();
  options.max_new_tokens = 20;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<uint64_t> ids;
  for (int32_t i = 0; i != 9; ++i) { // more than a step holds
    prompts.push_back(std::vector<int32_t>(static_cast<size_t>(1 + 7 * i), 40 + i));
    ids.push_back(loaded.session.submit(prompts.back(), options, error));
    ASSERT_FALSE(error) << error.text();
  }
  for (int i = 0; i != 6; ++i)
    ASSERT_TRUE(loaded.session.step(error)) << error.text();
  ASSERT_TRUE(loaded.session.drop(ids[1], error));
  while (loaded.session.hasWork())
    ASSERT_TRUE(loaded.session.step(error)) << error.text();
  for (size_t i = 0; i != ids.size(); ++i) {
    if (i == 1)
      continue;
    EXPECT_EQ(loaded.session.takeTokens(ids[i], error), expected(prompts[i], 20)) << i;
  }
}

std::string groupsPath() {
  StepPlanOptions options;
  options.groups = 2;
  return stepPlan(options).write(scratchFolder(), "groups");
}

/// 0 where every sequence of this process's groups gets what it gets alone, and there are `own` of them.
int serveGroups(const muster_session_options &options, const std::string &path, int own) {
  Error error;
  Plan plan = Plan::load(path, error);
  Session session = Session::create(plan, &options, error);
  if (error)
    return std::fprintf(stderr, "%s\n", error.text()), 1;
  auto wanted = sequenceOptions();
  wanted.max_new_tokens = 12;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<uint64_t> ids;
  for (int32_t i = 0; i != 10; ++i) {
    prompts.push_back(std::vector<int32_t>(static_cast<size_t>(1 + 5 * i), 40 + i));
    ids.push_back(session.submit(prompts.back(), wanted, error));
  }
  while (session.hasWork())
    if (!session.step(error))
      return std::fprintf(stderr, "%s\n", error.text()), 2;
  for (size_t i = 0; i != ids.size(); ++i) {
    muster_sequence_info info;
    if (muster_session_sequence_info(session.get(), ids[i], &info, nullptr) != 0)
      return 3;
    std::vector<int32_t> tokens = session.takeTokens(ids[i], error);
    if (info.state == MUSTER_SEQUENCE_FINISHED && tokens == expected(prompts[i], 12))
      --own;
    else if (info.state != MUSTER_SEQUENCE_ELSEWHERE || !tokens.empty())
      return 4;
  }
  return own == 0 ? 0 : 5;
}

TEST(Api, GroupsOfRanksAsThreadsAndAsProcesses) {
  std::string path = groupsPath(), name = "api" + std::to_string(getpid());
  EXPECT_EQ(serveGroups(sessionOptions(), path, 10), 0);
  std::vector<pid_t> children;
  for (uint32_t rank = 0; rank != 2; ++rank) {
    children.push_back(fork());
    if (children.back() == 0) {
      auto options = sessionOptions();
      options.transport = MUSTER_TRANSPORT_SHM;
      options.rank = rank;
      options.group = name.c_str();
      _exit(serveGroups(options, path, 5));
    }
  }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

// A plan may be used by any number of threads.
TEST(Api, SessionsOfOnePlanInThreads) {
  Error error;
  Plan plan = Plan::load(planPath(1), error);
  std::vector<std::vector<int32_t>> got(4);
  std::vector<std::thread> threads;
  for (std::vector<int32_t> &tokens : got)
    threads.emplace_back([&plan, &tokens] {
      Error own;
      Session session = Session::create(plan, nullptr, own);
      auto options = sequenceOptions();
      options.max_new_tokens = 30;
      uint64_t id = session.submit(prompt, options, own);
      while (session.hasWork() && session.step(own))
        ;
      tokens = session.takeTokens(id, own);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::vector<int32_t> &tokens : got)
    EXPECT_EQ(tokens, expected(prompt, 30));
}

TEST(Api, LogitsAndAppend) {
  Loaded loaded = load(1);
  Error error;
  auto options = sequenceOptions();
  options.logits = MUSTER_LOGITS_ALL;
  options.max_tokens = 10;
  uint64_t id = loaded.session.submit({1, 2, 3}, options, error);
  ASSERT_TRUE(loaded.session.step(error)) << error.text();
  const float *logits = nullptr;
  size_t rows = 0;
  uint64_t first = 7;
  ASSERT_EQ(muster_session_logits(loaded.session.get(), id, &logits, &rows, &first, nullptr), 0);
  ASSERT_EQ(rows, 3u);
  EXPECT_EQ(first, 0u);
  EXPECT_TRUE(
      std::equal(logits + 2 * stepPlanVocabulary, logits + 3 * stepPlanVocabulary, stepPlanLogits({1, 2, 3}).begin()));
  ASSERT_TRUE(loaded.session.append(id, {4}, error));
  ASSERT_TRUE(loaded.session.step(error));
  ASSERT_EQ(muster_session_logits(loaded.session.get(), id, &logits, &rows, &first, nullptr), 0);
  EXPECT_EQ(first, 3u);
  EXPECT_TRUE(std::equal(logits, logits + stepPlanVocabulary, stepPlanLogits({1, 2, 3, 4}).begin()));
  EXPECT_FALSE(loaded.session.append(id, std::vector<int32_t>(7, 1), error));
  EXPECT_EQ(error.code(), 2421);
  muster_limits limits;
  ASSERT_EQ(muster_session_limits(loaded.session.get(), &limits, nullptr), 0);
  EXPECT_EQ(limits.vocabulary, stepPlanVocabulary);
  EXPECT_EQ(limits.step_tokens, 32u);
}

TEST(Api, TextThereAndBack) {
  Loaded loaded = load(1);
  Error error;
  Tokenizer tokenizer = Tokenizer::of(loaded.plan, error);
  ASSERT_FALSE(error) << error.text();
  std::string text = "hello w\u00f6rld";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, true, error), true, error), text);
  EXPECT_EQ(tokenizer.stopTokens(error).size(), 1u);
  int32_t few[2];
  size_t count = 0;
  EXPECT_EQ(muster_tokenizer_encode(tokenizer.get(), "hello", 5, 0, few, 2, &count, nullptr), 0);
  EXPECT_GT(count, 2u);
  tokenizer.decode({9999}, false, error);
  EXPECT_EQ(error.code(), 3208);
}

/// The inputs of a step of three tokens, by hand.
struct StepInputs {
  int32_t tokens[3] = {9, 8, 7}, positions[3] = {0, 1, 2}, starts[2] = {0, 3}, table[16] = {5}, slots[3] = {40, 41, 42},
          rows[1] = {2};
  std::vector<muster_tensor> tensors() {
    return {{"rows", MUSTER_I32, 1, {1}, rows, sizeof(rows)},
            {"tokens", MUSTER_I32, 1, {3}, tokens, sizeof(tokens)},
            {"positions", MUSTER_I32, 1, {3}, positions, sizeof(positions)},
            {"query_starts", MUSTER_I32, 1, {2}, starts, sizeof(starts)},
            {"block_table", MUSTER_I32, 2, {1, 16}, table, sizeof(table)},
            {"write_slots", MUSTER_I32, 1, {3}, slots, sizeof(slots)}};
  }
};

TEST(Api, AnyEntryRunsByNames) {
  Loaded loaded = load(3);
  StepInputs step;
  std::vector<muster_tensor> inputs = step.tensors();
  inputs[0].name = "logit_rows";
  muster_tensor result = {"logits", 0, 0, {}, nullptr, 0};
  muster_status status;
  auto run = [&] {
    return muster_entry_run(loaded.session.get(), "step", inputs.data(), inputs.size(), &result, 1, &status);
  };
  ASSERT_EQ(run(), 0) << status.text;
  EXPECT_EQ(result.element, MUSTER_F32);
  EXPECT_EQ(result.dim_count, 2u);
  EXPECT_EQ(result.dims[0], 1);
  EXPECT_EQ(result.dims[1], int64_t(stepPlanVocabulary));
  std::vector<float> logits(stepPlanVocabulary);
  result.data = logits.data();
  result.bytes = logits.size() * sizeof(float);
  ASSERT_EQ(run(), 0) << status.text;
  EXPECT_EQ(logits, stepPlanLogits({9, 8, 7}));

  result.bytes -= 1;
  EXPECT_EQ(run(), 2433);
  result.bytes += 1;
  inputs[2].dims[0] = 2;
  EXPECT_EQ(run(), 2432);
  EXPECT_THAT(status.text,
              testing::HasSubstr("expected dim 0 of input positions to be 3, as another input's t is, but got 2"));
  inputs[2].dims[0] = 4; // more than the data
  EXPECT_EQ(run(), 2432);
  inputs[2].dims[0] = 3;
  inputs[4].dims[1] = 15;
  EXPECT_EQ(run(), 2432);
  inputs[4].dims[1] = 16;
  inputs[1].element = MUSTER_F32;
  EXPECT_EQ(run(), 2432);
  inputs[1].element = 99;
  EXPECT_EQ(run(), 2432);
  inputs[1].element = MUSTER_I32;
  inputs[1].name = "token";
  EXPECT_EQ(run(), 2431);
  EXPECT_STREQ(status.text,
               "E2431 references unknown input token of entry step, which has tokens, positions, query_starts, "
               "block_table, write_slots, logit_rows");
  inputs[1].name = "positions";
  EXPECT_EQ(run(), 2431); // twice
  inputs[1].name = "tokens";
  result.name = "logit";
  EXPECT_EQ(run(), 2431);
  EXPECT_EQ(muster_entry_run(loaded.session.get(), "stop", nullptr, 0, nullptr, 0, &status), 2431);
  EXPECT_EQ(muster_entry_run(loaded.session.get(), "step", inputs.data(), 5, nullptr, 0, &status), 2431);
}

TEST(Api, MisuseIsAnErrorAndNeverACrash) {
  muster_status status;
  muster_plan *plan = nullptr;
  EXPECT_EQ(muster_plan_load("nowhere.plan", nullptr, &plan, &status), 2001);
  EXPECT_EQ(plan, nullptr);
  EXPECT_EQ(status.exit_code, 1);
  EXPECT_EQ(muster_plan_load(nullptr, nullptr, &plan, &status), 2430);
  EXPECT_EQ(muster_plan_load("x", nullptr, nullptr, &status), 2430);
  muster_plan_free(nullptr);
  muster_session_free(nullptr);
  muster_tokenizer_free(nullptr);
  EXPECT_EQ(muster_plan_ranks(nullptr), 0u);

  Loaded loaded = load(1);
  muster_session *session = nullptr;
  EXPECT_EQ(muster_session_create(nullptr, nullptr, &session, nullptr), 2430);
  EXPECT_EQ(muster_session_create(loaded.plan.get(), nullptr, nullptr, nullptr), 2430);
  muster_session_options options = {}; // struct_size forgotten
  EXPECT_EQ(muster_session_create(loaded.plan.get(), &options, &session, &status), 2430);
  options.struct_size = sizeof(options) + 8; // a newer header
  EXPECT_EQ(muster_session_create(loaded.plan.get(), &options, &session, &status), 2430);
  options = sessionOptions();
  options.transport = 7;
  EXPECT_EQ(muster_session_create(loaded.plan.get(), &options, &session, &status), 2430);
  options.transport = MUSTER_TRANSPORT_SHM; // no group
  EXPECT_EQ(muster_session_create(loaded.plan.get(), &options, &session, &status), 2430);
  options = sessionOptions();
  options.kv_memory_bytes = 1;
  EXPECT_EQ(muster_session_create(loaded.plan.get(), &options, &session, &status), 2434);
  options.kv_memory_bytes = uint64_t(1) << 33; // 2^28 pages: more than slots can be named for are not made
  EXPECT_EQ(session, nullptr);
  options.kv_memory_bytes = 0;
  options.pages = uint64_t(1) << 40;
  EXPECT_NE(muster_session_create(loaded.plan.get(), &options, &session, &status), 0);
  EXPECT_EQ(session, nullptr);

  muster_session *own = loaded.session.get();
  uint64_t id = 0;
  int32_t token = 1;
  EXPECT_EQ(muster_session_submit(nullptr, &token, 1, nullptr, &id, nullptr), 2430);
  EXPECT_EQ(muster_session_submit(own, nullptr, 1, nullptr, &id, nullptr), 2430);
  EXPECT_EQ(muster_session_submit(own, nullptr, 0, nullptr, &id, nullptr), 2420);
  EXPECT_EQ(muster_session_submit(own, &token, 1, nullptr, nullptr, nullptr), 2430);
  muster_sequence_options sequence = sequenceOptions();
  sequence.logits = 3;
  EXPECT_EQ(muster_session_submit(own, &token, 1, &sequence, &id, nullptr), 2430);
  sequence = sequenceOptions();
  sequence.stop_token_count = 2;
  EXPECT_EQ(muster_session_submit(own, &token, 1, &sequence, &id, nullptr), 2430);
  sequence = sequenceOptions();
  sequence.top_p = 2;
  EXPECT_EQ(muster_session_submit(own, &token, 1, &sequence, &id, nullptr), 2425);
  EXPECT_EQ(id, 0u);
  EXPECT_EQ(muster_session_drop(own, 12345, nullptr), 2424);
  EXPECT_EQ(muster_session_take_tokens(own, 12345, &token, 1, nullptr, nullptr), 2430);
  EXPECT_EQ(muster_session_step(nullptr, nullptr, nullptr), 2430);
  EXPECT_EQ(muster_session_has_work(nullptr), 0);
  EXPECT_EQ(muster_session_write_trace(own, "trace.json", nullptr), 2401);
  EXPECT_EQ(muster_entry_run(nullptr, "step", nullptr, 0, nullptr, 0, nullptr), 2430);
  EXPECT_EQ(muster_entry_run(own, nullptr, nullptr, 0, nullptr, 0, nullptr), 2430);

  Error error;
  Plan bare = Plan::load(planPath(1, /*tokenizer=*/false), error);
  Tokenizer::of(bare, error);
  EXPECT_EQ(error.code(), 2429);
}

TEST(Api, APlanWithoutStepsRunsEntriesOnly) {
  PlanBuilder builder = stepPlan({});
  builder.plan.entries[0]->name = "other";
  Error error;
  Plan plan = Plan::load(builder.write(scratchFolder(), "other"), error);
  ASSERT_FALSE(error) << error.text();
  Session session = Session::create(plan, nullptr, error);
  ASSERT_FALSE(error) << error.text();
  session.submit({1}, sequenceOptions(), error);
  EXPECT_EQ(error.code(), 2428);
  EXPECT_FALSE(session.hasWork());

  builder = stepPlan({});
  builder.plan.entries[0]->inputs[1]->name = "place";
  plan = Plan::load(builder.write(scratchFolder(), "misnamed"), error);
  ASSERT_TRUE(plan);
  Session refused = Session::create(plan, nullptr, error);
  EXPECT_STREQ(error.text(), "E2428 expected entry step with input positions but got none of that name");
}

// The runtime is small. Stripped, as it is installed; MUSTER_LIBRARY may have symbols for debugging.
TEST(Api, TheLibraryIsAtMostTwoMebibytes) {
  std::string stripped = scratchFolder() + "/libmuster.so";
  std::string command = "strip -o " + stripped + " " MUSTER_LIBRARY;
  ASSERT_EQ(std::system(command.c_str()), 0);
  auto size = std::filesystem::file_size(stripped);
  std::printf("libmuster.so has %zu bytes stripped\n", size_t(size));
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LE(size, 2u << 20);
#endif
}

// Nothing but the API is exported.
TEST(Api, OnlyTheApiIsExported) {
  std::string command = "nm -D --defined-only " MUSTER_LIBRARY;
  std::unique_ptr<FILE, int (*)(FILE *)> pipe(popen(command.c_str(), "r"), pclose);
  ASSERT_TRUE(pipe);
  char line[512];
  int functions = 0;
  while (std::fgets(line, sizeof(line), pipe.get())) {
    std::string text = line;
    if (text.find(" A ") != std::string::npos)
      continue; // the version node
    EXPECT_NE(text.find(" T muster_"), std::string::npos) << text;
    ++functions;
  }
  EXPECT_EQ(functions, 23);
}

} // namespace
