// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two-batch overlap: where the batch of a step is cut into two halves, so that one computes while what the other sends
// is on its way. A pure function of the lengths of the sequences in the step: the same on all ranks of a group.
//
// Rule. Of the boundaries between two sequences the one that makes the halves most equal (of two equally good ones the
// later). Where the first half then has less than 48 % or more than 52 % of S tokens, and S is at least 2, the cut is
// behind token floor(S / 2) instead: a sequence that it goes through is in both halves, with its earlier tokens in the
// first. One token makes an empty first half, none two empty halves.
//
//   lengths             halves (tokens)   sequences
//   4096                2048 2048         1, and the same again
//   1000 1 1 1           501  502         1, and the same with 3 others
//   10 20 30 40           50   50         3, 2 (one in both)
//   1 1                    1    1         1, 1
//   1                      0    1         0, 1
//
// A batch that is not worth two halves (few tokens, in a plan that has a variant without the first half's steps) is the
// second half as a whole.
//
// The second half finds keys and values of the first half's tokens in the cache: in each layer the first writes before
// the second reads.

#ifndef MUSTER_RUNTIME_SESSION_BATCHSPLIT_H
#define MUSTER_RUNTIME_SESSION_BATCHSPLIT_H

#include "runtime/session/StepModel.h"

#include <cstdint>
#include <span>

namespace muster::session {

/// The first half has tokens [0, token) and sequences [0, sequence), and sequence `sequence` too where it is cut; the
/// second has the rest.
struct BatchCut {
  uint32_t token = 0;
  uint32_t sequence = 0;
  bool cutsSequence = false;
};

/// `queryStarts`: [sequences + 1], ascending from 0 (StepBatch).
BatchCut findCut(std::span<const int32_t> queryStarts);

/// The most tokens that a half of a step of up to `tokens` tokens can have.
uint32_t greatestHalf(uint32_t tokens);

/// Writes the halves of `whole` (whose logit rows ascend) to `first` and `second`. Rows and starts count from the
/// half's first row; a sequence that is cut has its block table in both. Up to `unsplitTokens` tokens are all in the
/// second. Allocates nothing where the halves have reserved what `whole` may need.
void splitBatch(const StepBatch &whole, uint32_t pagesPerSequence, uint32_t unsplitTokens, StepBatch &first,
                StepBatch &second);

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_BATCHSPLIT_H
