// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a function says of a batch that was split in two children:
// `muster.split = {parent = @step, first = @step.a, second = @step.b}` on the function, and on every argument the class
// of the field that it is, `muster.split = "slice"`.
//
//   | class       | each child has                                             | by default                       |
//   | ----------- | ---------------------------------------------------------- | -------------------------------- |
//   | `slice`     | its rows of the field, unchanged                           | tokens                           |
//   | `recompute` | values of its own: starts and rows count from its first    | requests, starts, rows           |
//   | `inherit`   | the field of the parent                                    | what has no rows of a batch      |
//   | `drop`      | nothing: only where nothing reads the field                | never                            |
//
// The rows of slices, and rows that are asked for, are divided: each is in one child. Requests and starts are not: a
// sequence that is cut is in both.

#ifndef MUSTER_DIALECTS_MUSTER_IR_BATCHSPLIT_H
#define MUSTER_DIALECTS_MUSTER_IR_BATCHSPLIT_H

#include "dialects/Muster/IR/MusterDialect.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

#include <optional>
#include <string>

namespace muster {

namespace attribute {
/// Of a function: the batch that was split and its two children; of an argument: how a split treats the field.
inline constexpr llvm::StringLiteral split = "muster.split";
} // namespace attribute

/// Names of batches, without the `@`.
struct BatchSplit {
  std::string parent, first, second;

  /// Nothing where the function splits no batch.
  static std::optional<BatchSplit> of(mlir::Operation *function);
  mlir::DictionaryAttr toAttribute(mlir::MLIRContext *context) const;

  bool isChild(llvm::StringRef batch) const { return batch == first || batch == second; }
  /// What stands behind the parent's name in a child's, and behind the names of the child's fields and dims: ".a".
  llvm::StringRef suffixOf(llvm::StringRef child) const;
  /// Name of a field of the parent by that of the first child's: "t" of "t.a".
  llvm::StringRef parentName(llvm::StringRef nameInFirst) const;
  /// Each row is in one child.
  static bool isDivided(CountUnit unit) { return unit == CountUnit::Tokens || unit == CountUnit::Rows; }
};

enum class FieldClass { Slice, Recompute, Inherit, Drop };
llvm::StringRef stringifyFieldClass(FieldClass kind);
std::optional<FieldClass> symbolizeFieldClass(llvm::StringRef name);
/// What an argument says.
std::optional<FieldClass> fieldClassOf(mlir::FunctionOpInterface function, unsigned argument);

} // namespace muster

#endif // MUSTER_DIALECTS_MUSTER_IR_BATCHSPLIT_H
