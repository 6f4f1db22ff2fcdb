// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/builder/StepPlan.h"

#include "test/unit/runtime/text/TinyTokenizer.h"

namespace muster::test {

namespace {

/// Makes a plan with groups, or without (then everything is Fixed, and no dim is divided).
class StepPlanMaker {
public:
  explicit StepPlanMaker(const StepPlanOptions &options)
      : options(options), hasGroups(options.groups != 0), groups(std::max(options.groups, 1u)),
        builder(hasGroups ? PlanBuilder({{"dp", options.groups}, {"tp", options.ranks}})
                          : PlanBuilder({{"tp", options.ranks}})) {}

  PlanBuilder make();

private:
  /// What ranks have in unequal numbers: their own, and that of all.
  struct Rows {
    uint32_t own, all, bound;
  };
  Rows field(const char *name, uint32_t bound) { return rows(builder.input(name, bound, axes()), bound); }
  Rows rows(uint32_t own, uint32_t bound) {
    return {own, hasGroups ? builder.instruction(schema::CountOp::Sum, static_cast<int32_t>(own)) : own, bound};
  }
  std::vector<uint8_t> axes() const { return hasGroups ? std::vector<uint8_t>{0} : std::vector<uint8_t>{}; }
  schema::Span take(uint64_t elements) {
    uint64_t length = (elements * 4 + 63) / 64 * 64;
    end += length;
    return schema::Span(end - length, length);
  }
  AmountPtr ownOf(const Rows &rows) {
    return hasGroups ? amountOfElement(schema::Element::Own, rows.own) : amountOf(rows.own);
  }
  void addPort(std::vector<std::unique_ptr<schema::PortT>> &ports, const char *name, const Rows &rows, int64_t columns,
               schema::ElementType element, std::vector<uint8_t> columnAxes = {});
  void addInput(const char *name, const Rows &rows, uint32_t columns);
  void addTransfers(const Rows &r, uint32_t computed, schema::Binding own);

