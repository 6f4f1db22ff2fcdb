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
// | gather_slice    | axes innermost in a dim      | some of them (S ranks) innermost in another, the rest replicated |
// (P - 1) / S | | permute         | a dim's axes in an order     | in another           | 1 | | permute         | all
// parts as large as wanted | where they belong    | 1 |
//
// A gather_slice is an all_gather and then a slice, of which a rank receives its slice only: rows go to heads of which
// there are fewer than ranks.
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
  enum class Kind { Slice, ReduceScatter, AllReduce, AllToAll, AllGather, GatherSlice, Permute };
  Kind kind;
  std::vector<int> axes;        ///< the group, first axis slowest
  int64_t dim = -1;             ///< the dim that is cut or gathered; of an all_to_all and a gather_slice the one cut
  int64_t concat = -1;          ///< of an all_to_all and a gather_slice: the dim that is gathered
  std::vector<int64_t> sources; ///< of a permute: for each position of the group, the position whose part it gets
  Spread after;
  std::vector<int> sliced = {}; ///< of a gather_slice: the axes that come to divide `dim`, first axis slowest
};

struct RedistributionProblem {
  llvm::ArrayRef<int64_t> axisSizes;
  /// No axis of size 1 in either.
  Spread from, to;
  /// Logical size of each dim; negative where it is not known.
  llvm::ArrayRef<int64_t> sizes;
  /// Axes that divide dims which no move may touch; they occur in neither state.
  std::vector<int> fixedAxes;
};

/// The cheapest moves. There always are some; none where `from` equals `to`.
std::vector<RedistributionMove> planRedistribution(const RedistributionProblem &problem);

} // namespace muster
