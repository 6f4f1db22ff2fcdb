// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The graph of a Llama-family model (Touvron et al. 2023, Grattafiori et al. 2024) in the model phase.
#pragma once

#include "models/llama/LlamaGraphOptions.h"
#include "models/llama/LlamaLayouts.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace muster::llama {

/// Name of the entry.
inline constexpr llvm::StringLiteral stepEntry = "step";

/// Builds one module: `muster.mesh @mesh`; every weight and state as a symbol with logical shape (f32) and layout,
/// `muster.sources` or `muster.generator` on each weight; and one ragged entry
///
///     @step(%tokens[t], %positions[t], %query_starts[starts], %block_table[s, pages], %write_slots[t], %logit_rows[r])
///     -> logits[r, v]
///
/// all i32 but the logits. Row `query_starts[n] <= row < query_starts[n + 1]` is a token of sequence n at
/// `positions[row]`; its key and value go to slot `write_slots[row]` (page * pageSlots + slot); `block_table[n, j]` is
/// the page of its positions from j * pageSlots on; `logit_rows` are the rows whose logits are wanted. The greatest
/// size of each dim is in `muster.bounds`.
///
/// Weights, besides plain ones named like their tensor: `layers.<n>.qkv` and `layers.<n>.gate_up` (and their `_bias`)
/// hold several tensors, rows stacked, so that one matrix product serves them. Requires no loaded dialect. Every op's
/// location is named after its layer. `layouts` says where the graph is pinned; without it, what chooseLayouts() says
/// of the mesh, and a warning of what several ranks compute alike. Where tokens are divided among ranks, the rows of a
/// step are a multiple of them: rows behind the last query start are padding, belong to no sequence and have a negative
/// write slot. Fails with what `verify` reports.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> buildLlama(mlir::MLIRContext *context, const LlamaConfig &config,
                                                              const LlamaGraphOptions &options,
                                                              const LlamaLayouts &layouts);
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> buildLlama(mlir::MLIRContext *context, const LlamaConfig &config,
                                                              const LlamaGraphOptions &options);

} // namespace muster::llama
