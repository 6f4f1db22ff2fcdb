// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/PlanStepModel.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace muster::session {

namespace {

constexpr uint64_t greatestSlot = std::numeric_limits<int32_t>::max();

struct ExpectedPort {
  const char *name;
  const char *field; // of the first dim
  size_t dims;
};
constexpr ExpectedPort expectedInputs[6] = {
    {"tokens", "t", 1},      {"positions", "t", 1},   {"query_starts", "starts", 1},
    {"block_table", "s", 2}, {"write_slots", "t", 1}, {"logit_rows", "r", 1}};
constexpr const char *fieldNames[4] = {"t", "starts", "s", "r"};

const schema::PortT *findPort(const std::vector<std::unique_ptr<schema::PortT>> &ports, std::string_view name,
                              uint32_t &index) {
  for (index = 0; index != ports.size(); ++index)
    if (ports[index]->name == name)
      return ports[index].get();
  return nullptr;
}

/// The size of a dim that does not depend on the step; -1 for others.
int64_t constantDim(const schema::PortDimT &dim) { return dim.size->terms.empty() ? dim.size->constant : -1; }

} // namespace

uint64_t pageBytes(const plan::LoadedPlan &plan) {
  uint64_t bytes = 0;
  for (const auto &state : plan.root().states)
    bytes += state->paged ? state->page_bytes : 0;
  return bytes * plan.ranks();
}

Result<uint64_t> pagesOfMemory(const plan::LoadedPlan &plan, uint64_t bytes) {
  uint64_t page = pageBytes(plan);
  if (page == 0 || !plan.root().paging)
    return uint64_t(0);
  uint64_t slots = std::max<uint32_t>(plan.root().paging->page_slots, 1);
  uint64_t greatest = greatestSlot / slots;
  if (bytes == 0) {
    uint64_t oneSequence = plan.root().paging->pages_per_sequence;
    bytes = std::max(defaultCacheBytes, page * oneSequence);
    if (std::optional<uint32_t> sequences = plan.findRecordField("s"))
      greatest = std::min(greatest, oneSequence * uint64_t(plan.root().counts->inputs[*sequences]->bound));
  }
  uint64_t pages = std::min(bytes / page, greatest);
  if (pages == 0)
    return Status::error(2434, "expected memory for at least one page of {} bytes on {} ranks but got {} bytes", page,
                         plan.ranks(), bytes);
  return pages;
}

std::optional<uint32_t> recordFieldOfDim(const plan::LoadedPlan &plan, const schema::PortDimT &dim) {
  const schema::AmountT &size = *dim.size;
  if (size.constant != 0 || size.terms.size() != 1)
    return std::nullopt;
  const schema::Term &term = size.terms[0];
  if (term.coefficient() != 1 || term.position() != schema::Position::One || term.slot() < 0)
    return std::nullopt;
  const count::Program::Instruction *instruction = &plan.counts().maker(static_cast<uint32_t>(term.slot()));
  if (dim.parts >= 0 && instruction->op == schema::CountOp::Sum)
    instruction = &plan.counts().maker(instruction->operands[0]);
  if (instruction->op != schema::CountOp::Input || instruction->axes.empty() != (dim.parts < 0))
    return std::nullopt;
  return instruction->operands[0];
}

Result<std::unique_ptr<PlanStepModel>> PlanStepModel::create(std::shared_ptr<executor::Executor> executor) {
  std::unique_ptr<PlanStepModel> model(new PlanStepModel());
  model->runner = std::move(executor);
  std::optional<uint32_t> entry = model->runner->plan().findEntry(stepEntryName);
  if (!entry)
    return Status::error(2428, "expected a plan with entry {} but got {} entries without it", stepEntryName,
                         model->runner->plan().root().entries.size());
  model->entry = *entry;
  MUSTER_RETURN_IF_ERROR(model->bindPorts());
  MUSTER_RETURN_IF_ERROR(model->readLimits());
  return model;
}

Status PlanStepModel::bindPorts() {
  const plan::LoadedPlan &plan = runner->plan();
  const schema::EntryT &step = *plan.root().entries[entry];
  if (step.inputs.size() != std::size(expectedInputs) || step.results.size() != 1)
    return Status::error(2428, "expected entry {} with 6 inputs and 1 result but got {} and {}", stepEntryName,
                         step.inputs.size(), step.results.size());
  for (size_t i = 0; i != std::size(fieldNames); ++i) {
    std::optional<uint32_t> field = plan.findRecordField(fieldNames[i]);
    if (!field)
      return Status::error(2428, "expected a step record with field {} but got none of that name", fieldNames[i]);
    if (!plan.root().counts->inputs[*field]->axes.empty())
      return Status::unsupported(2428, "unsupported step: ranks have {} in unequal numbers", fieldNames[i]);
    fields[i] = *field;
  }
  for (size_t i = 0; i != std::size(expectedInputs); ++i) {
    const ExpectedPort &expected = expectedInputs[i];
    const schema::PortT *port = findPort(step.inputs, expected.name, inputs[i]);
    if (!port)
      return Status::error(2428, "expected entry {} with input {} but got none of that name", stepEntryName,
                           expected.name);
    if (port->element != schema::ElementType::I32 || port->dims.size() != expected.dims ||
        recordFieldOfDim(plan, *port->dims[0]) != plan.findRecordField(expected.field))
      return Status::error(2428, "expected input {} of i32 with {} dims, the first {}, but got {} with {}",
                           expected.name, expected.dims, expected.field, schema::EnumNameElementType(port->element),
                           port->dims.size());
  }
  const schema::PortT &logits = *step.results[0];
  if (logits.element != schema::ElementType::F32 || logits.dims.size() != 2 ||
      recordFieldOfDim(plan, *logits.dims[0]) != fields[3] || constantDim(*logits.dims[1]) < 1 ||
      constantDim(*logits.dims[1]) > int64_t(greatestSlot))
    return Status::error(2428, "expected a result of f32 [r, vocabulary] but got {} {} with {} dims", logits.name,
                         schema::EnumNameElementType(logits.element), logits.dims.size());
  return Status::ok();
}

