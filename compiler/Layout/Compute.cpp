// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Compute.h"

#include "compiler/Layout/Compare.h"
#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

namespace {

Refusal wrong(std::string message) { return {Refusal::Kind::Wrong, std::move(message), ""}; }

/// A part of an axis that something is spread over, and what that is.
struct AxisUse {
  AxisId axis;
  Size weight, count;
  int64_t user; ///< iterator, or -1 - i for what is not one
  std::string what;
};

/// Whether the ranges [weight, count * weight) of two uses of one axis meet. Unordered symbols: as if they did.
bool meet(const AxisUse &a, const AxisUse &b) {
  return a.axis == b.axis && !divides(a.weight * a.count, b.weight) && !divides(b.weight * b.count, a.weight);
}

class Computation {
public:
  Computation(Universe &universe, const ComputeRule &rule, llvm::ArrayRef<Value> operands,
              llvm::ArrayRef<std::optional<Size>> freshSizes)
      : universe(universe), rule(rule), operands(operands), freshSizes(freshSizes) {}

  Outcome<llvm::SmallVector<Value, 1>> run() {
    for (auto step : {&Computation::unifyIterators, &Computation::checkUnwalked, &Computation::checkFullness,
                      &Computation::uniteFloats, &Computation::consume, &Computation::checkAxes})
      if (std::optional<Refusal> refusal = (this->*step)())
        return *refusal;
    return makeResults();
  }

private:
  bool isLinearIn(size_t operand) const {
    return rule.linearity != Linearity::NonLinear || (operand < 32 && (rule.linearOperands >> operand & 1));
  }
  std::string nameOf(int64_t iterator) const { return "'" + rule.names[static_cast<size_t>(iterator)] + "'"; }

  /// One dim for each iterator; all that walk it agree.
  std::optional<Refusal> unifyIterators() {
    dims.resize(rule.iterators.size());
    isSet.resize(rule.iterators.size(), false);
    for (size_t i = 0; i < operands.size(); ++i)
      for (size_t d = 0; d < rule.operands[i].size(); ++d) {
        int64_t iterator = rule.operands[i][d];
        if (iterator == noIterator)
          continue;
        const Dim &dim = operands[i].dims[d];
        Dim &known = dims[static_cast<size_t>(iterator)];
        if (!isSet[static_cast<size_t>(iterator)]) {
          known = dim;
          isSet[static_cast<size_t>(iterator)] = true;
          continue;
        }
        if (std::optional<Refusal> refusal = disagreement(universe, known, dim)) {
          refusal->message = "operands do not agree along " + nameOf(iterator) + ": " + refusal->message;
          return refusal;
        }
        bool isBetter =
            isDuplicates(known) != isDuplicates(dim) ? isDuplicates(known) : dim.digits.size() < known.digits.size();
        if (isBetter)
          known = dim;
      }
    return std::nullopt;
  }

  /// Dims that no iterator walks are needed whole.
  std::optional<Refusal> checkUnwalked() {
    for (size_t i = 0; i < operands.size(); ++i)
      for (size_t d = 0; d < rule.operands[i].size(); ++d)
        if (rule.operands[i][d] == noIterator)
          if (std::optional<Refusal> refusal = refuseSharded(operands[i].dims[d], "dim " + std::to_string(d)))
            return refusal;
    return std::nullopt;
  }

  std::optional<Refusal> refuseSharded(const Dim &dim, const std::string &what) {
    for (const Digit &digit : dim.digits)
      if (digit.isMesh())
        return wrong(what + " is needed whole on every rank but is spread over '" + universe.axes[digit.axis].name +
                     "': " + print(universe, dim));
    return std::nullopt;
  }

