// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/muster-run/Answers.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>

#include <sys/mman.h>

namespace muster::run {

Result<std::unique_ptr<Answers>> Answers::make(size_t prompts, uint64_t mostTokens, uint32_t groups) {
  std::unique_ptr<Answers> made(new Answers());
  made->mostTokens = mostTokens;
  size_t heads = prompts * sizeof(Answer) + groups * sizeof(std::atomic<uint64_t>), all = 0;
  bool isTooMuch = __builtin_mul_overflow(prompts * sizeof(int32_t), mostTokens, &all) ||
                   __builtin_add_overflow(all, heads + 1, &all);
  // Pages of answers that stay short are never touched, so they cost nothing.
  if (!isTooMuch)
    made->memory = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (isTooMuch || made->memory == MAP_FAILED) {
    made->memory = nullptr;
    return Status::error(2437, "cannot map memory for answers to {} prompts of up to {} tokens: {}", prompts,
                         mostTokens, std::strerror(isTooMuch ? EOVERFLOW : errno));
  }
  made->bytes = all;
  std::byte *next = static_cast<std::byte *>(made->memory);
  made->answers = reinterpret_cast<Answer *>(next);
  for (size_t i = 0; i != prompts; ++i)
    new (made->answers + i) Answer();
  made->idle = reinterpret_cast<std::atomic<uint64_t> *>(next + prompts * sizeof(Answer));
  for (uint32_t i = 0; i != groups; ++i)
    new (made->idle + i) std::atomic<uint64_t>(0);
  made->words = reinterpret_cast<int32_t *>(next + heads);
  return made;
}

Answers::~Answers() {
  if (memory)
    munmap(memory, bytes);
}

void Answers::append(size_t prompt, std::span<const int32_t> tokens) {
  Answer &answer = answers[prompt];
  uint32_t count = answer.count.load(std::memory_order_relaxed);
  assert(tokens.size() <= mostTokens - count && "more tokens than an answer has room for");
  std::copy(tokens.begin(), tokens.end(), row(prompt) + count);
  answer.count.store(count + static_cast<uint32_t>(tokens.size()), std::memory_order_release);
}

void Answers::end(size_t prompt, const End &end) {
  answers[prompt].computedTokens = end.computedTokens;
  answers[prompt].finish.store(static_cast<uint32_t>(end.finish), std::memory_order_release);
}

void Answers::setIdleSteps(uint32_t group, uint64_t steps) { idle[group].store(steps, std::memory_order_relaxed); }

std::span<const int32_t> Answers::tokens(size_t prompt) const {
  return {row(prompt), answers[prompt].count.load(std::memory_order_acquire)};
}

Answers::End Answers::ended(size_t prompt) const {
  End end;
  end.finish = static_cast<session::FinishReason>(answers[prompt].finish.load(std::memory_order_acquire));
  if (end.finish != session::FinishReason::none)
    end.computedTokens = answers[prompt].computedTokens;
  return end;
}

uint64_t Answers::idleSteps(uint32_t group) const { return idle[group].load(std::memory_order_relaxed); }

} // namespace muster::run
