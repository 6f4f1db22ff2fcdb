// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --prompt: text in, text out.

#include "runtime/text/StreamDecoder.h"
#include "tools/muster-run/Modes.h"
#include "tools/muster-run/Npy.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>

namespace muster::run {

namespace {

struct Request {
  std::string prompt;
  std::vector<int32_t> promptTokens, tokens;
  session::SequenceId sequence = 0;
  Status failure; // of this request alone
  session::FinishReason finish = session::FinishReason::none;
  uint32_t group = session::anyGroup;
};

std::string_view finishName(session::FinishReason finish) {
  switch (finish) {
  case session::FinishReason::stop:
    return "stop";
  case session::FinishReason::length:
    return "length";
  case session::FinishReason::context:
    return "context";
  case session::FinishReason::invalidLogits:
    return "invalid_logits";
  case session::FinishReason::none:
    break;
  }
  return "none";
}

/// Encodes and submits; what is wrong with one request is noted in it and leaves the others alone.
void submit(LoadedModel &model, const RunOptions &options, Request &request) {
  auto failed = [&](Status status) { request.failure = std::move(status); };
  Result<std::vector<int32_t>> tokens = model.tokenizer->encode(request.prompt, /*addSpecial=*/true);
  if (!tokens.isOk())
    return failed(tokens.status());
  request.promptTokens = *std::move(tokens);
  session::SequenceOptions wanted;
  wanted.maxNewTokens = options.maxTokens;
  wanted.sampling = options.sampling;
  if (!options.ignoreStop)
    wanted.stopTokens = model.tokenizer->stopTokens();
  Result<session::SequenceId> id = model.session->submit(request.promptTokens, wanted);
  if (!id.isOk())
    return failed(id.status());
  request.sequence = *id;
}

/// Moves new tokens out of the session, or from the answers of other processes.
Status collect(LoadedModel &model, Answers &answers, size_t index, Request &request) {
  if (!request.sequence || request.finish != session::FinishReason::none)
    return Status::ok();
  MUSTER_ASSIGN_OR_RETURN(session::SequenceInfo info, model.session->info(request.sequence));
  request.group = info.group;
  Answers::End end;
  if (info.state == session::SequenceState::elsewhere) {
    end = answers.ended(index); // before the tokens, which are complete then
    std::span<const int32_t> all = answers.tokens(index);
    request.tokens.insert(request.tokens.end(), all.begin() + static_cast<ptrdiff_t>(request.tokens.size()), all.end());
  } else {
    bool isPublished =
        info.group != session::anyGroup && model.executor->firstOwn() == model.steps->firstRankOf(info.group);
    int32_t fresh[16];
    size_t count = 0;
    do {
      MUSTER_ASSIGN_OR_RETURN(count, model.session->takeTokens(request.sequence, fresh));
      request.tokens.insert(request.tokens.end(), fresh, fresh + count);
      if (isPublished)
        answers.append(index, {fresh, count});
    } while (count == std::size(fresh));
    end = {info.finish, info.computedTokens};
    if (isPublished && info.finish != session::FinishReason::none)
      answers.end(index, end);
  }
  request.finish = end.finish;
  if (end.finish == session::FinishReason::invalidLogits)
    request.failure = Status::error(2426, "expected finite logits after token {} but got none that can be sampled",
                                    end.computedTokens - 1);
  return Status::ok();
}

Status printJson(const LoadedModel &model, const std::vector<Request> &requests, const Answers &answers,
                 const RunCounts &counts) {
  bool hasGroups = model.session->groups() > 1;
  nlohmann::json results = nlohmann::json::array();
  for (const Request &request : requests) {
    nlohmann::json result = {{"prompt", request.prompt},
                             {"prompt_tokens", request.promptTokens},
                             {"tokens", request.tokens},
                             {"finish", finishName(request.finish)}};
    MUSTER_ASSIGN_OR_RETURN(result["text"], model.tokenizer->decode(request.tokens, /*skipSpecial=*/true));
    if (hasGroups && request.group != session::anyGroup)
      result["group"] = request.group;
    if (!request.failure.isOk())
      result["error"] = request.failure.text();
    results.push_back(std::move(result));
  }
  nlohmann::json document = {{"results", std::move(results)},
                             {"stats",
                              {{"load_ms", model.loadMs},
                               {"first_token_ms", counts.firstTokenMs},
                               {"seconds", counts.seconds},
                               {"steps", counts.steps},
                               {"prompt_tokens", counts.promptTokens},
                               {"new_tokens", counts.newTokens},
                               {"peak_rss_bytes", peakMemoryBytes()}}}};
  for (uint32_t group = 0; hasGroups && group != model.session->groups(); ++group)
    document["stats"]["idle_steps"].push_back(answers.idleSteps(group));
  fmt::print("{}\n", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return Status::ok();
}

Status printTexts(const LoadedModel &model, const std::vector<Request> &requests) {
  for (const Request &request : requests) {
    if (!request.failure.isOk())
      continue; // on stderr
    MUSTER_ASSIGN_OR_RETURN(std::string text, model.tokenizer->decode(request.tokens, /*skipSpecial=*/true));
    fmt::print("==> {} <==\n{}\n", request.prompt, text);
  }
  return Status::ok();
}

/// Publishes and collects what a step brought; the number of new tokens of all requests so far.
Result<uint64_t> collectAll(LoadedModel &model, Answers &answers, std::vector<Request> &requests) {
  uint64_t newTokens = 0;
  for (size_t i = 0; i != requests.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(collect(model, answers, i, requests[i]));
    newTokens += requests[i].tokens.size();
  }
  for (uint32_t group = 0; group != model.session->groups(); ++group)
    if (model.executor->firstOwn() == model.steps->firstRankOf(group) || model.executor->ownCount() > 1)
      answers.setIdleSteps(group, model.session->idleSteps(group));
  return newTokens;
}

/// Says on stderr what is wrong with single requests; the exit code of the last.
int sayFailures(const RunOptions &options, const std::vector<Request> &requests) {
  int code = 0;
  for (size_t i = 0; i != requests.size(); ++i)
    if (!requests[i].failure.isOk()) {
      code = static_cast<int>(requests[i].failure.exitCode());
      if (options.talks())
        fmt::print(stderr, "muster-run: {}{}\n", requests[i].failure.text(),
                   requests.size() == 1 ? "" : fmt::format(" (prompt {})", i + 1));
    }
  return code;
}

Result<int> checkAnswers(LoadedModel &model, const RunOptions &options, const std::vector<Request> &requests) {
  std::vector<std::vector<int32_t>> sequences;
  for (const Request &request : requests) {
    MUSTER_RETURN_IF_ERROR(model.session->drop(request.sequence));
    sequences.push_back(request.promptTokens);
    // The last token has no successor to compare.
    sequences.back().insert(sequences.back().end(), request.tokens.begin(), request.tokens.end() - 1);
  }
  return compareWith(model, options, sequences);
}

} // namespace

Result<std::vector<std::string>> readPrompts(const RunOptions &options) {
  std::vector<std::string> prompts = options.prompts;
  if (options.promptsFile.empty())
    return prompts;
  std::ifstream file(options.promptsFile);
  if (!file)
    return Status::error(103, "expected a readable file for --prompts but got {}", options.promptsFile)
        .withExitCode(ExitCode::input);
  if (options.promptsFile.ends_with(".json")) {
    nlohmann::json document = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (!document.is_array())
      return Status::error(103, "expected a JSON list of texts in {} but got something else", options.promptsFile)
          .withExitCode(ExitCode::input);
    for (const nlohmann::json &text : document) {
      if (!text.is_string())
        return Status::error(103, "expected a text in the list in {} but got {}", options.promptsFile, text.type_name())
            .withExitCode(ExitCode::input);
      prompts.push_back(text.get<std::string>());
    }
    return prompts;
  }
  for (std::string line; std::getline(file, line);)
    if (!line.empty())
      prompts.push_back(line);
  return prompts;
}

Result<std::unique_ptr<Answers>> makeAnswers(const plan::LoadedPlan &plan, const RunOptions &options, size_t count) {
  uint64_t most = 0;                                            // a plan without pages generates nothing
  if (const schema::PagingT *paging = plan.root().paging.get()) // the token behind the longest sequence is one more
    most = std::min<uint64_t>(options.maxTokens, uint64_t(paging->page_slots) * paging->pages_per_sequence + 1);
  return Answers::make(count, most, session::groupsOf(plan));
}

Result<int> generate(const RunOptions &options, const std::vector<std::string> &prompts, Answers *shared) {
  MUSTER_RETURN_IF_ERROR(session::checkSampling(options.sampling));
  if (options.maxTokens == 0)
    return Status::error(101, "expected --max-tokens of 1 or more but got 0");
  MUSTER_ASSIGN_OR_RETURN(LoadedModel model, loadModel(options.plan, options, /*withSteps=*/true));
  MUSTER_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, needTokenizer(model));
  std::unique_ptr<Answers> own;
  if (!shared) {
    MUSTER_ASSIGN_OR_RETURN(own, makeAnswers(*model.plan, options, prompts.size()));
  }
  Answers &answers = shared ? *shared : *own;

