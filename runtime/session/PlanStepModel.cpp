// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/PlanStepModel.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>

namespace muster::session {

namespace {

constexpr uint64_t greatestSlot = std::numeric_limits<int32_t>::max();

/// The field of the sequences in a step; of a step of two halves, either of which may have all, those of the first.
std::optional<uint32_t> findSequences(const plan::LoadedPlan &plan) {
  std::optional<uint32_t> all = plan.findRecordField("s");
  return all ? all : plan.findRecordField("s.a");
}

uint64_t productOrGreatest(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

} // namespace

uint64_t pageBytes(const plan::LoadedPlan &plan) {
  uint64_t bytes = 0;
  for (const auto &state : plan.root().states)
    if (state->paged && __builtin_add_overflow(bytes, state->page_bytes, &bytes))
      return std::numeric_limits<uint64_t>::max();
  return productOrGreatest(bytes, plan.ranks());
}

Result<uint64_t> pagesOfMemory(const plan::LoadedPlan &plan, uint64_t bytes) {
  uint64_t page = pageBytes(plan);
  if (page == 0 || !plan.root().paging)
    return uint64_t(0);
  uint64_t slots = std::max<uint32_t>(plan.root().paging->page_slots, 1);
  uint64_t greatest = greatestSlot / slots;
  if (bytes == 0) {
    uint64_t oneSequence = plan.root().paging->pages_per_sequence;
    bytes = std::max(defaultCacheBytes, productOrGreatest(page, oneSequence));
    if (std::optional<uint32_t> sequences = findSequences(plan)) {
      uint64_t bound = static_cast<uint64_t>(plan.root().counts->inputs[*sequences]->bound);
      greatest = std::min(greatest, productOrGreatest(oneSequence, bound));
    }
  }
  uint64_t pages = std::min(bytes / page, greatest);
  if (pages == 0)
    return Status::error(2434, "expected memory for at least one page of {} bytes on {} ranks but got {} bytes", page,
                         plan.ranks(), bytes);
  return pages;
}

uint32_t groupsOf(const plan::LoadedPlan &plan) {
  std::optional<uint32_t> sequences = findSequences(plan);
  return sequences ? plan.counts().inputs()[*sequences].width : 1;
}

Result<std::unique_ptr<PlanStepModel>> PlanStepModel::create(std::shared_ptr<executor::Executor> executor) {
  std::unique_ptr<PlanStepModel> model(new PlanStepModel());
  model->runner = std::move(executor);
  MUSTER_ASSIGN_OR_RETURN(model->ports, StepPorts::bind(model->runner->plan()));
  model->bindGroups();
  MUSTER_RETURN_IF_ERROR(model->readLimits());
  MUSTER_RETURN_IF_ERROR(model->readPages());
  model->reserve();
  return model;
}

void PlanStepModel::bindGroups() {
  const plan::LoadedPlan &plan = runner->plan();
  groupCount = groupsOf(plan);
  firstRank.assign(groupCount, plan.ranks());
  for (uint32_t rank = 0; rank != plan.ranks(); ++rank) {
    groupOf.push_back(plan.positionOn(ports.axes, rank));
    firstRank[groupOf[rank]] = std::min(firstRank[groupOf[rank]], rank);
  }
  currentLogits.resize(groupCount);
  record.assign(plan.root().counts->inputs.size() * (ports.isGrouped || ports.isSpread ? runner->ownCount() : 1), 0);
  notes.resize(ports.isGrouped ? runner->ownCount() : 0);
}

bool PlanStepModel::isOwn(uint32_t group) const {
  for (uint32_t rank = runner->firstOwn(); rank != runner->firstOwn() + runner->ownCount(); ++rank)
    if (groupOf[rank] == group)
      return true;
  return false;
}

/// What a batch gives to the inputs of a step, by StepInput.
static std::array<const std::vector<int32_t> *, stepInputs> valuesOf(const StepBatch &batch) {
  return {&batch.tokens, &batch.positions, &batch.queryStarts, &batch.blockTable, &batch.writeSlots, &batch.logitRows};
}

/// The most that a slot may be for some variant of the entry; `isSlot` tells which slots are it.
template <typename IsSlot>
static int64_t mostServed(const schema::EntryT &entry, IsSlot isSlot) {
  int64_t most = -1;
  for (const auto &variant : entry.variants) {
    int64_t own = std::numeric_limits<int64_t>::max();
    for (const schema::SlotBound &bound : variant->bounds)
      if (isSlot(bound.slot()))
        own = std::min(own, bound.maximum());
    most = std::max(most, own);
  }
  return most;
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
  int64_t most = std::numeric_limits<int64_t>::max();
  for (const count::Program::Check &check : counts.checks())
    if (isSum(check.slot))
      most = std::min(most, check.bound);
  return std::min(most, mostServed(*plan.root().entries[ports.entry], isSum));
}

/// A bound that no variant serves is not what the plan was compiled for, and memory for it might be without end.
Status PlanStepModel::checkBound(uint32_t field) const {
  if (field == StepPorts::noField)
    return Status::ok();
  const plan::LoadedPlan &plan = runner->plan();
  const count::Program &counts = plan.counts();
  auto isField = [&](uint32_t slot) {
    const count::Program::Instruction *maker = &counts.maker(slot);
    if (maker->op == schema::CountOp::Greatest)
      maker = &counts.maker(maker->operands[0]);
    return maker->op == schema::CountOp::Input && maker->operands[0] == field;
  };
  int64_t served = mostServed(*plan.root().entries[ports.entry], isField);
  const count::Program::Input &input = counts.inputs()[field];
  if (input.bound > served)
    return Status::error(2109,
                         "expected a bound of at most {}, which a variant serves, for {} of the step record but got {}",
                         served, input.name, input.bound);
  return Status::ok();
}

/// The greatest number of a field that each group can have in one step.
uint32_t PlanStepModel::boundOf(uint32_t field) const {
  int64_t most = runner->plan().root().counts->inputs[field]->bound;
  if (ports.isGrouped)
    most = std::min(most, boundOfSum(field) / int64_t(groupCount));
  else if (ports.isSpread && field == ports.tokens)
    most = std::min(std::min(most, int64_t(greatestSlot)) * int64_t(runner->plan().counts().inputs()[field].width),
                    boundOfSum(field));
  return static_cast<uint32_t>(std::clamp<int64_t>(most, 0, int64_t(greatestSlot)));
}

/// What any batch within may become in two halves: all of its sequences and rows may be in one, half of its tokens are.
void PlanStepModel::limitHalves() {
  for (const StepPorts::Part &half : ports.parts)
    stepLimits.sequences = std::min(stepLimits.sequences, boundOf(half.sequences));
  stepLimits.logitRows = std::min(stepLimits.logitRows, boundOf(ports.parts[0].rows));
  // A half has at least half of the tokens, so that a few steps down are enough.
  uint64_t most = boundOf(ports.parts[0].tokens);
  stepLimits.stepTokens = static_cast<uint32_t>(std::min<uint64_t>(stepLimits.stepTokens, 2 * most));
  while (greatestHalf(stepLimits.stepTokens) > most)
    --stepLimits.stepTokens;
}

/// The most tokens of each group that a variant without the first half's serves.
uint32_t PlanStepModel::findUnsplit() const {
  const count::Program &counts = runner->plan().counts();
  auto isGreatestOf = [&](uint32_t slot, uint32_t field) {
    const count::Program::Instruction *maker = &counts.maker(slot);
    if (maker->op == schema::CountOp::Greatest)
      maker = &counts.maker(maker->operands[0]);
    return maker->op == schema::CountOp::Input && maker->operands[0] == field;
  };
  int64_t most = 0;
  for (const auto &variant : runner->plan().root().entries[ports.entry]->variants) {
    bool isUnsplit = false;
    int64_t tokens = stepLimits.stepTokens;
    for (const schema::SlotBound &bound : variant->bounds) {
      isUnsplit |= bound.maximum() == 0 && isGreatestOf(bound.slot(), ports.parts[0].tokens);
      if (isGreatestOf(bound.slot(), ports.tokens))
        tokens = std::min(tokens, bound.maximum());
    }
    if (isUnsplit)
      most = std::max(most, tokens);
  }
  return static_cast<uint32_t>(most);
}

Status PlanStepModel::readLimits() {
  for (uint32_t field : {ports.tokens, ports.rows})
    MUSTER_RETURN_IF_ERROR(checkBound(field));
  for (const StepPorts::Part &part : ports.parts)
    for (uint32_t field : {part.tokens, part.starts, part.sequences, part.rows})
      MUSTER_RETURN_IF_ERROR(checkBound(field));
  const schema::PlanT &root = runner->plan().root();
  const schema::EntryT &step = *root.entries[ports.entry];
  const StepPorts::Part &all = ports.parts[0];
  for (const auto &port : step.inputs)
    if (!ports.isGrouped && !ports.isSpread && recordFieldOfDim(runner->plan(), *port->dims[0]) == ports.tokens) {
      size_t ranks = 1;
      for (uint8_t axis : port->dims[0]->axes)
        ranks *= root.mesh->axes[axis]->size;
      rowMultiple = std::lcm(rowMultiple, ranks);
    }
  stepLimits.stepTokens = boundOf(ports.tokens) - boundOf(ports.tokens) % static_cast<uint32_t>(rowMultiple);
  stepLimits.sequences = boundOf(all.sequences);
  if (all.starts != StepPorts::noField)
    stepLimits.sequences = std::min(stepLimits.sequences, boundOf(all.starts) - std::min(boundOf(all.starts), 1u));
  stepLimits.logitRows = boundOf(ports.rows);
  stepLimits.vocabulary = static_cast<uint32_t>(constantDim(*step.results[0]->dims[1]));
  if (ports.isSplit()) {
    limitHalves();
    unsplitTokens = findUnsplit();
  }
  if (!stepLimits.stepTokens || !stepLimits.sequences || !stepLimits.logitRows)
    return Status::error(2428, "expected a step of at least 1 token, sequence and row of logits but got {}, {} and {}",
                         stepLimits.stepTokens, stepLimits.sequences, stepLimits.logitRows);
  // Parts of rows may be groups; any other part is put together here.
  if (!step.results[0]->dims[1]->axes.empty() || (!ports.isGrouped && !step.results[0]->dims[0]->axes.empty()))
    gathered.resize(size_t(stepLimits.logitRows) * groupCount * stepLimits.vocabulary);
  return Status::ok();
}

Status PlanStepModel::readPages() {
  const schema::PlanT &root = runner->plan().root();
  for (const StepPorts::Part &part : ports.parts) {
    int64_t width = constantDim(*root.entries[ports.entry]->inputs[part.inputs[tableInput]]->dims[1]);
    if (!root.paging || root.paging->page_slots == 0 || width != int64_t(root.paging->pages_per_sequence))
      return Status::error(2428, "expected a block table of {} pages but got {}",
                           root.paging ? root.paging->pages_per_sequence : 0, width);
  }
  stepLimits.pageSlots = root.paging->page_slots;
  stepLimits.pagesPerSequence = root.paging->pages_per_sequence;
  uint64_t pages = runner->options().pages;
  if (pages == 0 || pages > greatestSlot / stepLimits.pageSlots)
    return Status::error(2434, "expected 1 to {} pages of {} tokens but got {}", greatestSlot / stepLimits.pageSlots,
                         stepLimits.pageSlots, pages);
  stepLimits.pages = static_cast<uint32_t>(pages);
  return Status::ok();
}

/// What steps write to, once.
void PlanStepModel::reserve() {
  if (rowMultiple != 1)
    for (std::vector<int32_t> *rows : {&paddedTokens, &paddedPositions, &paddedSlots})
      rows->reserve(stepLimits.stepTokens);
  if (ports.isSplit())
    halves.resize(groupCount);
  for (uint32_t group = 0; group != halves.size(); ++group)
    for (StepBatch &half : halves[group])
      if (isOwn(group))
        half.reserve(stepLimits);
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
  if (ports.isSplit() && !std::is_sorted(batch.logitRows.begin(), batch.logitRows.end()))
    return Status::error(2407, "expected logit rows of group {} that ascend but got {} rows that do not", group, r);
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
  if (!ports.isGrouped) {
    MUSTER_RETURN_IF_ERROR(runAlone(*batches[0]));
    return uint64_t(batches[0]->tokens.size());
  }
  MUSTER_RETURN_IF_ERROR(beginGroups(batches, loads));
  uint64_t all = 0;
  for (const StepPorts::Part &part : ports.parts)
    all += static_cast<uint64_t>(runner->inputDims(part.inputs[tokenInput])[0]);
  if (all == 0)
    return all;
  for (uint32_t rank = runner->firstOwn(); rank != runner->firstOwn() + runner->ownCount(); ++rank)
    for (uint32_t part = 0; part != ports.parts.size(); ++part)
      MUSTER_RETURN_IF_ERROR(setInputs(rank, ports.parts[part], partOf(batches, groupOf[rank], part)));
  MUSTER_RETURN_IF_ERROR(runner->run());
  MUSTER_RETURN_IF_ERROR(takeLogits());
  return all;
}

/// The batch of a group, or a half of it.
const StepBatch &PlanStepModel::partOf(std::span<const StepBatch *const> batches, uint32_t group, uint32_t part) const {
  return ports.isSplit() ? halves[group][part] : *batches[group];
}

Status PlanStepModel::setInputs(uint32_t rank, const StepPorts::Part &part, const StepBatch &batch) {
  auto values = valuesOf(batch);
  for (size_t i = 0; i != stepInputs; ++i)
    MUSTER_RETURN_IF_ERROR(
        runner->setInputPart(part.inputs[i], rank, values[i]->data(), values[i]->size() * sizeof(int32_t)));
  return Status::ok();
}

/// Sequences with more than one token in a batch.
static size_t promptsIn(const StepBatch &batch) {
  size_t prompts = 0;
  for (size_t i = 1; i < batch.queryStarts.size(); ++i)
    prompts += batch.queryStarts[i] - batch.queryStarts[i - 1] > 1;
  return prompts;
}

Status PlanStepModel::beginGroups(std::span<const StepBatch *const> batches, std::span<GroupLoad> loads) {
  for (uint32_t group = 0; group != halves.size(); ++group)
    if (isOwn(group))
      splitBatch(*batches[group], stepLimits.pagesPerSequence, unsplitTokens, halves[group][0], halves[group][1]);
  size_t fieldCount = record.size() / runner->ownCount();
  for (uint32_t i = 0; i != runner->ownCount(); ++i) {
    uint32_t group = groupOf[runner->firstOwn() + i];
    int64_t *own = &record[i * fieldCount];
    auto set = [&](uint32_t field, size_t value) {
      if (field != StepPorts::noField)
        own[field] = static_cast<int64_t>(value);
    };
    set(ports.tokens, batches[group]->tokens.size());
    set(ports.rows, batches[group]->logitRows.size());
    for (uint32_t part = 0; part != ports.parts.size(); ++part) {
      const StepBatch &batch = partOf(batches, group, part);
      set(ports.parts[part].tokens, batch.tokens.size());
      set(ports.parts[part].sequences, batch.queryStarts.size() - 1);
      set(ports.parts[part].rows, batch.logitRows.size());
      set(ports.parts[part].starts, batch.queryStarts.size());
      set(ports.parts[part].prompts, promptsIn(batch));
    }
    const GroupLoad &load = loads[group];
    notes[i] = {load.freePlaces, load.freePages, load.pendingTokens, load.running};
  }
  MUSTER_RETURN_IF_ERROR(runner->begin(ports.entry, record, notes));
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
  auto values = valuesOf(batch);
  size_t rows = (batch.tokens.size() + rowMultiple - 1) / rowMultiple * rowMultiple;
  auto pad = [&](size_t input, std::vector<int32_t> &padded, int32_t filler) {
    padded.assign(values[input]->begin(), values[input]->end());
    padded.resize(rows, filler);
    values[input] = &padded;
  };
  if (rows != batch.tokens.size()) {
    pad(tokenInput, paddedTokens, 0);
    pad(positionInput, paddedPositions, 0);
    pad(slotInput, paddedSlots, -1);
  }
  const StepPorts::Part &part = ports.parts[0];
  size_t fieldCount = runner->plan().counts().inputs().size();
  int64_t positions = runner->plan().counts().inputs()[part.tokens].width;
  for (uint32_t i = 0; i * fieldCount != record.size(); ++i) {
    int64_t *own = &record[i * fieldCount];
    own[part.tokens] = evenShare(static_cast<int64_t>(rows), positions,
                                 runner->plan().positionOn(ports.tokenAxes, runner->firstOwn() + i));
    own[part.starts] = static_cast<int64_t>(batch.queryStarts.size());
    own[part.sequences] = static_cast<int64_t>(batch.queryStarts.size()) - 1;
    own[part.rows] = static_cast<int64_t>(batch.logitRows.size());
    if (part.prompts != StepPorts::noField)
      own[part.prompts] = static_cast<int64_t>(promptsIn(batch));
  }
  MUSTER_RETURN_IF_ERROR(runner->begin(ports.entry, record));
  for (size_t i = 0; i != std::size(values); ++i)
    MUSTER_RETURN_IF_ERROR(runner->setInput(part.inputs[i], values[i]->data(), values[i]->size() * sizeof(int32_t)));
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
    if (ports.isGrouped)
      next += runner->resultPartDim(0, firstRank[group], 0) * stepLimits.vocabulary;
  }
  return Status::ok();
}

} // namespace muster::session