  std::optional<Refusal> checkFullness() {
    for (size_t i = 0; i < operands.size(); ++i) {
      const Value &operand = operands[i];
      if (!isLinearIn(i) && !operand.isFull()) {
        if (!operand.pending.empty())
          return wrong("operand " + std::to_string(i) + " is still to be reduced over '" +
                       universe.axes[operand.pending.front().axis].name + "'");
        return wrong("operand " + std::to_string(i) + " is " +
                     operand.multiplicity.numerator.print(universe.symbols.getNames()) + "x too large");
      }
    }
    if (rule.linearity != Linearity::Additive)
      return std::nullopt;
    for (size_t i = 1; i < operands.size(); ++i) {
      const Value &first = operands.front(), &other = operands[i];
      bool samePending =
          first.pending.size() == other.pending.size() &&
          llvm::all_of(first.pending, [&](const Pending &p) { return llvm::is_contained(other.pending, p); });
      if (!samePending)
        return wrong(
            "adds a value that is still to be reduced to one that is not: the latter would count once per rank");
      if (!(first.multiplicity == other.multiplicity))
        return wrong("adds a value that is " +
                     std::string(first.multiplicity.isOne() ? "" : "too large, reduced more than once, ") +
                     "to one of another multiplicity: one of them was reduced twice");
    }
    return std::nullopt;
  }

  /// Floats pass to the result once. Where operands are compared, both must have them.
  std::optional<Refusal> uniteFloats() {
    auto contains = [](llvm::ArrayRef<Digit> floats, const Digit &digit) {
      return llvm::any_of(floats, [&](const Digit &other) { return other.names(digit); });
    };
    for (const Value &operand : operands)
      for (const Digit &digit : operand.floats)
        if (!contains(floats, digit))
          floats.push_back(digit);
    if (rule.linearity == Linearity::Additive)
      for (const Value &operand : operands)
        if (operand.floats.size() != floats.size())
          return wrong("adds values of which only one varies over '" + universe.axes[floats.front().axis].name + "'");
    return std::nullopt;
  }

  std::optional<Refusal> consume() {
    for (size_t i = 0; i < rule.iterators.size(); ++i) {
      IteratorKind kind = rule.iterators[i];
      if (kind == IteratorKind::Parallel || !isSet[i])
        continue;
      bool mayShard =
          kind != IteratorKind::Whole && (rule.linearity == Linearity::Multilinear || rule.linearOperands != 0 ||
                                          kind == IteratorKind::Maximum || kind == IteratorKind::Minimum);
      if (!mayShard)
        if (std::optional<Refusal> refusal = refuseSharded(dims[i], nameOf(static_cast<int64_t>(i))))
          return refusal;
      Outcome<FlatDim> flat = flatten(universe, dims[i]);
      if (!flat)
        return flat.getRefusal();
      if (std::optional<Refusal> refusal = checkEntire(dims[i]))
        return refusal;
      for (const Digit &digit : dims[i].digits)
        if (digit.isMesh())
          newPending.push_back({digit.count, digit.axis, digit.weight, reductionOf(kind)});
    }
    return std::nullopt;
  }

  static Reduction reductionOf(IteratorKind kind) {
    switch (kind) {
    case IteratorKind::Maximum:
      return Reduction::Maximum;
    case IteratorKind::Minimum:
      return Reduction::Minimum;
    case IteratorKind::Product:
      return Reduction::Product;
    default:
      return Reduction::Sum;
    }
  }

  std::optional<Refusal> checkEntire(const Dim &dim) {
    for (const Digit &digit : dim.digits) {
      const Space &space = universe.spaces[digit.space];
      if (!space.isBound)
        continue;
      Size held = 1;
      for (const Digit &other : dim.digits)
        if (other.space == digit.space)
          held *= other.count;
      bool isRun = digit.stride.isOne() && llvm::is_contained(space.runs, digit.count) && held == digit.count;
      if (!(held == space.size) && !isRun)
        return wrong("consumes " + held.print(universe.symbols.getNames()) + " of the " +
                     space.size.print(universe.symbols.getNames()) + " positions of '" + space.name +
                     "', a dim that the result declares");
    }
    return std::nullopt;
  }

  static bool isFloat(const AxisUse &use) { return llvm::StringRef(use.what).starts_with("a shard of"); }

