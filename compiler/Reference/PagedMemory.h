// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Paged keys and values of one rank, as `nn.cache_append` and `nn.attention` define them.
#pragma once

#include "compiler/Reference/Execution.h"

namespace muster::reference {

/// Writes row t of `rows` [t, g, d] to slot `slots[t]` of `state` [page, slot, g, d]; a negative slot writes nothing.
llvm::Error appendRows(mlir::Operation *op, Tensor &state, const Tensor &rows, const Tensor &slots);

struct AttentionInputs {
  const Tensor &query;       ///< [t, h, d]
  const Tensor &keys;        ///< [page, slot, g, d]
  const Tensor &values;      ///< [page, slot, g, d]
  const Tensor &positions;   ///< [t]
  const Tensor &queryStarts; ///< [sequences + 1]
  const Tensor &blockTable;  ///< [sequences, pages]
  int64_t headsPerGroup;     ///< query heads that share a key-value head
  double scale;
};

/// Causal attention of every sequence over its pages. Rows of no sequence stay undefined.
llvm::Expected<Tensor> attend(mlir::Operation *op, const RankView &view, const AttentionInputs &inputs);

} // namespace muster::reference
