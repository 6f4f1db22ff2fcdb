// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All ranks' box lists in one closed form, as a program carries it: one strided box for each rank and each peer,
// affine in the own and in the peer's coordinates. Nothing is listed for each pair of ranks.
//
// Most redistributions are affine: each dim that changes is dealt before, or dealt after, but not both, and a rank
// pulls from every rank that differs from it on the axes that deal dims before. [s/sp, h] to [s, h/sp] on sp = 4, 12 x
// 20:
//
//   | dim | extent | from        | to           |
//   | --- | ------ | ----------- | ------------ |
//   | s   | 3      | 0           | 3 * peer(sp) |
//   | h   | 5      | 5 * own(sp) | 0            |
//
// Where a dim is dealt both before and after, in another way (s/a to s/b, zig-zag to contiguous), who is pulled from is
// no product of axes, and what is pulled may be more or less. Then it is *listed*: a few rows for each position of the
// group (not for each pair), each with the peer's position and the numbers (*columns*) that the box is affine in. The
// list is that of one group: on a larger mesh it is repeated, not longer. s/sp zigzag to s/sp on sp = 3, 12 positions,
// extent 2:
//
//   | own position | peer, from, to | peer, from, to |
//   | ------------ | -------------- | -------------- |
//   | 0            | 0, 0, 0        | 1, 0, 2        |
//   | 1            | 2, 0, 0        | 2, 2, 2        |
//   | 2            | 1, 2, 0        | 0, 2, 2        |
//
// Sizes may be symbolic: a dim counts in units, which the caller knows. `unitsOf` says how many units a dim must have.

#ifndef MUSTER_COMPILER_LAYOUT_TRANSFERFORM_H
#define MUSTER_COMPILER_LAYOUT_TRANSFERFORM_H

#include "compiler/Layout/Boxes.h"

#include <string>

namespace muster::layout {

/// constant + sum of factors * coordinates + column.
struct Linear {
  struct Term {
    unsigned axis;
    int64_t factor;
  };
  int64_t constant = 0;
  llvm::SmallVector<Term, 2> own = {}, peer = {};
  std::optional<unsigned> column = {};
};

/// Starts and extents count in units of the dim; steps are local indices from one element of the box to the next.
struct TransferDim {
  Linear extent, sourceStart, targetStart;
  Linear sourceStep = {1}, targetStep = {1};
};

struct TransferForm {
  /// Axes on which a rank differs from its peers; none: it pulls from itself.
  llvm::SmallVector<unsigned, 4> group = {};
  llvm::SmallVector<TransferDim, 4> dims = {};
  /// Rows for each position of the group (row-major over `group`); 0 where the whole group is pulled from.
  int64_t pulls = 0;
  unsigned columns = 0;
  /// positions * pulls rows of 1 + columns numbers: the peer's position (-1: none), then the columns.
  std::vector<int64_t> rows = {};
};

/// Units that a dim of unknown size must be a whole number of, so that both deals cut it between units; every size that
/// both fit is. Nullopt where that does not follow: stripes meet other parts.
std::optional<int64_t> unitsOf(const Deal &from, const Deal &to);

/// The closed form of a redistribution on one mesh of whole axes, of sizes that the deals divide. Axes over which a
/// value is reduced, if any, are among the peers of an affine form: `reduced`. A form that would have to be listed is
/// refused (nullopt) where something is reduced.
std::optional<TransferForm> formOf(const Redistribution &redistribution, llvm::ArrayRef<unsigned> reduced = {});

/// Of the elements that the ranks hold afterwards, the share that comes from other ranks: mean over the ranks.
double receivedShare(const Redistribution &redistribution);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_TRANSFERFORM_H
