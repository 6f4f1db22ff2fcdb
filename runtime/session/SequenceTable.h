// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sequences of a session: which there are, and what was asked for each.

#ifndef MUSTER_RUNTIME_SESSION_SEQUENCETABLE_H
#define MUSTER_RUNTIME_SESSION_SEQUENCETABLE_H

#include "runtime/session/Sequence.h"
#include "runtime/session/StepModel.h"
#include "runtime/status/Status.h"

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace muster::session {

/// Not synchronised. Adding allocates, finding does not.
class SequenceTable {
public:
  /// `limits` are those of one group of `groups`.
  SequenceTable(const StepLimits &limits, uint32_t groups) : limits(limits), groups(groups) {}

  /// A sequence that waits. Ids are numbered in the order of these calls, whatever else happens. Errors: E2420 no
  /// token, E2421 longer than the context, E2422 more pages than a group has, E2423 a token outside the vocabulary,
  /// E2425 sampling options, E2430 a group that there is not.
  Result<Sequence *> add(std::span<const int32_t> tokens, const SequenceOptions &options);
  /// More tokens for a sequence that does not generate. Errors: E2421 (longer than its maxTokens), E2423, E2424 unknown
  /// sequence, E2427 it generates.
  Result<Sequence *> append(SequenceId id, std::span<const int32_t> tokens);
  /// Null for an unknown id.
  Sequence *find(SequenceId id);
  const Sequence *find(SequenceId id) const { return const_cast<SequenceTable *>(this)->find(id); }
  void remove(Sequence &sequence);

  Sequence &at(uint32_t place) { return *table[place]; }
  const Sequence &at(uint32_t place) const { return *table[place]; }
  /// Places are below this.
  size_t places() const { return table.size(); }

private:
  Status checkTokens(std::span<const int32_t> tokens) const;

  StepLimits limits;
  uint32_t groups;
  std::vector<std::unique_ptr<Sequence>> table;
  std::vector<uint32_t> freePlaces;
  std::unordered_map<SequenceId, uint32_t> placeOf;
  SequenceId last = 0;
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SEQUENCETABLE_H
