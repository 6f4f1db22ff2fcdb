// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Readings.h"

#include "compiler/Layout/History.h"
#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

namespace {

/// A dim that a mesh digit may shard, by one of its anchors.
struct Target {
  size_t dim, anchor;
};

/// A mesh digit and where it may stand.
struct Choice {
  Digit digit;
  std::optional<size_t> stands; ///< the dim where it is attached; a float stands in none
  llvm::SmallVector<Target, 2> targets;
};

/// Puts `digit` to the place of an anchor: behind what was put there before, before what is attached there.
void place(Dim &dim, const Anchor &anchor, Digit digit, bool isDetached) {
  size_t at = dim.digits.size();
  Size behind = 1;
  while (at > 0 && !(behind == anchor.behind)) {
    --at;
    if (!dim.digits[at].isMesh())
      behind *= dim.digits[at].count;
  }
  while (at > 0 && at < dim.digits.size() && dim.digits[at - 1].isMesh() && !isBottom(dim.digits[at - 1]) &&
         continues(dim.digits[at - 1], dim.digits[at]))
    --at;
  if (isDetached)
    digit.home = digit.stride;
  digit.isAmbiguous = false;
  dim.digits.insert(dim.digits.begin() + static_cast<ptrdiff_t>(at), digit);
}

/// By anchors.
llvm::SmallVector<Value, 1> guessedReadings(const Universe &universe, const Value &value) {
  constexpr size_t limit = 24;
  auto targetsOf = [&](const Digit &digit) {
    llvm::SmallVector<Target, 2> targets;
    for (size_t i = 0; i < value.dims.size(); ++i)
      for (size_t a = 0; a < value.dims[i].anchors.size(); ++a)
        if (value.dims[i].anchors[a].claims(digit))
          targets.push_back({i, a});
    return targets;
  };
  llvm::SmallVector<Choice, 2> choices;
  for (const Digit &digit : value.floats)
    if (llvm::SmallVector<Target, 2> targets = targetsOf(digit); !targets.empty())
      choices.push_back({digit, std::nullopt, targets});
  for (size_t d = 0; d < value.dims.size(); ++d)
    for (const Digit &digit : value.dims[d].digits)
      if (digit.isMesh() && digit.isAmbiguous && !universe.spaces[digit.space].isBound)
        if (llvm::SmallVector<Target, 2> targets = targetsOf(digit); !targets.empty())
          choices.push_back({digit, d, targets});
  // Every float stands in a dim that has its anchor; an attached digit where it is, or in such a dim.
  llvm::SmallVector<Value, 1> readings;
  llvm::SmallVector<size_t, 4> taken(choices.size(), 0);
  auto optionsOf = [&](const Choice &choice) { return choice.targets.size() + (choice.stands ? 1 : 0); };
  for (size_t tries = 0; tries < 16 * limit && readings.size() < limit; ++tries) {
    Value reading = value;
    auto targetOf = [&](size_t i) -> const Target * {
      if (choices[i].stands)
        return taken[i] == 0 ? nullptr : &choices[i].targets[taken[i] - 1];
      return &choices[i].targets[taken[i]];
    };
    auto anchorOf = [&](size_t i) -> const Anchor * {
      const Target *target = targetOf(i);
      return target ? &value.dims[target->dim].anchors[target->anchor] : nullptr;
    };
    bool isOrdered = true;
    for (size_t i = 0; i < choices.size(); ++i)
      for (size_t k = 0; k < choices.size(); ++k)
        if (const Anchor *major = anchorOf(i), *minor = anchorOf(k); major && minor)
          isOrdered &= major->group == 0 || major->group != minor->group || major->item >= minor->item ||
                       major->unit <= minor->unit;
    // A run is cut from its major end: what continues a digit that goes, goes too.
    for (size_t i = 0; i < choices.size() && isOrdered; ++i) {
      if (!choices[i].stands || !targetOf(i))
        continue;
      for (const Digit &major : value.dims[*choices[i].stands].digits) {
        if (!major.isMesh() || !continues(major, choices[i].digit))
          continue;
        bool goes = false;
        for (size_t k = 0; k < choices.size(); ++k)
          goes |= choices[k].stands && targetOf(k) && choices[k].digit.names(major);
        isOrdered &= goes;
      }
    }
    for (size_t i = 0; i < choices.size(); ++i) {
      if (!targetOf(i))
        continue;
      auto isIt = [&](const Digit &other) { return other.names(choices[i].digit); };
      if (choices[i].stands)
        llvm::erase_if(reading.dims[*choices[i].stands].digits, isIt);
      else
        llvm::erase_if(reading.floats, isIt);
    }
    for (size_t d = 0; d < value.dims.size(); ++d)
      for (size_t a = 0; a < value.dims[d].anchors.size(); ++a)
        for (size_t i = 0; i < choices.size(); ++i)
          if (const Target *target = targetOf(i); target && target->dim == d && target->anchor == a)
            place(reading.dims[d], value.dims[d].anchors[a], choices[i].digit, choices[i].stands.has_value());
    if (isOrdered || readings.empty())
      readings.push_back(std::move(reading));
    size_t i = choices.size();
    while (i > 0 && ++taken[i - 1] == optionsOf(choices[i - 1]))
      taken[--i] = 0;
    if (i == 0)
      break;
  }
  return readings;
}

} // namespace

static constexpr const char *readingFact =
    "which dim the shards of a dim of local size 1 belong to (give logical sizes, as nn.split_heads does)";

Outcome<llvm::SmallVector<Value, 1>> soundReadingsOf(const Universe &universe, const Value &value,
                                                     const FreeOrders &orders) {
  if (!value.isUnsettled && value.floats.empty())
    return llvm::SmallVector<Value, 1>{value};
  if (!value.history)
    return guessedReadings(universe, value);
  if (std::optional<llvm::SmallVector<Value, 1>> readings = consistentReadings(universe, value, orders))
    return std::move(*readings);
  return Refusal{Refusal::Kind::Unknown, "too many ways to read " + print(universe, value), readingFact};
}

llvm::SmallVector<Value, 1> readingsOf(const Universe &universe, const Value &value) {
  Outcome<llvm::SmallVector<Value, 1>> readings = soundReadingsOf(universe, value);
  return readings && !readings->empty() ? std::move(*readings) : llvm::SmallVector<Value, 1>{value};
}

Refusal refuseWithoutReadings() {
  return {Refusal::Kind::Wrong, "no program on one rank moves its dims as this program does", ""};
}

} // namespace muster::layout
