// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Movement.h"

#include "compiler/Layout/Anchors.h"
#include "compiler/Layout/History.h"
#include "compiler/Layout/MeshDigits.h"
#include "compiler/Layout/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

/// A dim of segments that the digits of a group leave, or (dim `target`) that they would enter.
static std::optional<Refusal> refuseSpreadSegments(const Universe &universe, const Value &value, Group group,
                                                   size_t target) {
  for (size_t i = 0; i < value.dims.size(); ++i)
    for (const Dim &segment : value.dims[i].segments)
      if (i == target || llvm::any_of(segment.digits, [&](const Digit &digit) { return isIn(group, digit); }))
        return refuseSegments(universe, value, i);
  return std::nullopt;
}

static std::optional<Refusal> refusePending(const Universe &universe, const Value &value, Group group,
                                            const char *operation) {
  for (const Pending &pending : value.pending)
    if (llvm::is_contained(group, pending.axis))
      return Refusal{Refusal::Kind::Wrong,
                     std::string(operation) + " over axis '" + universe.axes[pending.axis].name +
                         "', over which the value is still to be reduced",
                     ""};
  return std::nullopt;
}

/// Before a movement over `group`: which part of a pending reduction a rank holds becomes a digit of the mesh like
/// others. Refuses where the parts have no space.
static std::optional<Refusal> spreadParts(const Universe &universe, Value &value, Group group, const char *operation) {
  for (size_t i = value.pending.size(); i-- > 0;) {
    Pending pending = value.pending[i];
    if (!llvm::is_contained(group, pending.axis))
      continue;
    bool isHeld = llvm::any_of(value.parts, [&](const Pending &other) { return other.axis == pending.axis; });
    if (!universe.axes[pending.axis].parts || isHeld)
      return refusePending(universe, value, group, operation);
    Digit digit;
    digit.count = pending.count;
    digit.stride = pending.weight;
    digit.space = *universe.axes[pending.axis].parts;
    digit.axis = pending.axis;
    digit.weight = pending.weight;
    digit.isPart = true;
    value.floats.push_back(digit);
    value.parts.push_back(pending);
    value.pending.erase(value.pending.begin() + static_cast<ptrdiff_t>(i));
  }
  return std::nullopt;
}

/// Behind it: parts on the mesh are pending again, wherever they are now. Refuses parts of which some stayed in a dim.
static std::optional<Refusal> settleParts(const Universe &universe, Value &value) {
  for (size_t i = value.parts.size(); i-- > 0;) {
    Pending part = value.parts[i];
    auto isOfPart = [&](const Digit &digit) { return digit.isPart && digit.space == *universe.axes[part.axis].parts; };
    Size spread = 1;
    llvm::SmallVector<Pending, 1> pending;
    value.forEachMeshDigit([&](const Digit &digit) {
      if (!isOfPart(digit))
        return;
      spread *= digit.count;
      pending.push_back({digit.count, digit.axis, digit.weight, part.reduction});
    });
    if (pending.empty())
      continue;
    if (!(spread == part.count))
      return Refusal{Refusal::Kind::Unknown,
                     "some parts of a sum over '" + universe.axes[part.axis].name + "' are handed out to ranks again",
                     "a reduction of the dim in which they lie, before that"};
    for (Dim &dim : value.dims)
      llvm::erase_if(dim.digits, isOfPart);
    llvm::erase_if(value.floats, isOfPart);
    llvm::append_range(value.pending, pending);
    value.parts.erase(value.parts.begin() + static_cast<ptrdiff_t>(i));
  }
  for (Dim &dim : value.dims)
    for (Digit &digit : dim.digits)
      if (digit.isPart)
        digit.home.reset();
  return std::nullopt;
}

Value transpose(const Value &value, llvm::ArrayRef<int64_t> permutation) {
  Value result = value;
  for (size_t i = 0; i < permutation.size(); ++i)
    result.dims[i] = value.dims[static_cast<size_t>(permutation[i])];
  recordTranspose(value, permutation, result);
  return result;
}

