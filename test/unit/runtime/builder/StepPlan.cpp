// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/builder/StepPlan.h"

#include "test/unit/runtime/text/TinyTokenizer.h"

namespace muster::test {

PlanBuilder stepPlan(const StepPlanOptions &options) {
  PlanBuilder builder({{"tp", options.ranks}});
  uint32_t t = builder.input("t", options.stepTokens), starts = builder.input("starts", options.sequences + 1),
           s = builder.input("s", options.sequences), r = builder.input("r", options.logitRows);
  uint32_t slots = builder.constant(options.pageSlots), width = builder.constant(options.pagesPerSequence),
           vocabulary = builder.constant(stepPlanVocabulary);
  builder.plan.paging = std::make_unique<schema::PagingT>();
  builder.plan.paging->page_slots = options.pageSlots;
  builder.plan.paging->pages_per_sequence = options.pagesPerSequence;
  uint32_t cache = builder.pagedState("cache", {options.pageSlots});
  uint32_t kernel = builder.kernel("pure_step", 8, 5);
  if (options.tokenizer)
    builder.addSection(schema::SectionKind::Tokenizer, "tokenizer", pack(tinyTokenizer()));

  schema::EntryT &entry = builder.addEntry("step");
  schema::VariantT &variant = builder.addVariant(entry, "any", 0);
  uint64_t end = 0;
  auto take = [&](uint64_t elements) {
    uint64_t length = (elements * 4 + 63) / 64 * 64;
    end += length;
    return schema::Span(end - length, length);
  };
  std::vector<Operand> operands;
  auto addInput = [&](const char *name, uint32_t slot, uint64_t bound, uint32_t columns) {
    std::vector<AmountPtr> dims;
    dims.push_back(amountOf(slot));
    if (columns)
      dims.push_back(amount(columns));
    builder.addPort(entry.inputs, name, std::move(dims), {}, schema::ElementType::I32);
    variant.inputs.push_back(take(bound * std::max(columns, 1u)));
    operands.push_back({arena(variant.inputs.back().offset(), variant.inputs.back().length())});
  };
  addInput("tokens", t, options.stepTokens, 0);
  addInput("positions", t, options.stepTokens, 0);
  addInput("query_starts", starts, options.sequences + 1, 0);
  addInput("block_table", s, options.sequences, options.pagesPerSequence);
  addInput("write_slots", t, options.stepTokens, 0);
  addInput("logit_rows", r, options.logitRows, 0);
  std::vector<AmountPtr> dims;
  dims.push_back(amountOf(r));
  dims.push_back(amount(stepPlanVocabulary));
  builder.addPort(entry.results, "logits", std::move(dims));
  schema::Span own = take(uint64_t(options.logitRows) * stepPlanVocabulary);
  schema::Span all = take(uint64_t(options.logitRows) * stepPlanVocabulary);
  variant.results.push_back(all);
  variant.arena_bytes = end;
  auto ownBinding = arena(own.offset(), own.length());
  operands.push_back({stateBinding(cache), true});
  operands.push_back({ownBinding, true});
  uint32_t computed = builder.launch(variant, kernel, std::move(operands), {t, r, slots, width, vocabulary}, amount(1));
  PlanBuilder::TransferSpec reduce{"all_reduce", {0},       ownBinding, arena(all.offset(), all.length()),
                                   amount(0),    amount(0), {},         schema::Reduction::Maximum};
  reduce.box.push_back(dim(amountOf(r), stepPlanVocabulary, stepPlanVocabulary));
  reduce.box.push_back(dim(amount(stepPlanVocabulary), 1, 1));
  builder.transfer(variant, std::move(reduce), {computed});
  return builder;
}

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
