// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Boundary.h"

#include "compiler/Layout/Compare.h"
#include "compiler/Layout/Ranges.h"
#include "compiler/Layout/Readings.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

/// All spaces that a declared value names, those of segments included.
static llvm::SmallDenseSet<SpaceId, 8> spacesOf(const Value &declared) {
  llvm::SmallDenseSet<SpaceId, 8> spaces;
  for (const Dim &dim : declared.dims) {
    for (const Digit &digit : dim.digits)
      spaces.insert(digit.space);
    for (const Dim &segment : dim.segments)
      for (const Digit &digit : segment.digits)
        spaces.insert(digit.space);
  }
  return spaces;
}

static std::optional<Refusal> dimBoundary(const Universe &universe, const Dim &dim, const Dim &declared, size_t index,
                                          const llvm::SmallDenseSet<SpaceId, 8> &named) {
  if (isDuplicates(dim) && dim.localSize() == declared.localSize())
    return std::nullopt;
  if (dim.isSegmented() && dim.segments.size() == declared.segments.size()) {
    for (size_t i = 0; i < dim.segments.size(); ++i)
      if (std::optional<Refusal> refusal = dimBoundary(universe, dim.segments[i], declared.segments[i], index, named))
        return refusal;
    return std::nullopt;
  }
  bool same = !declared.isSegmented() && dim.digits.size() == declared.digits.size() &&
              std::equal(dim.digits.begin(), dim.digits.end(), declared.digits.begin(),
                         [](const Digit &a, const Digit &b) { return a.names(b); });
  if (same)
    return std::nullopt;
  std::string where =
      "dim " + std::to_string(index) + " holds " + print(universe, dim) + ", declared " + print(universe, declared);
  // Named spaces bind: positions of one are not those of another, and a space equals itself digit for digit.
  for (const Digit &digit : dim.digits) {
    bool isDeclared = llvm::any_of(declared.digits, [&](const Digit &other) { return other.space == digit.space; });
    if (isDeclared || universe.spaces[digit.space].isBound || named.contains(digit.space))
      return Refusal::wrong(where);
  }
  for (const Digit &digit : declared.digits)
    if (digit.isMesh() && dim.digits.empty())
      return Refusal::wrong(where);
  for (const Digit &digit : dim.digits)
    if (named.contains(rootOf(universe, digit.space)))
      return Refusal{Refusal::Kind::Unknown, where, "dims of other names than those that were sliced"};
  if (std::optional<Refusal> refusal = disagreement(universe, dim, declared)) {
    refusal->message = where;
    return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> boundaryDisagreement(const Universe &universe, const Value &value, const Value &declared) {
  if (value.dims.size() != declared.dims.size())
    return Refusal::wrong("another number of dims than declared");
  std::optional<Refusal> first;
  auto note = [&](Refusal refusal) {
    if (!first)
      first = std::move(refusal);
  };
  auto pendingText = [&](llvm::ArrayRef<Pending> pending) {
    std::string text = "still to be reduced over";
    for (const Pending &one : pending)
      text += " '" + universe.axes[one.axis].name + "'";
    return pending.empty() ? std::string("fully reduced") : text;
  };
  if (!isSameReductions(value.pending, declared.pending))
    return Refusal::wrong("the value is " + pendingText(value.pending) + ", declared " + pendingText(declared.pending));
  if (!value.parts.empty())
    return Refusal::wrong("the value is parts of a sum over '" + universe.axes[value.parts.front().axis].name +
                          "' side by side, still to be added up");
  if (!(value.multiplicity == declared.multiplicity))
    return Refusal::wrong("the value is " + value.multiplicity.numerator.print(universe.symbols.getNames()) +
                          "x too large");
  llvm::SmallVector<Value, 1> declaredReadings = readingsOf(universe, declared);
  Outcome<llvm::SmallVector<Value, 1>> readings = soundReadingsOf(universe, value);
  if (!readings)
    return readings.getRefusal();
  bool hasReadings = !readings->empty();
  if (!hasReadings)
    readings->push_back(value);
  for (const Value &reading : *readings) {
    for (const Value &target : declaredReadings) {
      bool sameFloats =
          reading.floats.size() == target.floats.size() && llvm::all_of(reading.floats, [&](const Digit &digit) {
            return llvm::any_of(target.floats, [&](const Digit &other) { return other.names(digit); });
          });
      if (!sameFloats) {
        if (!reading.floats.empty())
          note(Refusal::wrong("the value varies over '" + universe.axes[reading.floats.front().axis].name +
                              "': " + print(universe, reading.floats.front())));
        else
          note(Refusal::wrong("the value does not vary over '" + universe.axes[target.floats.front().axis].name +
                              "' as declared"));
        continue;
      }
      std::optional<Refusal> refusal;
      for (size_t i = 0; i < reading.dims.size() && !refusal; ++i)
        refusal = dimBoundary(universe, reading.dims[i], target.dims[i], i, spacesOf(target));
      if (!refusal && !hasReadings)
        return refuseWithoutReadings();
      if (!refusal)
        return std::nullopt;
      note(*refusal);
    }
  }
  // A shard that no dim claims was moved beside unit dims: which dim it shards is not said, and may be the right one.
  bool hasStray = llvm::any_of(value.floats, [&](const Digit &digit) {
    return llvm::none_of(value.dims, [&](const Dim &dim) { return dim.mayClaim(digit); });
  });
  if (first && hasStray && first->kind == Refusal::Kind::Wrong) {
    first->kind = Refusal::Kind::Unknown;
    first->missingFact = "which dim that shard belongs to (give logical sizes, as nn.split_heads does)";
  }
  return first;
}

} // namespace muster::layout
