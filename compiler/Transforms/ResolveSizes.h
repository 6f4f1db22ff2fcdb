// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The size of any tensor dim of an entry as arithmetic on the counts of the step record.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <map>
#include <optional>
#include <tuple>

namespace muster {

/// Resolves dims of one entry. A dynamic dim of an argument is the count that its layout names (`[t, o]` : dim 0 is
/// count "t", divided by the sizes of the axes that shard it), so that equal names are one value; every other dim
/// follows through the operations' shape reification. Values are made at the top of the function (counts) or at the
/// operation that makes the tensor.
///
/// A dim in unequal parts (`[t/dp : tokens @step, o]`) has the own element of the counts of that unit and batch on that
/// axes, a record of the step; where all have it whole (`[t, o]`), the sum of them.
///
/// A count that a layout of the entry divides is a multiple of the ranks that divide it (the runtime refuses a step
/// where it is not), so that `t` divided by three ranks and multiplied by three again is `t`, the same value.
class SizeResolver {
public:
  explicit SizeResolver(mlir::func::FuncOp function);

  /// The size of `dim` of `tensor`: an attribute where static, else an index value. Failure after a diagnostic.
  mlir::FailureOr<mlir::OpFoldResult> getSize(mlir::Value tensor, int64_t dim);
  mlir::FailureOr<llvm::SmallVector<mlir::OpFoldResult>> getSizes(mlir::Value tensor);

  /// Rewrites an index expression that reads `tensor.dim`s to one that reads counts.
  mlir::FailureOr<mlir::OpFoldResult> resolve(mlir::OpFoldResult size);

  /// Erases index arithmetic and dims that nobody reads: reification leaves such behind. Sizes that were handed out
  /// stay.
  void eraseDeadSizes();

  /// Erases an operation that nobody uses and what is known of its results, whose addresses other operations may get.
  /// Ends the process where somebody still uses it.
  void erase(mlir::Operation *op);

private:
  mlir::FailureOr<mlir::OpFoldResult> getArgumentSize(mlir::BlockArgument argument, int64_t dim);
  /// The counts by which a dim is divided, which the function has or which become a field of the record (of starts: one
  /// more than of requests); and what is read of them, one value for each.
  mlir::FailureOr<mlir::Value> getCounts(LayoutTermAttr term);
  template <typename Op>
  mlir::Value read(mlir::Value counts);
  /// All rows; those of the one rank where a group has one only.
  mlir::Value readTotal(mlir::Value counts);

  /// The product of some sizes of a tensor.
  mlir::FailureOr<mlir::OpFoldResult> multiplySizes(mlir::Value tensor, llvm::ArrayRef<int64_t> dims,
                                                    mlir::OpBuilder &builder, mlir::Location loc);

  /// count * numerator / denominator, in lowest terms, without remainder.
  struct Ratio {
    mlir::Value count;
    int64_t numerator = 1, denominator = 1;
  };
  /// What `size` is of one count, where it is exact for every step.
  std::optional<Ratio> getRatio(mlir::Value size);
  /// The one value of a ratio.
  mlir::Value getValue(const Ratio &ratio);

  mlir::func::FuncOp function;
  llvm::StringMap<mlir::Value> counts;
  /// By name of a dim that an argument or a result has in unequal parts.
  llvm::StringMap<LayoutTermAttr> ragged;
  llvm::DenseMap<std::pair<mlir::TypeID, mlir::Value>, mlir::Value> readings;
  /// By name of the count: what divides it in every step.
  llvm::StringMap<int64_t> divisors;
  std::map<std::tuple<void *, int64_t, int64_t>, mlir::Value> ratios;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::OpFoldResult> known;
};

} // namespace muster
