// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-inspect/Describe.h"
#include "tools/muster-inspect/Traffic.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace muster::inspect {

namespace {

/// Bytes by kind of transfer and rank, kinds in alphabetical order.
struct Kinds {
  std::vector<std::string> names;
  std::vector<std::vector<uint64_t>> received; ///< [kind][rank]
  std::vector<uint64_t> sums;                  ///< by rank

  Kinds(const EntryTraffic &entry, uint32_t ranks) : sums(ranks) {
    for (const TransferTraffic &transfer : entry.transfers)
      names.push_back(transfer.kind);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    received.assign(names.size(), std::vector<uint64_t>(ranks));
    for (const TransferTraffic &transfer : entry.transfers) {
      auto kind = static_cast<size_t>(std::find(names.begin(), names.end(), transfer.kind) - names.begin());
      for (uint32_t rank = 0; rank != ranks; ++rank) {
        received[kind][rank] += transfer.received[rank];
        sums[rank] += transfer.received[rank];
      }
    }
  }
};

uint64_t sumOf(const std::vector<uint64_t> &values) {
  return std::accumulate(values.begin(), values.end(), uint64_t(0));
}

std::string countsText(const plan::LoadedPlan &plan, const StepTraffic &traffic) {
  std::vector<std::string> fields;
  for (const auto &input : plan.counts().inputs()) {
    auto first = traffic.record.begin() + input.firstValue;
    fields.push_back(fmt::format("{} = {}", input.name, fmt::join(first, first + input.width, ":")));
  }
  return fmt::format("{}", fmt::join(fields, ", "));
}

void padding(std::string &text, const Describe &describe, const std::string &where,
             const std::vector<Padding> &paddings) {
  for (const Padding &each : paddings)
    fmt::format_to(std::back_inserter(text), "  {}: {} of {} rows are dead, {}\n", describe.slot(each.slot), each.dead,
                   each.rows, where);
}

using Json = nlohmann::ordered_json;

Json paddingJson(const Describe &describe, const std::vector<Padding> &paddings) {
  Json json = Json::array();
  for (const Padding &each : paddings)
    json.push_back({{"count", describe.slot(each.slot)}, {"rows", each.rows}, {"dead", each.dead}});
  return json;
}

} // namespace

std::string textTraffic(const plan::LoadedPlan &plan, const StepTraffic &traffic) {
  Describe describe(plan);
  std::string text = fmt::format("a step with {}\n", countsText(plan, traffic));
  auto out = std::back_inserter(text);
  for (const EntryTraffic &entry : traffic.entries) {
    fmt::format_to(out, "\nentry {} runs variant {}; bytes that a rank receives from others:\n", entry.entry,
                   entry.variant);
    Kinds kinds(entry, plan.ranks());
    auto row = [&](const std::string &head, auto cell) {
      fmt::format_to(out, "  {:>4}", head);
      for (size_t i = 0; i != kinds.names.size(); ++i)
        fmt::format_to(out, "  {:>{}}", cell(i), std::max<size_t>(10, kinds.names[i].size()));
      fmt::format_to(out, "  {:>12}\n", cell(kinds.names.size()));
    };
    row("rank", [&](size_t kind) { return kind == kinds.names.size() ? "sum" : kinds.names[kind]; });
    for (uint32_t rank = 0; rank != plan.ranks(); ++rank)
      row(fmt::to_string(rank), [&](size_t kind) {
        return fmt::to_string(kind == kinds.names.size() ? kinds.sums[rank] : kinds.received[kind][rank]);
      });
    row("all", [&](size_t kind) {
      return fmt::to_string(sumOf(kind == kinds.names.size() ? kinds.sums : kinds.received[kind]));
    });
  }
  if (traffic.padding.empty())
    return text + "\npadding: the plan pads no count, so 0 rows are dead in every variant\n";
  text += "\npadding:\n";
  padding(text, describe, "at these counts", traffic.padding);
  for (const EntryTraffic &entry : traffic.entries)
    for (const VariantPadding &variant : entry.variants)
      padding(text, describe, fmt::format("at the bounds of variant {} of {}", variant.variant, entry.entry),
              variant.padding);
  return text;
}

std::string jsonTraffic(const plan::LoadedPlan &plan, const StepTraffic &traffic) {
  Describe describe(plan);
  Json json = {{"counts", Json::object()}, {"padding", paddingJson(describe, traffic.padding)}};
  for (const auto &input : plan.counts().inputs()) {
    auto first = traffic.record.begin() + input.firstValue;
    json["counts"][input.name] = std::vector<int64_t>(first, first + input.width);
  }
  json["entries"] = Json::array();
  for (const EntryTraffic &entry : traffic.entries) {
    Kinds kinds(entry, plan.ranks());
    Json own = {{"name", entry.entry},        {"variant", entry.variant},   {"received", Json::object()},
                {"received_sum", kinds.sums}, {"transfers", Json::array()}, {"variants", Json::array()}};
    for (size_t kind = 0; kind != kinds.names.size(); ++kind)
      own["received"][kinds.names[kind]] = kinds.received[kind];
    for (const TransferTraffic &transfer : entry.transfers)
      own["transfers"].push_back({{"step", transfer.step},
                                  {"kind", transfer.kind},
                                  {"location", transfer.location},
                                  {"received", transfer.received}});
    for (const VariantPadding &variant : entry.variants)
      own["variants"].push_back({{"name", variant.variant}, {"padding", paddingJson(describe, variant.padding)}});
    json["entries"].push_back(std::move(own));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

} // namespace muster::inspect
