// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs the steps of a loaded plan on the ranks of its mesh.
//
//   ExecutorOptions options;
//   options.workersPerRank = 2;
//   options.pages = 128;
//   MUSTER_ASSIGN_OR_RETURN(auto executor, Executor::create(plan, options));
//   MUSTER_RETURN_IF_ERROR(executor->begin(entry, record));       // count program, capacity, choice of the variant
//   for (uint32_t i = 0; i != inputs; ++i)                        // logical tensors; scattered to the ranks here
//     MUSTER_RETURN_IF_ERROR(executor->setInput(i, data[i], executor->inputBytes(i)));
//   MUSTER_RETURN_IF_ERROR(executor->run());
//   MUSTER_RETURN_IF_ERROR(executor->readResult(0, logits, executor->resultBytes(0)));
//
// A rank is a team of worker threads that walk the variant's steps in lock step, and a thread that takes the transfers
// of stream 1 beside them (two-batch overlap; where there is no CPU for it, the workers take them in their turn). With
// the `local` transport this process runs all ranks; with `shm` it runs one and its peers run the others: every process
// makes the same calls with the same entry, record and input tensors (each takes its own part of them), and every call
// below that says so is collective.
//
// Threads: one thread at a time calls into an executor. begin/setInput/run/readResult allocate nothing (oneDNN's
// execute makes a few small maps of its own; see runtime/kernels/Matmul.h).
//
// Errors: E24xx leave the executor usable (the step was refused before anything ran). E25xx poison it: every later call
// returns the first error, and it can only be destroyed.

#ifndef MUSTER_RUNTIME_EXECUTOR_EXECUTOR_H
#define MUSTER_RUNTIME_EXECUTOR_EXECUTOR_H

#include "runtime/comm/control/Control.h"
#include "runtime/plan/LoadedPlan.h"
#include "runtime/status/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace muster::executor {

enum class TransportKind {
  /// All ranks are threads of this process.
  local,
  /// One process a rank on one machine; arenas in shared memory.
  shm
};

/// Whether each rank has a thread for the transfers of stream 1, where the plan has any.
enum class TransferThreads {
  /// Where every worker and every such thread can have a CPU; shm: on all ranks.
  automatic,
  never,
  always
};

struct ExecutorOptions {
  /// Worker threads of each rank; at least 1. Results do not depend on it, to the bit.
  uint32_t workersPerRank = 1;
  /// Pages that each paged state gets (E2404 when there is no memory for them). Needed where the plan has paged states.
  uint64_t pages = 0;
  TransportKind transport = TransportKind::local;
  /// shm: this process's rank, and a name that all ranks of this run share and nobody else uses ([A-Za-z0-9_-], at most
  /// 64 characters).
  uint32_t rank = 0;
  std::string group;
  /// Results do not depend on it, to the bit.
  TransferThreads transferThreads = TransferThreads::automatic;
  /// A wait for another rank (or worker) that takes longer ends the run with E2502.
  uint32_t deadlineMs = 30000;
  /// Record (rank, worker, step, begin, end) of every step; see writeTrace. Further events are counted, not kept.
  bool trace = false;
  uint64_t traceEventsPerWorker = 1 << 16;
  /// For tests: where not 0, workers sleep at random (up to 200 us, seeded by this) before transfers.
  uint64_t delaySeed = 0;
};

/// What an executor has done since it was created.
struct ExecutorStats {
  uint64_t runs = 0;
  /// Bytes of one rank's arena (the greatest of all variants), and of one rank's states.
  uint64_t arenaBytes = 0;
  uint64_t stateBytes = 0;
  /// Threads are pinned to CPUs and spin briefly before they sleep; false where threads outnumber CPUs.
  bool pinned = false;
  /// Each rank has a thread for the transfers of stream 1.
  bool transferThreads = false;
  uint64_t traceEventsDropped = 0;
};

class Executor {
public:
  /// Makes arenas, states (zeroed), threads and oneDNN primitives. Collective for shm (meets its peers: E2501 where
  /// they do not come within the deadline or run another plan). Errors: E2401 options, E2402 plan loaded for
  /// inspection, E2404 memory.
  static Result<std::unique_ptr<Executor>> create(std::shared_ptr<const plan::LoadedPlan> plan,
                                                  const ExecutorOptions &options);
  virtual ~Executor() = default;

