// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --prompt: text in, text out.

#include "runtime/text/StreamDecoder.h"
#include "tools/muster-run/Modes.h"
#include "tools/muster-run/Npy.h"

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
};

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

/// Moves new tokens out of the session.
Status collect(session::Session &session, Request &request) {
  if (!request.sequence || request.finish != session::FinishReason::none)
    return Status::ok();
  int32_t fresh[16];
  size_t count = 0;
  do {
    MUSTER_ASSIGN_OR_RETURN(count, session.takeTokens(request.sequence, fresh));
    request.tokens.insert(request.tokens.end(), fresh, fresh + count);
  } while (count == std::size(fresh));
  MUSTER_ASSIGN_OR_RETURN(session::SequenceInfo info, session.info(request.sequence));
  request.finish = info.finish;
  if (info.finish == session::FinishReason::invalidLogits)
    request.failure = Status::error(2426, "expected finite logits after token {} but got none that can be sampled",
                                    info.computedTokens - 1);
  return Status::ok();
}

Status printJson(const LoadedModel &model, const std::vector<Request> &requests, const RunCounts &counts) {
  nlohmann::json results = nlohmann::json::array();
  for (const Request &request : requests) {
    nlohmann::json result = {{"prompt", request.prompt},
                             {"prompt_tokens", request.promptTokens},
                             {"tokens", request.tokens},
                             {"finish", finishName(request.finish)}};
    MUSTER_ASSIGN_OR_RETURN(result["text"], model.tokenizer->decode(request.tokens, /*skipSpecial=*/true));
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

} // namespace

Result<int> generate(const RunOptions &options) {
  MUSTER_RETURN_IF_ERROR(session::checkSampling(options.sampling));
  if (options.maxTokens == 0)
    return Status::error(101, "expected --max-tokens of 1 or more but got 0");
  MUSTER_ASSIGN_OR_RETURN(std::vector<std::string> prompts, readPrompts(options));
  MUSTER_ASSIGN_OR_RETURN(LoadedModel model, loadModel(options.plan, options, /*withSteps=*/true));
  MUSTER_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, needTokenizer(model));

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
    if (counts.newTokens == 0 && report.newTokens)
      counts.firstTokenMs = elapsed() * 1000;
    counts.newTokens += report.newTokens;
    counts.promptTokens += report.tokens;
    ++counts.steps;
    for (Request &request : requests)
      MUSTER_RETURN_IF_ERROR(collect(*model.session, request));
    for (; stream && streamed != requests[0].tokens.size(); ++streamed) {
      MUSTER_ASSIGN_OR_RETURN(std::string text, decoder.push(requests[0].tokens[streamed]));
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
    return Status::ok();
  }));
  counts.seconds = elapsed();
  counts.promptTokens = 0;
  for (const Request &request : requests)
    counts.promptTokens += request.sequence ? request.promptTokens.size() : 0;

  if (options.talks()) {
    if (options.json)
      MUSTER_RETURN_IF_ERROR(printJson(model, requests, counts));
    else if (stream)
      fmt::print("{}\n", decoder.flush());
    else
      MUSTER_RETURN_IF_ERROR(printTexts(model, requests));
  }
  std::fflush(stdout);
  int code = 0;
  for (size_t i = 0; i != requests.size(); ++i)
    if (!requests[i].failure.isOk()) {
      code = static_cast<int>(requests[i].failure.exitCode());
      if (options.talks())
        fmt::print(stderr, "muster-run: {}{}\n", requests[i].failure.text(),
                   requests.size() == 1 ? "" : fmt::format(" (prompt {})", i + 1));
    }
  if (!options.check.empty() && code == 0) {
    std::vector<std::vector<int32_t>> sequences;
    for (Request &request : requests) {
      MUSTER_RETURN_IF_ERROR(model.session->drop(request.sequence));
      sequences.push_back(request.promptTokens);
      // The last token has no successor to compare.
      sequences.back().insert(sequences.back().end(), request.tokens.begin(), request.tokens.end() - 1);
    }
    MUSTER_ASSIGN_OR_RETURN(code, compareWith(model, options, sequences));
  }
  MUSTER_RETURN_IF_ERROR(finishRun(model, options, counts));
  return code;
}

} // namespace muster::run
