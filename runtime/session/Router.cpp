// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/Router.h"

#include <algorithm>

namespace muster::session {

void Router::push(const Request &request) {
  queue.erase(queue.begin(), queue.begin() + static_cast<ptrdiff_t>(first));
  first = 0;
  queue.push_back(request);
}

bool Router::remove(uint32_t place) {
  auto found = std::find_if(queue.begin() + static_cast<ptrdiff_t>(first), queue.end(),
                            [&](const Request &request) { return request.place == place; });
  if (found == queue.end())
    return false;
  queue.erase(found);
  return true;
}

std::optional<uint32_t> Router::choose(const Request &request, std::span<const GroupLoad> loads) {
  std::optional<uint32_t> best;
  for (uint32_t group = 0; group != loads.size(); ++group) {
    const GroupLoad &load = loads[group];
    if ((request.group != anyGroup && request.group != group) || load.freePlaces < 1 || load.freePages < request.pages)
      continue;
    if (!best || load.pendingTokens < loads[*best].pendingTokens)
      best = group;
  }
  return best;
}

std::optional<Router::Assignment> Router::assign(std::span<GroupLoad> loads) {
  if (size() == 0)
    return std::nullopt;
  Request request = front();
  std::optional<uint32_t> group = choose(request, loads);
  if (!group)
    return std::nullopt;
  ++first;
  GroupLoad &load = loads[*group];
  --load.freePlaces;
  load.freePages -= request.pages;
  load.pendingTokens += static_cast<int64_t>(request.tokens);
  ++load.running;
  return Assignment{request.place, *group};
}

} // namespace muster::session
