// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a certificate says of a value: which position of named logical dims (spaces) each rank holds at a local index.
//
// A dim of a local tensor is a list of mixed-radix digits, major first. A local digit (n : s @ S) is a part of the
// local index, a mesh digit (n : s @ S, axis) the part (coordinate / weight) mod n of a coordinate; value v of it adds
// v * s to the position in S. A dim owns its shards: all digits of the list are digits of the logical dim. A packed dim
// is several lists side by side. Stride 0: the same element again (local), or replication (on the mesh; dropped).
//
// Sizes that a program leaves open are symbols, each any number of at least 1. All that is asked of sizes is whether
// products are equal and divide, so a symbol is a prime above all numbers of programs: what holds, holds for any
// choice.
#ifndef MUSTER_COMPILER_CERTIFICATE_MAP_H
#define MUSTER_COMPILER_CERTIFICATE_MAP_H

#include "llvm/ADT/DynamicAPInt.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <string>
#include <vector>

namespace muster::certificate {

using Size = llvm::DynamicAPInt;
inline bool divides(const Size &a, const Size &b) { return a > 0 && b % a == 0; }

struct Digit {
  Size count, stride;
  std::string space, axis; ///< no axis: local
  Size weight = Size(1);
  bool isMesh() const { return !axis.empty(); }
  friend bool operator==(const Digit &a, const Digit &b) = default;
};
using Run = std::vector<Digit>;
using Dim = std::vector<Run>; ///< several: packed side by side

struct Map {
  enum Kind {
    None,   ///< nothing is known: no operation may use it
    Digits, ///< `dims` and `pending` say it
    Uniform ///< every element on every rank is the same number
  } kind = None;
  std::vector<Dim> dims = {};
  /// Ranks that differ in these digits hold parts that are still to be reduced; `space` is the kind of reduction.
  Run pending = {};
  bool isZero = false; ///< of Uniform
};

/// The mesh digits of a map, and its pending digits.
Run meshDigits(const Map &map);
/// The digit and then `next` are one run of positions.
bool continues(const Digit &digit, const Digit &next);
/// Drops digits of one value and joins neighbours that are one digit.
void merge(Run &run);
/// merge, with each mesh digit directly before the digit of its dim that it continues.
void normalise(Map &map);
Size localSize(const Run &run);
Size localSize(const Dim &dim);
/// Whether no two of the digits, on the mesh or pending, use a common part of an axis.
bool areDisjoint(const Run &digits);
/// {"dims": [[[4, 3, "s", "sp"], [3, 1, "s"]], ...], "pending": [[4, 0, "sum", "tp"]]}; None for anything else. A size
/// is a number or a list of numbers and of names of symbols, whose product it is; a fifth item of a digit is its
/// weight.
Map parseMap(const llvm::json::Value &text, const std::map<std::string, Size> &symbols);
std::string print(const Dim &dim);
} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_MAP_H
