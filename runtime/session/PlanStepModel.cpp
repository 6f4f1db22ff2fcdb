// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/PlanStepModel.h"

#include <algorithm>
#include <functional>
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
constexpr const char *sequenceFieldName = fieldNames[2];
constexpr uint32_t noField = ~uint32_t(0);

const schema::PortT *findPort(const std::vector<std::unique_ptr<schema::PortT>> &ports, std::string_view name,
                              uint32_t &index) {
  for (index = 0; index != ports.size(); ++index)
    if (ports[index]->name == name)
      return ports[index].get();
  return nullptr;
}

/// The size of a dim that does not depend on the step; -1 for others.
int64_t constantDim(const schema::PortDimT &dim) { return dim.size->terms.empty() ? dim.size->constant : -1; }

/// Whether a dim has, at each position, one more element than field `field` of the record says.
bool isOneMore(const count::Program &counts, const schema::PortDimT &dim, uint32_t field) {
  if (dim.parts < 0)
    return false;
  const count::Program::Instruction &sum = counts.maker(static_cast<uint32_t>(dim.parts));
  if (sum.op != schema::CountOp::Add)
    return false;
  for (int first : {0, 1}) {
    const auto &one = counts.maker(sum.operands[1 - first]), &rest = counts.maker(sum.operands[first]);
    if (one.op == schema::CountOp::Constant && one.value == 1 && rest.op == schema::CountOp::Input &&
        rest.operands[0] == field)
      return true;
  }
  return false;
}

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

uint32_t groupsOf(const plan::LoadedPlan &plan) {
  std::optional<uint32_t> sequences = plan.findRecordField(sequenceFieldName);
  return sequences ? plan.counts().inputs()[*sequences].width : 1;
}

std::optional<uint32_t> recordFieldOfDim(const plan::LoadedPlan &plan, const schema::PortDimT &dim) {
  const schema::AmountT &size = *dim.size;
  if (size.constant != 0 || size.terms.size() != 1)
    return std::nullopt;
  const schema::Term &term = size.terms[0];
  if (term.coefficient() != 1 || term.position() != schema::Position::One || term.slot() < 0)
    return std::nullopt;
  const count::Program::Instruction *instruction = &plan.counts().maker(static_cast<uint32_t>(term.slot()));
  bool isSum = instruction->op == schema::CountOp::Sum;
  if (isSum)
    instruction = &plan.counts().maker(instruction->operands[0]);
  if (instruction->op != schema::CountOp::Input || instruction->axes.empty() == isSum || (dim.parts >= 0 && !isSum))
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
  MUSTER_RETURN_IF_ERROR(model->bindFields());
  MUSTER_RETURN_IF_ERROR(model->bindPorts());
  MUSTER_RETURN_IF_ERROR(model->bindLogits());
  MUSTER_RETURN_IF_ERROR(model->readLimits());
  MUSTER_RETURN_IF_ERROR(model->readPages());
  return model;
}

Status PlanStepModel::bindFields() {
  const plan::LoadedPlan &plan = runner->plan();
  const auto &all = plan.root().counts->inputs;
  std::optional<uint32_t> tokens = plan.findRecordField("t"), sequences = plan.findRecordField(sequenceFieldName);
  isGrouped = sequences && !all[*sequences]->axes.empty();
  isSpread = !isGrouped && tokens && !all[*tokens]->axes.empty();
  for (size_t i = 0; i != std::size(fieldNames); ++i) {
    std::optional<uint32_t> field = plan.findRecordField(fieldNames[i]);
    if (!field && !(isGrouped && i == startField))
      return Status::error(2428, "expected a step record with field {} but got none of that name", fieldNames[i]);
    fields[i] = field.value_or(noField);
    bool isAlone = isSpread && i == tokenField;
    if (field && sequences && !isAlone && all[*field]->axes != all[*sequences]->axes)
      return Status::error(2428, "expected {} in unequal numbers over the axes of s, which are {}, but got {}",
                           fieldNames[i], all[*sequences]->axes.size(), all[*field]->axes.size());
  }
  groupCount = groupsOf(plan);
  firstRank.assign(groupCount, plan.ranks());
  for (uint32_t rank = 0; rank != plan.ranks(); ++rank) {
    groupOf.push_back(plan.positionOn(all[*sequences]->axes, rank));
    firstRank[groupOf[rank]] = std::min(firstRank[groupOf[rank]], rank);
  }
  currentLogits.resize(groupCount);
  record.assign(all.size() * (isGrouped || isSpread ? runner->ownCount() : 1), 0);
  notes.resize(isGrouped ? runner->ownCount() : 0);
  return Status::ok();
}

