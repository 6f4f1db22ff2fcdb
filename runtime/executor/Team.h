// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The worker threads of one stream of a rank, and the state that the threads of a process share while a variant runs.

#ifndef MUSTER_RUNTIME_EXECUTOR_TEAM_H
#define MUSTER_RUNTIME_EXECUTOR_TEAM_H

#include "runtime/comm/control/Progress.h"
#include "runtime/comm/control/Transport.h"
#include "runtime/executor/Prepared.h"
#include "runtime/kernels/Matmul.h"
#include "runtime/trace/Trace.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace muster::executor {

/// Why a run ended early; the first one is kept.
struct Failure {
  enum Kind : uint32_t { none, late, lost, kernel };
  Kind kind = none;
  uint32_t rank = 0;        // that waited, or whose kernel failed
  uint32_t awaitedRank = 0; // equal to rank where a worker waited for its fellows
  uint32_t step = 0;
};

/// What is wrong with the numbers of rows that the device has counted. All ranks find the same.
struct RowFault {
  enum Kind : uint32_t { negative, sent, received };
  Kind kind = negative;
  uint32_t step = 0;
  uint32_t rank = 0;  // that sends or receives
  int64_t number = 0; // of rows; 2^62 where there are more
  int64_t limit = 0;
};

/// What every thread of this process reads during a run. Written by the caller's thread between runs.
struct RunState {
  comm::Transport *transport = nullptr;
  const int64_t *slots = nullptr;
  uint32_t entry = 0;
  uint32_t variant = 0;
  /// Position p of this run is progress base + 1 + p.
  uint32_t base = 0;
  uint32_t steps = 0;
  bool isTraced = false;
  bool isDelayed = false;

  comm::WaitPolicy policy;
  /// Not 0 once the executor is poisoned or shut down: ends every wait.
  std::atomic<uint32_t> stop{0};
  /// The number of the current run; workers wait for it.
  comm::ProgressWord go;
  /// The number of the last run that all workers of this process have left.
  comm::ProgressWord done;
  std::atomic<uint32_t> stillRunning{0};
  /// Workers whose threads are ready for the first run, and those whose threads have come to their end.
  comm::ProgressWord ready, left;

  /// Keeps the first failure and ends all waits. Workers.
  void fail(const Failure &why);
  /// Whether `failure` is there to read. The caller's thread asks while a stuck run's workers may still fail.
  bool hasFailed() const { return failing.load(std::memory_order_acquire) == written; }
  Failure failure;

  /// Keeps the fault of the earliest step: the step goes on, and has no results. Workers.
  void note(const RowFault &fault);
  /// Caller's thread, between runs.
  std::optional<RowFault> rowFault;

private:
  std::mutex noting;
  enum : uint32_t { none, claimed, written };
  std::atomic<uint32_t> failing{none};
};

/// The workers of one stream of a rank. Threads begin in `start` and end once `RunState::stop` is set.
class Team {
public:
  struct Worker {
    uint32_t index = 0;
    std::unique_ptr<kernels::MatmulWorker> matmuls;
    std::optional<trace::Track> track;
    std::vector<const std::byte *> sources; // scratch of reductions
    uint64_t random = 0;
    /// Step that it is in; steps only ever end, so a worker whose value stays is stuck.
    std::atomic<uint64_t> activity{0};
    /// Counts the barriers of its team that it has come to.
    comm::ProgressWord meetings;
    std::thread thread;
  };

  Team(uint32_t rank, uint32_t stream, uint32_t workerCount, RunState &state);
  ~Team();
  Team(const Team &) = delete;

  /// `cpus`: where each worker is pinned; empty: nowhere. Threads hold `keepAlive`, which owns this team: one that is
  /// stuck in a kernel must not find its memory gone.
  void start(std::vector<uint32_t> cpus, std::shared_ptr<void> keepAlive);
  /// Gives the threads up: they end by themselves, or never.
  void detach();
  void wakeAll();

  uint32_t rank() const { return ownRank; }
  uint32_t stream() const { return ownStream; }
  std::vector<std::unique_ptr<Worker>> &workers() { return members; }
  const std::vector<std::unique_ptr<Worker>> &workers() const { return members; }
  /// What the stream runs of the variants: [entry][variant]. Filled before start.
  std::vector<std::vector<PreparedVariant>> variants;
  /// The sizes of their launches. Caller's thread, between runs: filled from the slots of a step.
  std::vector<std::vector<SizeLists>> sizes;
  void fillSizes(uint32_t entry, uint32_t variant, std::span<const int64_t> slots);

private:
  void work(Worker &worker, std::optional<uint32_t> cpu);
  void walk(Worker &worker, const PreparedVariant &variant);
  bool runOp(Worker &worker, const PreparedVariant &variant, const Op &op);
  bool meet(Worker &worker, const Op &op);
  bool awaitOthers(const PreparedVariant &variant, const Op &op);
  void runTransfer(Worker &worker, const PreparedVariant &variant, const Op &op);
  /// Moves rows by the counts of all ranks of the group, or none.
  void exchangeRows(Worker &worker, const PreparedVariant &variant, const PreparedTransfer &transfer, uint32_t step);
  /// Bytes of all boxes of a transfer on this rank.
  int64_t pulledBytes(const PreparedVariant &variant, const PreparedTransfer &transfer) const;
  void copy(Worker &worker, const PreparedVariant &variant, const PreparedTransfer &transfer);
  void reduce(Worker &worker, const PreparedVariant &variant, const PreparedTransfer &transfer);

  uint32_t ownRank;
  uint32_t ownStream;
  uint32_t workerCount;
  RunState &state;
  std::vector<std::unique_ptr<Worker>> members;
};

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_TEAM_H
