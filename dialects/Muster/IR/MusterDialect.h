// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The muster dialect: how a program is spread over ranks. See docs/dialects/Muster.md and the .td files beside this
// one.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Muster/IR/MusterDialect.h.inc"
#include "dialects/Muster/IR/MusterEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Muster/IR/MusterAttributes.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Muster/IR/MusterTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Muster/IR/MusterOps.h.inc"

namespace muster {

/// Names of the dialect's discardable attributes.
namespace attribute {
inline constexpr llvm::StringLiteral mesh = "muster.mesh";
inline constexpr llvm::StringLiteral layout = "muster.layout";
inline constexpr llvm::StringLiteral bounds = "muster.bounds";
inline constexpr llvm::StringLiteral name = "muster.name";
inline constexpr llvm::StringLiteral bound = "muster.bound";
inline constexpr llvm::StringLiteral facts = "muster.facts";
/// Of a function: sizes of dim names that no type fixes, `{n = 2}`, for products of dims like `(n s/sp)`.
inline constexpr llvm::StringLiteral sizes = "muster.sizes";
inline constexpr llvm::StringLiteral sources = "muster.sources";
inline constexpr llvm::StringLiteral generator = "muster.generator";
} // namespace attribute

/// The mesh that `op` runs on: the one its function names with `muster.mesh`, or the only mesh of the module. Null
/// where there is none or the choice is open; `emit`, if given, then gets the reason.
MeshAttr getMesh(mlir::Operation *op, llvm::function_ref<void(const llvm::Twine &)> emit = nullptr);

/// An axis of a mesh or a part of one: a rank's position on it is (coordinate on axis `index`) / weight mod size.
struct AxisPart {
  int64_t index = 0; ///< of the axis in the mesh
  int64_t weight = 1;
  int64_t size = 1; ///< kDynamic where the axis is symbolic
};

/// What an operation names: an axis, "tp", or a part of one, "tp[3:3]", weight and size as in layouts. Nullopt where
/// the mesh has no such axis or weight times size does not divide it.
std::optional<AxisPart> findAxisPart(MeshAttr mesh, llvm::StringRef name);

/// What a layout names, spelt as operations do.
std::string getAxisName(AxisRefAttr axis);

/// Number of positions of a group: the product of the sizes of the named axes. kDynamic where an axis is symbolic.
int64_t getGroupSize(MeshAttr mesh, mlir::ArrayAttr axes);

/// What muster.pad_counts computes, for counts in the order of positions. `mayLevel`: mode `balanced` may level them.
llvm::SmallVector<int64_t> padCounts(llvm::ArrayRef<int64_t> counts, int64_t multiple, PaddingMode mode, bool mayLevel);

/// The element-wise quotient of a tensor type's shape by the layout, as `LayoutAttr::getLocalShape`.
mlir::FailureOr<mlir::RankedTensorType> getLocalType(mlir::RankedTensorType logical, LayoutAttr layout, MeshAttr mesh,
                                                     llvm::function_ref<void(const llvm::Twine &)> emit);

} // namespace muster
