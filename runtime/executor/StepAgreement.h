// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether the records of all ranks make one step, and the record of the count program that they make together. A pure
// function of what was exchanged, so that every rank comes to the same answer, be it an error: nothing has been written
// then, and the next step may be another.

#ifndef MUSTER_RUNTIME_EXECUTOR_STEPAGREEMENT_H
#define MUSTER_RUNTIME_EXECUTOR_STEPAGREEMENT_H

#include "runtime/comm/control/Control.h"
#include "runtime/plan/LoadedPlan.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace muster::executor {

class StepAgreement {
public:
  explicit StepAgreement(const plan::LoadedPlan &plan);

  /// Values of a rank's record: one a field of the plan's step record.
  uint32_t fieldCount() const { return static_cast<uint32_t>(fields.size()); }
  /// What records carry for the plan: the first bytes of its digest.
  uint64_t planMark() const { return mark; }

  /// Puts the values of all ranks into `record` (count::Program::recordLength values): fields without axes once, others
  /// once a position. Allocates nothing unless it fails. Errors, the same on all ranks: the number with which the
  /// lowest rank refused the step, if one did; E2503 where plans, steps, entries or fields differ that must be the
  /// same.
  Status agree(std::span<const comm::GatheredRecord> ranks, std::span<int64_t> record) const;

private:
  struct Field {
    std::string name;
    uint32_t first;                  ///< in the record
    std::vector<uint32_t> positions; ///< by rank
    std::vector<uint32_t> speakers;  ///< by position: the lowest rank there
  };
  std::vector<Field> fields;
  uint64_t mark = 0;
};

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_STEPAGREEMENT_H
