// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Compute.h"

#include "compiler/Layout/Compare.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/Ranges.h"
#include "compiler/Layout/Readings.h"
#include "compiler/Layout/Rows.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

namespace {

/// A part of an axis that something is spread over, and what that is.
struct AxisUse {
  AxisId axis;
  Size weight, count;
  int64_t user; ///< iterator, or -1 - i for what is not one
  std::string what;
  bool isFloat = false;
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
    // The greatest of sums is no sum of greatest ones, whatever it is taken of.
    bool isSum = llvm::all_of(rule.iterators, [](IteratorKind kind) {
      return kind == IteratorKind::Parallel || kind == IteratorKind::Whole || kind == IteratorKind::Sum;
    });
    if (!isSum)
      return false;
    return rule.linearity != Linearity::NonLinear || (operand < 32 && (rule.linearOperands >> operand & 1));
  }
  std::string nameOf(int64_t iterator) const { return "'" + rule.names[static_cast<size_t>(iterator)] + "'"; }

  /// A part of a dim, or parts side by side: names tell less of it.
  bool isMade(const Dim &dim) const {
    return hasRanges(universe, dim) ||
           llvm::any_of(dim.digits, [&](const Digit &digit) { return universe.spaces[digit.space].isJoined; });
  }

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
        if (meetByIndex(universe, known, dim)) {
          known = meetingOf(known, dim);
          continue;
        }
        std::optional<Refusal> refusal = disagreement(universe, known, dim);
        if (!refusal)
          refusal = orderDisagreement(known, dim);
        if (refusal) {
          refusal->message = "operands do not agree along " + nameOf(iterator) + ": " + refusal->message;
          return refusal;
        }
        bool isBetter = isDuplicates(known) != isDuplicates(dim) ? isDuplicates(known)
                        : isMade(known) != isMade(dim)           ? isMade(known)
                                                                 : dim.digits.size() < known.digits.size();
        if (isBetter)
          known = dim;
      }
    return std::nullopt;
  }

  /// Where different parts of one dim meet, what is computed has positions of its own: those of neither part by name.
  /// The same two parts meet in the same positions.
  Dim meetingOf(const Dim &a, const Dim &b) {
    std::vector<int64_t> parts;
    for (const Dim *dim : {&a, &b})
      for (const Digit &digit : dim->digits)
        parts.insert(parts.end(), {digit.space, digit.count.getValue(), digit.stride.getValue()});
    auto [space, isNew] = universe.meetings.try_emplace(std::move(parts), 0);
    if (isNew) {
      Space own{"meeting parts", a.localSize()};
      own.isJoined = true;
      space->second = universe.addSpace(std::move(own));
    }
    Digit digit;
    digit.count = a.localSize();
    digit.stride = 1;
    digit.space = space->second;
    Dim dim;
    dim.digits.push_back(digit);
    return dim;
  }

  /// Of dims whose positions agree, but which do not lie in the order of one rank: index by index they are the same
  /// positions where both lie in the same other order. What is computed by element, and what is then reduced over all
  /// of them, is the same in whatever order.
  std::optional<Refusal> orderDisagreement(const Dim &a, const Dim &b) {
    if ((!a.order && !b.order) || isDuplicates(a) || isDuplicates(b))
      return std::nullopt;
    if (a.order && b.order && a.order->steps == b.order->steps)
      return std::nullopt;
    auto text = [&](const Dim &dim) {
      Dim own = dim;
      if (dim.order)
        own.digits.assign(dim.order->digits.begin(), dim.order->digits.end());
      return print(universe, own);
    };
    return Refusal::wrong("the same index names different positions: " + text(a) + " and " + text(b));
  }

  /// Dims that no iterator walks are needed whole.
  std::optional<Refusal> checkUnwalked() {
    for (size_t i = 0; i < operands.size(); ++i)
      for (size_t d = 0; d < rule.operands[i].size(); ++d)
        if (rule.operands[i][d] == noIterator) {
          if (std::optional<Refusal> refusal = refuseSharded(operands[i].dims[d], "dim " + std::to_string(d)))
            return refusal;
          if (std::optional<Refusal> refusal = refuseDeadRows(universe, operands[i].dims[d], "reads"))
            return refusal;
        }
    return std::nullopt;
  }

  std::optional<Refusal> refuseSharded(const Dim &dim, const std::string &what) {
    for (const Digit &digit : dim.digits)
      if (digit.isMesh())
        return Refusal::wrong(what + " is needed whole on every rank but is spread over '" +
                              universe.axes[digit.axis].name + "': " + print(universe, dim));
    return std::nullopt;
  }

  static Refusal refuseReduction(std::string message) {
    return Refusal::wrong(std::move(message), Refusal::Cause::Reduction);
  }

  /// The iterators along which parts of a reduction lie in an operand.
  llvm::SmallVector<size_t, 1> iteratorsOfPart(size_t operand, const Pending &part) const {
    llvm::SmallVector<size_t, 1> iterators;
    for (size_t d = 0; d < rule.operands[operand].size(); ++d)
      if (rule.operands[operand][d] != noIterator && holdsPart(operands[operand].dims[d], part))
        iterators.push_back(static_cast<size_t>(rule.operands[operand][d]));
    return iterators;
  }
  bool isPartOf(const Digit &digit, const Pending &part) const {
    return digit.isPart && digit.space == *universe.axes[part.axis].parts;
  }
  bool holdsPart(const Dim &dim, const Pending &part) const {
    return llvm::any_of(dim.digits, [&](const Digit &digit) { return isPartOf(digit, part); }) ||
           llvm::any_of(dim.segments, [&](const Dim &segment) { return holdsPart(segment, part); });
  }
  /// Whether the operation takes the reduction whose parts lie in an operand: all of them lie in one dim, which it
  /// reduces so.
  bool takes(size_t operand, const Pending &part) const {
    llvm::SmallVector<size_t, 1> iterators = iteratorsOfPart(operand, part);
    if (iterators.size() != 1)
      return false;
    IteratorKind kind = rule.iterators[iterators.front()];
    if (kind == IteratorKind::Parallel || kind == IteratorKind::Whole ||
        reductionBehind(operand, part.reduction) != reductionOf(kind))
      return false;
    Size held = 1;
    for (size_t d = 0; d < rule.operands[operand].size(); ++d)
      if (rule.operands[operand][d] == static_cast<int64_t>(iterators.front()))
        for (const Digit &digit : operands[operand].dims[d].digits)
          if (isPartOf(digit, part))
            held *= digit.count;
    return held == part.count;
  }

  /// The reduction that is left to take of the result where one is left to take of an operand, and which it is; nullopt
  /// where the result of the reduced operand would be another. Sums pass through what is linear; a maximum or minimum
  /// through what keeps or turns the order, and through further ones like it.
  std::optional<Reduction> reductionBehind(size_t operand, Reduction reduction) const {
    if (reduction == Reduction::Sum)
      return isLinearIn(operand) ? std::optional(reduction) : std::nullopt;
    Order order = orderIn(operand);
    if (reduction == Reduction::Product || (order != Order::Kept && order != Order::Reversed))
      return std::nullopt;
    if (order == Order::Reversed)
      reduction = reduction == Reduction::Maximum ? Reduction::Minimum : Reduction::Maximum;
    bool goesOn = llvm::all_of(rule.iterators, [&](IteratorKind kind) {
      return kind == IteratorKind::Parallel || (kind != IteratorKind::Whole && reductionOf(kind) == reduction);
    });
    return goesOn ? std::optional(reduction) : std::nullopt;
  }
  Order orderIn(size_t operand) const { return operand < rule.orders.size() ? rule.orders[operand] : Order::Unknown; }

  /// Whether what is still to be reduced in an operand is so in an earlier one, and of both together.
  bool isOfEarlier(size_t operand, const Pending &part) const {
    if (part.reduction == Reduction::Sum)
      return rule.linearity == Linearity::Additive && operand > 0;
    return rule.isJoint && llvm::any_of(operands.take_front(operand), [&](const Value &earlier) {
             return llvm::is_contained(earlier.pending, part) || llvm::is_contained(earlier.parts, part);
           });
  }

  /// What is still to be reduced where it may not be. Beside other operands, parts of a maximum are not wrong yet: each
  /// rank may take exp(x - its own greatest) if what differs is made good later (Milakov and Gimelshein 2018).
  Refusal refuseUnreduced(const std::string &what, const Pending &part) const {
    bool isReduction = llvm::any_of(rule.iterators, [](IteratorKind kind) { return kind != IteratorKind::Parallel; });
    if (part.reduction == Reduction::Sum)
      return refuseReduction(what);
    if (operands.size() == 1 && isReduction && orderIn(0) != Order::Unknown)
      return refuseReduction(what + " by a maximum or minimum");
    return {Refusal::Kind::Unknown, what + " by a maximum or minimum",
            "that the operation keeps order, so that the greatest of its results is its result of the greatest (reduce "
            "before it)"};
  }

  /// Parts of a reduction side by side: reduced here, or carried.
  std::optional<Refusal> checkParts(size_t operand) {
    for (const Pending &part : operands[operand].parts) {
      std::string what =
          "the parts of a reduction over '" + universe.axes[part.axis].name + "' in operand " + std::to_string(operand);
      llvm::SmallVector<size_t, 1> iterators = iteratorsOfPart(operand, part);
      bool isOfSum = rule.linearity == Linearity::Additive && part.reduction == Reduction::Sum;
      for (size_t other = 0; other < operands.size(); ++other)
        for (const Pending &second : operands[other].parts)
          if (other != operand && !isOfSum && second.axis == part.axis &&
              !(rule.isJoint && isSameReductions(operands[operand].parts, operands[other].parts)))
            return refuseUnreduced(what + " meet those in operand " + std::to_string(other), part);
      if (takes(operand, part))
        continue;
      bool isCarried = reductionBehind(operand, part.reduction) && iterators.size() == 1 &&
                       rule.iterators[iterators.front()] == IteratorKind::Parallel;
      if (!isCarried)
        return refuseUnreduced(what + " are still to be reduced", part);
    }
    return std::nullopt;
  }

  static llvm::SmallVector<Pending, 2> sumsOf(llvm::ArrayRef<Pending> pending) {
    llvm::SmallVector<Pending, 2> sums;
    llvm::copy_if(pending, std::back_inserter(sums),
                  [](const Pending &part) { return part.reduction == Reduction::Sum; });
    return sums;
  }

  /// Sums and differences of values of which different reductions are still to be taken.
  Refusal refuseMixed(const Value &a, const Value &b) const {
    auto axisOf = [&](const Value &value) -> std::optional<std::string> {
      for (const auto *list : {&value.pending, &value.parts})
        if (llvm::SmallVector<Pending, 2> sums = sumsOf(*list); !sums.empty())
          return "'" + universe.axes[sums.front().axis].name + "'";
      return std::nullopt;
    };
    std::optional<std::string> first = axisOf(a), second = axisOf(b);
    if (first && second)
      return refuseReduction("adds a value that is still to be reduced over " + *first +
                             " to one that is still to be reduced in another way, over " + *second);
    return refuseReduction("adds a value that is still to be reduced over " + *(first ? first : second) +
                           " to one that is not: the latter would count once per rank");
  }

  std::optional<Refusal> checkFullness() {
    std::optional<size_t> extreme;
    for (size_t i = 0; i < operands.size(); ++i) {
      const Value &operand = operands[i];
      std::string name = "operand " + std::to_string(i);
      for (const Pending &pending : operand.pending) {
        std::string what = name + " is still to be reduced over '" + universe.axes[pending.axis].name + "'";
        if (!reductionBehind(i, pending.reduction))
          return refuseUnreduced(what, pending);
        if (pending.reduction == Reduction::Sum)
          continue;
        // The greatest sum is not the sum of the greatest.
        if (extreme.value_or(i) != i &&
            !(rule.isJoint && isSameReductions(operands[*extreme].pending, operand.pending)))
          return Refusal{Refusal::Kind::Unknown,
                         what + " by a maximum or minimum, and so is operand " + std::to_string(*extreme),
                         "that both are greatest on one rank (reduce before it)"};
        extreme = i;
      }
      if (std::optional<Refusal> refusal = checkParts(i))
        return refusal;
      if (!isLinearIn(i) && !operand.multiplicity.isOne())
        return refuseReduction(name + " is " + operand.multiplicity.numerator.print(universe.symbols.getNames()) +
                               "x too large");
    }
    if (rule.linearity != Linearity::Additive)
      return std::nullopt;
    for (size_t i = 1; i < operands.size(); ++i) {
      const Value &first = operands.front(), &other = operands[i];
      if (!isSameReductions(sumsOf(first.pending), sumsOf(other.pending)) ||
          !isSameReductions(sumsOf(first.parts), sumsOf(other.parts)))
        return refuseMixed(first, other);
      if (!(first.multiplicity == other.multiplicity)) {
        const Ratio &more = first.multiplicity.isOne() ? other.multiplicity : first.multiplicity;
        return refuseReduction("adds a value that is " + more.numerator.print(universe.symbols.getNames()) +
                               "x too large, because it was reduced again, to one that is not");
      }
    }
    return std::nullopt;
  }

  /// Floats pass to the result once. Where operands are compared, both must have them.
  std::optional<Refusal> uniteFloats() {
    auto contains = [](llvm::ArrayRef<Digit> floats, const Digit &digit) {
      return llvm::any_of(floats, [&](const Digit &other) { return other.names(digit); });
    };
    for (const Value &operand : operands)
      for (const Digit &digit : operand.floats) {
        const Digit *met = operand.isLoose ? findInParallelDims(digit) : nullptr;
        if (met && !met->names(digit))
          return Refusal::wrong("the ranks pair different positions of '" + universe.spaces[digit.space].name +
                                "': " + print(universe, *met) + " and " + print(universe, digit));
        if (!met && !contains(floats, digit))
          floats.push_back(digit);
      }
    if (rule.linearity == Linearity::Additive)
      for (const Value &operand : operands)
        if (operand.floats.size() != floats.size())
          return Refusal::wrong("adds values of which only one varies over '" +
                                universe.axes[floats.front().axis].name + "'");
    return std::nullopt;
  }

  /// What ranks were handed copies of meets itself: query heads named by their groups, and the groups' own heads.
  const Digit *findInParallelDims(const Digit &digit) const {
    for (size_t i = 0; i < dims.size(); ++i)
      for (const Digit &other : dims[i].digits)
        if (rule.iterators[i] == IteratorKind::Parallel && other.isMesh() && other.space == digit.space &&
            other.count == digit.count && other.stride == digit.stride)
          return &other;
    return nullptr;
  }

  std::optional<Refusal> consume() {
    for (size_t i = 0; i < rule.iterators.size(); ++i) {
      IteratorKind kind = rule.iterators[i];
      if (kind == IteratorKind::Parallel || !isSet[i])
        continue;
      if (std::optional<Refusal> refusal = refuseDeadRows(universe, dims[i], "takes together"))
        return refusal;
      if (kind == IteratorKind::Whole)
        if (std::optional<Refusal> refusal = refuseSharded(dims[i], nameOf(static_cast<int64_t>(i))))
          return refusal;
      Dim own = dims[i];
      // The greatest of copies is what was copied, however many there are.
      auto isCopied = [](const Digit &digit) { return !digit.isMesh() && digit.stride.isZero() && !digit.isCopy; };
      if (kind == IteratorKind::Maximum || kind == IteratorKind::Minimum)
        llvm::erase_if(own.digits, isCopied);
      Outcome<FlatDim> flat = flatten(universe, own);
      if (!flat)
        return flat.getRefusal();
      if (std::optional<Refusal> refusal = checkEntire(own))
        return refusal;
      for (const Digit &digit : dims[i].digits)
        if (universe.spaces[digit.space].range && universe.spaces[digit.space].range->isNested)
          return Refusal{Refusal::Kind::Unknown,
                         "takes together a part of each rank's part of '" +
                             universe.spaces[rootOf(universe, digit.space)].name + "': " + print(universe, dims[i]),
                         "which elements of the dim are meant on one rank (slice a dim that is whole on every rank)"};
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
      if (!space.isBound && !universe.spaces[rootOf(universe, digit.space)].isBound)
        continue;
      Size held = 1;
      for (const Digit &other : dim.digits)
        if (other.space == digit.space)
          held *= other.count;
      bool isRun = digit.stride.isOne() && llvm::is_contained(space.runs, digit.count) && held == digit.count;
      if (!(held == space.size) && !isRun && space.range)
        return Refusal{Refusal::Kind::Unknown, "consumes a part of " + space.name + ", a dim that the result declares",
                       "all of it, or a dim of another name"};
      if (!(held == space.size) && !isRun)
        return Refusal::wrong("consumes " + held.print(universe.symbols.getNames()) + " of the " +
                              space.size.print(universe.symbols.getNames()) + " positions of '" + space.name +
                              "', a dim that the result declares");
    }
    return std::nullopt;
  }

  std::optional<Refusal> checkAxes() {
    llvm::SmallVector<AxisUse, 8> uses;
    auto add = [&](AxisUse use) -> std::optional<Refusal> {
      for (const AxisUse &other : uses)
        if (other.user != use.user && meet(other, use)) {
          Refusal refusal = Refusal::wrong("axis '" + universe.axes[use.axis].name + "' serves both " + other.what +
                                               " and " + use.what,
                                           Refusal::Cause::SharedAxis);
          // One of them is a dim of one element a rank: the operation may mean just these pairs.
          if (other.isFloat || use.isFloat) {
            refusal.kind = Refusal::Kind::Unknown;
            refusal.missingFact =
                "that the two belong together (write the shard as a dim of the operation, or name it in "
                "the layout of the other: query heads as (g m) where g are the key-value heads)";
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
    // Partial operands of a sum or maximum are partial together; those of a product each on its own.
    for (size_t i = 0; i < operands.size(); ++i, --user) {
      for (const Pending &pending : operands[i].pending)
        if (isOfEarlier(i, pending))
          continue;
        else if (auto refusal = add({pending.axis, pending.weight, pending.count, user,
                                     "what is pending in operand " + std::to_string(i)}))
          return refusal;
    }
    for (const Digit &digit : floats)
      if (auto refusal = add({digit.axis, digit.weight, digit.count, --user,
                              "a shard of '" + universe.spaces[digit.space].name + "'", true}))
        return refusal;
    return std::nullopt;
  }

  Outcome<llvm::SmallVector<Value, 1>> makeResults() {
    Value common;
    common.floats.append(floats.begin(), floats.end());
    for (size_t i = 0; i < operands.size(); ++i) {
      auto carry = [&](const Pending &part, llvm::SmallVectorImpl<Pending> &to) {
        if (isOfEarlier(i, part))
          return;
        to.push_back(part);
        to.back().reduction = *reductionBehind(i, part.reduction);
      };
      for (const Pending &pending : operands[i].pending)
        carry(pending, common.pending);
      for (const Pending &part : operands[i].parts)
        if (!takes(i, part))
          carry(part, common.parts);
      if (rule.linearity != Linearity::Additive || i == 0)
        common.multiplicity = common.multiplicity * operands[i].multiplicity;
    }
    common.pending.append(newPending.begin(), newPending.end());
    for (const Value &operand : operands)
      for (SpaceId space : operand.at)
        if (!llvm::is_contained(common.at, space))
          common.at.push_back(space);
    // Operands at different places of one space are at none together.
    llvm::SmallVector<SpaceId, 0> all = common.at;
    llvm::erase_if(common.at, [&](SpaceId space) {
      return llvm::any_of(
          all, [&](SpaceId other) { return other != space && rootOf(universe, other) == rootOf(universe, space); });
    });
    llvm::SmallVector<Value, 1> results;
    for (const auto &iterators : rule.results) {
      Value result = common; // what was loose has found its place
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
        digit.isCopy = true;
        fresh.digits.push_back(digit);
        result.dims.push_back(std::move(fresh));
      }
      if (llvm::any_of(result.dims, [](const Dim &dim) { return dim.order != nullptr; }) && !restoreOrder(result))
        return Refusal{Refusal::Kind::Unknown, "elements in another order than on one rank, of symbolic sizes",
                       "concrete sizes"};
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

} // namespace

/// Of two readings of an operation one result with the arrangements of both. False where the ranks do not hold the same
/// by both.
static bool unite(llvm::MutableArrayRef<Value> found, llvm::ArrayRef<Value> results) {
  for (size_t i = 0; i < found.size(); ++i)
    if (!addArrangements(found[i], results[i]))
      return false;
  return true;
}

/// A reshape that takes away the dim of one element that a shard stood in makes it a shard of the dims beside it. Who
/// meant each rank's part for itself is told so.
static std::string adviceOnLostDims(const Universe &universe, llvm::ArrayRef<const Value *> operands) {
  for (const Value *operand : operands)
    for (const Digit &digit : operand->floats)
      return "on one rank the reshape that takes away the dim of '" + universe.spaces[digit.space].name +
             "', of one element here, joins all of it with the dims beside it; keep that dim if each part of '" +
             universe.spaces[digit.space].name + "' is meant for itself";
  return "";
}

/// The dims of an operand that are only added up (or multiplied, ...) and that no other operand walks along: the order
/// of what they hold is of no account. Of others that are no more than walked along it is told, with `isTold`.
static FreeOrders freeOrdersOf(const ComputeRule &rule, size_t operand, bool isTold) {
  FreeOrders orders;
  for (unsigned dim = 0; dim < rule.operands[operand].size(); ++dim) {
    int64_t iterator = rule.operands[operand][dim];
    if (iterator == noIterator)
      continue;
    IteratorKind kind = rule.iterators[static_cast<size_t>(iterator)];
    if (kind == IteratorKind::Whole)
      continue;
    if (isTold)
      orders.told.push_back(dim);
    if (kind == IteratorKind::Parallel)
      continue;
    int64_t walks = 0;
    for (const auto &iterators : llvm::concat<const llvm::SmallVector<int64_t, 4>>(rule.operands, rule.results))
      walks += llvm::count(iterators, iterator);
    if (walks != 1)
      continue;
    orders.any.push_back(dim);
    if (kind == IteratorKind::Maximum || kind == IteratorKind::Minimum)
      orders.copied.push_back(dim);
  }
  return orders;
}

/// By readings of which dims lie in the order of one rank, or (`isTold`) in any order that all who walk along them
/// have.
static Outcome<llvm::SmallVector<Value, 1>> computeByReadings(Universe &universe, const ComputeRule &rule,
                                                              llvm::ArrayRef<const Value *> operands,
                                                              llvm::ArrayRef<std::optional<Size>> freshSizes,
                                                              bool isTold) {
  constexpr size_t most = 200;
  llvm::SmallVector<llvm::SmallVector<Value, 1>, 4> readings;
  bool hasAll = true, isOpen = false; // open: a reading that is not known to be wrong
  for (const auto &[index, operand] : llvm::enumerate(operands)) {
    Outcome<llvm::SmallVector<Value, 1>> own = soundReadingsOf(universe, *operand, freeOrdersOf(rule, index, isTold));
    if (!own)
      return own.getRefusal();
    hasAll &= !own->empty();
    readings.push_back(own->empty() ? llvm::SmallVector<Value, 1>{*operand} : std::move(*own));
  }
  llvm::SmallVector<size_t, 4> choice(operands.size(), 0);
  std::optional<Refusal> first;
  std::vector<llvm::SmallVector<Value, 1>> found; // different results
  for (size_t tries = 0; tries < most; ++tries) {
    llvm::SmallVector<Value, 4> chosen;
    for (size_t i = 0; i < operands.size(); ++i)
      chosen.push_back(readings[i][choice[i]]);
    auto results = Computation(universe, rule, chosen, freshSizes).run();
    bool isLoose = llvm::any_of(chosen, [](const Value &operand) { return operand.isLoose; });
    universe.hasLoose |= results && isLoose;
    if (results && llvm::none_of(found, [&](auto &other) { return unite(other, *results); }))
      found.push_back(std::move(*results));
    isOpen |= isLoose || (!results && results.getRefusal().kind != Refusal::Kind::Wrong);
    if (!results && !first)
      first = results.getRefusal();
    if (!results && isLoose && results.getRefusal().kind == Refusal::Kind::Unknown)
      first = results.getRefusal();
    size_t i = operands.size();
    while (i > 0 && ++choice[i - 1] == readings[i - 1].size())
      choice[--i] = 0;
    if (i == 0)
      break;
    isOpen |= tries + 1 == most;
    if (tries + 1 == most && found.empty()) {
      first->kind = Refusal::Kind::Unknown;
      first->missingFact = "which dim the floating shards belong to (give logical sizes, as nn.split_heads does)";
    }
  }
  for (const auto &[index, operand] : llvm::enumerate(operands))
    for (unsigned dim : freeOrdersOf(rule, index, isTold).copied)
      if (llvm::any_of(operand->dims[dim].digits,
                       [](const Digit &digit) { return digit.stride.isZero() && !digit.isCopy; }))
        universe.uncovered = "the greatest of copies that ranks had";
  if (found.empty()) {
    if (first->kind == Refusal::Kind::Wrong && first->missingFact.empty())
      first->missingFact = adviceOnLostDims(universe, operands);
    return *first;
  }
  if (!hasAll)
    return refuseWithoutReadings();
  universe.hasOpenChoice |= found.size() > 1 && isOpen;
  llvm::SmallVector<Value, 1> &taken = found[found.size() > 1 ? universe.choose(found.size()) : 0];
  for (Value &result : taken) {
    result.isChoice = found.size() > 1;
    for (const Value *operand : operands)
      result.isChoice |= operand->isChoice;
  }
  return std::move(taken);
}

Outcome<llvm::SmallVector<Value, 1>> compute(Universe &universe, const ComputeRule &rule,
                                             llvm::ArrayRef<const Value *> operands,
                                             llvm::ArrayRef<std::optional<Size>> freshSizes) {
  auto results = computeByReadings(universe, rule, operands, freshSizes, false);
  bool mayBeShuffled = !results && results.getRefusal().kind == Refusal::Kind::Wrong &&
                       llvm::any_of(operands, [](const Value *operand) { return operand->history != nullptr; });
  if (!mayBeShuffled)
    return results;
  auto shuffled = computeByReadings(universe, rule, operands, freshSizes, true);
  if (shuffled)
    universe.uncovered = "dims in another order than on one rank";
  return shuffled ? std::move(shuffled) : std::move(results);
}

} // namespace muster::layout
