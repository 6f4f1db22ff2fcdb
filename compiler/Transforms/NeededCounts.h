// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which counts the functions that an entry calls need of it: those of the rows that they move, and that what they call
// moves. A step has one exchange, at the top of the entry, so a function that is called takes counts as arguments.
#pragma once

#include "compiler/Analysis/CountInference.h"
#include "mlir/IR/BuiltinOps.h"

#include <map>
#include <set>
#include <string>

namespace muster {

class NeededCounts {
public:
  struct Need {
    llvm::SmallVector<mlir::StringAttr> axes;
    mlir::Operation *op; ///< that needs the counts, of the function or of one that it calls
  };

  /// Looks through all functions of the module.
  explicit NeededCounts(mlir::ModuleOp module);

  /// Functions that make counts themselves: entries, of which each begins a step.
  bool isEntry(mlir::func::FuncOp function) const { return entries.contains(function); }
  /// What a function that is no entry needs, in order; nothing of an entry.
  const std::map<Countable, Need> &of(mlir::func::FuncOp function) const;
  /// Batches that a function, or one that it calls and that is no entry, counts itself.
  const std::set<std::string> &countedIn(mlir::func::FuncOp function) const;

private:
  llvm::DenseSet<mlir::Operation *> entries;
  llvm::DenseMap<mlir::Operation *, std::map<Countable, Need>> needs;
  llvm::DenseMap<mlir::Operation *, std::set<std::string>> counted;
};

/// Where a function that has the rows of an entry calls it, within the same step, the call gets a copy that is no
/// entry; the entry stays one. A caller that has no such rows calls a step. Returns how many copies were made.
int64_t copyCalledEntries(mlir::ModuleOp module);

} // namespace muster
