// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The control channel: how the ranks of a run meet, agree on each step and end together. Small messages, once a step;
// the data of transfers goes through a Transport.
//
// A process takes part with the ranks that it runs (all of them, or one).

#ifndef MUSTER_RUNTIME_COMM_CONTROL_CONTROL_H
#define MUSTER_RUNTIME_COMM_CONTROL_CONTROL_H

#include "runtime/status/Status.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace muster::comm {

/// What a rank's caller tells the callers of the others with a record: numbers of which the runtime knows nothing.
using StepNote = std::array<int64_t, 4>;

/// What a rank contributes before a step: everything that must agree, or be known to all, before anything runs.
struct StepRecord {
  /// Counts exchanges since the start.
  uint64_t step = 0;
  /// Tells plans apart.
  uint64_t plan = 0;
  uint32_t entry = 0;
  /// 0, or the number and the exit code of the error with which this rank's caller refused the step.
  uint32_t refusal = 0;
  uint32_t refusalExit = 0;
  /// The rank's values of the plan's step record; empty in a refusal.
  std::span<const int64_t> fields;
  StepNote note = {};
};

/// A rank's record as others see it. Views are valid until the exchange after the next.
struct GatheredRecord : StepRecord {
  /// Explains a refusal.
  std::string_view text;
};

class Control {
public:
  virtual ~Control() = default;
  virtual uint32_t ranks() const = 0;

  /// Returns when every rank is here. Errors: E2502, E2505, or the cause of an abort.
  virtual Status barrier() = 0;

  /// Every rank contributes a record; `own` has those of the ranks of this process, `all` (one a rank) receives
  /// everybody's. What they say is not judged. `text` explains a refusal. Errors: E2502, E2505, or the cause of an
  /// abort.
  virtual Status exchange(std::span<const StepRecord> own, std::string_view text, std::span<GatheredRecord> all) = 0;

  /// Ends the run for all ranks: waits that go on, and later ones, fail with `cause`. The first cause stays.
  virtual void abort(const Status &cause) = 0;
  /// The cause of an abort, or ok.
  virtual Status cause() const = 0;
};

} // namespace muster::comm

#endif // MUSTER_RUNTIME_COMM_CONTROL_CONTROL_H