bool PlanStepModel::isOwn(uint32_t group) const {
  for (uint32_t rank = runner->firstOwn(); rank != runner->firstOwn() + runner->ownCount(); ++rank)
    if (groupOf[rank] == group)
      return true;
  return false;
}

/// Whether a port's dim is the rows of a field: of the rank's group, where there are groups.
bool PlanStepModel::isRowsOf(const schema::PortDimT &dim, Field field) const {
  return recordFieldOfDim(runner->plan(), dim) == fields[field] && (!isGrouped || dim.parts >= 0);
}

/// Whether a port has the element and the dims of input `input` of the header comment.
bool PlanStepModel::isExpected(const schema::PortT &port, uint32_t input) const {
  const plan::LoadedPlan &plan = runner->plan();
  const ExpectedPort &expected = expectedInputs[input];
  if (port.element != schema::ElementType::I32 || port.dims.size() != expected.dims ||
      (isGrouped && expected.dims == 2 && !port.dims[1]->axes.empty()))
    return false;
  auto name = std::find_if(std::begin(fieldNames), std::end(fieldNames),
                           [&](const char *name) { return std::string_view(name) == expected.field; });
  uint32_t field = fields[name - std::begin(fieldNames)];
  if (field == noField)
    return isOneMore(plan.counts(), *port.dims[0], fields[sequenceField]);
  return isRowsOf(*port.dims[0], static_cast<Field>(name - std::begin(fieldNames)));
}

Status PlanStepModel::bindPorts() {
  const schema::EntryT &step = *runner->plan().root().entries[entry];
  if (step.inputs.size() != std::size(expectedInputs) || step.results.size() != 1)
    return Status::error(2428, "expected entry {} with 6 inputs and 1 result but got {} and {}", stepEntryName,
                         step.inputs.size(), step.results.size());
  for (uint32_t i = 0; i != std::size(expectedInputs); ++i) {
    const ExpectedPort &expected = expectedInputs[i];
    const schema::PortT *port = findPort(step.inputs, expected.name, inputs[i]);
    if (!port)
      return Status::error(2428, "expected entry {} with input {} but got none of that name", stepEntryName,
                           expected.name);
    if (!isExpected(*port, i))
      return Status::error(2428, "expected input {} of i32 with {} dims, the first {}, but got {} with {}",
                           expected.name, expected.dims, expected.field, schema::EnumNameElementType(port->element),
                           port->dims.size());
  }
  return Status::ok();
}

Status PlanStepModel::bindLogits() {
  const schema::PortT &logits = *runner->plan().root().entries[entry]->results[0];
  if (logits.element != schema::ElementType::F32 || logits.dims.size() != 2 || !isRowsOf(*logits.dims[0], rowField) ||
      constantDim(*logits.dims[1]) < 1 || constantDim(*logits.dims[1]) > int64_t(greatestSlot))
    return Status::error(2428, "expected a result of f32 [r, vocabulary] but got {} {} with {} dims", logits.name,
                         schema::EnumNameElementType(logits.element), logits.dims.size());
  return Status::ok();
}

