// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/plan/CollectiveSignature.h"

#include "runtime/plan/StepOrder.h"

#include <string>

namespace muster::plan {

namespace {

/// Appends values as text: lengths and order matter, layout in memory does not.
class Writer {
public:
  void add(int64_t value) { text += fmt::format("{};", value); }
  void add(const schema::AmountT &amount) {
    add(amount.constant);
    for (const schema::Term &term : amount.terms) {
      add(term.coefficient());
      add(term.slot());
      add(term.axis());
      add(int(term.position()));
      add(int(term.index()));
    }
    text += '|';
  }
  void add(const schema::Binding &binding) {
    add(static_cast<int64_t>(binding.offset()));
    add(static_cast<int64_t>(binding.length()));
    add(int(binding.memory()));
  }
  void add(const schema::TransferT &transfer) {
    for (uint8_t axis : transfer.group)
      add(axis);
    add(int(transfer.reduction));
    add(int(transfer.element));
    add(*transfer.source);
    add(*transfer.destination);
    add(*transfer.source_offset);
    add(*transfer.destination_offset);
    for (const auto &dim : transfer.box)
      for (const auto *amount : {&dim->extent, &dim->source_stride, &dim->destination_stride})
        add(**amount);
    for (int32_t source : transfer.sources)
      add(source);
    add(transfer.columns);
    if (const auto &routed = transfer.routed) {
      add(*routed->counts);
      add(static_cast<int64_t>(routed->source_rows));
      add(routed->parts);
      add(int(routed->element));
    }
    text += '\n';
  }
  std::string text;
};

} // namespace

Digest collectiveSignature(const schema::PlanT &plan) {
  Writer writer;
  for (const auto &axis : plan.mesh->axes)
    writer.add(axis->size);
  for (const auto &entry : plan.entries)
    for (const auto &variant : entry->variants) {
      writer.text += '\n';
      for (const auto &step : variant->steps)
        if (const schema::TransferT *transfer = peerTransfer(*step))
          writer.add(*transfer);
    }
  return digestOf(std::as_bytes(std::span(writer.text)));
}

} // namespace muster::plan
