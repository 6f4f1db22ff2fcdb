// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a model graph on all ranks: two steps of a batch of two sequences.

#ifndef MUSTER_TEST_UNIT_MODELS_MUTATION_GRAPHRUNNER_H
#define MUSTER_TEST_UNIT_MODELS_MUTATION_GRAPHRUNNER_H

#include "compiler/Reference/Interpreter.h"

namespace muster::test {

/// The logical results of both steps, one after the other; nullopt where the graph does not run or its ranks do not
/// agree. Inputs that `muster.name` tells are a batch (tokens, positions, query_starts, block_table, write_slots,
/// logit_rows); others, and all weights, are random and depend on their name alone.
std::optional<std::vector<reference::Tensor>> runSteps(mlir::func::FuncOp entry);

/// Equal shapes, and every number finite and within rounding of float64.
bool areEqual(llvm::ArrayRef<reference::Tensor> a, llvm::ArrayRef<reference::Tensor> b);

/// The sizes of a tensor on one rank times the axes that divide it; dynamic ones stay so.
llvm::SmallVector<int64_t> logicalSizes(mlir::RankedTensorType local, LayoutAttr layout, MeshAttr mesh);

} // namespace muster::test

#endif // MUSTER_TEST_UNIT_MODELS_MUTATION_GRAPHRUNNER_H
