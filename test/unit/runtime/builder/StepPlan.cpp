// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/builder/StepPlan.h"

#include "test/unit/runtime/text/TinyTokenizer.h"

#include <optional>

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
  schema::Binding binding(uint64_t elements) {
    schema::Span span = take(elements);
    return arena(span.offset(), span.length());
  }
  Rows oneMore(const Rows &rows) {
    uint32_t one = builder.constant(1);
    return this->rows(
        builder.instruction(schema::CountOp::Add, static_cast<int32_t>(rows.own), static_cast<int32_t>(one)),
        rows.bound + 1);
  }
  /// The logits of a batch or a half, and the step that makes them.
  struct Part {
    Rows rows;
    schema::Binding logits;
    std::optional<uint32_t> offsets; // of the groups' rows, where they are gathered
    uint32_t last;
  };
  void addPort(std::vector<std::unique_ptr<schema::PortT>> &ports, const std::string &name, const Rows &rows,
               int64_t columns, schema::ElementType element, std::vector<uint8_t> columnAxes = {});
  schema::Binding addResult(const Rows &r);
  Part addPart(const std::string &suffix, const Rows &t, const Rows &starts, const Rows &s, const Rows &r,
               std::vector<uint32_t> waits);
  void addGather(Part &part);
  void addReduce(Part &part, schema::Binding result);
  Rows restOf(const Rows &whole, const Rows &first);
  void addWhole(const Rows &t, const Rows &r, const Rows &starts, const Rows &s);
  void addHalves(const Rows &t, const Rows &r);

  const StepPlanOptions &options;
  bool hasGroups;
  uint32_t groups;
  PlanBuilder builder;
  schema::EntryT *entry = nullptr;
  schema::VariantT *variant = nullptr;
  std::vector<schema::SlotBound> wholeBounds; // of steps without a first half
  uint64_t end = 0;
  /// Columns of the logits on a rank.
  int64_t columns = stepPlanVocabulary / (options.dividesColumns ? options.ranks : 1);
  uint32_t slots = 0, width = 0, vocabulary = 0, cache = 0, kernel = 0;
  static constexpr uint8_t mine = uint8_t(schema::Element::Own), fixed = uint8_t(schema::Element::Fixed);
};

