// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The control channel: how the ranks of a run meet, agree on each step and end together. Small messages, once a step;
// the data of transfers goes through a Transport.
//
// A process takes part with the ranks that it runs (all of them, or one).

#ifndef MUSTER_RUNTIME_COMM_CONTROL_CONTROL_H
#define MUSTER_RUNTIME_COMM_CONTROL_CONTROL_H

#include "runtime/status/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace muster::comm {

/// What each rank contributes before a step: everything that must agree, or be known to all, before anything runs.
struct StepRecord {
  /// Counts exchanges since the start.
  uint64_t step = 0;
  uint32_t entry = 0;
  /// 0, or the number of the error with which this rank's caller refused the step.
  uint32_t refusal = 0;
  /// The fields of the plan's step record; empty in a refusal.
  std::span<const int64_t> fields;
};

class Control {
public:
  virtual ~Control() = default;
  virtual uint32_t ranks() const = 0;

  /// Returns when every rank is here. Errors: E2502, E2505, or the cause of an abort.
  virtual Status barrier() = 0;

  /// Every rank contributes its record and returns ok when all agree. `text` explains a refusal. Errors: E2503 names a
  /// rank whose record differs and the first difference; E2504 a rank refused; E2502, E2505, or the cause of an abort.
  virtual Status exchange(const StepRecord &own, std::string_view text) = 0;

  /// Ends the run for all ranks: waits that go on, and later ones, fail with `cause`. The first cause stays.
  virtual void abort(const Status &cause) = 0;
  /// The cause of an abort, or ok.
  virtual Status cause() const = 0;
};

} // namespace muster::comm

#endif // MUSTER_RUNTIME_COMM_CONTROL_CONTROL_H
