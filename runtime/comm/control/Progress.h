// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Progress words: a counter that its owner only ever raises and others wait for; the one signal between ranks and
// between the workers of a rank. In memory that processes share, or that threads do.

#ifndef MUSTER_RUNTIME_COMM_CONTROL_PROGRESS_H
#define MUSTER_RUNTIME_COMM_CONTROL_PROGRESS_H

#include <atomic>
#include <cstdint>

namespace muster::comm {

/// Plain memory, zero at first; may lie at different addresses in different processes. Compared modulo 2^32, so values
/// may wrap around as long as waiters lag by less than 2^31.
struct alignas(64) ProgressWord {
  std::atomic<uint32_t> value{0};
  /// How many waiters sleep, or are about to.
  std::atomic<uint32_t> sleepers{0};
};
static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(ProgressWord) == 64);

enum class WaitOutcome {
  reached,
  /// `stop` was set.
  stopped,
  /// The deadline passed.
  late,
  /// `isLost` said so.
  lost
};

/// How to wait. Spinning pays only where every waiter has a CPU of its own: a spinning barrier of 3 threads on 2 CPUs
/// takes 4 ms, a sleeping one 3 us.
struct WaitPolicy {
  /// Rounds of polling before sleeping; a round takes about 20 ns.
  uint32_t spins = 0;
  uint32_t deadlineMs = 30000;
  /// Sleeping waiters look at `stop` and `isLost` this often.
  uint32_t sliceMs = 20;
  /// Ends all waits when not 0; may be null.
  const std::atomic<uint32_t> *stop = nullptr;
  /// Ends the wait when it returns true (a peer's process has gone); may be null.
  bool (*isLost)(void *context) = nullptr;
  void *context = nullptr;
};

/// `value` has come to `target` or passed it.
inline bool hasReached(uint32_t value, uint32_t target) { return static_cast<int32_t>(value - target) >= 0; }

/// Raises `word` to `value` and wakes who sleeps on it. What the caller wrote before is visible to who sees the value.
void publish(ProgressWord &word, uint32_t value);

/// Waits until `word` has reached `target`.
WaitOutcome await(ProgressWord &word, uint32_t target, const WaitPolicy &policy);

/// Wakes all sleepers of `word` so that they look at their policy's `stop`.
void wakeAll(ProgressWord &word);

} // namespace muster::comm

#endif // MUSTER_RUNTIME_COMM_CONTROL_PROGRESS_H