Status PlanStepModel::readLimits() {
  const schema::PlanT &root = runner->plan().root();
  const schema::EntryT &step = *root.entries[entry];
  auto bound = [&](size_t field) {
    return static_cast<uint32_t>(
        std::clamp<int64_t>(root.counts->inputs[fields[field]]->bound, 0, int64_t(greatestSlot)));
  };
  for (const auto &port : step.inputs)
    if (recordFieldOfDim(runner->plan(), *port->dims[0]) == fields[0]) {
      size_t ranks = 1;
      for (uint8_t axis : port->dims[0]->axes)
        ranks *= root.mesh->axes[axis]->size;
      rowMultiple = std::lcm(rowMultiple, ranks);
    }
  stepLimits.stepTokens = bound(0) - bound(0) % static_cast<uint32_t>(rowMultiple);
  stepLimits.sequences = std::min(bound(2), bound(1) - std::min(bound(1), 1u));
  stepLimits.logitRows = bound(3);
  stepLimits.vocabulary = static_cast<uint32_t>(constantDim(*step.results[0]->dims[1]));
  if (!stepLimits.stepTokens || !stepLimits.sequences || !stepLimits.logitRows)
    return Status::error(2428, "expected a step of at least 1 token, sequence and row of logits but got {}, {} and {}",
                         stepLimits.stepTokens, stepLimits.sequences, stepLimits.logitRows);
  if (!root.paging || root.paging->page_slots == 0 ||
      constantDim(*step.inputs[inputs[3]]->dims[1]) != int64_t(root.paging->pages_per_sequence))
    return Status::error(2428, "expected a block table of {} pages but got {}",
                         root.paging ? root.paging->pages_per_sequence : 0,
                         constantDim(*step.inputs[inputs[3]]->dims[1]));
  stepLimits.pageSlots = root.paging->page_slots;
  stepLimits.pagesPerSequence = root.paging->pages_per_sequence;
  uint64_t pages = runner->options().pages;
  if (pages == 0 || pages > greatestSlot / stepLimits.pageSlots)
    return Status::error(2434, "expected 1 to {} pages of {} tokens but got {}", greatestSlot / stepLimits.pageSlots,
                         stepLimits.pageSlots, pages);
  stepLimits.pages = static_cast<uint32_t>(pages);

  record.assign(root.counts->inputs.size(), 0);
  if (rowMultiple != 1)
    for (std::vector<int32_t> *rows : {&paddedTokens, &paddedPositions, &paddedSlots})
      rows->reserve(stepLimits.stepTokens);
  for (const auto &dim : step.results[0]->dims)
    if (!dim->axes.empty())
      gathered.resize(size_t(stepLimits.logitRows) * stepLimits.vocabulary);
  return Status::ok();
}

Status PlanStepModel::run(const StepBatch &batch) {
  const std::vector<int32_t> *values[6] = {&batch.tokens,     &batch.positions,  &batch.queryStarts,
                                           &batch.blockTable, &batch.writeSlots, &batch.logitRows};
  size_t rows = (batch.tokens.size() + rowMultiple - 1) / rowMultiple * rowMultiple;
  auto pad = [&](size_t input, std::vector<int32_t> &padded, int32_t filler) {
    padded.assign(values[input]->begin(), values[input]->end());
    padded.resize(rows, filler);
    values[input] = &padded;
  };
  if (rows != batch.tokens.size()) {
    pad(0, paddedTokens, 0);
    pad(1, paddedPositions, 0);
    pad(4, paddedSlots, -1);
  }
  record[fields[0]] = static_cast<int64_t>(rows);
  record[fields[1]] = static_cast<int64_t>(batch.queryStarts.size());
  record[fields[2]] = static_cast<int64_t>(batch.queryStarts.size()) - 1;
  record[fields[3]] = static_cast<int64_t>(batch.logitRows.size());
  MUSTER_RETURN_IF_ERROR(runner->begin(entry, record));
  for (size_t i = 0; i != std::size(values); ++i)
    MUSTER_RETURN_IF_ERROR(runner->setInput(inputs[i], values[i]->data(), values[i]->size() * sizeof(int32_t)));
  MUSTER_RETURN_IF_ERROR(runner->run());
  if (gathered.empty()) {
    bool local = runner->options().transport == executor::TransportKind::local;
    currentLogits = reinterpret_cast<const float *>(runner->rankResult(0, local ? 0 : runner->options().rank));
    return Status::ok();
  }
  MUSTER_RETURN_IF_ERROR(
      runner->readResult(0, gathered.data(), batch.logitRows.size() * stepLimits.vocabulary * sizeof(float)));
  currentLogits = gathered.data();
  return Status::ok();
}

} // namespace muster::session