/// The greatest sum of a field over all groups for which there is a variant and no check fails.
int64_t PlanStepModel::boundOfSum(uint32_t field) const {
  const plan::LoadedPlan &plan = runner->plan();
  const count::Program &counts = plan.counts();
  auto isSum = [&](uint32_t slot) {
    const count::Program::Instruction &maker = counts.maker(slot);
    return maker.op == schema::CountOp::Sum && counts.maker(maker.operands[0]).op == schema::CountOp::Input &&
           counts.maker(maker.operands[0]).operands[0] == field;
  };
  int64_t most = std::numeric_limits<int64_t>::max(), ofVariants = -1;
  for (const count::Program::Check &check : counts.checks())
    if (isSum(check.slot))
      most = std::min(most, check.bound);
  for (const auto &variant : plan.root().entries[entry]->variants) {
    int64_t own = std::numeric_limits<int64_t>::max();
    for (const schema::SlotBound &bound : variant->bounds)
      if (isSum(bound.slot()))
        own = std::min(own, bound.maximum());
    ofVariants = std::max(ofVariants, own);
  }
  return std::min(most, ofVariants);
}

Status PlanStepModel::readLimits() {
  const schema::PlanT &root = runner->plan().root();
  const schema::EntryT &step = *root.entries[entry];
  auto bound = [&](Field field) {
    int64_t most = root.counts->inputs[fields[field]]->bound;
    if (isGrouped)
      most = std::min(most, boundOfSum(fields[field]) / int64_t(groupCount));
    else if (isSpread && field == tokenField)
      most = std::min(most * int64_t(runner->plan().counts().inputs()[fields[field]].width), boundOfSum(fields[field]));
    return static_cast<uint32_t>(std::clamp<int64_t>(most, 0, int64_t(greatestSlot)));
  };
  for (const auto &port : step.inputs)
    if (!isGrouped && !isSpread && isRowsOf(*port->dims[0], tokenField)) {
      size_t ranks = 1;
      for (uint8_t axis : port->dims[0]->axes)
        ranks *= root.mesh->axes[axis]->size;
      rowMultiple = std::lcm(rowMultiple, ranks);
    }
  stepLimits.stepTokens = bound(tokenField) - bound(tokenField) % static_cast<uint32_t>(rowMultiple);
  stepLimits.sequences = bound(sequenceField);
  if (fields[startField] != noField)
    stepLimits.sequences = std::min(stepLimits.sequences, bound(startField) - std::min(bound(startField), 1u));
  stepLimits.logitRows = bound(rowField);
  stepLimits.vocabulary = static_cast<uint32_t>(constantDim(*step.results[0]->dims[1]));
  if (!stepLimits.stepTokens || !stepLimits.sequences || !stepLimits.logitRows)
    return Status::error(2428, "expected a step of at least 1 token, sequence and row of logits but got {}, {} and {}",
                         stepLimits.stepTokens, stepLimits.sequences, stepLimits.logitRows);
  if (rowMultiple != 1)
    for (std::vector<int32_t> *rows : {&paddedTokens, &paddedPositions, &paddedSlots})
      rows->reserve(stepLimits.stepTokens);
  // Parts of rows may be groups; any other part is put together here.
  if (!step.results[0]->dims[1]->axes.empty() || (!isGrouped && !step.results[0]->dims[0]->axes.empty()))
    gathered.resize(size_t(stepLimits.logitRows) * groupCount * stepLimits.vocabulary);
  return Status::ok();
}

Status PlanStepModel::readPages() {
  const schema::PlanT &root = runner->plan().root();
  const schema::EntryT &step = *root.entries[entry];
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
  return Status::ok();
}

// ---- a step

