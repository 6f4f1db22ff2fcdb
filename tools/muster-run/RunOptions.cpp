// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-run/RunOptions.h"

#include <charconv>
#include <cstdio>
#include <limits>

#include <CLI/CLI.hpp>

namespace muster::run {

Result<uint64_t> parseBytes(const std::string &text) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  constexpr Unit units[] = {{"", 1},
                            {"B", 1},
                            {"KiB", 1ull << 10},
                            {"MiB", 1ull << 20},
                            {"GiB", 1ull << 30},
                            {"TiB", 1ull << 40},
                            {"KB", 1000},
                            {"MB", 1000000},
                            {"GB", 1000000000},
                            {"TB", 1000000000000}};
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error == std::errc())
    for (const Unit &unit : units)
      if (unit.name == suffix && value <= std::numeric_limits<uint64_t>::max() / unit.bytes)
        return value * unit.bytes;
  return Status::error(102, "expected a number of bytes such as 512MiB or 2GB but got {}", text);
}

namespace {

void addText(CLI::App &app, RunOptions &options) {
  app.add_option("--prompt", options.prompts, "Text to continue; may be given several times")
      ->group("Text")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--prompts", options.promptsFile, "File with one prompt a line, or a .json list of texts")
      ->group("Text");
  app.add_option("--max-tokens", options.maxTokens, "Tokens to generate for each prompt")
      ->group("Text")
      ->capture_default_str();
  app.add_option("--temperature", options.sampling.temperature, "0: always the most probable token")
      ->group("Text")
      ->capture_default_str();
  app.add_option("--top-p", options.sampling.topP, "Draw among the most probable tokens that have this share together")
      ->group("Text")
      ->capture_default_str();
  app.add_option("--seed", options.sampling.seed, "Of the random numbers")->group("Text")->capture_default_str();
  app.add_flag("--ignore-stop", options.ignoreStop, "Go on after the model's stop tokens")->group("Text");
}

void addTensors(CLI::App &app, RunOptions &options) {
  app.add_option("--tokens", options.tokens, "Token ids (.npy, i32 or i64) instead of text")->group("Tensors");
  app.add_option("--logits", options.logits, "With --tokens: write one row of f32 logits a token (.npy)")
      ->group("Tensors");
  app.add_option("--entry", options.entry, "Entry to run with --input")->group("Tensors");
  app.add_option("--input", options.inputs, "name=x.npy, for each input of the entry")
      ->group("Tensors")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--counts", options.counts,
                 "t=3,0,5: how many elements of dims t the ranks have; default: the same, or one more")
      ->group("Tensors")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--output-dir", options.outputDir, "Write each result to NAME.npy there")->group("Tensors");
}

/// Options whose values are read behind the others.
struct OptionTexts {
  std::string cache, transferThreads = "auto";
};

void addRunning(CLI::App &app, RunOptions &options, OptionTexts &texts) {
  app.add_option("--threads", options.threads, "Worker threads of each rank; 0: CPUs divided by ranks")
      ->group("Running")
      ->capture_default_str();
  app.add_option(
         "--transfer-threads", texts.transferThreads,
         "A thread of each rank for transfers of two-batch overlap; auto: where there is a CPU for every thread")
      ->group("Running")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  app.add_option("--kv-memory", texts.cache, "Memory of the key-value cache of all ranks together, such as 512MiB")
      ->group("Running");
  app.add_flag("--processes", options.processes, "One process a rank over shared memory, instead of threads")
      ->group("Running");
  app.add_option("--deadline-ms", options.deadlineMs, "A wait for another rank that takes longer ends the run")
      ->group("Running")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--weights-file", options.weights,
                 "Weights file; default: the plan's path with the extension .weights")
      ->group("Running");
}

void addPrinting(CLI::App &app, RunOptions &options) {
  app.add_option("--trace", options.trace, "Write what ran when as JSON for ui.perfetto.dev")->group("Printing");
  app.add_flag("--stats", options.stats, "Print times, rates and memory to stderr")->group("Printing");
  app.add_flag("--json", options.json, "Print results as one JSON object")->group("Printing");
  app.add_flag("--bench", options.bench, "Measure load, prefill and decode; prints JSON")->group("Printing");
  app.add_option("--check", options.check, "Compare the logits with those of this plan of the same model")
      ->group("Printing");
  app.add_option("--check-tolerance", options.checkTolerance,
                 "Greatest difference, as a share of the greatest logit of the row")
      ->group("Printing")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

/// Options that contradict each other.
Status checkTogether(const RunOptions &options) {
  bool text = !options.prompts.empty() || !options.promptsFile.empty();
  int modes = int(text) + int(!options.tokens.empty()) + int(!options.inputs.empty() || !options.entry.empty()) +
              int(options.bench);
  if (modes != 1)
    return Status::error(101, "expected one of --prompt or --prompts, --tokens, --input and --bench but got {}", modes);
  if (!options.logits.empty() && options.tokens.empty())
    return Status::error(101, "expected --tokens with --logits but got none");
  if (!options.counts.empty() && options.inputs.empty() && options.entry.empty())
    return Status::error(101, "expected --input with --counts but got none");
  if (!options.outputDir.empty() && options.inputs.empty() && options.entry.empty())
    return Status::error(101, "expected --input with --output-dir but got none");
  if (!options.check.empty() && (options.bench || !options.inputs.empty() || !options.entry.empty()))
    return Status::error(101, "expected --prompt, --prompts or --tokens with --check but got none");
  if (!options.check.empty() && options.processes)
    return Status::error(101, "expected --check or --processes but got both");
  return Status::ok();
}

} // namespace

Result<RunOptions> parseCommandLine(int argc, char **argv) {
  RunOptions options;
  OptionTexts texts;
  CLI::App app("Runs a plan that muster-compile made.\n\n"
               "  muster-run smollm2.plan --prompt \"The capital of France is\" --max-tokens 16",
               "muster-run");
  app.set_version_flag("--version", "muster-run " MUSTER_VERSION_TEXT);
  app.add_option("plan", options.plan, "Plan file")->required();
  addText(app, options);
  addTensors(app, options);
  addRunning(app, options, texts);
  addPrinting(app, options);
  app.footer("Exit codes: 0 fine, 1 the input is wrong or --check found a difference, 2 usage, 3 unsupported,\n"
             "4 a run-time failure. docs/errors/ explains each error's number.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return RunOptions();
    }
    std::string text = error.what();
    if (!text.empty())
      text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    for (char &c : text)
      c = c == '\n' ? ' ' : c;
    return Status::make(101, text);
  }
  if (!texts.cache.empty()) {
    MUSTER_ASSIGN_OR_RETURN(options.cacheBytes, parseBytes(texts.cache));
    if (options.cacheBytes == 0)
      return Status::error(102, "expected a number of bytes above 0 for --kv-memory but got {}", texts.cache);
  }
  if (texts.transferThreads != "auto")
    options.transferThreads =
        texts.transferThreads == "on" ? executor::TransferThreads::always : executor::TransferThreads::never;
  MUSTER_RETURN_IF_ERROR(checkTogether(options));
  return options;
}

} // namespace muster::run
