// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the handles of the C API hold, and how its functions report.

#ifndef MUSTER_RUNTIME_API_HANDLES_H
#define MUSTER_RUNTIME_API_HANDLES_H

#include "muster/muster.h"
#include "runtime/executor/Executor.h"
#include "runtime/plan/LoadedPlan.h"
#include "runtime/session/Session.h"
#include "runtime/text/Tokenizer.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <new>

struct muster_plan {
  std::shared_ptr<const muster::plan::LoadedPlan> plan;
  /// Held while ranks are bound to the weights, whose pages are writable for that time.
  mutable std::mutex creating;
};

struct muster_tokenizer {
  muster::Tokenizer tokenizer;
};

struct muster_session {
  std::shared_ptr<muster::executor::Executor> executor;
  /// Null where the plan has no entry `step`; `whyNone` says so then.
  std::unique_ptr<muster::session::Session> session;
  muster::Status whyNone;
};

namespace muster::api {

/// Fills `*status`, if there is one; returns the number.
int32_t report(const Status &result, muster_status *status);

/// As `report` for an error of number `number`, in memory that the caller gave: there may be no other.
int32_t reportText(int32_t number, ExitCode code, const char *text, muster_status *status);

/// Calls `body`, which returns a Status, and reports it. What C++ throws when memory ends becomes E2435.
template <typename Body>
int32_t guarded(muster_status *status, Body &&body) {
  try {
    return report(body(), status);
  } catch (const std::bad_alloc &) {
    return reportText(2435, ExitCode::runTime, "E2435 cannot get memory for this call", status);
  } catch (...) {
    return reportText(2435, ExitCode::runTime, "E2435 cannot finish this call because a library failed", status);
  }
}

/// E2430 where a pointer that has to be given is null.
inline Status require(const void *pointer, const char *name) {
  return pointer ? Status::ok() : Status::error(2430, "expected a value for {} but got null", name);
}

/// Copies options that were given by a caller with an older or the same header; null leaves the defaults.
template <typename Options>
Status readOptions(const Options *given, Options &options, size_t oldestSize) {
  if (!given)
    return Status::ok();
  if (given->struct_size < oldestSize || given->struct_size > sizeof(Options))
    return Status::error(2430, "expected options with a struct_size of {} to {} but got {}", oldestSize,
                         sizeof(Options), given->struct_size);
  std::memcpy(&options, given, given->struct_size);
  return Status::ok();
}

} // namespace muster::api

#endif // MUSTER_RUNTIME_API_HANDLES_H
