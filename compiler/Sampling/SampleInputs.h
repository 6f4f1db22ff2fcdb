// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lawful random inputs of a program: logical tensors for its arguments and weights, and sizes for what its types leave
// open.
//
//   | what is open                     | what it gets                                                               |
//   | -------------------------------- | -------------------------------------------------------------------------- |
//   | dim, not divided by the text     | a multiple of all ranks, of their square where that is not too many         |
//   | reals                            | uniform in [-1, 1), by seed and name                                       |
//   | rows of a table to look up       | rows of the table                                                          |
//   | what paged attention takes       | a batch of two sequences: ascending positions, pages of its own, each slot |
//   |                                  | written once                                                               |
//   | tables of cosines and sines      | those of base 10000                                                        |
//   | other integers                   | 0, 1 and 2                                                                 |

#ifndef MUSTER_COMPILER_SAMPLING_SAMPLEINPUTS_H
#define MUSTER_COMPILER_SAMPLING_SAMPLEINPUTS_H

#include "compiler/Reference/Interpreter.h"

namespace muster::sampling {

struct Sample {
  std::vector<reference::Tensor> arguments; ///< logical, in order
  llvm::StringMap<reference::Tensor> weights;
  int64_t pages = 1; ///< of a state on each rank
  reference::LogicalSizes sizes;
  int64_t greatestOpen = 1; ///< of the sizes that types leave open
};

/// Nullopt where an argument is no tensor, sizes do not follow, bounds leave no room, or there are more than two
/// million elements. The mesh is concrete. `lookUpParts`: rows of a table of open size are taken from its first part of
/// so many.
std::optional<Sample> makeSample(mlir::func::FuncOp function, MeshAttr mesh, uint64_t seed, int64_t lookUpParts);

} // namespace muster::sampling

#endif // MUSTER_COMPILER_SAMPLING_SAMPLEINPUTS_H
