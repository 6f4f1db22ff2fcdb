// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Byte-pair encoding of one piece of text.

#ifndef MUSTER_RUNTIME_TEXT_BYTEPAIRMERGES_H
#define MUSTER_RUNTIME_TEXT_BYTEPAIRMERGES_H

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace muster::text {

/// The merges of a vocabulary, and the algorithm: while any two neighbours have a merge, the one of lowest rank (of
/// those, the leftmost) is done. Immutable once filled.
class BytePairMerges {
public:
  /// Token of each byte, or -1.
  std::array<int32_t, 256> byteTokens;
  /// Token of a byte that has none, or -1: then it is left out, before merging or after it.
  int32_t unknown = -1;
  bool dropBeforeMerge = true;

  BytePairMerges() { byteTokens.fill(-1); }

  /// Makes room for `count` merges and forgets those there are.
  void reserve(size_t count);
  /// Adds the merge of `left` and `right` (ids, not negative) into `result`; at most `count` times. False if the pair
  /// has a merge already.
  bool add(int32_t left, int32_t right, int32_t rank, int32_t result);

  /// Lets `encode` take a piece that is the whole token `id`, without looking at merges. `bytes` must outlive this.
  void addWholeToken(std::string_view bytes, int32_t id);
  void reserveWholeTokens(size_t count);

  /// Appends the ids of `piece` to `ids`. Scratch memory is kept in `scratch` between calls.
  /// Time: O(n log n) for a piece of n bytes.
  struct Scratch;
  void encode(std::string_view piece, Scratch &scratch, std::vector<int32_t> &ids) const;

  struct Scratch {
    struct Symbol {
      int32_t id;
      uint32_t previous, next;
    };
    struct Candidate {
      int32_t rank;
      uint32_t position;
      int32_t left, right, result;
      /// Orders a heap whose front is the lowest rank, then the leftmost.
      bool operator<(const Candidate &other) const {
        return rank != other.rank ? rank > other.rank : position > other.position;
      }
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

private:
  struct Slot {
    int32_t left = -1, right = -1, rank = 0, result = 0;
  };
  struct Whole {
    std::string_view bytes;
    int32_t id = -1;
  };
  const Slot *find(int32_t left, int32_t right) const;
  int32_t findWhole(std::string_view piece) const;

  // Open addressing with linear probing, at most half full; sizes are powers of two.
  std::vector<Slot> slots;
  std::vector<Whole> wholes;
};

} // namespace muster::text

#endif // MUSTER_RUNTIME_TEXT_BYTEPAIRMERGES_H
