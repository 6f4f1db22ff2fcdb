// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rules by which the map of a result follows from those of the operands, on maps alone: nothing here knows the IR.
// Map and Rules are what has to be trusted of the checker, besides the reading of the program in Program.cpp.
//
// The first rule that does not hold leaves its reason in `fault`; what follows it says nothing.
#ifndef MUSTER_COMPILER_CERTIFICATE_RULES_H
#define MUSTER_COMPILER_CERTIFICATE_RULES_H

#include "compiler/Certificate/Map.h"
#include "dialects/NN/IR/IterationRule.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"

#include <set>

namespace muster::certificate {

using Axes = std::vector<std::string>; ///< a group, outer to inner

class Rules {
public:
  // What a function declares.
  std::map<std::string, Size> axes, spaces;           ///< sizes
  std::map<std::string, std::string> tags;            ///< of spaces whose positions are in no plain order
  std::set<std::string> bound;                        ///< spaces that a declared result names
  std::set<std::pair<std::string, std::string>> runs; ///< space and digit of head dims that nn.split_heads names
  Run spread;                                         ///< the mesh digits of all maps of the function

  std::string fault = {};
  bool isUnsupported = false; ///< of the fault: there is no rule

  void reject(const llvm::Twine &reason);
  void unsupported(const llvm::Twine &reason);

  // Movement. No element changes; which rank holds it at which index does.
  /// The leading local elements of a dim, one for each position of the group, become mesh digits, in place.
  void scatter(Map &map, const Axes &group, size_t dim);
  /// Takes the digits of the group off the mesh: local ones, and duplicates where the value did not vary.
  Run take(Map &map, const Axes &group);
  /// Puts local digits to the front of a dim.
  void gather(Map &map, const Run &taken, size_t dim);
  /// A sum over a group is taken exactly once of what is pending over all of it, and of nothing that varies there.
  void reduce(Map &map, const Axes &group, const std::string &kind);
  /// A reshape changes where dims begin, not the order of digits. A mesh digit stays in front of what is behind it, or
  /// alone in a dim of one local element.
  void checkReshape(const Map &from, const Map &to);
  /// Whether the claimed map is the expected one. Where an operation moved shards (`isMoving`), mesh digits that
  /// continue nothing may stand in another dim of one local element, or beside what they continue.
  void checkSame(Map expected, Map claimed, bool isMoving);

  // Computation.
  /// The dim as positions of one logical dim: the stride of each digit is the product of what follows it. `reason`
  /// tells why that is not so. A dim that is consumed holds a space that a result names entirely or not at all.
  Run flatten(const Map &map, const Run &run, bool isConsumed, std::string &reason) const;
  /// Two dims name the same positions on every rank.
  void checkAgree(const Map &aMap, const Dim &a, const Map &bMap, const Dim &b);
  /// An operation that walks its operands. All dims of an iterator agree; an axis serves one iterator or one pending
  /// reduction; partial operands only where the operation is linear; shards that are reduced become pending.
  void checkRule(const nn::IterationRule &rule, llvm::ArrayRef<Map> operands, llvm::ArrayRef<Map> results);
  /// What is declared: the same digits, or digits of spaces that no result names and that agree by position.
  void checkBoundary(const Map &map, const Map &declared);
};

/// Whether the dim is the same at every index, on every rank.
bool isDuplicates(const Dim &dim);
bool isPermuted(const Run &a, const Run &b);

} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_RULES_H