  std::vector<Request> requests(prompts.size());
  RunCounts counts;
  for (size_t i = 0; i != prompts.size(); ++i) {
    requests[i].prompt = prompts[i];
    submit(model, options, requests[i]);
  }
  bool stream = requests.size() == 1 && !options.json && options.talks();
  StreamDecoder decoder(*tokenizer);
  size_t streamed = 0;
  auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  MUSTER_RETURN_IF_ERROR(runSteps(*model.session, [&](const session::StepReport &report) -> Status {
    bool isFirst = counts.newTokens == 0;
    MUSTER_ASSIGN_OR_RETURN(counts.newTokens, collectAll(model, answers, requests));
    if (isFirst && counts.newTokens)
      counts.firstTokenMs = elapsed() * 1000;
    counts.steps += report.allTokens != 0;
    for (; stream && streamed != requests[0].tokens.size(); ++streamed) {
      MUSTER_ASSIGN_OR_RETURN(std::string text, decoder.push(requests[0].tokens[streamed]));
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
    return Status::ok();
  }));
  counts.seconds = elapsed();
  for (const Request &request : requests)
    counts.promptTokens += request.sequence ? request.promptTokens.size() : 0;

  if (options.talks()) {
    if (options.json)
      MUSTER_RETURN_IF_ERROR(printJson(model, requests, answers, counts));
    else if (stream)
      fmt::print("{}\n", decoder.flush());
    else
      MUSTER_RETURN_IF_ERROR(printTexts(model, requests));
  }
  std::fflush(stdout);
  int code = sayFailures(options, requests);
  if (!options.check.empty() && code == 0) {
    MUSTER_ASSIGN_OR_RETURN(code, checkAnswers(model, options, requests));
  }
  MUSTER_RETURN_IF_ERROR(finishRun(model, options, counts));
  return code;
}

} // namespace muster::run
