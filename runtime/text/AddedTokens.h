// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the tokens that stand in a text as they are ("<|im_end|>"), before anything else is done to it.

#ifndef MUSTER_RUNTIME_TEXT_ADDEDTOKENS_H
#define MUSTER_RUNTIME_TEXT_ADDEDTOKENS_H

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::text {

/// A set of byte strings, searched leftmost first, then longest. Immutable after the last `add`.
class AddedTokens {
public:
  struct Token {
    int32_t id = -1;
    /// A control token: not looked for where the caller does not want them.
    bool special = false;
    /// The token takes the white space to its left (right) with it.
    bool lstrip = false;
    bool rstrip = false;
  };
  /// Bytes [begin, end) of the text: white space that the token takes with it is included.
  struct Match {
    size_t begin, end;
    int32_t id;
  };

  /// Adds `content`, which is not empty. False if it is there already.
  bool add(std::string_view content, Token token);

  /// The first match at or after `from`. False if there is none. Time: O(length of the stretch x longest token).
  bool find(std::string_view text, size_t from, bool withSpecial, Match &match) const;

  bool empty() const { return tokens.empty(); }

private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;
    int32_t token = -1; // index into tokens
  };
  uint32_t child(uint32_t node, uint8_t byte) const;

  std::vector<Token> tokens;
  std::vector<Node> nodes = std::vector<Node>(1); // a trie; node 0 is its root
  std::bitset<256> firstBytes;
};

} // namespace muster::text

#endif // MUSTER_RUNTIME_TEXT_ADDEDTOKENS_H
