// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the parts of axes that a program names cut its axes. An axis of 12 ranks of which the parts [2:3] and [6:2] are
// named has three digits, outer first: [6:2], [2:3] and [1:2]. Every part is a run of digits, and so is the axis. A
// quotient or remainder of a coordinate by a constant names a part, too: coordinate / 2 on this axis is that of [2:6].

#ifndef MUSTER_COMPILER_ANALYSIS_AXISDIGITS_H
#define MUSTER_COMPILER_ANALYSIS_AXISDIGITS_H

#include "dialects/Muster/IR/MusterDialect.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

namespace muster {

/// The group of ranks that a collective names; null for other operations.
mlir::ArrayAttr collectiveAxesOf(mlir::Operation *op);

/// The digits of every axis of one mesh.
class AxisDigits {
public:
  explicit AxisDigits(MeshAttr mesh) : mesh(mesh), boundaries(mesh.getAxes().size()) {}

  /// Notes the parts that `op` names in layouts (of arguments, results, weights, states, claims, redistributions), as a
  /// group or as a coordinate. Whole axes are none. `op` is on this mesh.
  void note(mlir::Operation *op);

  /// Cuts axes also where quotients and remainders of coordinates do, as far as those nest with the parts that are
  /// named and with each other. After the last operation.
  void settle();

  /// Two weights of one axis, at which digits begin, of which the lesser does not divide the greater: the parts do not
  /// nest. An empty name where all do.
  struct Conflict {
    llvm::StringRef axis;
    int64_t lesser = 0, greater = 0;
  };
  Conflict findConflict() const;

  /// A part is named, if only one that is the whole axis or has one position.
  bool isNamed() const { return named; }
  /// The first axis of symbolic size of which a part is named; empty where there is none. It stays whole here.
  llvm::StringRef getSymbolic() const { return symbolic; }
  bool isSplit(int64_t axis) const { return !boundaries[axis].empty(); }

  /// Digits of an axis, outer first, in all of them or of a part (none of one of one position).
  llvm::SmallVector<AxisPart, 2> digitsOf(int64_t axis) const;
  llvm::SmallVector<AxisPart, 2> digitsOf(const AxisPart &part) const;
  /// "tp" of a whole axis, else "tp[2:3]".
  std::string nameOf(const AxisPart &digit) const;

  MeshAttr mesh;

private:
  void note(llvm::StringRef axis);
  void note(LayoutAttr layout);

  /// For each axis, weights at which a digit begins, ascending, but 1; none of the axis' size.
  llvm::SmallVector<llvm::SmallVector<int64_t, 2>, 2> boundaries;
  /// By axis, weights at which quotients and remainders cut it.
  llvm::SmallVector<std::pair<int64_t, int64_t>, 2> computed;
  llvm::DenseSet<mlir::Attribute> seen;
  bool named = false;
  llvm::StringRef symbolic;
};

/// Of every mesh on which functions, weights and states of the module are.
llvm::MapVector<MeshAttr, AxisDigits> findAxisDigits(mlir::ModuleOp module, mlir::SymbolTableCollection &symbols);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_AXISDIGITS_H
