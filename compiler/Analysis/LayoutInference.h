// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The layout algebra applied to IR: from the layouts of a function's arguments, weights and states, what every value
// holds on every rank, and whether results and claims hold what they declare.
//
// Forward, once through each function, no annotation inside. Private callees are analysed at their calls, once for each
// set of operand layouts. Operations of which nothing reaches a result, a claim or a state are left out: a fault in
// dead code is no fault.
//
// A reshape that cuts inside a digit does not fail yet: only grouping was lost, and a later reshape may restore it. If
// another operation comes first, the element at each place is followed back through the operations (concrete sizes),
// and compared at the boundary place by place.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTINFERENCE_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTINFERENCE_H

#include "compiler/Analysis/LayoutScope.h"

#include "mlir/IR/BuiltinOps.h"

namespace muster {

/// Where a value is not what it is declared to be: one rank, one index, two elements of the declared logical tensor.
struct LayoutCounterexample {
  llvm::SmallVector<std::pair<std::string, int64_t>, 4> coordinates; ///< by axis
  llvm::SmallVector<int64_t, 4> index;                               ///< local
  llvm::SmallVector<std::pair<std::string, int64_t>, 4> wanted, got; ///< positions by dim name
  llvm::SmallVector<std::pair<std::string, int64_t>, 4> symbols;     ///< the sizes chosen, if any are symbolic
};

/// A single edit with which the whole function is proved.
struct LayoutFix {
  mlir::Location location;
  /// "use permutation [1, 2, 0, 3, 4]".
  std::string text;
  /// What of the operation's text is to be replaced, and by what; empty where the edit is no replacement of a piece.
  std::string before, after;
};

struct LayoutFinding {
  enum class Kind { Refuted, Unknown, Assumed };
  Kind kind = Kind::Refuted;
  mlir::Operation *op = nullptr;
  /// Of Unknown: the value is made of a dim that its layout does not name.
  bool isOpenName = false;
  /// Of Unknown: it is wrong by the readings that were chosen before, with this number; 0 where it is not.
  int numberAsChosen = 0;
  /// Of a declared result: which.
  unsigned result = 0;
  /// Of Refuted: E1104 for elements at the wrong place, E1105 for reductions, E1106 for operands that do not agree,
  /// E1107 for a layout that does not fit. Of Unknown: E1108. Of Assumed: none.
  int number = 0;
  /// One line without the number.
  std::string message;
  /// Of Unknown: the fact that would settle it. Of Refuted: what else may have been meant; may be empty.
  std::string missingFact;
  llvm::SmallVector<std::pair<mlir::Location, std::string>, 2> notes;
  /// Notes for a reader who wants to know why; explainFindings adds them to `notes`.
  llvm::SmallVector<std::pair<mlir::Location, std::string>, 2> explanations;
  /// Where what is there and what is declared part; null where that is not known.
  mlir::Operation *parting = nullptr;
  std::optional<LayoutCounterexample> counterexample;
  /// Sizes at which the program would be right ("sp = 1 or b = 1"); empty where that is not known.
  std::string condition;
  /// Best first.
  llvm::SmallVector<LayoutFix, 2> fixes;
};

struct LayoutReport {
  llvm::SmallVector<LayoutFinding, 4> findings;
  /// Declared results and claims that were examined, and operations that reach one.
  int64_t functions = 0, operations = 0, results = 0, claims = 0;
  /// Whether the proof is for every choice of symbols.
  bool isSymbolic = false;

  bool has(LayoutFinding::Kind kind) const {
    return llvm::any_of(findings, [&](const LayoutFinding &finding) { return finding.kind == kind; });
  }
};

class LayoutCertificate;

/// Verifies every function of the module that declares a layout, on its mesh. The module has been verified.
/// `afterOperation` is called with each operation once it was inferred, for measurements. What every value holds goes
/// to `certificate`, if given.
LayoutReport inferLayouts(mlir::ModuleOp module, llvm::function_ref<void(mlir::Operation *)> afterOperation = {},
                          LayoutCertificate *certificate = nullptr);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTINFERENCE_H
