// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --bench: what a plan reaches on this machine.
//
// - load_ms: plan, weights (mapped), memory, threads, matrix products prepared.
// - first_token_ms: from the start of loading to the first token of a prompt of five tokens, in this process: weights
//   come from the page cache or the disk, whichever holds them.
// - prefill: a prompt of so many tokens to its first new token; the best of three.
// - decode: so many sequences with 128 tokens each generate 64 more; tokens/s over all these steps, and the median and
//   99th percentile of the time of one step.
// - peak_rss_bytes: of the process, at the end.

#include "tools/muster-run/Modes.h"

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

namespace muster::run {

namespace {

using Clock = std::chrono::steady_clock;
double msSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

constexpr uint32_t decodeContext = 128, decodeTokens = 64, prefillRepeats = 3;

/// Tokens of no meaning, the same every time.
std::vector<int32_t> someTokens(const session::Session &session, uint32_t count, uint64_t seed) {
  std::vector<int32_t> tokens(count);
  for (uint32_t i = 0; i != count; ++i)
    tokens[i] = static_cast<int32_t>(session::uniformAt(seed, i) * session.limits().vocabulary);
  return tokens;
}

/// Milliseconds from submission to the first token.
Result<double> prefill(session::Session &session, uint32_t count, uint64_t seed) {
  std::vector<int32_t> tokens = someTokens(session, count, seed);
  session::SequenceOptions options;
  options.maxNewTokens = 1;
  Clock::time_point start = Clock::now();
  MUSTER_ASSIGN_OR_RETURN(session::SequenceId id, session.submit(tokens, options));
  MUSTER_RETURN_IF_ERROR(runSteps(session, [](const session::StepReport &) { return Status::ok(); }));
  double ms = msSince(start);
  MUSTER_RETURN_IF_ERROR(session.drop(id));
  return ms;
}

Result<nlohmann::json> decode(session::Session &session, uint32_t batch) {
  std::vector<session::SequenceId> ids;
  session::SequenceOptions options;
  options.maxNewTokens = decodeTokens + 1; // the first one comes with the prompt
  for (uint32_t i = 0; i != batch; ++i) {
    MUSTER_ASSIGN_OR_RETURN(session::SequenceId id, session.submit(someTokens(session, decodeContext, i), options));
    ids.push_back(id);
  }
  std::vector<double> times;
  double total = 0;
  Clock::time_point start = Clock::now();
  MUSTER_RETURN_IF_ERROR(runSteps(session, [&](const session::StepReport &report) {
    double ms = msSince(start);
    if (report.allTokens == batch && report.newTokens == report.tokens) {
      times.push_back(ms);
      total += ms;
    }
    start = Clock::now();
    return Status::ok();
  }));
  for (session::SequenceId id : ids)
    MUSTER_RETURN_IF_ERROR(session.drop(id));
  std::sort(times.begin(), times.end());
  return nlohmann::json{{"batch", batch},
                        {"tokens_per_s", static_cast<double>(times.size()) * batch / total * 1000},
                        {"p50_ms", times[times.size() / 2]},
                        {"p99_ms", times[std::min(times.size() - 1, times.size() * 99 / 100)]}};
}

bool fits(const session::Session &session, uint32_t tokens, uint32_t sequences) {
  const session::StepLimits &limits = session.limits();
  uint32_t ofGroup = (sequences + session.groups() - 1) / session.groups();
  return tokens <= limits.contextTokens() && ofGroup <= limits.sequences &&
         limits.pagesFor(tokens) * ofGroup <= limits.pages;
}

} // namespace

Result<int> bench(const RunOptions &options) {
  Clock::time_point start = Clock::now();
  MUSTER_ASSIGN_OR_RETURN(LoadedModel model, loadModel(options.plan, options, /*withSteps=*/true));
  session::Session &session = *model.session;
  MUSTER_ASSIGN_OR_RETURN(double first, prefill(session, 5, 99));
  nlohmann::json result = {{"load_ms", model.loadMs},
                           {"first_token_ms", msSince(start)},
                           {"first_prompt_ms", first},
                           {"ranks", model.plan->ranks()},
                           {"workers_per_rank", model.executor->options().workersPerRank},
                           {"prefill", nlohmann::json::array()},
                           {"decode", nlohmann::json::array()}};
  for (uint32_t tokens : {128u, 512u}) {
    if (!fits(session, tokens, 1))
      continue;
    double best = 0;
    for (uint32_t repeat = 0; repeat != prefillRepeats; ++repeat) {
      MUSTER_ASSIGN_OR_RETURN(double ms, prefill(session, tokens, repeat));
      best = repeat == 0 ? ms : std::min(best, ms);
    }
    result["prefill"].push_back({{"tokens", tokens}, {"tokens_per_s", tokens / best * 1000}});
  }
  for (uint32_t batch : {1u, 8u}) {
    if (!fits(session, decodeContext + decodeTokens, batch))
      continue;
    MUSTER_ASSIGN_OR_RETURN(nlohmann::json figures, decode(session, batch));
    result["decode"].push_back(std::move(figures));
  }
  result["peak_rss_bytes"] = peakMemoryBytes();
  if (options.talks())
    fmt::print("{}\n", result.dump());
  MUSTER_RETURN_IF_ERROR(finishRun(model, options, {}));
  return 0;
}

} // namespace muster::run
