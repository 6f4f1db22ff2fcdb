// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which group of ranks computes a sequence.
//
// Every process has the same queue, because all of them submit the same sequences in the same order, and the same
// loads, because those are exchanged with every step. Who gets what is a function of both alone, so every process
// assigns alike, without another word.
//
//   queue (pages)   loads: places, pages, tokens      assigned
//   A 3, B 2, C 9   g0: 1, 8, 12    g1: 2, 4, 30      A -> g0 (fewest tokens), B -> g1 (no other place); C waits,
//   though
//                                                     D behind it would fit: nobody overtakes
//
// The first in the queue is never overtaken, and a group that runs dry has room for every sequence that was accepted,
// so nobody waits for ever.

#ifndef MUSTER_RUNTIME_SESSION_ROUTER_H
#define MUSTER_RUNTIME_SESSION_ROUTER_H

#include "runtime/session/StepModel.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace muster::session {

inline constexpr uint32_t anyGroup = ~uint32_t(0);

/// Not synchronised. push() allocates, assigning does not.
class Router {
public:
  struct Request {
    uint32_t place = 0; ///< names it to the caller
    uint32_t pages = 0; ///< in all
    uint64_t tokens = 0;
    uint32_t group = anyGroup; ///< the only one that it may go to
  };
  struct Assignment {
    uint32_t place, group;
  };

  void push(const Request &request);
  /// Takes a request out of the queue; false where it is not in it.
  bool remove(uint32_t place);
  size_t size() const { return queue.size() - first; }
  /// The one whose turn it is. There must be one.
  const Request &front() const { return queue[first]; }

  /// The group for a request: of those with a place and the pages for it, that with the fewest tokens to compute; among
  /// equals, the first. None where no group has room.
  static std::optional<uint32_t> choose(const Request &request, std::span<const GroupLoad> loads);

  /// Takes the first request off the queue if there is a group for it, and adds it to that group's load.
  std::optional<Assignment> assign(std::span<GroupLoad> loads);
  /// Whether assign() would.
  bool canAssign(std::span<const GroupLoad> loads) const { return size() != 0 && choose(front(), loads); }

private:
  std::vector<Request> queue;
  size_t first = 0; // requests before it are assigned
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_ROUTER_H