Outcome<Value> slice(const Universe &universe, const Value &value, Group group, unsigned dim) {
  if (auto refusal = refusePending(universe, value, group, "slice"))
    return *refusal;
  if (std::optional<Digit> varying = varyingDigit(value, group))
    return Refusal{Refusal::Kind::Wrong,
                   "slice over " + nameOf(universe, group) +
                       " of a value that already varies over it: " + print(universe, *varying),
                   ""};
  Outcome<SplitDim> split = splitLeading(universe, value, group, dim);
  if (!split)
    return split.getRefusal();
  Value result = value;
  startHistory(result);
  result.dims[dim].digits.assign(split->leading.begin(), split->leading.end());
  result.dims[dim].digits.append(split->rest.begin(), split->rest.end());
  markEmptied(result.dims[dim]);
  markClaimed(result);
  if (auto refusal = settleParts(universe, result))
    return *refusal;
  normalise(result);
  return result;
}

static Refusal cannotOrder(const Universe &universe, Group group) {
  return Refusal{Refusal::Kind::Unknown, "the digits of " + nameOf(universe, group) + " have no order for all sizes",
                 "concrete sizes"};
}

Outcome<Value> allGather(const Universe &universe, const Value &value, Group group, unsigned dim) {
  if (auto refusal = refuseSpreadSegments(universe, value, group, dim))
    return *refusal;
  Value result = value;
  startHistory(result);
  if (auto refusal = spreadParts(universe, result, group, "all_gather"))
    return *refusal;
  if (!fromMesh(universe, result, group, dim))
    return cannotOrder(universe, group);
  if (auto refusal = settleParts(universe, result))
    return *refusal;
  normalise(result);
  return result;
}

Outcome<Value> allToAll(const Universe &universe, const Value &value, Group group, unsigned split, unsigned concat) {
  if (split == concat && value.dims[split].localSize() == universe.sizeOf(group))
    return exchange(universe, value, group, split);
  if (auto refusal = refuseSpreadSegments(universe, value, group, concat))
    return *refusal;
  Outcome<SplitDim> parts = splitLeading(universe, value, group, split);
  if (!parts)
    return parts.getRefusal();
  // What goes to the mesh is kept aside, so that only the group's old digits come back.
  Value result = value;
  startHistory(result);
  if (auto refusal = spreadParts(universe, result, group, "all_to_all"))
    return *refusal;
  result.dims[split].digits.assign(parts->rest.begin(), parts->rest.end());
  llvm::SmallVector<Digit, 4>
      leadingOld; // mesh digits of the group's axes that stood among the leading ones come back as well
  for (const Digit &digit : parts->leading)
    if (digit.isMesh() && llvm::any_of(value.dims[split].digits, [&](const Digit &old) { return old.names(digit); }))
      leadingOld.push_back(digit);
  llvm::SmallVector<Digit, 4> gone;
  for (const Digit &digit : parts->leading)
    if (!llvm::any_of(leadingOld, [&](const Digit &old) { return old.names(digit); }))
      gone.push_back(digit);
  result.dims[split].digits.insert(result.dims[split].digits.begin(), leadingOld.begin(), leadingOld.end());
  if (!fromMesh(universe, result, group, concat))
    return cannotOrder(universe, group);
  // The new mesh digits stand before what is left of the split dim; the normal form sends each to what it continues.
  size_t at = 0;
  if (split == concat) {
    // Behind what came from the mesh.
    Size arrived = 1;
    while (at < result.dims[split].digits.size() && !(arrived == universe.sizeOf(group))) {
      const Digit &digit = result.dims[split].digits[at++];
      if (!digit.isMesh())
        arrived *= digit.count;
    }
  }
  result.dims[split].digits.insert(result.dims[split].digits.begin() + static_cast<ptrdiff_t>(at), gone.begin(),
                                   gone.end());
  markEmptied(result.dims[split]);
  markClaimed(result);
  if (auto refusal = settleParts(universe, result))
    return *refusal;
  normalise(result);
  return result;
}

