// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a user wants to know of a refuted program beyond the wrong element: at which sizes it would be right, and how to
// mend it. Both are found by verifying variants of the function, so that neither can be wrong; both are left out where
// nothing is found within a bounded amount of work.

#ifndef MUSTER_COMPILER_ANALYSIS_LAYOUTEXPLANATION_H
#define MUSTER_COMPILER_ANALYSIS_LAYOUTEXPLANATION_H

#include "compiler/Analysis/LayoutInference.h"

namespace muster {

/// Called with each fix and the module with it; the module is gone afterwards.
using FixObserver = llvm::function_ref<void(const LayoutFix &fix, mlir::ModuleOp fixed)>;

/// Fills `condition` and `fixes` of the first refuted finding of each function.
void explainFindings(LayoutReport &report, FixObserver onFix = {});

/// Single edits with which the whole function is proved, those near `parting` first; at most three. `budget`:
/// operations that may be inferred, 20000 in about 50 ms.
llvm::SmallVector<LayoutFix, 2> findFixes(mlir::func::FuncOp function, mlir::Operation *parting, int64_t budget,
                                          FixObserver onFix = {});

/// The sizes at which a function of concrete sizes would be right: "sp = 1 or b = 1". Empty where its sizes leave a
/// choice, or an operation stands in it of which this is not known.
std::string findCondition(mlir::func::FuncOp function);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_LAYOUTEXPLANATION_H
