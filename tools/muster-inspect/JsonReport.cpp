// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-inspect/Describe.h"
#include "tools/muster-inspect/Report.h"

#include <nlohmann/json.hpp>

namespace muster::inspect {

namespace {

using Json = nlohmann::ordered_json;

Json spanOf(const schema::Span &span) { return {{"offset", span.offset()}, {"length", span.length()}}; }

Json bindingOf(const Describe &describe, const char *role, const schema::Binding &binding) {
  return {{"role", role}, {"memory", describe.binding(binding)}};
}

Json stepOf(const Describe &describe, const schema::StepT &step, const schema::VariantT &variant) {
  Json json = {{"action", describe.action(step)}, {"location", describe.location(step)}, {"waits", step.waits}};
  json["acknowledgements"] = step.acknowledgements;
  json["stream"] = step.stream;
  Json operands = Json::array();
  if (const schema::LaunchT *launch = step.action.AsLaunch()) {
    json["kind"] = "launch";
    json["grid"] = describe.amount(*launch->grid);
    for (size_t i = 0; i != launch->bindings.size(); ++i)
      operands.push_back(bindingOf(describe, launch->written[i] ? "write" : "read", launch->bindings[i]));
  } else if (const schema::MatmulT *matmul = step.action.AsMatmul()) {
    json["kind"] = "matmul";
    json["rows"] = describe.amount(*matmul->rows);
    json["n"] = matmul->n;
    json["k"] = matmul->k;
    operands = {bindingOf(describe, "read", *matmul->source), bindingOf(describe, "read", *matmul->weight),
                bindingOf(describe, "write", *matmul->result)};
  } else if (const schema::TransferT *transfer = step.action.AsTransfer()) {
    json["kind"] = "transfer";
    json["bytes_at_most"] = describe.transferBytes(step, variant);
    json["reduction"] = schema::EnumNameReduction(transfer->reduction);
    json["group"] = transfer->group;
    operands = {bindingOf(describe, "pull", *transfer->source), bindingOf(describe, "write", *transfer->destination)};
    if (const auto &routed = transfer->routed) {
      json["source_rows"] = routed->source_rows;
      json["room"] = transfer->box[0]->extent->constant;
      operands.insert(operands.begin() + 1, bindingOf(describe, "count", *routed->counts));
    }
  }
  json["operands"] = std::move(operands);
  return json;
}

Json entryOf(const Describe &describe, const schema::EntryT &entry) {
  Json json = {
      {"name", entry.name}, {"inputs", Json::array()}, {"results", Json::array()}, {"variants", Json::array()}};
  for (const auto &port : entry.inputs)
    json["inputs"].push_back({{"name", port->name}, {"type", describe.port(*port)}, {"layout", port->layout}});
  for (const auto &port : entry.results)
    json["results"].push_back({{"name", port->name}, {"type", describe.port(*port)}, {"layout", port->layout}});
  for (const auto &variant : entry.variants) {
    Json own = {{"name", variant->name}, {"arena_bytes", variant->arena_bytes}};
    own["bounds"] = own["inputs"] = own["results"] = own["steps"] = Json::array();
    for (const schema::SlotBound &bound : variant->bounds)
      own["bounds"].push_back({{"count", describe.slot(bound.slot())}, {"maximum", bound.maximum()}});
    for (const schema::Span &span : variant->inputs)
      own["inputs"].push_back(spanOf(span));
    for (const schema::Span &span : variant->results)
      own["results"].push_back(spanOf(span));
    for (const auto &step : variant->steps)
      own["steps"].push_back(stepOf(describe, *step, *variant));
    json["variants"].push_back(std::move(own));
  }
  return json;
}

Json headOf(const plan::LoadedPlan &loaded) {
  const schema::PlanT &plan = loaded.root();
  Json axes = Json::object(), model = Json::object(), record = Json::object();
  for (const auto &axis : plan.mesh->axes)
    axes[axis->name] = axis->size;
  for (const auto &attribute : plan.model)
    model[attribute->name] = attribute->value;
  for (const auto &input : plan.counts->inputs)
    record[input->name] = input->bound;
  Json json = {
      {"path", loaded.file().path},
      {"file_bytes", loaded.file().fileBytes},
      {"format", loaded.file().version},
      {"digest", hex(loaded.digest())},
      {"producer", plan.producer},
      {"target", {{"arch", plan.target->arch}, {"cpu", plan.target->cpu}, {"features", plan.target->features}}},
      {"mesh", {{"name", plan.mesh->name}, {"axes", axes}, {"ranks", loaded.ranks()}}},
      {"model", model},
      {"capacity", record},
      {"rank_weight_bytes", weightBytes(loaded).first},
      {"shared_weight_bytes", weightBytes(loaded).second},
      {"weights_id", hex(plan.weights_id)},
      {"proof", plan.report}};
  if (plan.paging)
    json["paging"] = {{"page_slots", plan.paging->page_slots}, {"pages_per_sequence", plan.paging->pages_per_sequence}};
  return json;
}

} // namespace

std::string jsonReport(const plan::LoadedPlan &loaded) {
  const schema::PlanT &plan = loaded.root();
  Describe describe(loaded);
  Json json = headOf(loaded);
  json["weights"] = json["states"] = json["sections"] = json["kernels"] = json["entries"] = Json::array();
  for (const auto &weight : plan.weights)
    json["weights"].push_back({{"name", weight->name},
                               {"element", elementName(weight->element)},
                               {"shape", weight->shape},
                               {"logical_shape", weight->logical_shape},
                               {"layout", weight->layout},
                               {"packing", packingName(weight->packing)},
                               {"shared", plan::partCount(*plan.weight_groups[weight->group]) < loaded.ranks()},
                               {"parts", plan.weight_groups[weight->group]->parts},
                               {"offset", weight->offset},
                               {"length", weight->length}});
  for (const auto &state : plan.states)
    json["states"].push_back({{"name", state->name},
                              {"element", elementName(state->element)},
                              {"shape", state->shape},
                              {"layout", state->layout},
                              {"paged", state->paged},
                              {"page_bytes", state->page_bytes}});
  for (const auto &section : plan.sections)
    json["sections"].push_back({{"kind", sectionKindName(section->kind)},
                                {"name", section->name},
                                {"offset", section->offset},
                                {"length", section->length}});
  for (const auto &kernel : plan.kernels)
    json["kernels"].push_back({{"name", kernel->name}, {"bindings", kernel->bindings}, {"sizes", kernel->sizes}});
  Json instructions = Json::array(), checks = Json::array();
  for (uint32_t i = 0; i != plan.counts->instructions.size(); ++i)
    instructions.push_back(describe.instruction(i));
  for (const auto &check : plan.counts->checks)
    checks.push_back({{"name", check->name}, {"count", describe.slot(check->slot)}, {"bound", check->bound}});
  json["count_program"] = {{"instructions", instructions}, {"checks", checks}};
  for (const auto &entry : plan.entries)
    json["entries"].push_back(entryOf(describe, *entry));
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

} // namespace muster::inspect
