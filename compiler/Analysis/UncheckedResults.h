// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a proof says nothing of, so that nobody takes it for proved: results without a layout, and functions that
// declare none at all.

#ifndef MUSTER_COMPILER_ANALYSIS_UNCHECKEDRESULTS_H
#define MUSTER_COMPILER_ANALYSIS_UNCHECKEDRESULTS_H

#include "compiler/Analysis/LayoutDiagnostics.h"

namespace muster {

/// A remark for each result without a layout, at the return, of functions that declare layouts, and for each other
/// function with results that nobody calls. What is called without layouts is looked at in its callers.
std::vector<LayoutMessage> findUnchecked(mlir::ModuleOp module);

} // namespace muster

#endif // MUSTER_COMPILER_ANALYSIS_UNCHECKEDRESULTS_H