  const StepPlanOptions &options;
  bool hasGroups;
  uint32_t groups;
  PlanBuilder builder;
  schema::EntryT *entry = nullptr;
  schema::VariantT *variant = nullptr;
  std::vector<Operand> operands;
  uint64_t end = 0;
};

void StepPlanMaker::addPort(std::vector<std::unique_ptr<schema::PortT>> &ports, const char *name, const Rows &rows,
                            int64_t columns, schema::ElementType element, std::vector<uint8_t> columnAxes) {
  std::vector<AmountPtr> dims;
  std::vector<std::vector<uint8_t>> divided = {axes()};
  dims.push_back(amountOf(rows.all));
  if (columns) {
    dims.push_back(amount(columns));
    divided.push_back(std::move(columnAxes));
  }
  builder.addPort(ports, name, std::move(dims), std::move(divided), element);
  if (hasGroups)
    ports.back()->dims[0]->parts = static_cast<int32_t>(rows.own);
}

void StepPlanMaker::addInput(const char *name, const Rows &rows, uint32_t columns) {
  addPort(entry->inputs, name, rows, columns, schema::ElementType::I32);
  variant->inputs.push_back(take(uint64_t(rows.bound) * std::max(columns, 1u)));
  operands.push_back({arena(variant->inputs.back().offset(), variant->inputs.back().length())});
}

/// The rows of all groups to every rank, and of those each group's own back, as a maximum over all ranks.
void StepPlanMaker::addTransfers(const Rows &r, uint32_t computed, schema::Binding own) {
  constexpr int64_t width = stepPlanVocabulary;
  bool isDivided = options.dividesColumns;
  int64_t columns = isDivided ? width / options.ranks : width;
  addPort(entry->results, "logits", r, width, schema::ElementType::F32,
          isDivided ? std::vector<uint8_t>{1} : std::vector<uint8_t>{});
  variant->results.push_back(take(uint64_t(options.logitRows) * static_cast<uint64_t>(columns)));
  schema::Binding result = arena(variant->results[0].offset(), variant->results[0].length()), source = own;
  PlanBuilder::TransferSpec reduce{"all_reduce", {0},       own, result,
                                   amount(0),    amount(0), {},  schema::Reduction::Maximum};
  uint32_t last = computed;
  if (hasGroups) {
    uint32_t offsets = builder.instruction(schema::CountOp::ExclusiveScan, static_cast<int32_t>(r.own));
    schema::Span all = take(uint64_t(options.logitRows) * groups * width);
    source = arena(all.offset(), all.length());
    PlanBuilder::TransferSpec gather{"all_gather", {0}, own, source, amount(0), nullptr, {}};
    gather.destinationOffset = amountOfElement(schema::Element::Peer, offsets, width);
    gather.box.push_back(dim(amountOfElement(schema::Element::Peer, r.own), width, width));
    gather.box.push_back(dim(amount(width), 1, 1));
    last = builder.transfer(*variant, std::move(gather), {computed});
    reduce.name = "reduce_scatter";
    reduce.group = {0, 1};
    reduce.source = source;
    reduce.sourceOffset = amountOfElement(schema::Element::Own, offsets, width);
    if (isDivided)
      reduce.sourceOffset->terms.emplace_back(columns, -1, uint8_t(1), schema::Position::Own, schema::Element::Fixed);
  }
  reduce.box.push_back(dim(ownOf(r), width, columns));
  reduce.box.push_back(dim(amount(columns), 1, 1));
  builder.transfer(*variant, std::move(reduce), {last});
}

PlanBuilder StepPlanMaker::make() {
  Rows t = field("t", options.stepTokens), starts = {}, s = {};
  if (!hasGroups || options.startsField) {
    starts = field("starts", options.sequences + 1);
    s = field("s", options.sequences);
  } else {
    s = field("s", options.sequences);
    uint32_t one = builder.constant(1);
    starts = rows(builder.instruction(schema::CountOp::Add, static_cast<int32_t>(s.own), static_cast<int32_t>(one)),
                  options.sequences + 1);
  }
  Rows r = field("r", options.logitRows);
  uint32_t slots = builder.constant(options.pageSlots), width = builder.constant(options.pagesPerSequence),
           vocabulary = builder.constant(stepPlanVocabulary);
  if (options.totalTokens)
    builder.check(t.all, options.totalTokens, "tokens");
  builder.plan.paging = std::make_unique<schema::PagingT>();
  builder.plan.paging->page_slots = options.pageSlots;
  builder.plan.paging->pages_per_sequence = options.pagesPerSequence;
  uint32_t cache = builder.pagedState("cache", {options.pageSlots});
  uint32_t kernel = builder.kernel("pure_step", 8, 5);
  if (options.tokenizer)
    builder.addSection(schema::SectionKind::Tokenizer, "tokenizer", pack(tinyTokenizer()));

  entry = &builder.addEntry("step");
  variant = &builder.addVariant(*entry, "any", 0);
  addInput("tokens", t, 0);
  addInput("positions", t, 0);
  addInput("query_starts", starts, 0);
  addInput("block_table", s, options.pagesPerSequence);
  addInput("write_slots", t, 0);
  addInput("logit_rows", r, 0);
  schema::Span own = take(uint64_t(options.logitRows) * stepPlanVocabulary);
  schema::Binding ownBinding = arena(own.offset(), own.length());
  operands.push_back({stateBinding(cache), true});
  operands.push_back({ownBinding, true});
  uint32_t computed =
      builder.launch(*variant, kernel, std::move(operands), {t.own, r.own, slots, width, vocabulary}, amount(1));
  if (hasGroups) {
    uint8_t mine = uint8_t(schema::Element::Own), fixed = uint8_t(schema::Element::Fixed);
    variant->steps.back()->action.AsLaunch()->size_elements = {mine, mine, fixed, fixed, fixed};
  }
  addTransfers(r, computed, ownBinding);
  variant->arena_bytes = end;
  return std::move(builder);
}

} // namespace

PlanBuilder stepPlan(const StepPlanOptions &options) { return StepPlanMaker(options).make(); }

std::vector<float> stepPlanLogits(const std::vector<int32_t> &tokens) {
  uint64_t hash = 1469598103934665603u;
  for (int32_t token : tokens)
    hash = (hash ^ static_cast<uint64_t>(token + 7)) * 1099511628211u;
  std::vector<float> logits;
  for (uint32_t i = 0; i != stepPlanVocabulary; ++i) {
    hash = hash * 6364136223846793005u + 1442695040888963407u;
    logits.push_back(static_cast<float>(hash >> 40) / 16777216.0f * 8);
  }
  return logits;
}

} // namespace muster::test
