// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Session.h"

#include <algorithm>

namespace muster::session {

Session::Session(std::unique_ptr<StepModel> model)
    : stepModel(std::move(model)), scheduler(stepModel->limits()), sampler(stepModel->limits().vocabulary) {}

Status Session::step(StepReport &report) {
  report = StepReport();
  if (scheduler.plan()) {
    MUSTER_RETURN_IF_ERROR(stepModel->run(scheduler.batch()));
    size_t vocabulary = limits().vocabulary;
    report.tokens = static_cast<uint32_t>(scheduler.batch().tokens.size());
    for (const ScheduledSequence &part : scheduler.scheduled()) {
      Sequence &sequence = scheduler.sequence(part);
      int32_t next = -1;
      if (part.samples) {
        const float *row = stepModel->logits() + (size_t(part.logitRow) + part.logitRows - 1) * vocabulary;
        next = sampler.sample({row, vocabulary}, sequence.options.sampling, sequence.newTokens());
        report.newTokens += next >= 0;
      }
      scheduler.complete(part, next);
      ++report.sequences;
      report.finished += sequence.state == SequenceState::finished;
    }
    scheduler.finishStep();
  }
  report.waiting = static_cast<uint32_t>(scheduler.waitingCount());
  report.active = static_cast<uint32_t>(scheduler.activeCount());
  report.pagesTaken = scheduler.pagePool().taken();
  return Status::ok();
}

Result<SequenceInfo> Session::info(SequenceId id) const {
  const Sequence *sequence = scheduler.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  SequenceInfo info;
  info.state = sequence->state;
  info.finish = sequence->finish;
  info.promptTokens = sequence->promptTokens;
  info.computedTokens = sequence->computed;
  info.newTokens = sequence->newTokens();
  info.untakenTokens = info.newTokens - sequence->taken;
  return info;
}

Result<size_t> Session::takeTokens(SequenceId id, std::span<int32_t> buffer) {
  Sequence *sequence = scheduler.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  size_t count = std::min<size_t>(buffer.size(), sequence->newTokens() - sequence->taken);
  std::copy_n(sequence->tokens.begin() + static_cast<ptrdiff_t>(sequence->promptTokens + sequence->taken), count,
              buffer.begin());
  sequence->taken += count;
  return count;
}

Result<LogitRows> Session::logits(SequenceId id) const {
  const Sequence *sequence = scheduler.find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  LogitRows rows;
  rows.vocabulary = limits().vocabulary;
  if (sequence->logitStep != scheduler.stepsDone() || scheduler.stepsDone() == 0 || sequence->logitRowCount == 0)
    return rows;
  rows.data = stepModel->logits() + size_t(sequence->logitRow) * rows.vocabulary;
  rows.rows = sequence->logitRowCount;
  rows.firstPosition = sequence->logitPosition;
  return rows;
}

} // namespace muster::session