Outcome<Value> exchange(const Universe &universe, const Value &value, Group group, unsigned dim) {
  if (auto refusal = refuseSpreadSegments(universe, value, group, dim))
    return *refusal;
  if (!(value.dims[dim].localSize() == universe.sizeOf(group)))
    return Refusal{Refusal::Kind::Wrong,
                   "exchange over " + nameOf(universe, group) + " of " + sizeText(universe, universe.sizeOf(group)) +
                       " positions of a dim of " + sizeText(universe, value.dims[dim].localSize()) + " elements",
                   ""};
  Outcome<SplitDim> split = splitLeading(universe, value, group, dim);
  if (!split)
    return split.getRefusal();
  Value result = value;
  startHistory(result);
  if (auto refusal = spreadParts(universe, result, group, "exchange"))
    return *refusal;
  std::optional<llvm::SmallVector<Digit, 4>> arriving = groupDigits(universe, result, group);
  if (!arriving)
    return cannotOrder(universe, group);
  result.isUnsettled = true;
  result.dims[dim].digits.clear();
  removeDigitsOf(result, group);
  for (Digit &digit : *arriving)
    makeLocal(universe, digit, value.dims, dim, true);
  // Leaving digits go home wherever that is; the normal form places them.
  llvm::SmallVector<Digit, 4> leaving;
  llvm::append_range(leaving, split->leading);
  llvm::append_range(leaving, split->rest);
  for (Digit &digit : leaving) {
    if (isIn(group, digit) && llvm::any_of(value.dims[dim].digits, [&](const Digit &old) { return old.names(digit); }))
      continue; // an old digit of the group, among the arriving ones
    result.floats.push_back(digit);
  }
  result.dims[dim].digits.assign(arriving->begin(), arriving->end());
  markClaimed(result);
  if (auto refusal = settleParts(universe, result))
    return *refusal;
  normalise(result);
  return result;
}

Outcome<Value> allReduce(const Universe &universe, const Value &value, Group group, Reduction reduction) {
  if (std::optional<Digit> varying = varyingDigit(value, group))
    return Refusal{Refusal::Kind::Wrong,
                   "this adds different elements: over " + nameOf(universe, group) + " the value holds " +
                       print(universe, *varying),
                   ""};
  Value result = value;
  Size covered = 1;
  for (const Pending &pending : value.pending) {
    if (!llvm::is_contained(group, pending.axis))
      continue;
    if (pending.reduction != reduction)
      return Refusal{Refusal::Kind::Wrong,
                     "reduces over axis '" + universe.axes[pending.axis].name +
                         "' by another operation than the one "
                         "that is pending there",
                     ""};
    covered *= pending.count;
  }
  llvm::erase_if(result.pending, [&](const Pending &pending) { return llvm::is_contained(group, pending.axis); });
  if (reduction == Reduction::Sum)
    result.multiplicity = result.multiplicity * Ratio{universe.sizeOf(group), covered};
  else if (reduction == Reduction::Product && !(covered == universe.sizeOf(group)))
    return Refusal{Refusal::Kind::Unknown, "a product over ranks that hold equal values", ""};
  return result;
}

Outcome<Value> reduceScatter(const Universe &universe, const Value &value, Group group, unsigned dim,
                             Reduction reduction) {
  Outcome<Value> reduced = allReduce(universe, value, group, reduction);
  if (!reduced)
    return reduced;
  return slice(universe, *reduced, group, dim);
}

Outcome<Value> broadcast(const Universe &universe, const Value &value, Group group) {
  if (auto refusal = refusePending(universe, value, group, "broadcast"))
    return *refusal;
  if (std::optional<Digit> varying = varyingDigit(value, group))
    return Refusal{Refusal::Kind::Unknown,
                   "broadcast over " + nameOf(universe, group) +
                       " of a value that varies over it: " + print(universe, *varying),
                   ""};
  return value;
}

} // namespace muster::layout