  std::optional<Refusal> checkAxes() {
    llvm::SmallVector<AxisUse, 8> uses;
    auto add = [&](AxisUse use) -> std::optional<Refusal> {
      for (const AxisUse &other : uses)
        if (other.user != use.user && meet(other, use)) {
          Refusal refusal =
              wrong("axis '" + universe.axes[use.axis].name + "' serves both " + other.what + " and " + use.what);
          // One of them is a dim of one element a rank: the operation may mean just these pairs.
          if (isFloat(other) || isFloat(use)) {
            refusal.kind = Refusal::Kind::Unknown;
            refusal.missingFact = "that the two belong together (write the shard as a dim of the operation)";
          }
          return refusal;
        }
      uses.push_back(std::move(use));
      return std::nullopt;
    };
    for (size_t i = 0; i < dims.size(); ++i)
      for (const Digit &digit : dims[i].isSegmented() ? dims[i].segments.front().digits : dims[i].digits)
        if (digit.isMesh())
          if (auto refusal = add(
                  {digit.axis, digit.weight, digit.count, static_cast<int64_t>(i), nameOf(static_cast<int64_t>(i))}))
            return refusal;
    int64_t user = -1;
    // Partial operands of a sum are partial together; those of a product each on its own.
    bool isShared = rule.linearity == Linearity::Additive;
    for (size_t i = 0; i < operands.size(); ++i, --user) {
      if (isShared && i > 0)
        break;
      for (const Pending &pending : operands[i].pending)
        if (auto refusal = add(
                {pending.axis, pending.weight, pending.count, user, "the sum pending in operand " + std::to_string(i)}))
          return refusal;
    }
    for (const Digit &digit : floats)
      if (auto refusal = add({digit.axis, digit.weight, digit.count, --user,
                              "a shard of '" + universe.spaces[digit.space].name + "'"}))
        return refusal;
    return std::nullopt;
  }

  Outcome<llvm::SmallVector<Value, 1>> makeResults() {
    Value common;
    common.floats.append(floats.begin(), floats.end());
    for (size_t i = 0; i < operands.size(); ++i) {
      if (rule.linearity == Linearity::Additive && i > 0)
        break;
      common.pending.append(operands[i].pending.begin(), operands[i].pending.end());
      common.multiplicity = common.multiplicity * operands[i].multiplicity;
    }
    common.pending.append(newPending.begin(), newPending.end());
    llvm::SmallVector<Value, 1> results;
    for (const auto &iterators : rule.results) {
      Value result = common;
      for (int64_t iterator : iterators) {
        if (iterator != noIterator && isSet[static_cast<size_t>(iterator)]) {
          result.dims.push_back(dims[static_cast<size_t>(iterator)]);
          continue;
        }
        std::optional<Size> size = iterator != noIterator && static_cast<size_t>(iterator) < freshSizes.size()
                                       ? freshSizes[static_cast<size_t>(iterator)]
                                       : std::nullopt;
        if (!size)
          return Refusal{Refusal::Kind::Unknown, "a dim of the result comes from no operand", ""};
        // A dim that no operand has: the same value at every index.
        Dim fresh;
        Digit digit;
        digit.count = *size;
        digit.stride = 0;
        fresh.digits.push_back(digit);
        result.dims.push_back(std::move(fresh));
      }
      normalise(result);
      results.push_back(std::move(result));
    }
    return results;
  }

  Universe &universe;
  const ComputeRule &rule;
  llvm::ArrayRef<Value> operands;
  llvm::ArrayRef<std::optional<Size>> freshSizes;
  llvm::SmallVector<Dim, 6> dims; ///< by iterator
  llvm::SmallVector<bool, 6> isSet;
  llvm::SmallVector<Digit, 2> floats;
  llvm::SmallVector<Pending, 2> newPending;
};

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

} // namespace

