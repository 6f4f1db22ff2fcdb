// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the inference found, written down so that somebody else can check it: the map of each value, in the order in
// which operations were inferred. docs/certificates.md has the format.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTCERTIFICATE_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTCERTIFICATE_H

#include "compiler/Analysis/Known.h"
#include "compiler/Analysis/LayoutScope.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <set>

namespace muster {

/// Collects the maps of one run of inferLayouts over a module.
class LayoutCertificate {
public:
  explicit LayoutCertificate(mlir::ModuleOp module);

  /// Once more for the last function: what was added to it is dropped.
  void beginFunction(mlir::func::FuncOp function);
  /// The sizes of axes and of the names in the layouts of the last function.
  void addSizes(mlir::func::FuncOp function, const LayoutScope &scope);
  void addArgument(mlir::Value argument, const layout::Value &value) {
    if (value.floats.empty())
      ranks[argument] = onOneRank(nullptr, value);
  }
  /// What the results of `op` hold, written after the first `at` records: before those of its regions.
  void add(mlir::Operation *op, const layout::Universe &universe, llvm::ArrayRef<Known> results, size_t at);

  /// The proof of the current function uses a rule that the checker does not have; the first one is kept.
  void markUncovered(llvm::StringRef why) {
    if (functions.back().uncovered.empty())
      functions.back().uncovered = why.str();
  }

  /// Maps of the current function so far; `shrink` forgets those that came later (a loop whose body is judged again).
  size_t size() const { return functions.back().values.size(); }
  void shrink(size_t size) {
    while (functions.back().values.size() > size)
      functions.back().values.pop_back();
  }

  /// The certificate of a program with this SHA-256 (lower-case hexadecimal): JSON, a line an operation.
  void print(llvm::raw_ostream &stream, llvm::StringRef digest) const;

private:
  struct Function {
    std::string name, uncovered;
    llvm::json::Object sizes;
    std::vector<llvm::json::Value> values;
    bool hasChoices = false; ///< some value has several readings; each record has the most literal one
  };
  bool isFreeDim(mlir::Operation *op, const layout::Dim &dim);
  llvm::json::Value mapOf(mlir::Operation *op, const layout::Universe &universe, const Known &known);
  llvm::json::Value toJson(const layout::Universe &universe, const layout::Size &size) const;
  llvm::json::Value toJson(const layout::Universe &universe, llvm::ArrayRef<layout::Digit> digits) const;
  /// What a value holds on one rank: local digits of each dim, of each of its parts.
  using OnOneRank = std::vector<std::vector<llvm::SmallVector<layout::Digit, 2>>>;
  OnOneRank onOneRank(mlir::Operation *op, const layout::Value &reading);
  void addAxis(llvm::json::Array &item, const layout::Universe &universe, layout::AxisId id, layout::Size weight) const;

  llvm::DenseMap<mlir::Operation *, int64_t> numbers; ///< of operations, in the order of the text
  std::vector<Function> functions;
  std::set<std::pair<const void *, std::string>> freeSizes; ///< of dims of values (isFreeDim)
  llvm::DenseMap<layout::SpaceId, std::string> ownSpaces;   ///< of constants and computed positions
  llvm::DenseMap<mlir::Value, OnOneRank> ranks;
  /// Sizes of groups by dims that a reshape made for an exchange: on one rank they are so much smaller.
  std::map<std::pair<const void *, size_t>, int64_t> made;
};

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTCERTIFICATE_H