void StepPlanMaker::addPort(std::vector<std::unique_ptr<schema::PortT>> &ports, const std::string &name,
                            const Rows &rows, int64_t columns, schema::ElementType element,
                            std::vector<uint8_t> columnAxes) {
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

/// Where the logits of the step go.
schema::Binding StepPlanMaker::addResult(const Rows &r) {
  addPort(entry->results, "logits", r, stepPlanVocabulary, schema::ElementType::F32,
          options.dividesColumns ? std::vector<uint8_t>{1} : std::vector<uint8_t>{});
  variant->results.push_back(take(uint64_t(options.logitRows) * static_cast<uint64_t>(columns)));
  return arena(variant->results[0].offset(), variant->results[0].length());
}

/// Inputs of a batch or a half, and the kernel that computes its logits.
StepPlanMaker::Part StepPlanMaker::addPart(const std::string &suffix, const Rows &t, const Rows &starts, const Rows &s,
                                           const Rows &r, std::vector<uint32_t> waits) {
  std::vector<Operand> operands;
  auto addInput = [&](const char *name, const Rows &rows, uint32_t columns) {
    addPort(entry->inputs, name + suffix, rows, columns, schema::ElementType::I32);
    variant->inputs.push_back(take(uint64_t(rows.bound) * std::max(columns, 1u)));
    operands.push_back({arena(variant->inputs.back().offset(), variant->inputs.back().length())});
  };
  addInput("tokens", t, 0);
  addInput("positions", t, 0);
  addInput("query_starts", starts, 0);
  addInput("block_table", s, options.pagesPerSequence);
  addInput("write_slots", t, 0);
  addInput("logit_rows", r, 0);
  Part part{r, binding(uint64_t(options.logitRows) * stepPlanVocabulary), {}, 0};
  operands.push_back({stateBinding(cache), true});
  operands.push_back({part.logits, true});
  part.last = builder.launch(*variant, kernel, std::move(operands), {t.own, r.own, slots, width, vocabulary}, amount(1),
                             std::move(waits));
  if (hasGroups)
    variant->steps.back()->action.AsLaunch()->size_elements = {mine, mine, fixed, fixed, fixed};
  return part;
}

/// The rows of all groups to every rank.
void StepPlanMaker::addGather(Part &part) {
  constexpr int64_t width = stepPlanVocabulary;
  part.offsets = builder.instruction(schema::CountOp::ExclusiveScan, static_cast<int32_t>(part.rows.own));
  schema::Binding all = binding(uint64_t(options.logitRows) * groups * width);
  PlanBuilder::TransferSpec gather{"all_gather", {0}, part.logits, all, amount(0), nullptr, {}};
  gather.destinationOffset = amountOfElement(schema::Element::Peer, *part.offsets, width);
  gather.box.push_back(dim(amountOfElement(schema::Element::Peer, part.rows.own), width, width));
  gather.box.push_back(dim(amount(width), 1, 1));
  part.last = builder.transfer(*variant, std::move(gather), {part.last});
  part.logits = all;
}

/// Of the rows of all groups each group's own back, as a maximum over all ranks; of the columns, where they are
/// divided, the rank's own.
void StepPlanMaker::addReduce(Part &part, schema::Binding result) {
  constexpr int64_t width = stepPlanVocabulary;
  PlanBuilder::TransferSpec reduce{"all_reduce", {0},       part.logits, result,
                                   amount(0),    amount(0), {},          schema::Reduction::Maximum};
  if (part.offsets) {
    reduce.name = "reduce_scatter";
    reduce.group = {0, 1};
    reduce.sourceOffset = amountOfElement(schema::Element::Own, *part.offsets, width);
    if (options.dividesColumns)
      reduce.sourceOffset->terms.emplace_back(columns, -1, uint8_t(1), schema::Position::Own, schema::Element::Fixed);
  }
  reduce.box.push_back(dim(ownOf(part.rows), width, columns));
  reduce.box.push_back(dim(amount(columns), 1, 1));
  part.last = builder.transfer(*variant, std::move(reduce), {part.last});
  part.logits = result;
}

void StepPlanMaker::addWhole(const Rows &t, const Rows &r, const Rows &starts, const Rows &s) {
  Part all = addPart("", t, starts, s, r, {});
  if (hasGroups)
    addGather(all);
  addReduce(all, addResult(r));
}

/// What is left of `whole` when `first` is gone.
StepPlanMaker::Rows StepPlanMaker::restOf(const Rows &whole, const Rows &first) {
  uint32_t rest =
      builder.instruction(schema::CountOp::Subtract, static_cast<int32_t>(whole.own), static_cast<int32_t>(first.own));
  return rows(builder.instruction(schema::CountOp::Maximum, static_cast<int32_t>(rest),
                                  static_cast<int32_t>(builder.constant(0))),
              whole.bound);
}

void StepPlanMaker::addHalves(const Rows &t, const Rows &r) {
  Rows ta = field("t.a", options.stepTokens), ra = field("r.a", options.logitRows),
       sa = field("s.a", options.sequences), sb = field("s.b", options.sequences);
  uint32_t more =
      builder.instruction(schema::CountOp::Subtract, static_cast<int32_t>(ta.own), static_cast<int32_t>(t.own));
  builder.check(builder.instruction(schema::CountOp::Greatest, static_cast<int32_t>(more)), 0,
                "tokens of a first half above the whole");
  wholeBounds = {{0, builder.instruction(schema::CountOp::Greatest, static_cast<int32_t>(ta.own))},
                 {options.wholeTokens, builder.instruction(schema::CountOp::Greatest, static_cast<int32_t>(t.own))}};
  Part a = addPart(".a", ta, oneMore(sa), sa, ra, {});
  uint32_t computed = a.last; // the second half reads what it wrote
  addGather(a);
  variant->steps.back()->stream = 1;
  Part b = addPart(".b", restOf(t, ta), oneMore(sb), sb, restOf(r, ra), {computed});
  addGather(b);
  variant->steps.back()->stream = 1;
  for (Part *part : {&a, &b}) {
    addReduce(*part, binding(uint64_t(options.logitRows) * static_cast<uint64_t>(columns)));
    variant->steps.back()->stream = part == &a;
  }
  uint32_t join = builder.kernel("join_rows", 3, 3), wide = builder.constant(columns);
  builder.launch(*variant, join, {{a.logits}, {b.logits}, {addResult(r), true}}, {a.rows.own, b.rows.own, wide},
                 amount(1), {a.last, b.last});
  variant->steps.back()->action.AsLaunch()->size_elements = {mine, mine, fixed};
}

PlanBuilder StepPlanMaker::make() {
  Rows t = field("t", options.stepTokens), starts = {}, s = {};
  if (!hasGroups || options.startsField) {
    starts = field("starts", options.sequences + 1);
    s = field("s", options.sequences);
  } else if (!options.halves) {
    s = field("s", options.sequences);
    starts = oneMore(s);
  }
  Rows r = field("r", options.logitRows);
  slots = builder.constant(options.pageSlots);
  width = builder.constant(options.pagesPerSequence);
  vocabulary = builder.constant(stepPlanVocabulary);
  if (options.totalTokens)
    builder.check(t.all, options.totalTokens, "tokens");
  builder.plan.paging = std::make_unique<schema::PagingT>();
  builder.plan.paging->page_slots = options.pageSlots;
  builder.plan.paging->pages_per_sequence = options.pagesPerSequence;
  cache = builder.pagedState("cache", {options.pageSlots});
  kernel = builder.kernel("pure_step", 8, 5);
  if (options.tokenizer)
    builder.addSection(schema::SectionKind::Tokenizer, "tokenizer", pack(tinyTokenizer()));

  entry = &builder.addEntry("step");
  variant = &builder.addVariant(*entry, "any", 0);
  if (options.halves)
    addHalves(t, r);
  else
    addWhole(t, r, starts, s);
  variant->arena_bytes = end;
  if (options.halves && options.wholeTokens) {
    auto whole = std::make_unique<schema::VariantT>(*variant);
    whole->name = "whole";
    whole->bounds = wholeBounds;
    entry->variants.insert(entry->variants.begin(), std::move(whole));
  }
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
