// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One sequence of tokens in a session: what was asked for, how far it is, and which pages it has.

#ifndef MUSTER_RUNTIME_SESSION_SEQUENCE_H
#define MUSTER_RUNTIME_SESSION_SEQUENCE_H

#include "runtime/session/Router.h"
#include "runtime/session/Sampler.h"

#include <cstdint>
#include <span>
#include <vector>

namespace muster::session {

/// Names a sequence of one session. Never 0, and not used again after the sequence was dropped.
using SequenceId = uint64_t;

enum class LogitRequest : uint8_t {
  /// Of the last token so far: one row whenever all tokens were computed.
  last,
  /// Of every token.
  all,
  /// Only what sampling needs.
  none
};

struct SequenceOptions {
  /// Tokens to generate. 0: the tokens are computed, nothing is sampled, and more may be appended.
  uint32_t maxNewTokens = 0;
  /// Without generation: the greatest length after all appends; 0 is the number of tokens submitted.
  uint64_t maxTokens = 0;
  SamplingOptions sampling;
  LogitRequest logits = LogitRequest::none;
  /// Generation ends behind one of these, which is the last token that is returned. Copied.
  std::span<const int32_t> stopTokens;
  /// The group of ranks that is to compute it; any is faster.
  uint32_t group = anyGroup;
};

enum class SequenceState : uint8_t {
  /// Waits for pages, for a place in the batch, or for a group with both.
  waiting,
  /// Has tokens to compute.
  running,
  /// All tokens are computed; waits for more (or for a drop). Keeps its pages.
  idle,
  /// Will not go on; its pages are free again. Its tokens can be taken until it is dropped.
  finished,
  /// Computed by a group of another process, which alone knows how far it is.
  elsewhere
};

enum class FinishReason : uint8_t {
  none,
  /// A stop token.
  stop,
  /// maxNewTokens.
  length,
  /// The plan's capacity for one sequence.
  context,
  /// Logits that are not finite (E2426).
  invalidLogits
};

struct SequenceInfo {
  SequenceState state = SequenceState::waiting;
  FinishReason finish = FinishReason::none;
  uint64_t promptTokens = 0;
  uint64_t computedTokens = 0;
  uint64_t newTokens = 0;
  /// New tokens that were not taken yet.
  uint64_t untakenTokens = 0;
  /// The group of ranks that computes it; anyGroup where that is still open.
  uint32_t group = anyGroup;
};

/// The session's own record of a sequence.
struct Sequence {
  SequenceId id = 0;         // 0: the place in the table is free
  uint32_t place = 0;        // in the table
  uint32_t group = anyGroup; // that computes it
  SequenceOptions options;
  std::vector<int32_t> stopTokens;
  std::vector<int32_t> tokens; // submitted and generated; reserved to its greatest length
  uint64_t promptTokens = 0;
  uint64_t computed = 0; // tokens whose keys and values are in the cache
  uint64_t taken = 0;    // generated tokens that the caller has
  uint64_t maxTokens = 0;
  std::vector<int32_t> pages;
  uint32_t reservedPages = 0; // in all, taken or not
  SequenceState state = SequenceState::waiting;
  FinishReason finish = FinishReason::none;

  // Rows of the last step's logits.
  uint64_t logitStep = 0;
  uint64_t logitPosition = 0;
  uint32_t logitRow = 0;
  uint32_t logitRowCount = 0;

  uint64_t pending() const { return tokens.size() - computed; }
  uint64_t newTokens() const { return tokens.size() - promptTokens; }
  bool generates() const { return options.maxNewTokens != 0; }
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_SEQUENCE_H
