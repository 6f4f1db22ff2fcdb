// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the layouts that a function declares to values of the layout algebra: which space each name stands for, and how
// long it is.
//
// A name in the signature of a function is one space, wherever it stands. Sizes come from the tensor types: a local
// size times the axes that divide it. A dim that no type fixes is a symbol; `muster.facts<[sp|s]>` makes it sp *
// (s/sp). Weights and states have spaces of their own, one for each name in their layout.
//
// An axis of which the module names parts is as many axes of the universe as it has digits: no rule behind this file
// knows parts.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTSCOPE_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTSCOPE_H

#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/Outcome.h"
#include "compiler/Layout/Value.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

namespace muster {

/// The spaces, axes and symbols of one function, and the values of its declared layouts.
class LayoutScope {
public:
  /// `digits` gives the axes of the function's mesh. The signature is read at once; refusals name the dim. With
  /// `inEqualParts` a rank's part of each dim that no type fixes is a multiple of all ranks, as far as `muster.bounds`
  /// leave room; which these are is in `multiples`.
  static layout::Outcome<LayoutScope> make(mlir::func::FuncOp function, const AxisDigits &digits,
                                           bool inEqualParts = false);

  layout::Universe universe;
  /// What the symbols stand for beyond what facts and layouts say: the proof holds where these hold.
  std::vector<std::string> assumptions;
  /// "'t' is a multiple of 9".
  std::vector<std::string> multiples;

  /// What a rank holds of a value with this layout. Names are the function's.
  layout::Outcome<layout::Value> valueOf(LayoutAttr layout, mlir::RankedTensorType local) {
    return valueOf(layout, local, names, "");
  }
  /// Of a weight or state: names are its own.
  layout::Outcome<layout::Value> valueOfSymbol(llvm::StringRef symbol, LayoutAttr layout, mlir::RankedTensorType local);

  /// The axes of a collective, of a layout or of a coordinate, outer first; every name is an axis or a part of one
  /// (verified). None for a part of one position.
  llvm::SmallVector<layout::AxisId, 2> groupOf(mlir::ArrayAttr axes) const;
  llvm::SmallVector<layout::AxisId, 2> groupOf(llvm::ArrayRef<AxisRefAttr> axes) const;
  llvm::SmallVector<layout::AxisId, 2> groupOf(llvm::StringRef axis) const;
  /// Whether some dim has parts of unequal length.
  bool hasRows() const { return !rows.empty() || hasRoutedRows; }
  /// Set where rows are sent in numbers that tensors say.
  bool hasRoutedRows = false;
  /// Whether the size is one of such rows, of which nothing may be computed.
  bool isOfRows(const layout::Size &size) const {
    return llvm::any_of(universe.spaces, [&](const layout::Space &own) {
      // Parts of padded rows, too, are as unequal as these.
      return own.rows && !own.rows->part.isConcrete() &&
             layout::divide(size, own.rows->part.withoutCoefficient()).has_value();
    });
  }
  /// Spaces of the signature's rows of a unit of a batch, over these axes.
  llvm::SmallVector<layout::SpaceId, 2> rowsOf(llvm::StringRef unit, llvm::StringRef batch, layout::Group axes);
  /// A space of rows that no name of the signature stands for; of rows with the same tag that are not padded it has the
  /// lengths, and of padded ones each is a multiple of `multiple`. Nullopt where there are too many symbolic sizes.
  std::optional<layout::SpaceId> addRows(llvm::StringRef name, const std::string &tag, layout::Rows rows,
                                         int64_t multiple = 1);
  /// Size of the dim or axis of this name; nullopt where there is none, and for rows that counts divide.
  std::optional<layout::Size> sizeOf(llvm::StringRef name) const;

private:
  explicit LayoutScope(const AxisDigits &digits) : digits(&digits) {}

  using Names = llvm::StringMap<layout::SpaceId>;

  layout::Outcome<layout::Value> valueOf(LayoutAttr layout, mlir::RankedTensorType local, Names &scope,
                                         const std::string &prefix);
  /// For a message: how to state the sizes of the names of a dim that no type gives. Empty where one follows.
  std::string adviceOnSizes(LayoutDimAttr dim);
  layout::Outcome<layout::Dim> dimOf(LayoutDimAttr dim, std::optional<layout::Size> local, Names &scope,
                                     const std::string &prefix);
  layout::Outcome<layout::Dim> termOf(LayoutTermAttr term, std::optional<layout::Size> local, Names &scope,
                                      const std::string &prefix);
  /// Which names of the signature are rows that counts divide, and by what.
  std::optional<layout::Refusal> learnRows(llvm::ArrayRef<std::pair<LayoutAttr, mlir::RankedTensorType>> declared);
  void markRows(layout::SpaceId space, llvm::StringRef name);
  layout::Outcome<layout::Size> divisorOf(LayoutTermAttr term) const;
  /// Sizes of names that stand alone in a dim of this layout, so that products of names can be cut.
  std::optional<layout::Refusal> learnSizes(LayoutAttr layout, mlir::RankedTensorType local);

  const AxisDigits *digits;
  llvm::SmallVector<layout::AxisId, 2> firstDigit; ///< by axis of the mesh
  Names names;
  llvm::StringMap<layout::Size> sizes; ///< of the signature's names
  llvm::StringMap<Names> symbolNames;  ///< by weight or state
  llvm::StringMap<layout::Rows> rows;  ///< by name
};

/// The coordinates of a place, by axis of the mesh.
llvm::SmallVector<std::pair<std::string, int64_t>, 4> nameCoordinates(const layout::Universe &universe,
                                                                      const layout::Place &place);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTSCOPE_H
