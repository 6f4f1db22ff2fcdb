// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The count program of a plan: integers that are a pure function of the step record, evaluated once a step before
// anything is launched. The same record gives the same slots on every rank.
//
// What ranks know of each other's part of a step is a *vector*: one value a position on some axes of the mesh,
// row-major, the first axis outermost. A field of the record may be one ("t on [dp]": how many tokens each
// data-parallel rank has), and so are the results of what is computed from it element by element, with scalars for all
// elements alike:
//
//   | instruction                | axes  | slots | values, dp = 3           |
//   | -------------------------- | ----- | ----- | ------------------------ |
//   | Input t                    | [dp]  | 0..2  | 5 0 3                    |
//   | Constant 4                 |       | 3     | 4                        |
//   | Align 0, 3                 | [dp]  | 4..6  | 8 0 4                    |
//   | ExclusiveScan 4            | [dp]  | 7..9  | 0 8 8                    |
//   | Sum 4                      |       | 10    | 12                       |
//
// Instructions own consecutive slots, in order; operands name the first slot of a vector, or any slot as a scalar.
// Ranks hold the same slots: what differs is which element a rank means by "own" and "peer" (slotOf).
//
// Nothing is checked for overflow here: Bounds.h proves at load, from the bounds of the record's fields, that no slot
// and no amount can leave 62 bits. What remains to be checked in a step is that the record keeps its bounds, that no
// divisor is zero, and the capacities.

#ifndef MUSTER_RUNTIME_COUNT_COUNTPROGRAM_H
#define MUSTER_RUNTIME_COUNT_COUNTPROGRAM_H

#include "runtime/schema/plan_generated.h"
#include "runtime/status/Status.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace muster::count {

/// The greatest size of what a plan may name.
inline constexpr int64_t greatestCount = int64_t(1) << 62;
inline constexpr uint32_t greatestSlots = 1 << 20;

/// A checked count program, ready to be evaluated. Immutable.
class Program {
public:
  struct Instruction {
    schema::CountOp op;
    uint32_t first = 0; ///< its slots are [first, first + width)
    uint32_t width = 1;
    int64_t value = 0; ///< of a constant
    /// The field of an input; else operands: their first slots, and how many slots they have: the same as this
    /// instruction, or 1 for all elements; of a scan or a sum, the elements of the vector.
    uint32_t operands[3] = {0, 0, 0};
    uint32_t widths[3] = {1, 1, 1};
    uint32_t operandCount = 0;
    /// Axes of the mesh, outer first; empty for a scalar.
    std::vector<uint8_t> axes;
  };
  struct Input {
    std::string name;
    int64_t bound = 0;
    uint32_t firstValue = 0; ///< in the record
    uint32_t width = 1;
  };
  struct Check {
    uint32_t slot = 0;
    int64_t bound = 0;
    std::string name;
  };

  /// Compiles the count program of a plan with this (checked) mesh. Errors: E2101 (unknown operation), E2102 (a check
  /// names no slot), E2109 (operands, fields, bounds), E2126 (vectors that do not fit).
  static Result<Program> make(const schema::CountProgramT &program, const schema::MeshT &mesh);

  uint32_t slots() const { return static_cast<uint32_t>(owners.size()); }
  /// Values of a record: one a field, or one a position of a field with axes, field by field.
  uint32_t recordLength() const { return length; }
  std::span<const Instruction> instructions() const { return all; }
  std::span<const Input> inputs() const { return fields; }
  std::span<const Check> checks() const { return limits; }
  /// The instruction that makes a slot.
  const Instruction &maker(uint32_t slot) const { return all[owners[slot]]; }
  /// Whether a slot is the first of a vector.
  bool isVector(uint32_t slot) const { return maker(slot).first == slot && !maker(slot).axes.empty(); }
  /// The slot that is meant on a rank: `slot` itself, or the element of the vector that begins there at the own or the
  /// peer's coordinates.
  uint32_t slotOf(uint32_t slot, schema::Element element, std::span<const uint32_t> own,
                  std::span<const uint32_t> peer) const;

  /// Evaluates the program on `record` into `slots`; allocates nothing unless it fails. Errors: E2410 (record has the
  /// wrong length, or a value outside [0, bound]), E2417 (division by a value below 1), E2411 (a capacity check
  /// failed).
  Status evaluate(std::span<const int64_t> record, std::span<int64_t> slots) const;

private:
  Status add(const schema::CountInstruction &instruction, uint32_t index);
  Status addOperand(Instruction &made, uint32_t place, int32_t slot, uint32_t index);

  std::vector<Instruction> all;
  std::vector<Input> fields;
  std::vector<Check> limits;
  std::vector<std::vector<uint8_t>> fieldAxes;
  std::vector<uint32_t> owners; ///< by slot
  std::vector<uint32_t> axisSizes;
  uint32_t length = 0;
};

/// The first variant of `entry` whose bounds all hold, if there is one.
std::optional<uint32_t> chooseVariant(const schema::EntryT &entry, std::span<const int64_t> slots);

} // namespace muster::count

#endif // MUSTER_RUNTIME_COUNT_COUNTPROGRAM_H
