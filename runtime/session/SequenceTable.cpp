// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/session/SequenceTable.h"

#include <algorithm>

namespace muster::session {

Status SequenceTable::checkTokens(std::span<const int32_t> tokens) const {
  for (size_t i = 0; i != tokens.size(); ++i)
    if (tokens[i] < 0 || static_cast<uint32_t>(tokens[i]) >= limits.vocabulary)
      return Status::error(2423, "expected token {} in [0, {}) but got {}", i, limits.vocabulary, tokens[i]);
  return Status::ok();
}

Result<Sequence *> SequenceTable::add(std::span<const int32_t> tokens, const SequenceOptions &options) {
  uint64_t context = limits.contextTokens();
  if (tokens.empty())
    return Status::error(2420, "expected a sequence of at least 1 token but got 0");
  if (tokens.size() > context)
    return Status::error(2421, "expected a sequence of at most {} tokens but got {}", context, tokens.size());
  MUSTER_RETURN_IF_ERROR(checkTokens(tokens));
  MUSTER_RETURN_IF_ERROR(checkSampling(options.sampling));
  if (options.group != anyGroup && options.group >= groups)
    return Status::error(2430, "expected a group below {} but got {}", groups, options.group);
  // The last token that is generated is never computed, so it needs no place.
  uint64_t maxTokens = options.maxNewTokens ? std::min<uint64_t>(tokens.size() + options.maxNewTokens - 1, context)
                                            : std::max<uint64_t>(tokens.size(), options.maxTokens);
  if (maxTokens > context)
    return Status::error(2421, "expected a sequence of at most {} tokens but got {}", context, maxTokens);
  uint64_t pages = limits.pagesFor(maxTokens);
  if (pages > limits.pages)
    return Status::error(2422, "expected a sequence of at most {} pages of {} tokens but got {} tokens, which need {}",
                         limits.pages, limits.pageSlots, maxTokens, pages);

  if (freePlaces.empty()) {
    freePlaces.push_back(static_cast<uint32_t>(table.size()));
    table.push_back(std::make_unique<Sequence>());
  }
  uint32_t place = freePlaces.back();
  freePlaces.pop_back();
  Sequence &sequence = *table[place];
  sequence = Sequence();
  sequence.id = ++last;
  sequence.place = place;
  sequence.options = options;
  sequence.stopTokens.assign(options.stopTokens.begin(), options.stopTokens.end());
  sequence.options.stopTokens = {};
  sequence.tokens.reserve(maxTokens + 1);
  sequence.tokens.assign(tokens.begin(), tokens.end());
  sequence.promptTokens = tokens.size();
  sequence.maxTokens = maxTokens;
  sequence.reservedPages = static_cast<uint32_t>(pages);
  sequence.pages.reserve(pages);
  placeOf.emplace(sequence.id, place);
  return &sequence;
}

Result<Sequence *> SequenceTable::append(SequenceId id, std::span<const int32_t> tokens) {
  Sequence *sequence = find(id);
  if (!sequence)
    return Status::error(2424, "references unknown sequence {}", id);
  if (sequence->generates())
    return Status::error(2427, "expected a sequence without generation but got sequence {}, which generates {} tokens",
                         id, sequence->options.maxNewTokens);
  MUSTER_RETURN_IF_ERROR(checkTokens(tokens));
  if (tokens.size() > sequence->maxTokens - sequence->tokens.size())
    return Status::error(2421, "expected a sequence of at most {} tokens but got {}", sequence->maxTokens,
                         sequence->tokens.size() + tokens.size());
  sequence->tokens.insert(sequence->tokens.end(), tokens.begin(), tokens.end());
  sequence->promptTokens = sequence->tokens.size();
  if (sequence->state == SequenceState::idle && !tokens.empty())
    sequence->state = SequenceState::running;
  return sequence;
}

Sequence *SequenceTable::find(SequenceId id) {
  auto found = placeOf.find(id);
  return found == placeOf.end() ? nullptr : table[found->second].get();
}

void SequenceTable::remove(Sequence &sequence) {
  placeOf.erase(sequence.id);
  freePlaces.push_back(sequence.place);
  sequence = Sequence();
}

} // namespace muster::session
