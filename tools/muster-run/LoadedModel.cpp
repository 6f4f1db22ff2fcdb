// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-run/LoadedModel.h"

#include "runtime/device/host/Affinity.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <unistd.h>

namespace muster::run {

namespace {

using Clock = std::chrono::steady_clock;

/// Says what is being done once it takes longer than a second. On terminals only.
class Progress {
public:
  Progress(std::string what, bool talks) : what(std::move(what)) {
    if (talks && isatty(STDERR_FILENO))
      teller = std::thread([this] { tell(); });
  }
  ~Progress() {
    {
      std::lock_guard lock(mutex);
      done = true;
    }
    changed.notify_one();
    if (teller.joinable())
      teller.join();
  }

private:
  void tell() {
    std::unique_lock lock(mutex);
    int seconds = 0;
    while (!changed.wait_for(lock, std::chrono::seconds(1), [&] { return done; }))
      fmt::print(stderr, "\r{} ... {} s", what, ++seconds);
    if (seconds)
      fmt::print(stderr, "\n");
  }

  std::string what;
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::thread teller;
};

Result<executor::ExecutorOptions> executorOptions(const plan::LoadedPlan &plan, const RunOptions &options) {
  executor::ExecutorOptions result;
  size_t cpus = device::allowedCpus().size();
  result.workersPerRank =
      options.threads ? options.threads : static_cast<uint32_t>(std::max<size_t>(cpus / plan.ranks(), 1));
  result.transport = options.transport;
  result.rank = options.rank;
  result.group = options.group;
  result.transferThreads = options.transferThreads;
  result.deadlineMs = options.deadlineMs;
  result.trace = !options.trace.empty();
  MUSTER_ASSIGN_OR_RETURN(result.pages, session::pagesOfMemory(plan, options.cacheBytes));
  return result;
}

} // namespace

Result<LoadedModel> loadModel(const std::string &path, const RunOptions &options, bool withSteps) {
  Progress progress("loading " + path, options.talks());
  Clock::time_point start = Clock::now();
  LoadedModel model;
  plan::LoadOptions load;
  load.weightsPath = path == options.plan ? options.weights : "";
  MUSTER_ASSIGN_OR_RETURN(model.plan, plan::loadPlan(path, load));
  MUSTER_ASSIGN_OR_RETURN(executor::ExecutorOptions runner, executorOptions(*model.plan, options));
  MUSTER_ASSIGN_OR_RETURN(model.executor, executor::Executor::create(model.plan, runner));
  if (withSteps) {
    MUSTER_ASSIGN_OR_RETURN(auto steps, session::PlanStepModel::create(model.executor));
    model.steps = steps.get();
    model.session = std::make_unique<session::Session>(std::move(steps));
  }
  std::span<const std::byte> section = model.plan->section(schema::SectionKind::Tokenizer);
  if (!section.empty()) {
    MUSTER_ASSIGN_OR_RETURN(model.tokenizer,
                            Tokenizer::load({reinterpret_cast<const uint8_t *>(section.data()), section.size()}));
  }
  model.loadMs = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  return model;
}

Result<const Tokenizer *> needTokenizer(const LoadedModel &model) {
  if (!model.tokenizer)
    return Status::error(2429, "expected a plan with a tokenizer but got {} without one", model.plan->file().path)
        .withExitCode(ExitCode::input);
  return &*model.tokenizer;
}

} // namespace muster::run
