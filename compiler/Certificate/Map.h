// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a certificate says of a value: which position of named logical dims (spaces) each rank holds at a local index.
//
// A dim of a local tensor is a list of mixed-radix digits, major first. A local digit (n : s @ S) is a part of the
// local index, a mesh digit (n : s @ S, axis) the part (coordinate / weight) mod n of a coordinate; value v of it adds
// v * s to the position in S. A dim owns its shards. A packed dim is several lists side by side. Stride 0: the same
// element again; of
// space "*", of a dim that may be of any size where no mesh is.
//
// Indices and positions are Numbers, mixed-radix sums of parts of variables, so that one calculation holds for all
// places. All that is asked of sizes is whether products are equal and divide, so an open size is a prime above all
// numbers of programs: what holds, holds for any choice.
#ifndef MUSTER_COMPILER_CERTIFICATE_MAP_H
#define MUSTER_COMPILER_CERTIFICATE_MAP_H

#include "llvm/ADT/DynamicAPInt.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <string>
#include <vector>

namespace muster::certificate {

using Size = llvm::DynamicAPInt;
inline bool divides(const Size &a, const Size &b) { return a > 0 && b % a == 0; }
inline bool isOpen(const Size &size) { return size >= int64_t(1) << 48; }
inline constexpr int64_t symbolCount = 10;
Size symbol(int64_t number); ///< of 1 to symbolCount

/// (variable / at) mod count * stride.
struct Term {
  std::string variable;
  Size at, count, stride;
  friend bool operator==(const Term &a, const Term &b) = default;
};

struct Number {
  Size constant;
  std::vector<Term> terms = {}; ///< joined where they are one part of a variable, in order of variables and parts
  static Number variable(const std::string &name, const Size &range) {
    return Number() + Number{Size(0), {{name, Size(1), range, Size(1)}}};
  }
  Number operator+(Number other) const;
  Number operator*(const Size &factor) const;
  Size most() const; ///< the greatest value
  /// False where the remainder depends on more than parts of variables; `blocked` is then a variable that it depends
  /// on.
  bool divide(const Size &by, Number &quotient, Number &rest, std::string &blocked) const;
  friend bool operator==(const Number &a, const Number &b) = default;
};

struct Digit {
  Size count, stride;
  std::string space, axis = {}; ///< no axis: local
  Size weight = Size(1);
  bool isMesh() const { return !axis.empty(); }
  friend bool operator==(const Digit &a, const Digit &b) = default;
};
using Run = std::vector<Digit>;
using Dim = std::vector<Run>; ///< several: packed side by side

struct Map {
  std::vector<Dim> dims;
  Run pending = {};      ///< ranks that differ here hold parts of a reduction; `space` is its kind
  bool isNumber = false; ///< every element is one number, of whatever sizes; there are no dims then
  bool isZero = false;   ///< and that is 0, and so is every part of it
};

struct Place {
  std::map<std::string, Number> coordinates;
  std::vector<Number> index;
};
using Positions = std::map<std::string, Number>;

/// A number, or a list of factors; -k is symbol k.
bool readSize(const llvm::json::Value &text, Size &size);
/// [count, stride, space], [.., axis], [.., axis, weight].
bool fromJSON(const llvm::json::Value &text, Digit &digit, llvm::json::Path path);
bool fromJSON(const llvm::json::Value &text, Map &map, llvm::json::Path path);
Run meshDigits(const std::vector<Dim> &dims);
/// The digit and then `next` are one run of positions.
bool continues(const Digit &digit, const Digit &next);
Size localSize(const Run &run);
Size localSize(const Dim &dim);
bool isFree(const Dim &dim); ///< of any size where no mesh is: the same at every index, on every rank
bool isPermuted(const Run &a, const Run &b);
/// Whether no two of the digits use a common part of an axis.
bool areDisjoint(const Run &digits);
/// (coordinate / weight) mod count.
bool coordinateOf(const Digit &part, const Place &place, Number &own, std::string &blocked);
/// Adds the positions that dims name at a place; `parts` gets which part of each dim it is.
bool addPositions(const std::vector<Dim> &dims, const Place &place, Positions &positions, std::vector<size_t> &parts,
                  std::string &blocked);
/// Whether two dims are the same function of the local index and the coordinates.
bool isSame(const Dim &a, const Dim &b, const std::map<std::string, Size> &axes);

} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_MAP_H
