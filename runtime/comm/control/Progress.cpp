// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/comm/control/Progress.h"

#include <chrono>
#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace muster::comm {

namespace {

void pauseBriefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

// Not FUTEX_PRIVATE: the word may be shared between processes.
void sleepWhile(std::atomic<uint32_t> &word, uint32_t seen, uint32_t milliseconds) {
  timespec limit{static_cast<time_t>(milliseconds / 1000), static_cast<long>(milliseconds % 1000) * 1000000};
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT, seen, &limit, nullptr, 0);
}

WaitOutcome awaitAsleep(ProgressWord &word, uint32_t target, const WaitPolicy &policy) {
  using Clock = std::chrono::steady_clock;
  auto end = Clock::now() + std::chrono::milliseconds(policy.deadlineMs);
  WaitOutcome outcome = WaitOutcome::reached;
  word.sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (true) {
    uint32_t seen = word.value.load(std::memory_order_seq_cst);
    if (hasReached(seen, target))
      break;
    if (policy.stop && policy.stop->load(std::memory_order_acquire) != 0) {
      outcome = WaitOutcome::stopped;
      break;
    }
    auto now = Clock::now();
    if (now >= end) {
      outcome = WaitOutcome::late;
      break;
    }
    if (policy.isLost && policy.isLost(policy.context)) {
      // The peer may have published what this waits for just before it went.
      if (!hasReached(word.value.load(std::memory_order_seq_cst), target))
        outcome = WaitOutcome::lost;
      break;
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now).count() + 1;
    sleepWhile(word.value, seen, left < policy.sliceMs ? static_cast<uint32_t>(left) : policy.sliceMs);
  }
  word.sleepers.fetch_sub(1, std::memory_order_seq_cst);
  return outcome;
}

} // namespace

void publish(ProgressWord &word, uint32_t value) {
  // Sequentially consistent on both sides: either the waiter sees the value, or this sees the waiter.
  word.value.store(value, std::memory_order_seq_cst);
  if (word.sleepers.load(std::memory_order_seq_cst) != 0)
    wakeAll(word);
}

WaitOutcome await(ProgressWord &word, uint32_t target, const WaitPolicy &policy) {
  for (uint32_t round = 0;; ++round) {
    if (hasReached(word.value.load(std::memory_order_acquire), target))
      return WaitOutcome::reached;
    if (round == policy.spins)
      return awaitAsleep(word, target, policy);
    pauseBriefly();
  }
}

void wakeAll(ProgressWord &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word.value), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

} // namespace muster::comm
