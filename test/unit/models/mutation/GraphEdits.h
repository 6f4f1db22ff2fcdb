// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every single edit of a model graph that keeps all shapes and means nothing on one rank: what somebody may get wrong
// about the mesh.

#ifndef MUSTER_TEST_UNIT_MODELS_MUTATION_GRAPHEDITS_H
#define MUSTER_TEST_UNIT_MODELS_MUTATION_GRAPHEDITS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace muster::test {

/// Calls `visit` with a copy of the module for each edit that verifies, and what was edited. Edits:
///   - of a collective: other axes, other dims, another reduction; left out; doubled;
///   - a collective behind a value of reals: a sum, a maximum, a broadcast, an exchange, an all-to-all in place;
///   - of the layout of an argument, result, weight or state: two axes swapped, a dim divided or whole.
void forEachEdit(mlir::func::FuncOp entry,
                 llvm::function_ref<void(mlir::func::FuncOp edited, const std::string &what)> visit);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_MODELS_MUTATION_GRAPHEDITS_H
