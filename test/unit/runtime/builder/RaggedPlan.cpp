// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/builder/RaggedPlan.h"

namespace muster::test {

void buildRagged(PlanBuilder &builder, int64_t bound, int64_t total, bool isDivided) {
  using schema::Element;
  uint32_t rows = builder.input("rows", bound, {0});
  uint32_t offsets = builder.instruction(schema::CountOp::ExclusiveScan, static_cast<int32_t>(rows));
  uint32_t all = builder.instruction(schema::CountOp::Sum, static_cast<int32_t>(rows));
  uint32_t width = builder.constant(raggedWidth);
  builder.check(all, total, "rows");
  uint32_t affine = builder.kernel("affine", 2, 2);
  schema::EntryT &entry = builder.addEntry("step");
  for (auto *ports : {&entry.inputs, &entry.results}) {
    std::vector<AmountPtr> dims;
    dims.push_back(amountOf(all));
    dims.push_back(amount(raggedWidth));
    builder.addPort(*ports, ports == &entry.inputs ? "x" : "y", std::move(dims),
                    isDivided ? std::vector<std::vector<uint8_t>>{{0}, {}} : std::vector<std::vector<uint8_t>>{});
    if (isDivided)
      ports->back()->dims[0]->parts = static_cast<int32_t>(rows);
  }
  auto bytesOf = [](int64_t count) { return static_cast<uint64_t>(count * raggedWidth * 4 + 63) / 64 * 64; };
  uint64_t next = 0;
  auto spanOf = [&](int64_t count) {
    next += bytesOf(count);
    return arena(next - bytesOf(count), bytesOf(count));
  };
  auto x = spanOf(total), own = spanOf(bound), scaled = spanOf(bound), gathered = spanOf(total), summed = spanOf(bound),
       y = spanOf(total);
  schema::VariantT &variant = builder.addVariant(entry, "any", next);
  const schema::Binding &first = isDivided ? own : x, &last = isDivided ? summed : y;
  variant.inputs.emplace_back(first.offset(), first.length());
  variant.results.emplace_back(last.offset(), last.length());
  auto transfer = [&](const char *name, std::vector<uint8_t> group, schema::Binding from, schema::Binding to,
                      bool isScatter, std::vector<uint32_t> waits) {
    Element element = isScatter ? Element::Own : Element::Peer;
    PlanBuilder::TransferSpec spec{name, group, from, to, amount(0), amount(0), {}};
    (isScatter ? spec.sourceOffset : spec.destinationOffset) = amountOfElement(element, offsets, raggedWidth);
    spec.box.push_back(dim(amountOfElement(element, rows), raggedWidth, raggedWidth));
    spec.box.push_back(dim(amount(raggedWidth), 1, 1));
    if (isScatter && !group.empty())
      spec.reduction = schema::Reduction::Sum;
    return builder.transfer(variant, std::move(spec), std::move(waits));
  };
  std::vector<uint32_t> slice;
  if (!isDivided)
    slice = {transfer("slice", {}, x, own, true, {})};
  uint32_t launch = builder.launch(variant, affine, {{own}, {scaled, true}}, {rows, width},
                                   amountOfElement(Element::Own, rows), slice);
  variant.steps.back()->action.AsLaunch()->size_elements = {uint8_t(Element::Own), uint8_t(Element::Fixed)};
  uint32_t gather = transfer("all_gather", {0}, scaled, gathered, false, {launch});
  uint32_t scatter = transfer("reduce_scatter", {0}, gathered, summed, true, {gather});
  if (!isDivided)
    transfer("all_gather", {0}, summed, y, false, {scatter});
}

} // namespace muster::test
