// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/executor/StepAgreement.h"

#include <algorithm>
#include <cstring>

namespace muster::executor {

StepAgreement::StepAgreement(const plan::LoadedPlan &plan) {
  std::memcpy(&mark, plan.digest().data(), sizeof(mark));
  std::span<const count::Program::Input> inputs = plan.counts().inputs();
  for (size_t i = 0; i != inputs.size(); ++i) {
    Field field{inputs[i].name, inputs[i].firstValue, {}, {}};
    field.speakers.assign(inputs[i].width, plan.ranks());
    for (uint32_t rank = 0; rank != plan.ranks(); ++rank) {
      uint32_t position = plan.positionOn(plan.root().counts->inputs[i]->axes, rank);
      field.positions.push_back(position);
      field.speakers[position] = std::min(field.speakers[position], rank);
    }
    fields.push_back(std::move(field));
  }
}

Status StepAgreement::agree(std::span<const comm::GatheredRecord> ranks, std::span<int64_t> record) const {
  for (uint32_t rank = 0; rank != ranks.size(); ++rank)
    if (const comm::GatheredRecord &own = ranks[rank]; own.refusal != 0) {
      uint32_t code = std::clamp(own.refusalExit, uint32_t(ExitCode::input), uint32_t(ExitCode::runTime));
      return Status::make(static_cast<int>(own.refusal % 10000),
                          fmt::format("rank {} refused the step: {}", rank, own.text))
          .withExitCode(static_cast<ExitCode>(code));
    }
  const comm::GatheredRecord &first = ranks[0];
  if (first.plan != mark)
    return Status::error(2503, "expected records of plan {:016x} but that of rank 0 is of {:016x}", mark, first.plan);
  for (uint32_t rank = 1; rank != ranks.size(); ++rank) {
    const comm::GatheredRecord &other = ranks[rank];
    if (other.plan != first.plan)
      return Status::error(2503, "expected records of plan {:016x} but that of rank {} is of {:016x}", first.plan, rank,
                           other.plan);
    if (other.step != first.step || other.entry != first.entry)
      return Status::error(2503, "expected step {} of entry {} as on rank 0 on rank {} but got step {} of entry {}",
                           first.step, first.entry, rank, other.step, other.entry);
  }
  for (size_t i = 0; i != fields.size(); ++i)
    for (uint32_t rank = 0; rank != ranks.size(); ++rank) {
      const Field &field = fields[i];
      uint32_t speaker = field.speakers[field.positions[rank]];
      int64_t value = ranks[rank].fields[i];
      if (rank == speaker)
        record[field.first + field.positions[rank]] = value;
      else if (int64_t other = record[field.first + field.positions[rank]]; other != value)
        return Status::error(2503, "expected {} in {} of the step record as on rank {} on rank {} but got {}", other,
                             field.name, speaker, rank, value);
    }
  return Status::ok();
}

} // namespace muster::executor
