// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last resort of the proof. A program is right where each rank of its mesh holds the declared parts of what the
// same text computes on one rank. So where the rules do not decide, a small program is run in the reference interpreter
// on random data, on its mesh and on one rank: ranks that hold something else refute it. Equal numbers prove nothing.
//
// Numbers in the text may be meant for the mesh; a program is refuted only if all texts that may be meant on one rank
// (OneRankText.h) compute something else, with two seeds.

#ifndef MUSTER_COMPILER_SAMPLING_DECIDEBYRUNNING_H
#define MUSTER_COMPILER_SAMPLING_DECIDEBYRUNNING_H

#include "compiler/Analysis/LayoutInference.h"

namespace muster::sampling {

/// One element that a rank does not hold as one rank alone computes it.
struct SampledDifference {
  uint64_t seed = 0;
  unsigned result = 0;
  int64_t rank = 0;
  llvm::SmallVector<std::pair<std::string, int64_t>, 4> coordinates; ///< of the rank, by axis
  llvm::SmallVector<std::pair<std::string, int64_t>, 4> sizes;       ///< chosen for axes and dims of open size
  llvm::SmallVector<int64_t, 4> index;                               ///< local
  double wanted = 0, got = 0;                                        ///< `wanted`: of the first text on one rank
};

struct SamplingLimits {
  int64_t mostWork = 20'000'000; ///< multiplications of one run, about
  int64_t mostTexts = 64;
};

struct Comparison {
  enum class Outcome {
    Undecided, ///< too large, a run fails, or nobody knows what the text means on one rank
    Equal,     ///< as one rank, as far as the data show
    Different
  };
  Outcome outcome = Outcome::Undecided;
  SampledDifference difference = {};
};

Comparison compareWithOneRank(mlir::func::FuncOp function, const SamplingLimits &limits = {});

/// Refutes (E1113) functions of which something is unknown and that compute something else than one rank does.
void decideByRunning(LayoutReport &report, const SamplingLimits &limits = {});

} // namespace muster::sampling

#endif // MUSTER_COMPILER_SAMPLING_DECIDEBYRUNNING_H