llvm::SmallVector<Value, 1> readingsOf(const Universe &universe, const Value &value, size_t limit) {
  auto targetsOf = [&](const Digit &digit) {
    llvm::SmallVector<Target, 2> targets;
    for (size_t i = 0; i < value.dims.size(); ++i)
      for (size_t a = 0; a < value.dims[i].anchors.size(); ++a)
        if (value.dims[i].anchors[a].space == digit.space && value.dims[i].anchors[a].stride == digit.stride)
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

Outcome<llvm::SmallVector<Value, 1>> compute(Universe &universe, const ComputeRule &rule,
                                             llvm::ArrayRef<const Value *> operands,
                                             llvm::ArrayRef<std::optional<Size>> freshSizes) {
  constexpr size_t most = 200;
  llvm::SmallVector<llvm::SmallVector<Value, 1>, 4> readings;
  for (const Value *operand : operands)
    readings.push_back(readingsOf(universe, *operand));
  llvm::SmallVector<size_t, 4> choice(operands.size(), 0);
  std::optional<Refusal> first;
  std::optional<llvm::SmallVector<Value, 1>> found;
  for (size_t tries = 0; tries < most; ++tries) {
    llvm::SmallVector<Value, 4> chosen;
    for (size_t i = 0; i < operands.size(); ++i)
      chosen.push_back(readings[i][choice[i]]);
    auto results = Computation(universe, rule, chosen, freshSizes).run();
    bool differs =
        results && found && !std::equal(results->begin(), results->end(), found->begin(), found->end(), isSame);
    if (differs) {
      for (Value &result : *found)
        result.isChoice = true;
      break;
    }
    if (results && !found)
      found = std::move(*results);
    if (!results && !first)
      first = results.getRefusal();
    size_t i = operands.size();
    while (i > 0 && ++choice[i - 1] == readings[i - 1].size())
      choice[--i] = 0;
    if (i == 0)
      break;
    if (tries + 1 == most && !found) {
      first->kind = Refusal::Kind::Unknown;
      first->missingFact = "which dim the floating shards belong to (give logical sizes, as nn.split_heads does)";
    }
  }
  if (!found)
    return *first;
  for (const Value *operand : operands)
    for (Value &result : *found)
      result.isChoice |= operand->isChoice;
  return std::move(*found);
}

std::optional<Refusal> groupedHeadsDisagreement(const Universe &universe, const Dim &queryHeads, const Dim &kvHeads) {
  Outcome<FlatDim> query = flatten(universe, queryHeads), kv = flatten(universe, kvHeads);
  if (!query)
    return query.getRefusal();
  if (!kv)
    return kv.getRefusal();
  std::string both = print(universe, queryHeads) + " and " + print(universe, kvHeads);
  std::optional<Size> group = divide(query->extent, kv->extent);
  std::optional<Size> localGroup = divide(queryHeads.localSize(), kvHeads.localSize());
  if (!group || !localGroup)
    return wrong("query heads are no multiple of the key-value heads: " + both);
  // Each digit of the query heads, divided by the group, is a digit of the key-value heads or nothing.
  auto divideDigits = [&](llvm::ArrayRef<Digit> digits) -> std::optional<llvm::SmallVector<Digit, 4>> {
    llvm::SmallVector<Digit, 4> result;
    for (Digit digit : digits) {
      if (std::optional<Size> stride = divide(digit.stride, *group)) {
        digit.stride = *stride;
        result.push_back(digit);
      } else if (divides(digit.count * digit.stride, *group)) {
        digit.stride = 0;
        result.push_back(digit);
      } else {
        std::optional<Size> low = divide(*group, digit.stride);
        std::optional<Size> high = low ? divide(digit.count, *low) : std::nullopt;
        if (!high)
          return std::nullopt;
        Digit upper = digit, lower = digit;
        upper.count = *high;
        upper.stride = 1;
        if (upper.isMesh())
          upper.weight = digit.weight * *low;
        lower.count = *low;
        lower.stride = 0;
        result.push_back(upper);
        result.push_back(lower);
      }
    }
    return result;
  };
  auto local = divideDigits(query->local), mesh = divideDigits(query->mesh);
  if (!local || !mesh)
    return Refusal{Refusal::Kind::Unknown, "a run of query heads straddles a group: " + both, ""};
  // The local part: the major digits equal the rank's kv heads, the minor ones (one group on this rank) vanish.
  llvm::SmallVector<Digit, 4> major;
  Size left = kvHeads.localSize();
  for (const Digit &digit : *local) {
    if (left.isOne()) {
      if (!digit.stride.isZero())
        return wrong("a query head is paired with the key-value head of another group: " + both);
      continue;
    }
    if (std::optional<Size> rest = divide(left, digit.count)) {
      left = *rest;
      major.push_back(digit);
      continue;
    }
    std::optional<Size> low = divide(digit.count, left);
    if (!low)
      return Refusal{Refusal::Kind::Unknown, "a run of query heads straddles a group: " + both, ""};
    if (!digit.stride.isZero())
      return wrong("a query head is paired with the key-value head of another group: " + both);
    Digit part = digit;
    part.count = left;
    major.push_back(part);
    left = 1;
  }
  auto equalPositions = [](llvm::SmallVector<Digit, 4> a, llvm::ArrayRef<Digit> b) {
    llvm::erase_if(a, [](const Digit &digit) { return digit.isMesh() && digit.stride.isZero(); });
    for (size_t i = a.size(); i-- > 1;)
      if (a[i - 1].axis == a[i].axis && a[i - 1].stride == a[i].count * a[i].stride &&
          (!a[i].isMesh() || a[i - 1].weight == a[i].count * a[i].weight)) {
        a[i - 1] = [&] {
          Digit merged = a[i];
          merged.count = a[i - 1].count * a[i].count;
          return merged;
        }();
        a.erase(a.begin() + static_cast<ptrdiff_t>(i));
      }
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const Digit &x, const Digit &y) {
             return x.count == y.count && x.stride == y.stride && x.axis == y.axis && x.weight == y.weight;
           });
  };
  if (!equalPositions(major, kv->local) || !equalPositions(*mesh, kv->mesh))
    return wrong("a query head is paired with the key-value head of another group: " + both);
  return std::nullopt;
}

