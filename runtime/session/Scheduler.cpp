// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Scheduler.h"

#include <algorithm>
#include <cassert>

namespace muster::session {

void StepBatch::reserve(const StepLimits &limits) {
  tokens.reserve(limits.stepTokens);
  positions.reserve(limits.stepTokens);
  writeSlots.reserve(limits.stepTokens);
  queryStarts.reserve(size_t(limits.sequences) + 1);
  blockTable.reserve(size_t(limits.sequences) * limits.pagesPerSequence);
  logitRows.reserve(limits.logitRows);
}

void StepBatch::clear() {
  tokens.clear();
  positions.clear();
  writeSlots.clear();
  queryStarts.clear();
  blockTable.clear();
  logitRows.clear();
}

Scheduler::Scheduler(const StepLimits &limits, SequenceTable &table)
    : stepLimits(limits), pool(limits.pages), table(table) {
  assert(limits.stepTokens && limits.sequences && limits.logitRows && limits.pageSlots && "a limit is zero");
  stepBatch.reserve(limits);
  step.reserve(limits.sequences);
}

void Scheduler::reserve(size_t places) {
  waiting.reserve(places);
  active.reserve(places);
}

void Scheduler::enqueue(Sequence &sequence) {
  assert(sequence.state == SequenceState::waiting && sequence.reservedPages <= pool.pages() &&
         "cannot ever be admitted");
  waiting.push_back(sequence.place);
}

void Scheduler::forget(Sequence &sequence) {
  if (sequence.state == SequenceState::waiting)
    std::erase(waiting, sequence.place);
  else if (sequence.state != SequenceState::finished) {
    std::erase(active, sequence.place);
    release(sequence);
  }
}

void Scheduler::release(Sequence &sequence) {
  for (int32_t page : sequence.pages)
    pool.giveBack(page);
  pool.unreserve(sequence.reservedPages - static_cast<uint32_t>(sequence.pages.size()));
  sequence.pages.clear();
  sequence.reservedPages = 0;
}

void Scheduler::admit() {
  size_t running = 0, admitted = 0;
  for (uint32_t place : active)
    running += table.at(place).state == SequenceState::running;
  for (; admitted != waiting.size() && running < stepLimits.sequences; ++admitted, ++running) {
    Sequence &sequence = table.at(waiting[admitted]);
    if (!pool.reserve(sequence.reservedPages))
      break;
    sequence.state = SequenceState::running;
    active.push_back(waiting[admitted]);
  }
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(admitted));
}

bool Scheduler::hasWork() const {
  if (std::any_of(active.begin(), active.end(), [&](uint32_t place) { return table.at(place).pending() != 0; }))
    return true;
  // A sequence that waits for pages of idle ones finds none until one of those is dropped.
  return !waiting.empty() && table.at(waiting.front()).reservedPages <= pool.available();
}

GroupLoad Scheduler::load() const {
  GroupLoad load;
  load.freePlaces = stepLimits.sequences;
  load.freePages = pool.available();
  for (const std::vector<uint32_t> *places : {&waiting, &active})
    for (uint32_t place : *places) {
      const Sequence &sequence = table.at(place);
      if (places == &waiting)
        load.freePages -= sequence.reservedPages;
      if (sequence.pending() == 0)
        continue;
      --load.freePlaces;
      ++load.running;
      load.pendingTokens += static_cast<int64_t>(sequence.pending());
    }
  return load;
}

bool Scheduler::plan() {
  stepBatch.clear();
  step.clear();
  admit();
  bool prefillWaits = std::any_of(active.begin(), active.end(), [&](uint32_t p) { return table.at(p).pending() > 1; });
  Budget left{stepLimits.stepTokens, stepLimits.sequences, stepLimits.logitRows};
  planDecodes(left, prefillWaits);
  planPrefills(left);
  stepBatch.queryStarts.push_back(static_cast<int32_t>(stepBatch.tokens.size()));
  return !step.empty();
}

void Scheduler::planDecodes(Budget &left, bool prefillWaits) {
  uint64_t kept = prefillWaits ? 1 : 0;
  Budget own{left.tokens - kept, left.sequences - kept, left.rows - kept};
  size_t count = active.size();
  for (size_t i = 0; i != count; ++i) {
    size_t index = (firstDecode + i) % count;
    if (table.at(active[index]).pending() != 1)
      continue;
    if (!schedule(active[index], 1, own)) {
      firstDecode = index; // those left out come first in the next step
      break;
    }
  }
  left = {own.tokens + kept, own.sequences + kept, own.rows + kept};
}

