// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-inspect/Describe.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace muster::inspect {

std::pair<uint64_t, uint64_t> weightBytes(const plan::LoadedPlan &loaded) {
  uint64_t own = 0, shared = 0;
  for (const auto &group : loaded.root().weight_groups)
    (plan::partCount(*group) == loaded.ranks() ? own : shared) += group->section_bytes;
  return {own, shared};
}

std::string sharing(const schema::WeightT &weight, const plan::LoadedPlan &loaded) {
  uint32_t parts = plan::partCount(*loaded.root().weight_groups[weight.group]);
  return parts == loaded.ranks() ? "" : parts == 1 ? ", shared" : fmt::format(", {} parts", parts);
}

std::string_view packingName(schema::Packing packing) {
  switch (packing) {
  case schema::Packing::RowMajor:
    return "row-major";
  case schema::Packing::BlockedN64K16:
    return "blocked n64 k16";
  }
  return "unknown";
}

std::string_view sectionKindName(schema::SectionKind kind) {
  switch (kind) {
  case schema::SectionKind::HostObject:
    return "host object";
  case schema::SectionKind::Cubin:
    return "cubin";
  case schema::SectionKind::Tokenizer:
    return "tokenizer";
  case schema::SectionKind::Proof:
    return "proof";
  case schema::SectionKind::Program:
    return "program";
  }
  return "unknown";
}

