// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/trace/Trace.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

namespace muster::trace {

namespace {

std::string quoted(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

/// "rms_norm_3", "matmul", "all_reduce": what a step does.
std::string kindOf(const schema::PlanT &plan, const schema::StepT &step) {
  if (const schema::LaunchT *launch = step.action.AsLaunch())
    return plan.kernels[launch->kernel]->name;
  if (const schema::TransferT *transfer = step.action.AsTransfer())
    return transfer->name;
  return "matmul";
}

std::string metadata(const char *kind, uint32_t process, uint32_t thread, const std::string &name) {
  return fmt::format(R"({{"ph":"M","pid":{},"tid":{},"name":"{}","args":{{"name":{}}}}})", process, thread, kind,
                     quoted(name));
}

std::string slice(const schema::PlanT &plan, const Track &track, const Event &event, int64_t origin) {
  const schema::VariantT &variant = *plan.entries[event.entry]->variants[event.variant];
  const schema::StepT &step = *variant.steps[event.step];
  return fmt::format(
      R"({{"ph":"X","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"name":{},"args":{{"step":{},"kind":{},"variant":{}}}}})",
      track.rank, track.thread, static_cast<double>(event.begin - origin) / 1000.0,
      static_cast<double>(event.end - event.begin) / 1000.0, quoted(plan.locations[step.location]), event.step,
      quoted(kindOf(plan, step)), quoted(variant.name));
}

} // namespace

Status writeChromeJson(const std::string &path, const schema::PlanT &plan, std::span<const Track *const> tracks) {
  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "w"));
  if (!file)
    return Status::error(2416, "cannot write the trace {}: {}", path, std::strerror(errno));
  int64_t origin = INT64_MAX;
  for (const Track *track : tracks)
    if (!track->events.empty())
      origin = std::min(origin, track->events.front().begin);
  std::string line = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  const char *separator = "";
  auto write = [&](const std::string &event) {
    line = separator + event;
    separator = ",\n";
    std::fwrite(line.data(), 1, line.size(), file.get());
  };
  std::fwrite(line.data(), 1, line.size(), file.get());
  for (const Track *track : tracks) {
    if (track->thread == 0)
      write(metadata("process_name", track->rank, 0, fmt::format("rank {}", track->rank)));
    write(metadata("thread_name", track->rank, track->thread, track->name));
    for (const Event &event : track->events)
      write(slice(plan, *track, event, origin));
  }
  std::fputs("\n]}\n", file.get());
  if (std::fflush(file.get()) != 0 || std::ferror(file.get()))
    return Status::error(2416, "cannot write the trace {}: {}", path, std::strerror(errno));
  return Status::ok();
}

} // namespace muster::trace
