// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Over which axes of the mesh a value may differ between ranks, and where that began. Ranks of a group that agree on a
// condition take the same branch and issue the same collectives; ranks that may differ in it need not.
//
// A forward analysis. A value may differ over the axes over which an operand may, but for
//
//   | operation                                   | its result may differ over                                      |
//   | ------------------------------------------- | --------------------------------------------------------------- |
//   | argument, muster.load                       | axes of its layout, dividing or partial                         |
//   | muster.coordinate                           | its axis                                                        |
//   | tensor.dim                                  | axes of ragged dims that the tensor's shape comes from          |
//   | muster.step_field                           | all axes: each rank brings its own                              |
//   | exchange_counts, all_gather, all_reduce,    | those of the operand without the group's                        |
//   | broadcast                                   |                                                                 |
//   | own_count, own_offset, slice, all_to_all,   | those of the operand and the group's                            |
//   | reduce_scatter, exchange, permute           |                                                                 |
//   | what is gathered or handed out by counts    | its size: those of the counts; of a part the group's too        |
//   | redistribute                                | axes of `to`, and those of the operand that `from` lacks        |
//   | own_count of counts padded to the maximum   | those of the counts: every rank has as many                     |
//   | results of scf.if, scf.index_switch,        | those of what is yielded, and of the condition or bounds        |
//   | scf.for, scf.while                          |                                                                 |
//   | other operations with regions, a call of a  | all axes                                                        |
//   | function without a body                     |                                                                 |
//
// Elements and sizes are kept apart: a shard differs in its elements and has the size of the others, a ragged part has
// a size of its own. A part of an axis counts as the axis where it adds, and as nothing where it takes away.

#ifndef MUSTER_COMPILER_ANALYSIS_UNIFORMITY_H
#define MUSTER_COMPILER_ANALYSIS_UNIFORMITY_H

#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"

#include <memory>

namespace muster {

/// Axes of a mesh, by index, each with the place from which on a value differs over it.
class Variation {
public:
  bool contains(unsigned axis) const { return origins.contains(axis); }
  bool empty() const { return origins.empty(); }
  /// Keeps the origins that are known; whether there were new axes.
  bool add(const Variation &other);
  void add(unsigned axis, mlir::Location origin) { origins.try_emplace(axis, origin); }
  void remove(unsigned axis) { origins.erase(axis); }
  /// An axis that both have.
  std::optional<unsigned> common(const llvm::SmallDenseSet<unsigned, 4> &axes) const;
  mlir::Location originOf(unsigned axis) const { return origins.find(axis)->second; }
  /// The same axes, from wherever on.
  friend bool operator==(const Variation &a, const Variation &b) {
    return a.origins.size() == b.origins.size() &&
           llvm::all_of(a.origins, [&](const auto &entry) { return b.contains(entry.first); });
  }

private:
  llvm::SmallDenseMap<unsigned, mlir::Location, 2> origins;
};

/// Of a value: its elements (a scalar's value, counts), and the sizes of its dims.
struct Varying {
  Variation elements, sizes;
  bool add(const Varying &other) {
    bool isNew = elements.add(other.elements);
    return sizes.add(other.sizes) || isNew;
  }
  friend bool operator==(const Varying &a, const Varying &b) { return a.elements == b.elements && a.sizes == b.sizes; }
};

/// One function with given arguments. Calls are followed; a recursive call counts as one without a body.
class Uniformity {
public:
  /// Arguments are as their layouts say; those without one are the same on all ranks.
  Uniformity(mlir::func::FuncOp function, MeshAttr mesh);

  Varying of(mlir::Value value) const { return known.lookup(value); }
  MeshAttr getMesh() const { return mesh; }
  mlir::func::FuncOp getFunction() const { return function; }
  /// Axes of a mesh that an operation names in `axes`, those of more than one rank.
  llvm::SmallDenseSet<unsigned, 4> axesOf(mlir::ArrayAttr axes) const;
  llvm::SmallDenseSet<unsigned, 4> axesOf(llvm::ArrayRef<mlir::StringAttr> axes) const;
  /// What is known of the body of a function that this one calls, with the arguments of this call; null where it has
  /// none.
  const Uniformity *callee(mlir::func::CallOp call) const;

private:
  struct Calls;
  Uniformity(mlir::func::FuncOp function, MeshAttr mesh, llvm::ArrayRef<Varying> arguments,
             llvm::SmallVector<mlir::Operation *> callers, std::shared_ptr<Calls> calls);
  void run(llvm::ArrayRef<Varying> arguments);
  void visit(mlir::Block &block);
  void visit(mlir::Operation &op);
  void visitIf(mlir::scf::IfOp op);
  void visitFor(mlir::scf::ForOp op);
  void visitWhile(mlir::scf::WhileOp op);
  void visitCall(mlir::func::CallOp op);
  void visitSwitch(mlir::scf::IndexSwitchOp op);
  /// Regions that are run in a way that is not known here.
  void visitUnknown(mlir::Operation &op);
  void set(mlir::Value value, Varying varying);
  Varying operandsOf(mlir::Operation &op) const;
  Varying ofLayout(LayoutAttr layout, mlir::Location location) const;
  void setCounted(Variation &sizes, mlir::Value input, mlir::TypedValue<CountsType> counts, bool isPart,
                  mlir::Location location) const;
  void addGroup(Variation &variation, const llvm::SmallDenseSet<unsigned, 4> &group, mlir::Location location) const;
  /// Takes away the axes of the group that are named as a whole.
  void removeGroup(Variation &variation, llvm::ArrayRef<llvm::StringRef> group) const;
  void addAll(Varying &varying, mlir::Location location) const;
  void addAxis(Variation &variation, llvm::StringRef name, mlir::Location location) const;

  mlir::func::FuncOp function;
  MeshAttr mesh;
  llvm::SmallVector<mlir::Operation *> callers;
  llvm::DenseMap<mlir::Value, Varying> known;
  /// Bodies that were looked at already: calls with arguments that differ alike share one, so that functions that call
  /// others twice are not looked at again and again.
  std::shared_ptr<Calls> calls;
  llvm::DenseMap<mlir::Operation *, std::shared_ptr<Uniformity>> callees;
  llvm::SmallVector<Varying> returned;
  /// A call of a function that is being looked at stands for all that it might do.
  bool isCut = false;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_UNIFORMITY_H
