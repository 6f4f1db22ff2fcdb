// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Causal attention of ragged batches over a paged cache of keys and values.

#ifndef MUSTER_COMPILER_CODEGEN_HOST_ATTENTION_H
#define MUSTER_COMPILER_CODEGEN_HOST_ATTENTION_H

#include "compiler/Codegen/Host/HostTarget.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace muster::codegen {

/// Bindings, with t tokens of s sequences in the step:
///
///   q            [t, heads, headDim] f32
///   kState       [page, pageSlots, kvHeads, headDim] f32; this step's keys are in it already
///   vState       likewise
///   positions    [t] i32: a token's position in its sequence, 0 <= position < pageSlots * pagesPerSequence
///   queryStarts  [s + 1] i32: sequence i owns tokens [queryStarts[i], queryStarts[i + 1]); it may own none
///   blockTable   [s, pagesPerSequence] i32: the page of each pageSlots positions; entries beyond the greatest position
///   of
///                the sequence's tokens are not read
///   result       [t, heads, headDim] f32
///
/// Sizes: t, s. With g = head * kvHeads / heads, a token of sequence i at position p and its head:
///
///   result = sum_j softmax_j(scale * q . k[i, j, g]) v[i, j, g],  j = 0 .. p
///
/// Slots behind p are not read into the result, whatever they hold; NaN in q or in a slot up to p propagates. Tokens
/// that no sequence owns keep their result.
///
/// A token's result has the same bits however tokens are grouped into steps, whatever else is in the step, and for any
/// number of workers: keys are taken in tiles of `attentionTileKeys` from position 0, and within a tile in order.
/// Source of the method: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al.,
/// "FlashAttention" (2022).
struct AttentionSpec {
  int64_t heads = 0;
  int64_t kvHeads = 0;
  int64_t headDim = 0;
  int64_t pageSlots = 0;
  int64_t pagesPerSequence = 0;
  float scale = 1.0f;
};

/// Keys that are taken into a running maximum at once.
inline constexpr int64_t attentionTileKeys = 64;

/// Adds the kernel @name to `module`. E4127: a number is not positive or kvHeads does not divide heads; E4124: too
/// large a head for the stack.
llvm::Expected<mlir::func::FuncOp> buildAttentionKernel(mlir::ModuleOp module, llvm::StringRef name,
                                                        const AttentionSpec &spec, const HostTarget &target);

} // namespace muster::codegen

#endif // MUSTER_COMPILER_CODEGEN_HOST_ATTENTION_H
