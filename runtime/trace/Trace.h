// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ran when: events recorded into memory that is there before the first step, written as Chrome JSON afterwards.

#ifndef MUSTER_RUNTIME_TRACE_TRACE_H
#define MUSTER_RUNTIME_TRACE_TRACE_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace muster::trace {

/// Nanoseconds of the steady clock.
inline int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Event {
  int64_t begin; // ns
  int64_t end;
  uint32_t entry;
  uint32_t variant;
  uint32_t step;
};

/// Events of one thread. Written by it, read when no step runs.
class Track {
public:
  /// `thread`: a number of its own among the rank's. `name`: for people.
  Track(uint32_t rank, uint32_t thread, std::string name, uint64_t capacity)
      : rank(rank), thread(thread), name(std::move(name)) {
    events.reserve(capacity);
  }

  void record(const Event &event) {
    if (events.size() != events.capacity())
      events.push_back(event);
    else
      ++dropped;
  }

  uint32_t rank;
  uint32_t thread;
  std::string name;
  std::vector<Event> events;
  uint64_t dropped = 0;
};

/// Writes `tracks` to `path`: a process a rank, a thread a track, a slice a step named after its layer, with the
/// step's kind and number as arguments. Errors: E2416.
Status writeChromeJson(const std::string &path, const schema::PlanT &plan, std::span<const Track *const> tracks);

} // namespace muster::trace

#endif // MUSTER_RUNTIME_TRACE_TRACE_H
