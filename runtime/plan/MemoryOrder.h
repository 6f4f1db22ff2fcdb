// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Follows a variant's steps through memory: who wrote which bytes last, and who has read them since.

#ifndef MUSTER_RUNTIME_PLAN_MEMORYORDER_H
#define MUSTER_RUNTIME_PLAN_MEMORYORDER_H

#include "runtime/plan/StepOrder.h"
#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace muster::plan {

/// Bytes [begin, end) of the arena, or (0, 1) a whole weight or state.
struct Access {
  schema::Memory memory;
  uint32_t index;
  uint64_t begin;
  uint64_t end;
};

/// "step 3 (layer 0) of variant x", for errors.
std::string stepName(const schema::PlanT &plan, const schema::VariantT &variant, uint32_t step);

class MemoryOrder {
public:
  MemoryOrder(const schema::PlanT &plan, const schema::VariantT &variant, const StepOrder &order);

  /// Bytes that are filled before the first step. Errors: E2119 where inputs overlap.
  Status addInput(const schema::Span &span);
  /// Step `step` reads; `byPeers` says that other ranks read too. Errors: E2113, E2114.
  Status read(uint32_t step, const Access &access, bool byPeers);
  /// Step `step` writes. Errors: E2114, E2115.
  Status write(uint32_t step, const Access &access);
  /// Errors: E2113 where a result holds bytes that nobody wrote.
  Status checkResult(const schema::Span &span, const std::string &name) const;

private:
  static constexpr int64_t nobody = -2;
  static constexpr int64_t beforeTheFirst = -1;
  struct Piece {
    int64_t writer = nobody;
    std::vector<uint32_t> readers;
    std::vector<uint32_t> peerReaders;
  };
  /// Pieces by their first byte; each reaches to the next one.
  using Pieces = std::map<uint64_t, Piece>;

  Pieces *piecesOf(const Access &access);
  static Pieces::iterator split(Pieces &pieces, uint64_t at);
  Status checkOrdered(int64_t earlier, uint32_t step, const Access &access) const;

  const schema::PlanT &plan;
  const schema::VariantT &variant;
  const StepOrder &order;
  Pieces arena;
  std::vector<Pieces> states;
};

} // namespace muster::plan

#endif // MUSTER_RUNTIME_PLAN_MEMORYORDER_H