std::string shape(const std::vector<int64_t> &dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

std::string bytes(uint64_t count) {
  constexpr std::string_view units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (count < 1024)
    return fmt::format("{} B", count);
  double value = static_cast<double>(count) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 != std::size(units); ++unit)
    value /= 1024;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string pattern(std::string_view name) {
  std::string result;
  size_t start = 0;
  while (start <= name.size()) {
    size_t end = std::min(name.find('.', start), name.size());
    std::string_view part = name.substr(start, end - start);
    bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    result += number ? "*" : part;
    if (end == name.size())
      break;
    result += '.';
    start = end + 1;
  }
  return result;
}

std::string hex(std::span<const uint8_t> bytes) { return fmt::format("{:02x}", fmt::join(bytes, "")); }

namespace {

std::string operation(schema::CountOp op, const std::string &a, const std::string &b, const std::string &c) {
  switch (op) {
  case schema::CountOp::Add:
    return fmt::format("({} + {})", a, b);
  case schema::CountOp::Subtract:
    return fmt::format("({} - {})", a, b);
  case schema::CountOp::Multiply:
    return fmt::format("{} * {}", a, b);
  case schema::CountOp::FloorDivide:
    return fmt::format("floor({} / {})", a, b);
  case schema::CountOp::CeilDivide:
    return fmt::format("ceil({} / {})", a, b);
  case schema::CountOp::Minimum:
    return fmt::format("min({}, {})", a, b);
  case schema::CountOp::Maximum:
    return fmt::format("max({}, {})", a, b);
  case schema::CountOp::Align:
    return fmt::format("align({}, {})", a, b);
  case schema::CountOp::Equal:
    return fmt::format("({} == {})", a, b);
  case schema::CountOp::Less:
    return fmt::format("({} < {})", a, b);
  case schema::CountOp::Select:
    return fmt::format("({} ? {} : {})", a, b, c);
  case schema::CountOp::ExclusiveScan:
    return fmt::format("scan({})", a);
  case schema::CountOp::Sum:
    return fmt::format("sum({})", a);
  case schema::CountOp::Greatest:
    return fmt::format("greatest({})", a);
  case schema::CountOp::Least:
    return fmt::format("least({})", a);
  default:
    return "?";
  }
}

} // namespace

std::string Describe::slot(uint32_t index, int depth) const {
  const count::Program::Instruction &each = counts.maker(index);
  if (each.first != index)
    return fmt::format("{}[{}]", slot(each.first, depth), index - each.first);
  if (each.op == schema::CountOp::Constant)
    return fmt::to_string(each.value);
  if (each.op == schema::CountOp::Input)
    return counts.inputs()[each.operands[0]].name;
  if (depth == 0)
    return fmt::format("#{}", index);
  std::string operands[3];
  for (uint32_t i = 0; i != each.operandCount; ++i)
    operands[i] = slot(each.operands[i], depth - 1);
  return operation(each.op, operands[0], operands[1], operands[2]);
}

std::string Describe::slot(uint32_t index) const { return slot(index, 3); }

std::string Describe::instruction(uint32_t index) const {
  const count::Program::Instruction &each = counts.instructions()[index];
  std::string text = slot(each.first, 1);
  std::vector<std::string> axes;
  for (uint8_t axis : each.axes)
    axes.push_back(plan.mesh->axes[axis]->name);
  return axes.empty() ? text : fmt::format("{} on [{}]", text, fmt::join(axes, ", "));
}

std::string Describe::amount(const schema::AmountT &amount) const {
  std::string text;
  for (const schema::Term &term : amount.terms) {
    std::string factor;
    if (term.position() == schema::Position::Listed)
      factor = fmt::format("column({})", term.axis());
    else if (term.position() != schema::Position::One)
      factor = fmt::format("{}({})", term.position() == schema::Position::Own ? "own" : "peer",
                           plan.mesh->axes[term.axis()]->name);
    if (term.slot() >= 0)
      factor += (factor.empty() ? "" : " ") + slot(static_cast<uint32_t>(term.slot()));
    if (term.slot() >= 0 && term.index() != schema::Element::Fixed)
      factor += term.index() == schema::Element::Own ? "[own]" : "[peer]";
    if (term.coefficient() != 1 || factor.empty())
      factor = fmt::format("{}{}{}", term.coefficient(), factor.empty() ? "" : " ", factor);
    text += (text.empty() ? "" : " + ") + factor;
  }
  if (amount.constant != 0 || text.empty())
    text += fmt::format("{}{}", text.empty() ? "" : " + ", amount.constant);
  return text;
}

std::string Describe::port(const schema::PortT &port) const {
  std::vector<std::string> dims;
  for (const auto &dim : port.dims) {
    std::string text = amount(*dim->size);
    for (uint8_t axis : dim->axes)
      text += " / " + plan.mesh->axes[axis]->name;
    if (dim->parts >= 0)
      text += " as " + slot(static_cast<uint32_t>(dim->parts));
    dims.push_back(std::move(text));
  }
  return fmt::format("{} [{}]", elementName(port.element), fmt::join(dims, ", "));
}

std::string Describe::binding(const schema::Binding &binding) const {
  switch (binding.memory()) {
  case schema::Memory::Arena:
    return fmt::format("arena[{}, +{})", binding.offset(), binding.length());
  case schema::Memory::Weight:
    return "weight " + plan.weights[binding.index()]->name;
  case schema::Memory::State:
    return "state " + plan.states[binding.index()]->name;
  }
  return "unknown";
}

std::string Describe::action(const schema::StepT &step) const {
  if (const schema::LaunchT *launch = step.action.AsLaunch())
    return "launch " + plan.kernels[launch->kernel]->name;
  if (const schema::MatmulT *matmul = step.action.AsMatmul())
    return fmt::format("matmul [{}, {}] x [{}, {}]{}", amount(*matmul->rows), matmul->k, matmul->k, matmul->n,
                       matmul->accumulate ? " accumulating" : "");
  if (const schema::TransferT *transfer = step.action.AsTransfer())
    return transfer->name;
  return "nothing";
}

std::string Describe::location(const schema::StepT &step) const {
  return step.location < plan.locations.size() ? plan.locations[step.location] : "";
}

uint64_t Describe::transferBytes(const schema::StepT &step, const schema::VariantT &variant) const {
  const schema::TransferT *transfer = step.action.AsTransfer();
  if (!transfer)
    return 0;
  count::SlotBounds slots = count::variantBounds(counts, variant);
  auto boxBytes = [&](std::span<const int32_t> row) {
    uint64_t count = elementBytes(transfer->element);
    for (const auto &dim : transfer->box) {
      Result<count::Interval> extent = count::amountBounds(*dim->extent, counts, slots, *plan.mesh, row);
      count *= extent.isOk() ? static_cast<uint64_t>(std::max<int64_t>(extent->high, 0)) : 0;
    }
    return count;
  };
  uint64_t positions = 1;
  for (uint8_t axis : transfer->group)
    positions *= plan.mesh->axes[axis]->size;
  std::span<const int32_t> sources = transfer->sources;
  if (transfer->routed) // as many as there is room for, whoever sends them
    return boxBytes({});
  if (sources.empty())
    return positions * boxBytes({});
  // The position that pulls most.
  uint64_t most = 0;
  size_t width = size_t(1) + transfer->columns, numbers = sources.size() / positions;
  for (size_t position = 0; position != positions; ++position) {
    uint64_t bytes = 0;
    for (size_t row = position * numbers; row != (position + 1) * numbers; row += width)
      bytes += sources[row] < 0 ? 0 : boxBytes(sources.subspan(row + 1, transfer->columns));
    most = std::max(most, bytes);
  }
  return most;
}

} // namespace muster::inspect
