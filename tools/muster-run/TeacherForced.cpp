// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-run --tokens: the logits behind every token of a given sequence; and --check, which compares two plans so.

#include "runtime/schema/Elements.h"
#include "tools/muster-run/Modes.h"
#include "tools/muster-run/Npy.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

namespace muster::run {

namespace {

Result<std::vector<int32_t>> readTokens(const std::string &path) {
  MUSTER_ASSIGN_OR_RETURN(NpyArray array, readNpy(path));
  bool wide = array.element == schema::ElementType::I64;
  if (array.dims.size() != 1 || (!wide && array.element != schema::ElementType::I32))
    return Status::error(2442, "expected {} to be i32 or i64 with 1 dim but got {} with {}", path,
                         schema::elementName(array.element), array.dims.size())
        .withExitCode(ExitCode::input);
  std::vector<int32_t> tokens(static_cast<size_t>(array.dims[0]));
  for (size_t i = 0; i != tokens.size(); ++i) {
    int64_t value = 0;
    if (wide)
      std::memcpy(&value, array.data.data() + i * sizeof(int64_t), sizeof(int64_t));
    else {
      int32_t narrow = 0;
      std::memcpy(&narrow, array.data.data() + i * sizeof(int32_t), sizeof(int32_t));
      value = narrow;
    }
    // Out of range for any vocabulary; the session names it.
    tokens[i] = value < 0 || value > INT32_MAX ? -1 : static_cast<int32_t>(value);
  }
  return tokens;
}

} // namespace

Result<int> teacherForced(const RunOptions &options) {
  MUSTER_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, readTokens(options.tokens));
  MUSTER_ASSIGN_OR_RETURN(LoadedModel model, loadModel(options.plan, options, /*withSteps=*/true));
  std::optional<NpyWriter> writer;
  bool writes = !options.logits.empty() && options.talks();
  std::vector<int32_t> greedy;
  RunCounts counts;
  auto start = std::chrono::steady_clock::now();
  MUSTER_RETURN_IF_ERROR(
      forEachLogits(*model.session, tokens, [&](uint64_t position, std::span<const float> row) -> Status {
        if (writes && !writer) { // only now is it sure that the tokens are accepted
          const int64_t dims[] = {static_cast<int64_t>(tokens.size()), static_cast<int64_t>(row.size())};
          MUSTER_ASSIGN_OR_RETURN(writer, NpyWriter::create(options.logits, schema::ElementType::F32, dims));
        }
        if (writes)
          MUSTER_RETURN_IF_ERROR(writer->append(row.data(), row.size_bytes()));
        greedy.push_back(static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
        if (position == 0)
          counts.firstTokenMs =
              std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        return Status::ok();
      }));
  if (writer)
    MUSTER_RETURN_IF_ERROR(writer->close());
  counts.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  counts.promptTokens = tokens.size();
  counts.steps = model.session->stepsDone();
  if (options.talks() && options.json)
    fmt::print("{}\n", nlohmann::json{{"results", {{{"prompt_tokens", tokens}, {"next_tokens", greedy}}}}}.dump());
  else if (options.talks() && options.check.empty())
    fmt::print("{} tokens{}; the most probable next one is {}\n", tokens.size(),
               writes ? fmt::format(", logits in {}", options.logits) : "", greedy.back());
  int code = 0;
  if (!options.check.empty()) {
    MUSTER_ASSIGN_OR_RETURN(code, compareWith(model, options, {tokens}));
  }
  MUSTER_RETURN_IF_ERROR(finishRun(model, options, counts));
  return code;
}

Result<int> compareWith(LoadedModel &model, const RunOptions &options,
                        const std::vector<std::vector<int32_t>> &sequences) {
  MUSTER_ASSIGN_OR_RETURN(LoadedModel other, loadModel(options.check, options, /*withSteps=*/true));
  uint32_t vocabulary = model.session->limits().vocabulary;
  if (other.session->limits().vocabulary != vocabulary)
    return Status::error(2436, "expected a plan with a vocabulary of {} for --check but got {}", vocabulary,
                         other.session->limits().vocabulary)
        .withExitCode(ExitCode::input);
  double worst = 0, worstShare = 0;
  uint64_t rows = 0, equalTokens = 0;
  bool finite = true;
  for (const std::vector<int32_t> &tokens : sequences) {
    std::vector<float> own;
    own.reserve(tokens.size() * vocabulary);
    MUSTER_RETURN_IF_ERROR(forEachLogits(*model.session, tokens, [&](uint64_t, std::span<const float> row) {
      own.insert(own.end(), row.begin(), row.end());
      return Status::ok();
    }));
    MUSTER_RETURN_IF_ERROR(forEachLogits(*other.session, tokens, [&](uint64_t position, std::span<const float> row) {
      const float *mine = own.data() + position * vocabulary;
      double difference = 0, greatest = 0;
      for (size_t i = 0; i != row.size(); ++i) {
        finite &= std::isfinite(row[i]) && std::isfinite(mine[i]);
        difference = std::max(difference, std::abs(double(row[i]) - double(mine[i])));
        greatest = std::max(greatest, std::abs(double(row[i])));
      }
      worst = std::max(worst, difference);
      worstShare = std::max(worstShare, greatest > 0 ? difference / greatest : difference);
      equalTokens +=
          std::max_element(row.begin(), row.end()) - row.begin() == std::max_element(mine, mine + vocabulary) - mine;
      ++rows;
      return Status::ok();
    }));
  }
  bool agrees = finite && worstShare <= options.checkTolerance;
  if (options.talks())
    fmt::print(
        options.json ? stderr : stdout,
        "check: {} rows of logits, greatest difference {:.3g} ({:.3g} of the row's greatest logit, at most {:.3g}), "
        "{} of {} most probable tokens equal: {}\n",
        rows, worst, worstShare, options.checkTolerance, equalTokens, rows, agrees ? "agrees" : "DIFFERS");
  return agrees ? 0 : 1;
}

} // namespace muster::run
