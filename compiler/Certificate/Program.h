// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the checker knows of a program, and its rules. Private to this room. Checks return false, and leave the first
// reason in `fault`.
//
// Two worlds run the same text: the mesh, and one rank that holds everything, on which each collective is the identity.
// A map says of a value, in each world, which position of named spaces stands at a local index: a dim is a list of
// mixed-radix digits, major first, of which (n : s @ S) adds its value times s to the position in S. On the mesh a
// digit may be the part (coordinate / weight) mod n of a coordinate. So a map also tells where on one rank that stands
// which a rank holds (indexOf), and that is what operands of one operation must agree on.
//
// Indices and positions are Numbers, mixed-radix sums of parts of variables, so that one calculation holds for all
// places. All that is asked of sizes is whether products are equal and divide, so an open size is a prime above all
// numbers of programs: what holds, holds for any choice.
#ifndef MUSTER_COMPILER_CERTIFICATE_PROGRAM_H
#define MUSTER_COMPILER_CERTIFICATE_PROGRAM_H

#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DynamicAPInt.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <set>

namespace muster::certificate {

using Size = llvm::DynamicAPInt;
inline bool divides(const Size &a, const Size &b) { return a > 0 && b % a == 0; }
inline constexpr int64_t symbolCount = 10, leastOpen = int64_t(1) << 48;
Size symbol(int64_t number); ///< of 1 to symbolCount

/// (variable / at) mod count * stride.
struct Term {
  std::string variable; ///< "@axis": a coordinate; "#d": the local index of dim or iterator d
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
  /// Quotient and remainder; nullopt where they are no sums of parts of variables.
  std::optional<std::pair<Number, Number>> divide(const Size &by) const;
  /// Takes each value from 0 to size - 1 exactly once.
  bool countsTo(Size size) const;
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
enum World : bool { OnMesh, OnOneRank };

struct Map {
  std::vector<Dim> dims[2];    ///< of each world, with as many parts each
  Run pending = {};            ///< ranks that differ here hold parts of a reduction; `space` is its kind
  bool isNumber = false;       ///< every element is one number, of whatever sizes; there are no dims then
  bool isZero = false;         ///< and that is 0, and so is every part of it
  bool isFree(size_t d) const; ///< the same at every index of the dim, which may be of any size on one rank
  std::vector<Size> shape(World world) const;
};
bool fromJSON(const llvm::json::Value &text, Map &map, llvm::json::Path path);
bool readSize(const llvm::json::Value &text, Size &size); ///< a number, or a list of factors; -k is symbol k
Size localSize(const Dim &dim);
std::vector<Size> shapeOf(mlir::Type tensor); ///< 0: open
bool isPermuted(const Run &a, const Run &b);
Size sizeOfGroup(const Run &group);
bool areDisjoint(const Run &digits); ///< no two use a common part of an axis

struct Place {
  std::map<std::string, Number> coordinates; ///< none on one rank
  std::vector<Number> index;
};
/// Positions by space, and which part of each dim they are in.
struct Positions {
  std::map<std::string, Number> of;
  std::vector<size_t> parts;
  friend bool operator==(const Positions &a, const Positions &b) = default;
};
std::optional<Number> coordinateOf(const Digit &part, const Place &place); ///< (coordinate / weight) mod count
std::optional<Positions> positionsAt(const std::vector<Dim> &dims, const Place &place);
/// Where on one rank that stands which a rank holds; nullopt where the map does not tell. 0 for a free dim.
std::optional<std::vector<Number>> indexOf(const Map &map, const Place &place);

class Program {
public:
  Program(mlir::func::FuncOp entry, const llvm::DenseMap<mlir::Operation *, int64_t> &numbers)
      : entry(entry), mesh(getMesh(entry)), numbers(numbers) {}
  bool check(const llvm::json::Object &own); ///< what the certificate says of the function

  std::string fault;
  bool isUnsupported = false;        ///< of the fault: there is no rule
  mlir::Operation *faulty = nullptr; ///< where the first rule does not hold

private:
  bool reject(const llvm::Twine &reason, bool isWithoutRule = false);
  bool lacksRule(const llvm::Twine &reason) { return reject(reason, true); }

  // Signature.cpp: what the program declares, and numbers.
  bool readSignature(const llvm::json::Object &own);
  bool isOpenSize(const Size &size, const Size &divisor, const std::string &name);
  Run groupOf(llvm::ArrayRef<std::string> names);
  Run groupOf(mlir::Operation *collective);
  Run axesOf(llvm::ArrayRef<AxisRefAttr> axes);
  std::optional<Map> declaredMap(LayoutAttr layout, std::vector<Size> local, const std::string &prefix = "");
  std::optional<Map> declaredMap(mlir::Operation *op, mlir::FlatSymbolRefAttr weightOrState);
  /// A number made of sizes, coordinates and, in the body of tensor.generate, the index.
  std::optional<Number> formOf(mlir::OpFoldResult value, World world, const Place &place);
  bool isUniform(mlir::Value scalar); ///< the same on all ranks, and on one

  // Program.cpp: the walk.
  bool checkBlock(mlir::Block &block);
  bool checkOp(mlir::Operation *op);
  bool checkMap(mlir::Operation *op, const Map &claimed);
  bool checkRegions(mlir::Operation *op);
  bool checkDeclared(mlir::Value value, LayoutAttr layout);
  bool readMap(mlir::Value value, const llvm::json::Value *text, Map &map);
  const Map *mapOf(mlir::Value value) const;
  bool mayPass(const Map *map, const Map &as) const;

  // Movement.cpp: which rank holds an element at which index changes, no element does.
  std::vector<Place> placesOf(const std::vector<Dim> &dims, World world) const;
  bool isSame(const std::vector<Dim> &a, const std::vector<Dim> &b, World world) const;
  bool holdsAs(const Map &map, const Map &as);
  bool follow(mlir::Operation *op, const Map &result, World world, Place &place, mlir::Value &source);
  bool followSlice(mlir::tensor::ExtractSliceOp op, const Map &result, World world, Place &place);
  bool checkMovement(mlir::Operation *op, const Map &claimed);
  bool reduce(Map &map, const Run &group, llvm::StringRef kind);

  // Computation.cpp
  using Operands = std::vector<const Map *>;
  bool readLinalg(mlir::linalg::LinalgOp op, nn::IterationRule &rule, Operands &operands);
  bool readRule(mlir::Operation *op, nn::IterationRule &rule, Operands &operands);
  bool checkComputation(mlir::Operation *op, const Map *claimed);
  bool checkHeads(const Map &query, const Map &keys, int64_t heads, int64_t keyHeads);
  bool checkRule(const nn::IterationRule &rule, const Operands &operands, const Map *claimed);

  mlir::func::FuncOp entry;
  MeshAttr mesh;
  const llvm::DenseMap<mlir::Operation *, int64_t> &numbers;
  const llvm::json::Array *records = nullptr;
  size_t next = 0;
  llvm::DenseMap<mlir::Value, Map> maps;
  llvm::SmallVector<mlir::Operation *> callStack;
  std::map<std::string, Size> axes, sizes, spaces; ///< sizes of axes, of names in layouts, of spaces
  std::map<Size, std::string> symbols;             ///< which name is open
  std::set<std::string> bound;                     ///< names of dims of declared results
};

} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_PROGRAM_H
