// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Session.h"

#include <algorithm>

namespace muster::session {

Session::Session(std::unique_ptr<StepModel> model)
    : stepModel(std::move(model)), table(stepModel->limits(), stepModel->groups()),
      sampler(stepModel->limits().vocabulary), loads(stepModel->groups()), exchanged(loads), batches(loads.size()),
      idle(loads.size()) {
  for (uint32_t group = 0; group != stepModel->groups(); ++group) {
    if (!stepModel->isOwn(group))
      ownsAll = false;
    schedulers.push_back(stepModel->isOwn(group) ? std::make_unique<Scheduler>(limits(), table) : nullptr);
    loads[group].freePlaces = limits().sequences;
    loads[group].freePages = limits().pages;
  }
}

Result<SequenceId> Session::submit(std::span<const int32_t> tokens, const SequenceOptions &options) {
  MUSTER_ASSIGN_OR_RETURN(Sequence * sequence, table.add(tokens, options));
  for (auto &scheduler : schedulers)
    if (scheduler)
      scheduler->reserve(table.places());
  if (groups() == 1) {
    sequence->group = 0;
    schedulers[0]->enqueue(*sequence);
  } else
    router.push({sequence->place, sequence->reservedPages, tokens.size(), options.group});
  isAsked = true;
  return sequence->id;
}

Status Session::append(SequenceId id, std::span<const int32_t> tokens) {
  MUSTER_RETURN_IF_ERROR(table.append(id, tokens).status());
  isAsked = true;
  return Status::ok();
}

Status Session::drop(SequenceId id) {
  Sequence *sequence = table.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  if (sequence->group == anyGroup)
    router.remove(sequence->place);
  else if (schedulers[sequence->group])
    schedulers[sequence->group]->forget(*sequence);
  table.remove(*sequence);
  return Status::ok();
}

/// What decides who gets the next sequence: of this process's groups what they can take now; where others have groups
/// too, what all processes know.
std::span<GroupLoad> Session::currentLoads() const {
  if (ownsAll)
    for (uint32_t group = 0; group != groups(); ++group)
      loads[group] = schedulers[group]->load();
  return loads;
}

bool Session::hasWork() const {
  if (ownsAll && std::any_of(schedulers.begin(), schedulers.end(), [](auto &each) { return each->hasWork(); }))
    return true;
  if (groups() == 1)
    return false;
  std::span<const GroupLoad> current = currentLoads();
  if (!ownsAll &&
      (isAsked || std::any_of(current.begin(), current.end(), [](auto &each) { return each.running != 0; })))
    return true;
  return router.canAssign(current);
}

void Session::assignWaiting() {
  if (router.size() == 0)
    return;
  std::span<GroupLoad> current = currentLoads();
  while (std::optional<Router::Assignment> next = router.assign(current)) {
    Sequence &sequence = table.at(next->place);
    sequence.group = next->group;
    if (schedulers[next->group])
      schedulers[next->group]->enqueue(sequence);
    else
      sequence.state = SequenceState::elsewhere;
  }
}

/// Samples what a group's part of the step was for.
void Session::completeStep(uint32_t group, StepReport &report) {
  Scheduler &scheduler = *schedulers[group];
  size_t vocabulary = limits().vocabulary;
  const float *logits = stepModel->logits(group);
  report.tokens += static_cast<uint32_t>(scheduler.batch().tokens.size());
  idle[group] += report.allTokens != 0 && scheduler.scheduled().empty();
  for (const ScheduledSequence &part : scheduler.scheduled()) {
    Sequence &sequence = scheduler.sequence(part);
    int32_t next = -1;
    if (part.samples) {
      const float *row = logits + (size_t(part.logitRow) + part.logitRows - 1) * vocabulary;
      next = sampler.sample({row, vocabulary}, sequence.options.sampling, sequence.newTokens());
      report.newTokens += next >= 0;
    }
    scheduler.complete(part, next);
    ++report.sequences;
    report.finished += sequence.state == SequenceState::finished;
  }
  scheduler.finishStep();
}

Status Session::step(StepReport &report) {
  report = StepReport();
  assignWaiting();
  bool isEmpty = true;
  for (uint32_t group = 0; group != groups(); ++group) {
    if (!schedulers[group])
      continue;
    isEmpty &= !schedulers[group]->plan();
    batches[group] = &schedulers[group]->batch();
    exchanged[group] = schedulers[group]->load();
  }
  if (!isEmpty || !ownsAll) {
    MUSTER_ASSIGN_OR_RETURN(report.allTokens, stepModel->run(batches, exchanged));
    loads = exchanged;
    isAsked = false;
    done += report.allTokens != 0;
    for (uint32_t group = 0; group != groups(); ++group)
      if (schedulers[group])
        completeStep(group, report);
  }
  report.waiting = static_cast<uint32_t>(router.size());
  for (auto &scheduler : schedulers) {
    if (!scheduler)
      continue;
    report.waiting += static_cast<uint32_t>(scheduler->waitingCount());
    report.active += static_cast<uint32_t>(scheduler->activeCount());
    report.pagesTaken += scheduler->pagePool().taken();
  }
  return Status::ok();
}

Result<SequenceInfo> Session::info(SequenceId id) const {
  const Sequence *sequence = table.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  SequenceInfo info;
  info.state = sequence->state;
  info.finish = sequence->finish;
  info.promptTokens = sequence->promptTokens;
  info.computedTokens = sequence->computed;
  info.newTokens = sequence->newTokens();
  info.untakenTokens = info.newTokens - sequence->taken;
  info.group = sequence->group;
  return info;
}

Result<size_t> Session::takeTokens(SequenceId id, std::span<int32_t> buffer) {
  Sequence *sequence = table.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  size_t count = std::min<size_t>(buffer.size(), sequence->newTokens() - sequence->taken);
  std::copy_n(sequence->tokens.begin() + static_cast<ptrdiff_t>(sequence->promptTokens + sequence->taken), count,
              buffer.begin());
  sequence->taken += count;
  return count;
}

Result<LogitRows> Session::logits(SequenceId id) const {
  const Sequence *sequence = table.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  LogitRows rows;
  rows.vocabulary = limits().vocabulary;
  const Scheduler *scheduler = sequence->group == anyGroup ? nullptr : schedulers[sequence->group].get();
  if (!scheduler || sequence->logitRowCount == 0 || sequence->logitStep != scheduler->stepsDone())
    return rows;
  rows.data = stepModel->logits(sequence->group) + size_t(sequence->logitRow) * rows.vocabulary;
  rows.rows = sequence->logitRowCount;
  rows.firstPosition = sequence->logitPosition;
  return rows;
}

} // namespace muster::session
