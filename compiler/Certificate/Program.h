// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a program: says which rule of Rules.h holds for an operation, on which maps. Private to this room.
#ifndef MUSTER_COMPILER_CERTIFICATE_PROGRAM_H
#define MUSTER_COMPILER_CERTIFICATE_PROGRAM_H

#include "compiler/Certificate/Rules.h"

#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace muster::certificate {

class Program : Rules {
public:
  explicit Program(mlir::func::FuncOp entry) : entry(entry) {}

  /// Checks the maps of one function. `numbers` are those of the module's operations, in the order of its text.
  void check(const llvm::json::Array &records, const llvm::DenseMap<mlir::Operation *, int64_t> &numbers);
  using Rules::fault;
  using Rules::isUnsupported;
  mlir::Operation *faulty = nullptr; ///< where the first rule does not hold

private:
  using Terms = llvm::ArrayRef<LayoutTermAttr>;

  // Signature.cpp: what the program declares.
  void readSignature();
  Size symbol(const std::string &name);
  Size axisSize(AxisRefAttr axis);
  Size divisorOf(LayoutTermAttr term);
  Map declaredMap(LayoutAttr layout, mlir::RankedTensorType local, const std::string &prefix = "");
  Map declaredMap(mlir::Operation *op, mlir::FlatSymbolRefAttr weightOrState);
  Size sizeOf(mlir::OpFoldResult size);
  bool isUniformScalar(mlir::Value value);
  std::optional<Axes> groupOfOffset(mlir::Value offset, const Size &part, mlir::Value own = nullptr);

  // Program.cpp: the walk, and operations that move.
  void checkBlock(mlir::Block &block);
  void checkOp(mlir::Operation *op);
  void checkCall(mlir::func::CallOp op);
  void checkRegions(mlir::Operation *op);
  void checkDeclared(mlir::Value value, LayoutAttr layout, Map &declared);
  void checkMap(mlir::Operation *op, const Map &claimed);
  std::optional<Map> uniform(mlir::Operation *op);
  std::optional<Map> moved(mlir::Operation *op, bool &isMoving);
  Map redistributed(RedistributeOp op, Map map);
  Map sliced(mlir::tensor::ExtractSliceOp op, Map map, bool &isMoving);
  Map concatenated(mlir::tensor::ConcatOp op);
  Map positions(mlir::tensor::GenerateOp op, const Size &part);
  void checkSizes(mlir::Operation *op, const Map &from, const Map &to);
  Map mapOf(mlir::Value value) const { return maps.lookup(value); }

  // Places.cpp: what is compared place by place.
  void checkPlaces(mlir::Value value, const Map &declared);
  void checkGroups(const Map &query, const Map &keys, int64_t group);

  // Computation.cpp: operations that compute.
  bool readRule(mlir::Operation *op, nn::IterationRule &rule, std::vector<Map> &operands);
  bool readLinalg(mlir::linalg::LinalgOp op, nn::IterationRule &rule, std::vector<Map> &operands);
  void checkComputation(mlir::Operation *op, llvm::ArrayRef<Map> claimed);
  void checkHeads(const Map &from, const Map &to, bool isSplit, uint64_t heads, uint64_t headDim);

  mlir::func::FuncOp entry;
  const llvm::json::Array *records = nullptr;
  const llvm::DenseMap<mlir::Operation *, int64_t> *numbers = nullptr;
  size_t next = 0;
  llvm::DenseMap<mlir::Value, Map> maps;
  llvm::SmallVector<mlir::Operation *> callStack;
  std::map<std::string, Size> symbols, sizes; ///< sizes of the names in the signature
  std::map<std::string, Size> zigZags;        ///< spaces in zig-zag order, and over how many parts
};

} // namespace muster::certificate

#endif // MUSTER_COMPILER_CERTIFICATE_PROGRAM_H
