// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-inspect/Describe.h"
#include "tools/muster-inspect/Report.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace muster::inspect {

namespace {

class TextReport {
public:
  TextReport(const plan::LoadedPlan &loaded, const ReportOptions &options)
      : loaded(loaded), plan(loaded.root()), describe(loaded), options(options) {}

  std::string write() {
    head();
    weights();
    states();
    sections();
    counts();
    for (const auto &entry : plan.entries)
      this->entry(*entry);
    return std::move(text);
  }

private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
    text += '\n';
  }

  /// Words behind `indent`, in as many lines as they need.
  void wrapped(std::string_view indent, const std::vector<std::string_view> &words);
  /// Rows of cells in columns as wide as their widest; the second and third to the right.
  void table(const std::vector<std::vector<std::string>> &rows);

  void head();
  void weights();
  void states();
  void sections();
  void counts();
  void entry(const schema::EntryT &entry);
  void variant(const schema::VariantT &variant);
  void stepSummary(const schema::VariantT &variant);
  void stepList(const schema::VariantT &variant);

  const plan::LoadedPlan &loaded;
  const schema::PlanT &plan;
  Describe describe;
  const ReportOptions &options;
  std::vector<std::pair<std::string, size_t>> lastKinds; // of the variant before
  std::string text;
};

void TextReport::wrapped(std::string_view indent, const std::vector<std::string_view> &words) {
  constexpr size_t columns = 120;
  std::string row(indent);
  for (std::string_view word : words) {
    if (row.size() > indent.size() && row.size() + 1 + word.size() > columns) {
      line("{}", row);
      row.assign(indent.size(), ' ');
    }
    row += fmt::format(" {}", word);
  }
  line("{}", row);
}