/// Everything that could make an input fail behind the exchange, where the other processes would not know of it.
Status PlanStepModel::check(const StepBatch &batch, uint32_t group) const {
  size_t t = batch.tokens.size(), starts = batch.queryStarts.size(), s = starts - 1, r = batch.logitRows.size();
  if (starts == 0 || t > stepLimits.stepTokens || s > stepLimits.sequences || r > stepLimits.logitRows)
    return Status::error(
        2407,
        "expected a batch of group {} of at most {} tokens, {} sequences and {} rows of logits but got "
        "{}, {} and {}",
        group, stepLimits.stepTokens, stepLimits.sequences, stepLimits.logitRows, t, static_cast<int64_t>(starts) - 1,
        r);
  if (batch.positions.size() != t || batch.writeSlots.size() != t ||
      batch.blockTable.size() != s * stepLimits.pagesPerSequence)
    return Status::error(2407, "expected {} positions, {} write slots and {} pages of group {} but got {}, {} and {}",
                         t, t, s * stepLimits.pagesPerSequence, group, batch.positions.size(), batch.writeSlots.size(),
                         batch.blockTable.size());
  if (batch.queryStarts.front() != 0 || batch.queryStarts.back() != static_cast<int64_t>(t) ||
      std::adjacent_find(batch.queryStarts.begin(), batch.queryStarts.end(), std::greater_equal<>()) !=
          batch.queryStarts.end())
    return Status::error(2407, "expected {} query starts of group {} that ascend from 0 to {} but got {} to {}", starts,
                         group, t, batch.queryStarts.front(), batch.queryStarts.back());
  return checkValues(batch, group);
}

Status PlanStepModel::checkValues(const StepBatch &batch, uint32_t group) const {
  int64_t slots = int64_t(stepLimits.pages) * stepLimits.pageSlots;
  struct {
    const char *name;
    const std::vector<int32_t> &values;
    int64_t least, end;
  } ranges[] = {{"token", batch.tokens, 0, stepLimits.vocabulary},
                {"position", batch.positions, 0, int64_t(stepLimits.contextTokens())},
                {"page", batch.blockTable, 0, stepLimits.pages},
                {"write slot", batch.writeSlots, -1, slots},
                {"logit row", batch.logitRows, 0, int64_t(batch.tokens.size())}};
  for (const auto &range : ranges)
    for (int64_t value : range.values)
      if (value < range.least || value >= range.end)
        return Status::error(2407, "expected every {} of group {} in [{}, {}) but got {}", range.name, group,
                             range.least, range.end, value);
  return Status::ok();
}

Result<uint64_t> PlanStepModel::run(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) {
  if (batches.size() != groupCount || loads.size() != groupCount)
    return runner->refuse(Status::error(2407, "expected batches and loads of {} groups but got {} and {}", groupCount,
                                        batches.size(), loads.size()));
  for (uint32_t group = 0; group != groupCount; ++group) {
    if (!isOwn(group))
      continue;
    Status status = batches[group] ? check(*batches[group], group)
                                   : Status::error(2407, "expected a batch of group {} but got none", group);
    if (!status.isOk())
      return runner->refuse(status);
  }
  if (!isGrouped) {
    MUSTER_RETURN_IF_ERROR(runAlone(*batches[0]));
    return uint64_t(batches[0]->tokens.size());
  }
  MUSTER_RETURN_IF_ERROR(beginGroups(batches, loads));
  uint64_t all = static_cast<uint64_t>(runner->inputDims(inputs[0])[0]);
  if (all == 0)
    return all;
  for (uint32_t rank = runner->firstOwn(); rank != runner->firstOwn() + runner->ownCount(); ++rank) {
    const StepBatch &batch = *batches[groupOf[rank]];
    const std::vector<int32_t> *values[6] = {&batch.tokens,     &batch.positions,  &batch.queryStarts,
                                             &batch.blockTable, &batch.writeSlots, &batch.logitRows};
    for (size_t i = 0; i != std::size(values); ++i)
      MUSTER_RETURN_IF_ERROR(
          runner->setInputPart(inputs[i], rank, values[i]->data(), values[i]->size() * sizeof(int32_t)));
  }
  MUSTER_RETURN_IF_ERROR(runner->run());
  MUSTER_RETURN_IF_ERROR(takeLogits());
  return all;
}

