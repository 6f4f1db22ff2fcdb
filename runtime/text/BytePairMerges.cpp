// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "runtime/text/BytePairMerges.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace muster::text {

namespace {
constexpr uint32_t none = ~uint32_t(0);

size_t hashPair(int32_t left, int32_t right) {
  uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  key *= 0x9E3779B97F4A7C15u; // Fibonacci hashing; the high bits are the good ones
  return static_cast<size_t>(key >> 32);
}
} // namespace

void BytePairMerges::reserve(size_t count) { slots.assign(std::bit_ceil(2 * count + 1), Slot()); }

bool BytePairMerges::add(int32_t left, int32_t right, int32_t rank, int32_t result) {
  size_t mask = slots.size() - 1;
  size_t position = hashPair(left, right) & mask;
  for (; slots[position].left >= 0; position = (position + 1) & mask)
    if (slots[position].left == left && slots[position].right == right)
      return false;
  slots[position] = {left, right, rank, result};
  return true;
}

const BytePairMerges::Slot *BytePairMerges::find(int32_t left, int32_t right) const {
  if (slots.empty())
    return nullptr;
  size_t mask = slots.size() - 1;
  for (size_t position = hashPair(left, right) & mask; slots[position].left >= 0; position = (position + 1) & mask)
    if (slots[position].left == left && slots[position].right == right)
      return &slots[position];
  return nullptr;
}

void BytePairMerges::reserveWholeTokens(size_t count) { wholes.assign(std::bit_ceil(2 * count + 1), Whole()); }

void BytePairMerges::addWholeToken(std::string_view bytes, int32_t id) {
  size_t mask = wholes.size() - 1;
  size_t position = std::hash<std::string_view>()(bytes) & mask;
  while (wholes[position].id >= 0)
    position = (position + 1) & mask;
  wholes[position] = {bytes, id};
}

int32_t BytePairMerges::findWhole(std::string_view piece) const {
  if (wholes.empty())
    return -1;
  size_t mask = wholes.size() - 1;
  size_t position = std::hash<std::string_view>()(piece) & mask;
  for (; wholes[position].id >= 0; position = (position + 1) & mask)
    if (wholes[position].bytes == piece)
      return wholes[position].id;
  return -1;
}

void BytePairMerges::encode(std::string_view piece, Scratch &scratch, std::vector<int32_t> &ids) const {
  if (int32_t whole = findWhole(piece); whole >= 0) {
    ids.push_back(whole);
    return;
  }
  std::vector<Scratch::Symbol> &symbols = scratch.symbols;
  std::vector<Scratch::Candidate> &heap = scratch.heap;
  symbols.clear();
  heap.clear();
  for (char c : piece) {
    int32_t id = byteTokens[static_cast<uint8_t>(c)];
    if (id < 0)
      id = unknown;
    if (id < 0 && dropBeforeMerge)
      continue;
    auto position = static_cast<uint32_t>(symbols.size());
    symbols.push_back({id, position - 1, position + 1});
  }
  if (symbols.empty())
    return;
  symbols.back().next = none; // symbols.front().previous is 0 - 1, which is none

  auto consider = [&](uint32_t position, std::vector<Scratch::Candidate> &candidates) {
    uint32_t next = symbols[position].next;
    if (next == none)
      return false;
    int32_t left = symbols[position].id, right = symbols[next].id;
    const Slot *slot = left < 0 || right < 0 ? nullptr : find(left, right);
    if (slot)
      candidates.push_back({slot->rank, position, left, right, slot->result});
    return slot != nullptr;
  };
  for (uint32_t position = 0; position < symbols.size(); ++position)
    consider(position, heap);
  std::make_heap(heap.begin(), heap.end());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    Scratch::Candidate merge = heap.back();
    heap.pop_back();
    // The neighbours may have been merged with others since. A merged-away symbol has id -1, and no candidate has that.
    Scratch::Symbol &left = symbols[merge.position];
    if (left.id != merge.left || left.next == none || symbols[left.next].id != merge.right)
      continue;
    Scratch::Symbol &right = symbols[left.next];
    left.id = merge.result;
    left.next = right.next;
    right.id = -1;
    if (left.next != none)
      symbols[left.next].previous = merge.position;
    if (consider(merge.position, heap))
      std::push_heap(heap.begin(), heap.end());
    if (left.previous != none && consider(left.previous, heap))
      std::push_heap(heap.begin(), heap.end());
  }
  for (uint32_t position = 0; position != none; position = symbols[position].next)
    if (symbols[position].id >= 0)
      ids.push_back(symbols[position].id);
}

} // namespace muster::text