void TextReport::table(const std::vector<std::vector<std::string>> &rows) {
  std::vector<size_t> widths;
  for (const auto &row : rows)
    for (size_t i = 0; i != row.size(); ++i) {
      widths.resize(std::max(widths.size(), i + 1));
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (const auto &row : rows) {
    std::string cells;
    for (size_t i = 0; i != row.size(); ++i)
      cells +=
          i == 1 || i == 2 ? fmt::format("  {:>{}}", row[i], widths[i]) : fmt::format("  {:<{}}", row[i], widths[i]);
    cells.erase(cells.find_last_not_of(' ') + 1);
    line("{}", cells);
  }
}

void TextReport::head() {
  const plan::FileFacts &file = loaded.file();
  line("{}: {}, format {}, digest {}", file.path, bytes(file.fileBytes), file.version, hex(loaded.digest()));
  line("  producer    {}", plan.producer);
  line("  target      {} {}", plan.target->arch, plan.target->cpu);
  if (!plan.target->features.empty())
    wrapped("              needs", {plan.target->features.begin(), plan.target->features.end()});
  std::vector<std::string> axes;
  for (const auto &axis : plan.mesh->axes)
    axes.push_back(fmt::format("{}={}", axis->name, axis->size));
  line("  mesh        {} <{}>, {} {}", plan.mesh->name, fmt::join(axes, ", "), loaded.ranks(),
       loaded.ranks() == 1 ? "rank" : "ranks");
  for (const auto &attribute : plan.model)
    line("  model       {} = {}", attribute->name, attribute->value);
  std::vector<std::string> bounds;
  for (const auto &input : plan.counts->inputs)
    bounds.push_back(fmt::format("{} <= {}", input->name, input->bound));
  line("  capacity    {}", fmt::join(bounds, ", "));
  if (plan.paging)
    line("  paging      {} tokens a page, {} pages a sequence: at most {} tokens", plan.paging->page_slots,
         plan.paging->pages_per_sequence, uint64_t(plan.paging->page_slots) * plan.paging->pages_per_sequence);
  uint64_t arena = 0;
  for (const auto &entry : plan.entries)
    for (const auto &variant : entry->variants)
      arena = std::max(arena, variant->arena_bytes);
  auto [own, shared] = weightBytes(loaded);
  line("  a rank has  {} of own weights, {} shared, an arena of {}", bytes(own), bytes(shared), bytes(arena));
  if (!plan.report.empty())
    line("  proof       {}", plan.report);
}

void TextReport::weights() {
  if (plan.weights.empty())
    return;
  uint64_t total = 0;
  for (const auto &weight : plan.weights)
    total += weight->length;
  line("\nweights: {}, {} a rank, file {}", plan.weights.size(), bytes(total), hex(plan.weights_id));
  struct Row {
    const schema::WeightT *first;
    size_t count;
    uint64_t length;
  };
  std::vector<std::pair<std::string, Row>> rows;
  std::map<std::string, size_t> byKey;
  for (const auto &weight : plan.weights) {
    std::string name = options.weights ? weight->name : pattern(weight->name);
    std::string key = fmt::format("{} {} {} {}", name, shape(weight->shape), weight->layout, int(weight->packing));
    auto [known, fresh] = byKey.emplace(key, rows.size());
    if (fresh)
      rows.push_back({name, {weight.get(), 0, 0}});
    ++rows[known->second].second.count;
    rows[known->second].second.length += weight->length;
  }
  std::vector<std::vector<std::string>> cells;
  for (const auto &[name, row] : rows)
    cells.push_back({name, row.count == 1 ? "" : fmt::format("x{}", row.count), bytes(row.length),
                     std::string(elementName(row.first->element)), shape(row.first->shape),
                     "of " + shape(row.first->logical_shape), row.first->layout,
                     fmt::format("{}{}", packingName(row.first->packing), sharing(*row.first, loaded))});
  table(cells);
}

void TextReport::states() {
  if (plan.states.empty())
    return;
  uint64_t page = 0;
  for (const auto &state : plan.states)
    page += state->paged ? state->page_bytes : 0;
  line("\nstates: {}, {} a page and rank", plan.states.size(), bytes(page));
  std::vector<std::pair<std::string, size_t>> rows;
  std::map<std::string, const schema::StateT *> first;
  for (const auto &state : plan.states) {
    std::string name = options.weights ? state->name : pattern(state->name);
    if (first.emplace(name, state.get()).second)
      rows.emplace_back(name, 0);
    for (auto &row : rows)
      row.second += row.first == name;
  }
  std::vector<std::vector<std::string>> cells;
  for (const auto &[name, count] : rows) {
    const schema::StateT &state = *first[name];
    cells.push_back({name, count == 1 ? "" : fmt::format("x{}", count),
                     bytes(state.page_bytes) + (state.paged ? " a page" : ""), std::string(elementName(state.element)),
                     shape(state.shape), state.layout});
  }
  table(cells);
}

void TextReport::sections() {
  line("\nsections: {}", plan.sections.size());
  for (const auto &section : plan.sections)
    line("  {:<12} {:<24} {:>10} at {}", sectionKindName(section->kind), section->name, bytes(section->length),
         section->offset);
  if (plan.kernels.empty())
    return;
  std::vector<std::string_view> names;
  for (const auto &kernel : plan.kernels)
    names.push_back(kernel->name);
  std::sort(names.begin(), names.end());
  line("\nkernels: {}", names.size());
  wrapped(" ", names);
}

void TextReport::counts() {
  const schema::CountProgramT &program = *plan.counts;
  line("\ncount program: {} instructions, {} checks", program.instructions.size(), program.checks.size());
  for (const auto &check : program.checks)
    line("  {} = {} <= {}", check->name, describe.slot(check->slot), check->bound);
  if (!options.counts)
    return;
  for (uint32_t i = 0; i != program.instructions.size(); ++i)
    line("  #{:<4} {}", loaded.counts().instructions()[i].first, describe.instruction(i));
}

void TextReport::entry(const schema::EntryT &entry) {
  line("\nentry {}", entry.name);
  size_t width = 0;
  for (const auto *ports : {&entry.inputs, &entry.results})
    for (const auto &port : *ports)
      width = std::max(width, port->name.size());
  for (const auto &port : entry.inputs)
    line("  in   {:<{}}  {:<20} {}", port->name, width, describe.port(*port), port->layout);
  for (const auto &port : entry.results)
    line("  out  {:<{}}  {:<20} {}", port->name, width, describe.port(*port), port->layout);
  for (const auto &each : entry.variants)
    variant(*each);
}

void TextReport::variant(const schema::VariantT &variant) {
  std::vector<std::string> bounds;
  for (const schema::SlotBound &bound : variant.bounds)
    bounds.push_back(fmt::format("{} <= {}", describe.slot(bound.slot()), bound.maximum()));
  line("  variant {}{}{}: {} steps, arena {}", variant.name, bounds.empty() ? "" : " where ", fmt::join(bounds, ", "),
       variant.steps.size(), bytes(variant.arena_bytes));
  if (options.steps)
    stepList(variant);
  else
    stepSummary(variant);
}

void TextReport::stepSummary(const schema::VariantT &variant) {
  struct Row {
    size_t count = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Row> rows;
  for (const auto &step : variant.steps) {
    Row &row = rows[describe.action(*step)];
    ++row.count;
    row.bytes += describe.transferBytes(*step, variant);
  }
  std::vector<std::pair<std::string, size_t>> kinds;
  for (const auto &[name, row] : rows)
    kinds.emplace_back(name, row.count);
  bool again = kinds == lastKinds;
  if (again)
    line("    the same steps as above");
  for (const auto &[name, row] : rows)
    if (!again || row.bytes)
      line("    {:>5} x {}{}", row.count, name,
           row.bytes
               ? fmt::format(", at most {} pulled by a rank, {} in all", bytes(row.bytes / row.count), bytes(row.bytes))
               : "");
  lastKinds = std::move(kinds);
}

void TextReport::stepList(const schema::VariantT &variant) {
  for (size_t i = 0; i != variant.steps.size(); ++i) {
    const schema::StepT &step = *variant.steps[i];
    std::string waits;
    if (!step.waits.empty())
      waits = fmt::format("  waits {}", fmt::join(step.waits, " "));
    if (!step.acknowledgements.empty())
      waits += fmt::format("  acknowledged {}", fmt::join(step.acknowledgements, " "));
    if (step.stream != 0)
      waits += fmt::format("  stream {}", step.stream);
    uint64_t moved = describe.transferBytes(step, variant);
    line("    {:>4}  {:<44} {}{}{}", i, describe.action(step), describe.location(step),
         moved ? fmt::format("  at most {}", bytes(moved)) : "", waits);
    auto operand = [&](const char *role, const schema::Binding &binding) {
      line("            {:<5} {}", role, describe.binding(binding));
    };
    if (const schema::LaunchT *launch = step.action.AsLaunch()) {
      for (size_t b = 0; b != launch->bindings.size(); ++b)
        operand(launch->written[b] ? "write" : "read", launch->bindings[b]);
    } else if (const schema::MatmulT *matmul = step.action.AsMatmul()) {
      operand("read", *matmul->source);
      operand("read", *matmul->weight);
      operand("write", *matmul->result);
    } else if (const schema::TransferT *transfer = step.action.AsTransfer()) {
      operand("pull", *transfer->source);
      if (transfer->routed)
        operand("count", *transfer->routed->counts);
      operand("write", *transfer->destination);
    }
  }
}

} // namespace

std::string textReport(const plan::LoadedPlan &plan, const ReportOptions &options) {
  return TextReport(plan, options).write();
}

} // namespace muster::inspect
