// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What was generated for each prompt, in memory that all processes of a run share.
//
// With data parallelism a process has the tokens of its own group. The process of a group's first rank publishes them
// here as they come, so that rank 0 can print them, and each process knows all of them in the end. One process writes
// an answer; any number read.

#ifndef MUSTER_TOOLS_MUSTERRUN_ANSWERS_H
#define MUSTER_TOOLS_MUSTERRUN_ANSWERS_H

#include "runtime/session/Sequence.h"
#include "runtime/status/Status.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace muster::run {

class Answers {
public:
  /// Room for `prompts` answers of up to `mostTokens` tokens, and the idle steps of `groups` groups. Made before the
  /// processes are. Error: E2437 where there is no memory.
  static Result<std::unique_ptr<Answers>> make(size_t prompts, uint64_t mostTokens, uint32_t groups);
  ~Answers();
  Answers(const Answers &) = delete;
  Answers &operator=(const Answers &) = delete;

  /// How an answer ended, and where.
  struct End {
    session::FinishReason finish = session::FinishReason::none;
    uint64_t computedTokens = 0; ///< with those of the prompt
  };

  /// Adds tokens to an answer. Tokens beyond its room end nothing: the caller keeps to mostTokens.
  void append(size_t prompt, std::span<const int32_t> tokens);
  /// Behind the last tokens.
  void end(size_t prompt, const End &end);
  void setIdleSteps(uint32_t group, uint64_t steps);

  /// The tokens so far; they stay where they are.
  std::span<const int32_t> tokens(size_t prompt) const;
  /// Where `finish` is not none, tokens() has all of them from then on.
  End ended(size_t prompt) const;
  uint64_t idleSteps(uint32_t group) const;

private:
  struct Answer {
    std::atomic<uint32_t> count;
    std::atomic<uint32_t> finish;
    uint64_t computedTokens; // written before finish
  };
  Answers() = default;
  int32_t *row(size_t prompt) const { return words + prompt * mostTokens; }

  void *memory = nullptr;
  size_t bytes = 0;
  uint64_t mostTokens = 0;
  Answer *answers = nullptr;
  std::atomic<uint64_t> *idle = nullptr;
  int32_t *words = nullptr;
};

} // namespace muster::run

#endif // MUSTER_TOOLS_MUSTERRUN_ANSWERS_H