Status PlanStepModel::beginGroups(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) {
  size_t fieldCount = record.size() / runner->ownCount();
  for (uint32_t i = 0; i != runner->ownCount(); ++i) {
    uint32_t group = groupOf[runner->firstOwn() + i];
    const StepBatch &batch = *batches[group];
    int64_t *own = &record[i * fieldCount];
    own[fields[tokenField]] = static_cast<int64_t>(batch.tokens.size());
    own[fields[sequenceField]] = static_cast<int64_t>(batch.queryStarts.size()) - 1;
    own[fields[rowField]] = static_cast<int64_t>(batch.logitRows.size());
    if (fields[startField] != noField)
      own[fields[startField]] = static_cast<int64_t>(batch.queryStarts.size());
    const GroupLoad &load = loads[group];
    notes[i] = {load.freePlaces, load.freePages, load.pendingTokens, load.running};
  }
  MUSTER_RETURN_IF_ERROR(runner->begin(entry, record, notes));
  return agreeLoads(loads);
}

/// A function of what was exchanged, so the same on all ranks.
Status PlanStepModel::agreeLoads(std::span<GroupLoad> loads) const {
  for (uint32_t rank = 0; rank != groupOf.size(); ++rank) {
    const comm::StepNote &note = runner->note(rank);
    uint32_t group = groupOf[rank];
    if (note != runner->note(firstRank[group]))
      return Status::error(2503,
                           "expected the load of group {} on rank {} to be as on rank {} but got {} running for {}",
                           group, rank, firstRank[group], note[3], runner->note(firstRank[group])[3]);
    loads[group] = {note[0], note[1], note[2], note[3]};
  }
  return Status::ok();
}

/// A step of a plan without groups: inputs are whole, and divided among the ranks by the executor, as the record says.
Status PlanStepModel::runAlone(const StepBatch &batch) {
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
  const count::Program::Input &tokenInput = runner->plan().counts().inputs()[fields[tokenField]];
  const std::vector<uint8_t> &axes = runner->plan().root().counts->inputs[fields[tokenField]]->axes;
  size_t fieldCount = runner->plan().counts().inputs().size();
  for (uint32_t i = 0; i * fieldCount != record.size(); ++i) {
    int64_t *own = &record[i * fieldCount];
    own[fields[tokenField]] = evenShare(static_cast<int64_t>(rows), tokenInput.width,
                                        isSpread ? runner->plan().positionOn(axes, runner->firstOwn() + i) : 0);
    own[fields[startField]] = static_cast<int64_t>(batch.queryStarts.size());
    own[fields[sequenceField]] = static_cast<int64_t>(batch.queryStarts.size()) - 1;
    own[fields[rowField]] = static_cast<int64_t>(batch.logitRows.size());
  }
  MUSTER_RETURN_IF_ERROR(runner->begin(entry, record));
  for (size_t i = 0; i != std::size(values); ++i)
    MUSTER_RETURN_IF_ERROR(runner->setInput(inputs[i], values[i]->data(), values[i]->size() * sizeof(int32_t)));
  MUSTER_RETURN_IF_ERROR(runner->run());
  return takeLogits();
}

/// Finds the logits of own groups: on a rank that has all of a group's, or put together from the parts.
Status PlanStepModel::takeLogits() {
  if (!gathered.empty())
    MUSTER_RETURN_IF_ERROR(runner->readResult(0, gathered.data(), runner->resultBytes(0)));
  for (uint32_t rank = runner->firstOwn() + runner->ownCount(); rank-- != runner->firstOwn();)
    currentLogits[groupOf[rank]] = reinterpret_cast<const float *>(runner->rankResult(0, rank));
  if (gathered.empty())
    return Status::ok();
  const float *next = gathered.data();
  for (uint32_t group = 0; group != groupCount; ++group) {
    currentLogits[group] = next;
    if (isGrouped)
      next += runner->resultPartDim(0, firstRank[group], 0) * stepLimits.vocabulary;
  }
  return Status::ok();
}

} // namespace muster::session
