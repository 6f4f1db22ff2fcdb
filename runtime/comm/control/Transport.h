// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the data of a transfer gets from rank to rank.
//
// Both transports here let a rank read its peers' arenas directly: a transfer is a pulled copy, in one pass to its
// final place, after the peers' progress words have said that their side is ready. Peers learn in the same way that a
// source has been read. A transport without common memory (Gloo, NCCL) leaves their `arena` null; the executor will
// then pack, exchange and unpack through operations that such a transport adds here.

#ifndef MUSTER_RUNTIME_COMM_CONTROL_TRANSPORT_H
#define MUSTER_RUNTIME_COMM_CONTROL_TRANSPORT_H

#include "runtime/comm/control/Progress.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace muster::comm {

class Transport {
public:
  virtual ~Transport() = default;
  /// Ranks [firstOwn, firstOwn + ownCount) are run by this process.
  virtual uint32_t ranks() const = 0;
  virtual uint32_t firstOwn() const = 0;
  virtual uint32_t ownCount() const = 0;

  /// The arena of `rank` as mapped in this process; writable for own ranks only.
  virtual std::byte *arena(uint32_t rank) const = 0;
  /// The progress word of a stream (0 or 1) of `rank`; written by it alone.
  virtual ProgressWord &progress(uint32_t rank, uint32_t stream) = 0;

  /// A rank whose process has ended without saying so.
  virtual std::optional<uint32_t> lostRank() = 0;
};

} // namespace muster::comm

#endif // MUSTER_RUNTIME_COMM_CONTROL_TRANSPORT_H
