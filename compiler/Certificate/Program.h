// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a program and holds its maps against the rules. Private to this room. Checks return false, and leave the first
// reason in `fault`.
#ifndef MUSTER_COMPILER_CERTIFICATE_PROGRAM_H
#define MUSTER_COMPILER_CERTIFICATE_PROGRAM_H

#include "compiler/Certificate/Map.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <set>

namespace muster::certificate {

/// Places of one value that are compared one by one.
inline constexpr int64_t mostPlaces = 1 << 16;

class Program {
public:
  Program(mlir::func::FuncOp entry, const llvm::DenseMap<mlir::Operation *, int64_t> &numbers)
      : entry(entry), mesh(getMesh(entry)), numbers(numbers) {}
  /// Checks what the certificate says of the function.
  bool check(const llvm::json::Object &own);

  std::string fault;
  bool isUnsupported = false;        ///< of the fault: there is no rule
  mlir::Operation *faulty = nullptr; ///< where the first rule does not hold

private:
  bool reject(const llvm::Twine &reason, bool isWithoutRule = false);

  // Signature.cpp: what the program declares, and numbers.
  bool readSignature(const llvm::json::Object &own);
  bool isOpenSize(const Size &size, const Size &divisor, const std::string &name);
  Run groupOf(llvm::ArrayRef<std::string> names);
  Run groupOf(mlir::Operation *collective);
  Run axesOf(llvm::ArrayRef<AxisRefAttr> axes);
  std::optional<Map> declaredMap(LayoutAttr layout, mlir::RankedTensorType local, const std::string &prefix = "");
  std::optional<Map> declaredMap(mlir::Operation *op, mlir::FlatSymbolRefAttr weightOrState);
  /// A number made of sizes and coordinates; of the body of tensor.generate, also of the index.
  std::optional<Number> formOf(mlir::OpFoldResult value);
  Size sizeOf(mlir::OpFoldResult value); ///< 0: not known
  bool isUniform(mlir::Value scalar);    ///< the same on all ranks

  // Program.cpp: the walk.
  bool checkBlock(mlir::Block &block);
  bool checkOp(mlir::Operation *op);
  bool checkMap(mlir::Operation *op, const Map &claimed);
  bool checkRegions(mlir::Operation *op);
  bool checkDeclared(mlir::Value value, LayoutAttr layout, Map &declared);
  bool readMap(mlir::Value value, const llvm::json::Value *text, Map &map);
  const Map *mapOf(mlir::Value value) const;
  bool isSameMap(const Map &a, const Map &b) const;
  bool mayPass(const Map *map, const Map &as) const;
  bool positionsOf(const Dim &dim, Positions &positions) const;

  // Movement.cpp: which rank holds an element at which index changes, no element does.
  /// What places that were compared have shown.
  struct Comparison {
    int64_t places = 0;
    std::map<std::string, Size> fixed; ///< positions in spaces that are not named
    std::map<std::vector<size_t>, std::pair<mlir::Value, std::vector<size_t>>> sources; ///< of parts of packed dims
  };
  std::vector<Size> shapeOf(mlir::Value value) const;
  bool follow(mlir::Value &value, Place &place, std::string &blocked);
  static bool isMovement(mlir::Operation *op);
  bool checkMovement(mlir::Operation *op, const Map &claimed);
  bool checkSlice(mlir::tensor::ExtractSliceOp op, const Map &map);
  bool checkShards(const Map &from, const Map &to, bool isReshape, bool isCollective,
                   const llvm::SmallBitVector &dropped);
  bool checkElements(mlir::Value value, const Map &map);
  bool checkPlace(mlir::Value value, const Map &map, const Place &place, Comparison &seen);
  static bool varies(const Map &map, const Run &group);
  bool reduce(Map &map, const Run &group, llvm::StringRef kind);

  // Computation.cpp
  using Operands = std::vector<const Map *>;
  bool readLinalg(mlir::linalg::LinalgOp op, nn::IterationRule &rule, Operands &operands);
  bool readRule(mlir::Operation *op, nn::IterationRule &rule, Operands &operands);
  bool checkComputation(mlir::Operation *op, const Map *claimed);
  bool checkRule(const nn::IterationRule &rule, const Operands &operands, const Map *claimed);
  bool checkHeads(const Map &query, const Map &keys, int64_t group);
  bool checkAgree(const Map &aMap, const Dim &a, const Map &bMap, const Dim &b);
  Dim flatten(const Map &map, const Run &run, bool isConsumed, std::string &reason) const;

  mlir::func::FuncOp entry;
  MeshAttr mesh;
  const llvm::DenseMap<mlir::Operation *, int64_t> &numbers;
  const llvm::json::Array *records = nullptr;
  size_t next = 0;
  llvm::DenseMap<mlir::Value, Map> maps;
  llvm::SmallVector<mlir::Operation *> callStack;
  std::map<std::string, Size> axes, sizes, spaces; ///< sizes of axes, of names in layouts, of spaces
  std::map<Size, std::string> symbols;             ///< which name is open
  std::map<std::string, std::string> tags;         ///< of spaces whose positions are in no plain order
  std::map<std::string, int64_t> zigZags;          ///< of spaces in zig-zag order: parts
  std::set<std::string> bound;                     ///< spaces that a declared result names
  std::set<std::pair<std::string, Size>> heads;    ///< space and count of head dims that nn.split_heads names
  Run displaced;                                   ///< digits that a collective took to another dim
  Run spread;                                      ///< the mesh digits of all maps of the function
};

} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_PROGRAM_H
