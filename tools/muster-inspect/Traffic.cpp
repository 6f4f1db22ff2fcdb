// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-inspect/Traffic.h"

#include "runtime/count/Bounds.h"
#include "runtime/executor/Ports.h"
#include "runtime/plan/Pulls.h"
#include "tools/muster-inspect/Describe.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace muster::inspect {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t start = 0; start <= text.size();) {
    size_t end = std::min(text.find(separator, start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::optional<int64_t> parseNumber(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// The record of a step, field by field, from what a command line says.
class RecordText {
public:
  explicit RecordText(const count::Program &program)
      : program(program), record(program.recordLength()), isGiven(program.inputs().size()) {}

  Result<std::vector<int64_t>> parse(std::string_view text) {
    for (std::string_view part : split(text, ','))
      MUSTER_RETURN_IF_ERROR(take(part));
    fillStarts();
    for (size_t i = 0; i != isGiven.size(); ++i)
      if (!isGiven[i])
        return Status::error(110, "expected --at to give a value to each of {} but got none for {}", names(),
                             program.inputs()[i].name);
    return std::move(record);
  }

private:
  std::string names() const {
    std::vector<std::string_view> all;
    for (const count::Program::Input &input : program.inputs())
      all.push_back(input.name);
    return fmt::format("{}", fmt::join(all, ", "));
  }

  std::optional<size_t> find(std::string_view name) const {
    for (size_t i = 0; i != program.inputs().size(); ++i)
      if (program.inputs()[i].name == name)
        return i;
    return std::nullopt;
  }

  Status take(std::string_view part) {
    size_t equals = part.find('=');
    if (equals == std::string_view::npos)
      return Status::error(110, "expected --at to be like t=5,s=1 or t=5:3,s=1:1 but got '{}'", part);
    std::optional<size_t> field = find(part.substr(0, equals));
    if (!field)
      return Status::error(110, "expected a field of the step record ({}) in --at but got '{}'", names(),
                           part.substr(0, equals));
    const count::Program::Input &input = program.inputs()[*field];
    if (isGiven[*field])
      return Status::error(110, "expected {} once in --at but got it twice", input.name);
    isGiven[*field] = true;
    std::vector<std::string_view> values = split(part.substr(equals + 1), ':');
    if (values.size() != input.width)
      return Status::error(110, "expected {} {} of {} in --at, one a position, but got {}", input.width,
                           input.width == 1 ? "value" : "values", input.name, values.size());
    for (size_t i = 0; i != values.size(); ++i) {
      std::optional<int64_t> value = parseNumber(values[i]);
      if (!value)
        return Status::error(110, "expected a whole number as {} in --at but got '{}'", input.name, values[i]);
      record[input.firstValue + i] = *value;
    }
    return Status::ok();
  }

  /// Sequences of a step begin and end at one more place than there are sequences.
  void fillStarts() {
    std::optional<size_t> starts = find("starts"), sequences = find("s");
    if (!starts || !sequences || isGiven[*starts] || !isGiven[*sequences])
      return;
    const count::Program::Input &from = program.inputs()[*sequences], &to = program.inputs()[*starts];
    if (from.width != to.width)
      return;
    // What is no number of sequences is refused for what it is.
    for (uint32_t i = 0; i != to.width; ++i)
      record[to.firstValue + i] = std::clamp<int64_t>(record[from.firstValue + i], 0, from.bound) + 1;
    isGiven[*starts] = true;
  }

  const count::Program &program;
  std::vector<int64_t> record;
  std::vector<bool> isGiven;
};

/// The counts of a program that are padded, with what they are padded from. Padding is a multiple of the counts
/// (Align), the same for all positions where one is the greatest of all (Select).
class PaddedCounts {
public:
  struct Padded {
    uint32_t slot; ///< first of the padded count
    uint32_t live; ///< first of the count that it was made from
    uint32_t width;
  };

  explicit PaddedCounts(const count::Program &program) : program(program) {
    std::vector<bool> isLevelled(program.slots());
    for (const auto &each : program.instructions())
      if (std::optional<uint32_t> parts = levelled(each)) {
        const auto &maker = program.maker(*parts);
        bool isAligned = maker.op == schema::CountOp::Align;
        all.push_back({each.first, isAligned ? maker.operands[0] : *parts, each.width});
        isLevelled[*parts] = true;
      }
    for (const auto &each : program.instructions())
      if (each.op == schema::CountOp::Align && !isLevelled[each.first])
        all.push_back({each.first, each.operands[0], each.width});
    std::sort(all.begin(), all.end(), [](const Padded &a, const Padded &b) { return a.slot < b.slot; });
  }

  std::vector<Padding> at(std::span<const int64_t> slots) const {
    std::vector<Padding> padding;
    for (const Padded &each : all) {
      auto sum = [&](uint32_t first) {
        uint32_t width = program.isVector(first) ? program.maker(first).width : 1;
        int64_t elements = std::accumulate(slots.begin() + first, slots.begin() + first + width, int64_t(0));
        return elements * (each.width / width);
      };
      padding.push_back({each.slot, sum(each.slot), sum(each.slot) - sum(each.live)});
    }
    return padding;
  }

  std::vector<Padding> at(const count::SlotBounds &bounds) const {
    std::vector<Padding> padding;
    for (const Padded &each : all) {
      auto most = [&](uint32_t first) {
        return program.isVector(first) ? bounds.sums[first] : bounds.slots[first].high * each.width;
      };
      padding.push_back({each.slot, most(each.slot), std::max<int64_t>(0, most(each.slot) - most(each.live))});
    }
    return padding;
  }

private:
  /// Where an instruction gives every position the greatest count of all, always or as a rule says: the counts.
  std::optional<uint32_t> levelled(const count::Program::Instruction &each) const {
    if (each.op != schema::CountOp::Select || each.axes.empty())
      return std::nullopt;
    for (uint32_t place : {1u, 2u}) {
      const auto &greatest = program.maker(each.operands[place]);
      uint32_t parts = each.operands[3 - place];
      if (greatest.op == schema::CountOp::Greatest && greatest.operands[0] == parts)
        return parts;
    }
    return std::nullopt;
  }

  const count::Program &program;
  std::vector<Padded> all;
};

/// What an executor would refuse before it runs a step.
Status checkPorts(const std::vector<std::unique_ptr<schema::PortT>> &ports, const schema::MeshT &mesh,
                  std::span<const int64_t> slots) {
  for (const auto &port : ports)
    MUSTER_RETURN_IF_ERROR(executor::PortShape(*port, mesh).resize(slots));
  return Status::ok();
}

std::vector<TransferTraffic> transfersOf(const plan::LoadedPlan &plan, const schema::VariantT &variant,
                                         std::span<const int64_t> slots) {
  Describe describe(plan);
  std::vector<TransferTraffic> transfers;
  for (uint32_t step = 0; step != variant.steps.size(); ++step) {
    const schema::TransferT *transfer = variant.steps[step]->action.AsTransfer();
    if (!transfer)
      continue;
    TransferTraffic traffic{step, transfer->name, describe.location(*variant.steps[step]),
                            std::vector<uint64_t>(plan.ranks())};
    if (transfer->routed) {
      // How many rows come is counted on the device.
      uint64_t others = (plan.ranks() - 1) * transfer->routed->source_rows,
               rows = std::min(others, static_cast<uint64_t>(transfer->box[0]->extent->constant)),
               rowBytes =
                   static_cast<uint64_t>(transfer->box[1]->extent->constant) * schema::elementBytes(transfer->element);
      traffic.kind += " (at most)";
      traffic.received.assign(plan.ranks(), rows * rowBytes);
      transfers.push_back(std::move(traffic));
      continue;
    }
    for (uint32_t rank = 0; rank != plan.ranks(); ++rank)
      for (const plan::Pull &pull : plan::pullsOf(plan, *transfer, rank))
        if (pull.rank != rank)
          traffic.received[rank] += plan::pulledBytes(plan, *transfer, rank, pull, slots);
    transfers.push_back(std::move(traffic));
  }
  return transfers;
}

} // namespace

Result<StepTraffic> trafficAt(const plan::LoadedPlan &plan, std::string_view counts) {
  const count::Program &program = plan.counts();
  // That a step is too large for a plan is no failure of a run here.
  auto refused = [](Status &&status) { return std::move(status).withExitCode(ExitCode::input); };
  StepTraffic traffic;
  MUSTER_ASSIGN_OR_RETURN(traffic.record, RecordText(program).parse(counts));
  std::vector<int64_t> slots(program.slots());
  if (Status status = program.evaluate(traffic.record, slots); !status.isOk())
    return refused(std::move(status));
  PaddedCounts padded(program);
  traffic.padding = padded.at(slots);
  for (const auto &entry : plan.root().entries) {
    std::optional<uint32_t> chosen = count::chooseVariant(*entry, slots);
    if (!chosen)
      return refused(Status::error(2412, "expected a variant of {} with room for this step but none of {} has",
                                   entry->name, entry->variants.size()));
    for (const auto *ports : {&entry->inputs, &entry->results})
      if (Status status = checkPorts(*ports, *plan.root().mesh, slots); !status.isOk())
        return refused(std::move(status));
    EntryTraffic own{
        entry->name, entry->variants[*chosen]->name, transfersOf(plan, *entry->variants[*chosen], slots), {}};
    for (const auto &variant : entry->variants)
      own.variants.push_back({variant->name, padded.at(count::variantBounds(program, *variant))});
    traffic.entries.push_back(std::move(own));
  }
  return traffic;
}

} // namespace muster::inspect