static std::optional<Refusal> dimBoundary(const Universe &universe, const Dim &dim, const Dim &declared, size_t index) {
  if (isDuplicates(dim) && dim.localSize() == declared.localSize())
    return std::nullopt;
  if (dim.isSegmented() && dim.segments.size() == declared.segments.size()) {
    for (size_t i = 0; i < dim.segments.size(); ++i)
      if (std::optional<Refusal> refusal = dimBoundary(universe, dim.segments[i], declared.segments[i], index))
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
    if (isDeclared || universe.spaces[digit.space].isBound)
      return wrong(where);
  }
  for (const Digit &digit : declared.digits)
    if (digit.isMesh() && dim.digits.empty())
      return wrong(where);
  if (std::optional<Refusal> refusal = disagreement(universe, dim, declared)) {
    refusal->message = where;
    return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> boundaryDisagreement(const Universe &universe, const Value &value, const Value &declared) {
  if (value.dims.size() != declared.dims.size())
    return wrong("another number of dims than declared");
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
  bool samePending =
      value.pending.size() == declared.pending.size() &&
      llvm::all_of(value.pending, [&](const Pending &p) { return llvm::is_contained(declared.pending, p); });
  if (!samePending)
    return wrong("the value is " + pendingText(value.pending) + ", declared " + pendingText(declared.pending));
  if (!(value.multiplicity == declared.multiplicity))
    return wrong("the value is " + value.multiplicity.numerator.print(universe.symbols.getNames()) + "x too large");
  llvm::SmallVector<Value, 1> declaredReadings = readingsOf(universe, declared);
  for (const Value &reading : readingsOf(universe, value)) {
    for (const Value &target : declaredReadings) {
      bool sameFloats =
          reading.floats.size() == target.floats.size() && llvm::all_of(reading.floats, [&](const Digit &digit) {
            return llvm::any_of(target.floats, [&](const Digit &other) { return other.names(digit); });
          });
      if (!sameFloats) {
        if (!reading.floats.empty())
          note(wrong("the value varies over '" + universe.axes[reading.floats.front().axis].name +
                     "': " + print(universe, reading.floats.front())));
        else
          note(wrong("the value does not vary over '" + universe.axes[target.floats.front().axis].name +
                     "' as declared"));
        continue;
      }
      std::optional<Refusal> refusal;
      for (size_t i = 0; i < reading.dims.size() && !refusal; ++i)
        refusal = dimBoundary(universe, reading.dims[i], target.dims[i], i);
      if (!refusal)
        return std::nullopt;
      note(*refusal);
    }
  }
  // A shard that no dim claims was moved beside unit dims: which dim it shards is not said, and may be the right one.
  bool hasStray = llvm::any_of(value.floats, [&](const Digit &digit) {
    return llvm::none_of(value.dims, [&](const Dim &dim) {
      return llvm::any_of(dim.anchors, [&](const Anchor &anchor) {
        return anchor.space == digit.space && anchor.stride == digit.stride;
      });
    });
  });
  if (first && hasStray && first->kind == Refusal::Kind::Wrong) {
    first->kind = Refusal::Kind::Unknown;
    first->missingFact = "which dim that shard belongs to (give logical sizes, as nn.split_heads does)";
  }
  return first;
}

} // namespace muster::layout
