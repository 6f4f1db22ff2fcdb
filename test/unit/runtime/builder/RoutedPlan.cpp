// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "test/unit/runtime/builder/RoutedPlan.h"

namespace muster::test {

using schema::Position;

void buildRouted(PlanBuilder &builder, int64_t rows, int64_t room, int64_t parts, bool isWide) {
  int64_t ranks = builder.ranks();
  auto counted = isWide ? schema::ElementType::I64 : schema::ElementType::I32;
  schema::EntryT &entry = builder.addEntry("step");
  auto addPort = [&](std::vector<std::unique_ptr<schema::PortT>> &ports, const char *name, int64_t size, int64_t inner,
                     schema::ElementType element) {
    std::vector<AmountPtr> dims;
    dims.push_back(amount(size));
    dims.push_back(amount(inner));
    builder.addPort(ports, name, std::move(dims), {{0}, {}}, element);
  };
  addPort(entry.inputs, "x", ranks * rows, routedWidth, schema::ElementType::F32);
  addPort(entry.inputs, "s", ranks * ranks, parts, counted);
  addPort(entry.results, "y", ranks * room, routedWidth, schema::ElementType::F32);
  addPort(entry.results, "z", ranks * rows, routedWidth, schema::ElementType::F32);
  uint64_t next = 0;
  auto place = [&](int64_t bytes) {
    uint64_t offset = next, length = (static_cast<uint64_t>(bytes) + 63) / 64 * 64;
    next += length;
    return arena(offset, length);
  };
  int64_t countBytes = ranks * parts * (isWide ? 8 : 4);
  schema::Binding x = place(rows * routedWidth * 4), s = place(countBytes), y = place(room * routedWidth * 4),
                  r = place(countBytes), z = place(rows * routedWidth * 4);
  schema::VariantT &variant = builder.addVariant(entry, "any", next);
  for (const schema::Binding &binding : {x, s})
    variant.inputs.emplace_back(binding.offset(), binding.length());
  for (const schema::Binding &binding : {y, z})
    variant.results.emplace_back(binding.offset(), binding.length());
  auto send = [&](const schema::Binding &from, const schema::Binding &to, const schema::Binding &counts,
                  int64_t fromRows, int64_t toRows, std::vector<uint32_t> waits) {
    PlanBuilder::TransferSpec spec{"all_to_all_v", {0}, from, to, amount(0), amount(0), {}};
    spec.box.push_back(dim(amount(toRows), routedWidth, routedWidth));
    spec.box.push_back(dim(amount(routedWidth), 1, 1));
    uint32_t step = builder.transfer(variant, std::move(spec), std::move(waits));
    auto routed = std::make_unique<schema::RoutedRowsT>();
    routed->counts = std::make_unique<schema::Binding>(counts);
    routed->element = counted;
    routed->parts = static_cast<uint32_t>(parts);
    routed->source_rows = static_cast<uint64_t>(fromRows);
    variant.steps[step]->action.AsTransfer()->routed = std::move(routed);
    return step;
  };
  uint32_t there = send(x, y, s, rows, room, {});
  PlanBuilder::TransferSpec exchange{
      "exchange", {0}, s, r, amountAt(Position::Own, 0, parts), amountAt(Position::Peer, 0, parts), {}};
  exchange.element = counted;
  exchange.box.push_back(dim(amount(parts), 1, 1));
  uint32_t exchanged = builder.transfer(variant, std::move(exchange));
  send(y, z, r, room, rows, {there, exchanged});
}

} // namespace muster::test
