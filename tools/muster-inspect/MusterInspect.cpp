// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-inspect: what is in a plan. docs/tools/muster-inspect.md shows it in use.

#include "tools/muster-inspect/Report.h"
#include "tools/muster-inspect/Traffic.h"

#include <cctype>
#include <cstdio>
#include <optional>

#include <CLI/CLI.hpp>

using namespace muster;

namespace {

struct InspectOptions {
  std::string plan, weights;
  std::optional<std::string> at;
  bool json = false, verify = false;
  inspect::ReportOptions report;
};

int fail(const Status &status) {
  std::fflush(stdout);
  fmt::print(stderr, "muster-inspect: {}\n", status.text());
  return static_cast<int>(status.exitCode());
}

Status inspectPlan(const InspectOptions &options) {
  plan::LoadOptions load;
  load.weightsPath = options.weights;
  load.inspectOnly = true;
  MUSTER_ASSIGN_OR_RETURN(auto plan, plan::loadPlan(options.plan, load));
  if (options.verify) { // the plan's own digest was compared by loading it
    const schema::PlanT &root = plan->root();
    if (!root.weights_id.empty()) {
      std::string path = options.weights.empty() ? plan::defaultWeightsPath(options.plan) : options.weights;
      MUSTER_ASSIGN_OR_RETURN(plan::WeightsFile weights, plan::WeightsFile::open(path, plan::expectedWeights(root)));
      MUSTER_RETURN_IF_ERROR(weights.verify());
    }
    fmt::print("{}: plan{} verified\n", options.plan, root.weights_id.empty() ? "" : " and weights");
    return Status::ok();
  }
  if (options.at) {
    MUSTER_ASSIGN_OR_RETURN(inspect::StepTraffic traffic, inspect::trafficAt(*plan, *options.at));
    std::string text =
        options.json ? inspect::jsonTraffic(*plan, traffic) + "\n" : inspect::textTraffic(*plan, traffic);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return Status::ok();
  }
  std::string text = options.json ? inspect::jsonReport(*plan) + "\n" : inspect::textReport(*plan, options.report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return Status::ok();
}

} // namespace

int main(int argc, char **argv) {
  InspectOptions options;
  CLI::App app("Shows what is in a plan that muster-compile made.", "muster-inspect");
  app.set_version_flag("--version", "muster-inspect " MUSTER_VERSION_TEXT);
  app.add_option("plan", options.plan, "Plan file")->required();
  app.add_flag("--steps", options.report.steps, "Every step with its layer, operands and waits");
  app.add_flag("--weights", options.report.weights, "Every weight and state instead of one line a kind");
  app.add_flag("--counts", options.report.counts, "Every instruction of the count program");
  app.add_flag("--json", options.json, "Everything, as one JSON object");
  auto *verify = app.add_flag("--verify", options.verify, "Hash the plan and its weights file, and print nothing else");
  app.add_option("--at", options.at,
                 "Print only what a step with these counts moves between ranks and pads; one value for each position "
                 "of a field, as in t=5:3,s=1:1,r=1:1")
      ->type_name("COUNTS")
      ->excludes(verify);
  app.add_option("--weights-file", options.weights,
                 "Weights file; default: the plan's path with the extension .weights");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    std::string text = error.what();
    for (char &c : text)
      c = c == '\n' ? ' ' : c;
    if (!text.empty())
      text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return fail(Status::make(101, text));
  }
  Status status = inspectPlan(options);
  return status.isOk() ? 0 : fail(status);
}
