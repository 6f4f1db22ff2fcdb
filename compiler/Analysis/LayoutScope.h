// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the layouts that a function declares to values of the layout algebra: which space each name stands for, and how
// long it is.
//
// A name in the signature of a function is one space, wherever it stands. Sizes come from the tensor types: a local
// size times the axes that divide it. A dim that no type fixes is a symbol; `muster.facts<[sp|s]>` makes it sp *
// (s/sp). Weights and states have spaces of their own, one for each name in their layout.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTSCOPE_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTSCOPE_H

#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

namespace muster {

/// The spaces, axes and symbols of one function, and the values of its declared layouts.
class LayoutScope {
public:
  /// `mesh` gives the axes. The signature is read at once; refusals name the dim.
  static layout::Outcome<LayoutScope> make(mlir::func::FuncOp function, MeshAttr mesh);

  layout::Universe universe;

  /// What a rank holds of a value with this layout. Names are the function's.
  layout::Outcome<layout::Value> valueOf(LayoutAttr layout, mlir::RankedTensorType local) {
    return valueOf(layout, local, names, "");
  }
  /// Of a weight or state: names are its own.
  layout::Outcome<layout::Value> valueOfSymbol(llvm::StringRef symbol, LayoutAttr layout,
                                               mlir::RankedTensorType logical, mlir::RankedTensorType local);

  std::optional<layout::AxisId> findAxis(llvm::StringRef name) const;
  /// The axes of a collective; every name is an axis (verified).
  llvm::SmallVector<layout::AxisId, 2> groupOf(mlir::ArrayAttr axes) const;
  /// Size of the dim or axis of this name; nullopt where there is none.
  std::optional<layout::Size> sizeOf(llvm::StringRef name) const;

private:
  using Names = llvm::StringMap<layout::SpaceId>;

  layout::Outcome<layout::Value> valueOf(LayoutAttr layout, mlir::RankedTensorType local, Names &scope,
                                         const std::string &prefix);
  layout::Outcome<layout::Dim> dimOf(LayoutDimAttr dim, std::optional<layout::Size> local, Names &scope,
                                     const std::string &prefix);
  layout::Outcome<layout::Dim> termOf(LayoutTermAttr term, std::optional<layout::Size> local, Names &scope,
                                      const std::string &prefix);
  layout::Outcome<layout::Size> axisSize(AxisRefAttr axis) const;
  layout::Outcome<layout::Size> divisorOf(LayoutTermAttr term) const;
  /// Sizes of names that stand alone in a dim of this layout, so that products of names can be cut.
  std::optional<layout::Refusal> learnSizes(LayoutAttr layout, mlir::RankedTensorType local);

  Names names;
  llvm::StringMap<layout::Size> sizes; ///< of the signature's names
  llvm::StringMap<Names> symbolNames;  ///< by weight or state
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTSCOPE_H
