// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All ranks as threads of this process: every plan runs on a laptop without set-up.

#ifndef MUSTER_RUNTIME_COMM_LOCAL_LOCALGROUP_H
#define MUSTER_RUNTIME_COMM_LOCAL_LOCALGROUP_H

#include "runtime/comm/control/Control.h"
#include "runtime/comm/control/Transport.h"
#include "runtime/device/host/Arena.h"

#include <memory>
#include <mutex>
#include <vector>

namespace muster::comm {

/// Control and transport at once. One caller speaks for all ranks.
class LocalGroup final : public Control, public Transport {
public:
  /// One arena of `arenaBytes` a rank. Errors: E2404.
  static Result<std::unique_ptr<LocalGroup>> make(uint32_t ranks, uint64_t arenaBytes);

  uint32_t ranks() const override { return static_cast<uint32_t>(arenas.size()); }
  Status barrier() override { return cause(); }
  Status exchange(std::span<const StepRecord> own, std::string_view text, std::span<GatheredRecord> all) override;
  void abort(const Status &cause) override;
  Status cause() const override;

  uint32_t firstOwn() const override { return 0; }
  uint32_t ownCount() const override { return ranks(); }
  std::byte *arena(uint32_t rank) const override { return arenas[rank].data(); }
  ProgressWord &progress(uint32_t rank, uint32_t stream) override { return words[2 * rank + stream]; }
  std::optional<uint32_t> lostRank() override { return std::nullopt; }

private:
  LocalGroup() = default;
  std::vector<device::Arena> arenas;
  std::unique_ptr<ProgressWord[]> words;
  mutable std::mutex mutex;
  Status first;
};

} // namespace muster::comm

#endif // MUSTER_RUNTIME_COMM_LOCAL_LOCALGROUP_H
