// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One process a rank on one machine. Ranks meet in a small POSIX shared memory object named after their group, which is
// unlinked as soon as all have it mapped; arenas are anonymous memory files that peers open through /proc. So nothing
// is left behind, however a process ends, except when one dies in the moment of meeting.
//
// A peer that dies is noticed within milliseconds by whoever waits (its pidfd says so), one that hangs, or leaves while
// others still want something of it, at the deadline.

#ifndef MUSTER_RUNTIME_COMM_SHM_SHMGROUP_H
#define MUSTER_RUNTIME_COMM_SHM_SHMGROUP_H

#include "runtime/comm/control/Control.h"
#include "runtime/comm/control/Transport.h"
#include "runtime/device/host/Arena.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace muster::comm {

/// What all ranks of a run must have in common.
struct Agreement {
  std::array<uint8_t, 16> planDigest{};
  /// Of the sequence of collectives that the plan issues.
  std::array<uint8_t, 16> collectiveSignature{};
  uint64_t pages = 0;
  /// Not agreed on but made known: see ShmGroup::haveTransferThreads.
  bool hasTransferThread = false;
};

struct ShmOptions {
  std::string group;
  uint32_t rank = 0;
  uint32_t ranks = 1;
  uint32_t recordFields = 0;
  uint64_t arenaBytes = 0;
  uint32_t deadlineMs = 30000;
  Agreement agreement;
};

/// Control and transport at once. Used by one thread, except for arenas and progress words.
class ShmGroup final : public Control, public Transport {
public:
  /// Meets the peers. Errors: E2401 a bad group name; E2404 memory; E2501 a rank did not come, or came with another
  /// plan, number of ranks or pages; E2505 one died meanwhile.
  static Result<std::unique_ptr<ShmGroup>> join(const ShmOptions &options);
  ~ShmGroup() override;

  uint32_t ranks() const override { return options.ranks; }
  Status barrier() override;
  Status exchange(std::span<const StepRecord> own, std::string_view text, std::span<GatheredRecord> all) override;
  void abort(const Status &cause) override;
  Status cause() const override;

  uint32_t firstOwn() const override { return options.rank; }
  uint32_t ownCount() const override { return 1; }
  std::byte *arena(uint32_t rank) const override { return arenas[rank].data(); }
  ProgressWord &progress(uint32_t rank, uint32_t stream) override;
  /// Whether every rank said hasTransferThread when it came.
  bool haveTransferThreads() const;
  std::optional<uint32_t> lostRank() override;

  /// For WaitPolicy: whether a peer has died or aborted. `context` is the group.
  static bool isBroken(void *context);

private:
  struct Block;
  struct Record;
  explicit ShmGroup(const ShmOptions &options) : options(options) {}

  Status makeSegment();
  Status openSegment();
  Status enter();
  Status openPeers();
  Status checkAgreement() const;
  Status awaitPhase(uint32_t number, int errorNumber);
  Block &block(uint32_t rank) const;
  Record &record(uint32_t rank, uint32_t parity) const;
  int64_t *fields(Record &record) const;
  size_t blockBytes() const;
  size_t recordBytes() const;
  size_t segmentBytes() const;
  std::string segmentName() const { return "/muster-" + options.group; }

  ShmOptions options;
  std::byte *segment = nullptr;
  std::vector<device::Arena> arenas; // by rank
  std::vector<int> processes;        // pidfd by rank; -1 where unknown
  uint32_t phase = 0;
};

} // namespace muster::comm

#endif // MUSTER_RUNTIME_COMM_SHM_SHMGROUP_H
