// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rank pulls in a transfer, and what amounts are on a rank. For the executor, which folds them once into what it
// walks, and for those who only want to know how much moves.

#ifndef MUSTER_RUNTIME_PLAN_PULLS_H
#define MUSTER_RUNTIME_PLAN_PULLS_H

#include "runtime/plan/LoadedPlan.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace muster::plan {

/// From where an amount is looked at: coordinates of the own rank and of the peer on the axes of the mesh, and the
/// columns that a transfer lists for the pull (none where it lists no sources).
struct Place {
  std::span<const uint32_t> own;
  std::span<const uint32_t> peer;
  std::span<const int32_t> row;
};

/// A term of an amount at a place: a coefficient of a count slot, or a constant.
struct PlacedTerm {
  int64_t coefficient;
  std::optional<uint32_t> slot;
};
PlacedTerm placedTerm(const count::Program &counts, const schema::Term &term, const Place &place);

/// The value of an amount at a place; `slots` as Program::evaluate filled them.
int64_t amountAt(const count::Program &counts, const schema::AmountT &amount, const Place &place,
                 std::span<const int64_t> slots);

/// Ranks of the group of `rank` in a transfer, itself included, in the order of their position.
std::vector<uint32_t> groupOf(const LoadedPlan &plan, const schema::TransferT &transfer, uint32_t rank);

/// A box that a rank pulls: from whom (itself included), and what the transfer lists for it. `row` lies in the
/// transfer.
struct Pull {
  uint32_t rank;
  std::span<const int32_t> row;
};

/// What `rank` pulls in a transfer, in order.
std::vector<Pull> pullsOf(const LoadedPlan &plan, const schema::TransferT &transfer, uint32_t rank);

/// Bytes of the box that `rank` pulls so, in a step with these slots; 0 where an extent is 0.
uint64_t pulledBytes(const LoadedPlan &plan, const schema::TransferT &transfer, uint32_t rank, const Pull &pull,
                     std::span<const int64_t> slots);

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_PULLS_H
