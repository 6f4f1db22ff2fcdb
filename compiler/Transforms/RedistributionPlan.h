// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which collectives take a tensor from one layout to another. Plain data, no IR.
//
// A state says, for every dim, which axes divide it (outer to inner: rank coordinates are the digits of the part's
// number, the first axis slowest), and over which axes the value is still to be reduced; over all others it is
// replicated. A move changes one thing:
//
// | move | before | after | received, in parts of a rank's tensor before; P = size of the group |
// | --- | --- | --- | --- |
// | slice           | axis replicated              | innermost in a dim   | 0 |
// | reduce_scatter  | axes partial                 | innermost in a dim   | (P - 1) / P |
// | all_reduce      | axes partial                 | replicated           | 2 (P - 1) / P |
// | all_to_all      | axes innermost in a dim      | innermost in another | (P - 1) / P |
// | all_gather      | axes innermost in a dim      | replicated           | P - 1 |
// | redistribute    | any, nothing to reduce | the end                        | what a rank lacks of its part |
//
// A redistribute becomes one transfer (compiler/Layout/TransferForm.h), and no other way brings a rank less; the others
// are chosen where one of them alone does as well, because they say more to a reader.
//
// The cheapest way is found by Dijkstra's algorithm; ties go to fewer moves. An axis enters no dim but the one where it
// ends, so that there are few states and no part is ever cut finer than the sizes allow.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <tuple>
#include <vector>

namespace muster {

/// Axes by their index in the mesh.
struct Spread {
  std::vector<std::vector<int>> dims; ///< axes that divide each dim, outer first
  std::vector<int> partial;           ///< axes still to be reduced over, ascending
  bool operator==(const Spread &other) const { return dims == other.dims && partial == other.partial; }
  bool operator<(const Spread &other) const { return std::tie(dims, partial) < std::tie(other.dims, other.partial); }
};

struct RedistributionMove {
  enum class Kind { Slice, ReduceScatter, AllReduce, AllToAll, AllGather, Redistribute };
  Kind kind;
  std::vector<int> axes = {}; ///< the group, first axis slowest
  int64_t dim = -1;           ///< the dim that is cut or gathered; of an all_to_all the one cut
  int64_t concat = -1;        ///< of an all_to_all: the dim that is gathered
  Spread after = {};
};

struct RedistributionProblem {
  llvm::ArrayRef<int64_t> axisSizes;
  /// No axis of size 1 in either.
  Spread from, to;
  /// Logical size of each dim; negative where it is not known.
  llvm::ArrayRef<int64_t> sizes;
  /// Dims in unequal parts: all their axes come or go at once, because counts say how long the parts on all of them
  /// are.
  std::vector<bool> isRagged = {};
  /// Axes that divide dims which no move may touch; they occur in neither state.
  std::vector<int> fixedAxes;
  /// Dims that are dealt in another way than to axes, one by one, change too: only a redistribute does that.
  bool hasOtherChanges = false;
};

/// The cheapest moves. There always are some; none where `from` equals `to`.
std::vector<RedistributionMove> planRedistribution(const RedistributionProblem &problem);

} // namespace muster
