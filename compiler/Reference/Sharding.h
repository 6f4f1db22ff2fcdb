// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a layout means, by definition: which positions of every logical dim a rank holds, in the order in which it holds
// them.
//
// A layout is separable: the local index i of a dim stands for one logical position of that dim, whatever the other
// dims' indices are. So a dim of a rank is a list of positions, and scatter, gather and redistribute are loops over
// those lists. On two ranks of axis a:
//
//   dim of size 4     rank 0    rank 1
//   s/a               0 1       2 3
//   s/a zigzag        0 3       1 2
//   s/a stripe        0 2       1 3
//   s                 0 1 2 3   0 1 2 3
//   (h d/a), h=2 d=2  0 2       1 3
#pragma once

#include "compiler/Reference/Tensor.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace muster::reference {

/// What the text of a layout leaves open.
struct LogicalSizes {
  /// Size of a named dim; needed where a tensor dim is a product of names and more than one of them is not known
  /// otherwise.
  llvm::StringMap<int64_t> dims;
  /// Lengths of a ragged dim's parts in the order of positions, by unit and batch: "tokens@step" for
  /// `t/dp : tokens @step`.
  llvm::StringMap<std::vector<int64_t>> counts;
  /// Fields of the step record that no dim has (muster.step_field), a value a rank.
  llvm::StringMap<std::vector<int64_t>> fields;
};

/// Position of a rank in the group that `axes` span (first axis slowest), and the ranks of its group in the order of
/// position.
int64_t getGroupPosition(MeshAttr mesh, int64_t rank, llvm::ArrayRef<AxisRefAttr> axes);
int64_t getGroupPosition(MeshAttr mesh, int64_t rank, llvm::ArrayRef<mlir::StringAttr> axes);
llvm::SmallVector<int64_t> getGroup(MeshAttr mesh, int64_t rank, mlir::ArrayAttr axes);

/// Logical positions that `rank` holds of every dim of a tensor of shape `logical`, in local order.
llvm::Expected<llvm::SmallVector<std::vector<int64_t>>> getHeldPositions(LayoutAttr layout,
                                                                         llvm::ArrayRef<int64_t> logical, MeshAttr mesh,
                                                                         int64_t rank, const LogicalSizes &sizes);

/// The part of `logical` that each rank holds. Where the layout is partial, position 0 of the partial axes holds the
/// values and the other positions hold the neutral element of the reduction.
llvm::Expected<RankValues> scatter(const Tensor &logical, LayoutAttr layout, MeshAttr mesh, const LogicalSizes &sizes);

/// The logical tensor of which the ranks hold parts. Partial values are reduced in the order of position, in float64
/// rounded to the element type after each step unless `exact`. Fails where ranks that should hold the same value do
/// not, or where sizes do not fit.
llvm::Expected<Tensor> gather(const RankValues &parts, LayoutAttr layout, MeshAttr mesh, const LogicalSizes &sizes,
                              bool exact);

/// Adds to `sizes` what the parts say: the lengths of ragged dims and the logical sizes of dims with one name. Fails
/// where a name already has another size.
llvm::Error learnSizes(const RankValues &parts, LayoutAttr layout, MeshAttr mesh, LogicalSizes &sizes);

/// Shape of the logical tensor of which the ranks hold parts.
llvm::Expected<llvm::SmallVector<int64_t>> getLogicalShape(const RankValues &parts, LayoutAttr layout, MeshAttr mesh);

/// `accumulated kind value`, rounded to the type unless `exact`. NaN wins.
Number reduceStep(ReductionKind kind, Number accumulated, Number value, mlir::Type elementType, bool exact);

} // namespace muster::reference
