// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/comm/local/LocalGroup.h"

namespace muster::comm {

Result<std::unique_ptr<LocalGroup>> LocalGroup::make(uint32_t ranks, uint64_t arenaBytes) {
  std::unique_ptr<LocalGroup> group(new LocalGroup());
  for (uint32_t rank = 0; rank != ranks; ++rank) {
    MUSTER_ASSIGN_OR_RETURN(device::Arena arena, device::Arena::makePrivate(arenaBytes, "an arena"));
    group->arenas.push_back(std::move(arena));
  }
  group->words = std::make_unique<ProgressWord[]>(2 * size_t(ranks));
  return group;
}

Status LocalGroup::exchange(std::span<const StepRecord> own, std::string_view text, std::span<GatheredRecord> all) {
  for (size_t rank = 0; rank != own.size(); ++rank)
    all[rank] = {own[rank], text};
  return cause();
}

void LocalGroup::abort(const Status &cause) {
  std::lock_guard lock(mutex);
  if (first.isOk())
    first = cause;
}

Status LocalGroup::cause() const {
  std::lock_guard lock(mutex);
  return first;
}

} // namespace muster::comm