  /// Starts a step: gathers the records of all ranks, evaluates the count program on them, checks capacity and chooses
  /// the variant. `record`: one value a field of root().counts->inputs, in order, the same for all ranks of this
  /// process, or such a record for each of them, in order. Collective. All ranks return the same: E2503 plans, steps,
  /// entries or fields differ that must be the same; E2410 a value outside [0, bound]; E2411 capacity; E2412 no variant
  /// fits; E2413 size not divisible by its mesh axes; E2417 division; or the number with which a rank refused. Then
  /// nothing was written, and begin may be called again. Only the loss of a rank (E2502, E2505) poisons.
  /// `notes`, one a rank of this process or none, are what its caller tells the others (see note).
  virtual Status begin(uint32_t entry, std::span<const int64_t> record, std::span<const comm::StepNote> notes = {}) = 0;

  /// A rank whose caller has a bad request calls this instead of begin, so that all ranks return the number of `cause`
  /// instead of waiting; where several refuse, that of the lowest rank. Returns `cause`, or the lower rank's.
  virtual Status refuse(const Status &cause) = 0;

  // Between begin and the next begin:

  /// What the caller of `rank` said with its record; zeros where it said nothing.
  virtual const comm::StepNote &note(uint32_t rank) const = 0;

  /// Index of the chosen variant in root().entries[entry]->variants.
  virtual uint32_t variant() const = 0;
  /// Value of a count slot.
  virtual int64_t count(uint32_t slot) const = 0;
  /// Logical dimensions and bytes of an input or a result in this step.
  virtual std::span<const int64_t> inputDims(uint32_t input) const = 0;
  virtual uint64_t inputBytes(uint32_t input) const = 0;
  virtual std::span<const int64_t> resultDims(uint32_t result) const = 0;
  virtual uint64_t resultBytes(uint32_t result) const = 0;

  /// Dimension `dim` of `rank`'s part of an input or a result: the mesh axes of the port divide it, into equal parts or
  /// into those that the record says.
  virtual int64_t inputPartDim(uint32_t input, uint32_t rank, uint32_t dim) const = 0;
  virtual int64_t resultPartDim(uint32_t result, uint32_t rank, uint32_t dim) const = 0;
  /// Bytes of a rank's part of an input.
  virtual uint64_t inputPartBytes(uint32_t input, uint32_t rank) const = 0;

  /// Copies each rank's part of the logical tensor `data` (row-major, `bytes` long) into its arena. Every input must be
  /// set before run (E2414), as a whole or each part of the ranks of this process. Errors: E2415 wrong number of bytes.
  virtual Status setInput(uint32_t input, const void *data, uint64_t bytes) = 0;
  /// Sets the part of a rank of this process (row-major, `bytes` long). Errors: E2414, E2415.
  virtual Status setInputPart(uint32_t input, uint32_t rank, const void *data, uint64_t bytes) = 0;

  /// Runs the variant's steps on all ranks and returns when all of them are done. Collective for shm. Errors: E2502 a
  /// rank did not answer in time (names the rank and the transfer and layer that waited), E2505 a rank's process died.
  virtual Status run() = 0;

  /// Assembles the logical tensor of a result from the ranks' parts. Valid after run until the next begin. For shm,
  /// reads the peers' arenas; not collective.
  virtual Status readResult(uint32_t result, void *data, uint64_t bytes) const = 0;
  /// `rank`'s part of a result where it lies: row-major, of resultPartDim. For shm, any rank's.
  virtual const std::byte *rankResult(uint32_t result, uint32_t rank) const = 0;

  /// The first byte of a state on `rank`; null for shm on other ranks. For sessions that copy or clear pages, between
  /// runs.
  virtual std::byte *state(uint32_t rank, uint32_t index) = 0;

  /// The ranks that this process runs: [firstOwn, firstOwn + ownCount).
  virtual uint32_t firstOwn() const = 0;
  virtual uint32_t ownCount() const = 0;

  virtual ExecutorStats stats() const = 0;
  /// Writes what was recorded so far as Chrome JSON (Perfetto opens it): a process a rank, a track a worker (and one
  /// for transfers that go beside them), a slice a step with its layer's name. For shm, this process's rank only.
  /// Errors: E2416 file cannot be written, E2401 not recorded.
  virtual Status writeTrace(const std::string &path) const = 0;

  virtual const plan::LoadedPlan &plan() const = 0;
  virtual const ExecutorOptions &options() const = 0;
};

} // namespace muster::executor

#endif // MUSTER_RUNTIME_EXECUTOR_EXECUTOR_H