void Scheduler::planPrefills(Budget &left) {
  for (uint32_t place : active)
    if (uint64_t pending = table.at(place).pending(); pending > 1)
      schedule(place, std::min(pending, left.tokens), left);
}

/// Adds up to `tokens` tokens of a sequence to the step, fewer where rows of logits run out; false where none fits.
bool Scheduler::schedule(uint32_t place, uint64_t tokens, Budget &left) {
  Sequence &sequence = table.at(place);
  if (left.sequences == 0 || left.tokens == 0)
    return false;
  bool all = sequence.options.logits == LogitRequest::all;
  bool rowAtEnd = sequence.generates() || sequence.options.logits == LogitRequest::last;
  if (all)
    tokens = std::min(tokens, left.rows);
  else if (rowAtEnd && tokens == sequence.pending() && left.rows == 0)
    --tokens;
  if (tokens == 0)
    return false;
  bool reachesEnd = tokens == sequence.pending();
  uint64_t rows = all ? tokens : (rowAtEnd && reachesEnd ? 1 : 0);

  while (sequence.pages.size() < stepLimits.pagesFor(sequence.computed + tokens))
    sequence.pages.push_back(pool.take());
  uint32_t firstRow = static_cast<uint32_t>(stepBatch.tokens.size());
  stepBatch.queryStarts.push_back(static_cast<int32_t>(firstRow));
  for (uint64_t position = sequence.computed; position != sequence.computed + tokens; ++position) {
    stepBatch.tokens.push_back(sequence.tokens[position]);
    stepBatch.positions.push_back(static_cast<int32_t>(position));
    int64_t page = sequence.pages[position / stepLimits.pageSlots];
    stepBatch.writeSlots.push_back(
        static_cast<int32_t>(page * stepLimits.pageSlots + static_cast<int64_t>(position % stepLimits.pageSlots)));
  }
  stepBatch.blockTable.insert(stepBatch.blockTable.end(), sequence.pages.begin(), sequence.pages.end());
  stepBatch.blockTable.resize((step.size() + 1) * stepLimits.pagesPerSequence, 0);
  uint32_t firstLogit = static_cast<uint32_t>(stepBatch.logitRows.size());
  for (uint64_t row = tokens - rows; row != tokens; ++row)
    stepBatch.logitRows.push_back(static_cast<int32_t>(firstRow + row));
  step.push_back({place, static_cast<uint32_t>(tokens), firstLogit, static_cast<uint32_t>(rows),
                  sequence.generates() && reachesEnd});
  left = {left.tokens - tokens, left.sequences - 1, left.rows - rows};
  return true;
}

void Scheduler::complete(const ScheduledSequence &part, int32_t next) {
  Sequence &sequence = table.at(part.place);
  sequence.computed += part.tokens;
  sequence.logitStep = steps + 1;
  sequence.logitRow = part.logitRow;
  sequence.logitRowCount = part.logitRows;
  sequence.logitPosition = sequence.computed - part.logitRows;
  if (!part.samples) {
    if (sequence.pending() == 0)
      sequence.state = SequenceState::idle;
    return;
  }
  if (next < 0)
    sequence.finish = FinishReason::invalidLogits;
  else {
    sequence.tokens.push_back(next);
    if (std::find(sequence.stopTokens.begin(), sequence.stopTokens.end(), next) != sequence.stopTokens.end())
      sequence.finish = FinishReason::stop;
    else if (sequence.newTokens() == sequence.options.maxNewTokens)
      sequence.finish = FinishReason::length;
    else if (sequence.computed == sequence.maxTokens)
      sequence.finish = FinishReason::context;
  }
  if (sequence.finish == FinishReason::none)
    return;
  sequence.state = SequenceState::finished;
  release(sequence);
}

void Scheduler::finishStep() {
  std::erase_if(active, [&](uint32_t place) { return table.at(place).state == SequenceState::finished; });
  step.clear();
  ++steps;
}

} // namespace muster::session
