// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which inputs of a plan's entry `step`, and which fields of its step record, hold what of a batch.
//
// A batch goes in as a whole, or as two halves (BatchSplit.h). A half has the inputs of a batch under the names
// `tokens.a`, `tokens.b` and so on, sized by the fields t.a, s.a, r.a and s.b; t.b and r.b are what t and r leave.
//
// A plan that pads rows by what there is in a step (`--padding balanced`) asks for the field `prefills`, or prefills.a
// and prefills.b: the sequences with more than one token in the batch, or in the half.

#ifndef MUSTER_RUNTIME_SESSION_STEPPORTS_H
#define MUSTER_RUNTIME_SESSION_STEPPORTS_H

#include "runtime/plan/LoadedPlan.h"
#include "runtime/status/Status.h"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace muster::session {

/// The name of the entry.
inline constexpr const char *stepEntryName = "step";

/// The field of the step record that a port's dim is equal to, if it is one; of a field in unequal numbers, their sum.
std::optional<uint32_t> recordFieldOfDim(const plan::LoadedPlan &plan, const schema::PortDimT &dim);

/// The size of a dim that does not depend on the step; -1 for others.
int64_t constantDim(const schema::PortDimT &dim);

/// The inputs of a batch, or of a half.
enum StepInput : uint32_t { tokenInput, positionInput, startInput, tableInput, slotInput, rowInput };
inline constexpr uint32_t stepInputs = 6;

struct StepPorts {
  static constexpr uint32_t noField = ~uint32_t(0);
  struct Part {
    /// Position among the entry's inputs, by StepInput.
    std::array<uint32_t, stepInputs> inputs{};
    /// Fields of the record; noField for starts that are one more than s, and for what the first half leaves.
    uint32_t tokens = noField, starts = noField, sequences = noField, rows = noField;
    /// How many sequences have more than one token; noField where the plan does not ask.
    uint32_t prompts = noField;
  };

  /// Finds them. Errors: E2428 where an input or a field is missing, left over or other than it has to be.
  static Result<StepPorts> bind(const plan::LoadedPlan &plan);

  uint32_t entry = 0;
  /// s is a vector over `axes`, as all fields are, and the ranks at each position are a group with a batch of its own.
  bool isGrouped = false;
  std::vector<uint8_t> axes;
  /// t alone is a vector: the rows of one batch are spread over the positions of `tokenAxes`.
  bool isSpread = false;
  std::vector<uint8_t> tokenAxes;
  /// Of all tokens and rows, whether in halves or not.
  uint32_t tokens = noField, rows = noField;
  /// One, or the two halves.
  std::vector<Part> parts;
  bool isSplit() const { return parts.size() == 2; }
};

} // namespace muster::session

#endif // MUSTER_RUNTIME_SESSION_STEPPORTS_H
