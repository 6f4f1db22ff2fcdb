// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/NormalForm.h"

#include "compiler/Layout/History.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

using Digits = llvm::SmallVectorImpl<Digit>;

static bool isTrivial(const Digit &digit) { return digit.count.isOne() || (digit.isMesh() && digit.stride.isZero()); }

/// Whether `left`, directly before `right`, becomes one digit with it. `next` stands behind `right`, if anything does.
static bool mayMerge(const Digit &left, const Digit &right, const Digit *next) {
  if (left.axis != right.axis)
    return false;
  if (left.stride.isZero() && right.stride.isZero())
    return left.isCopy == right.isCopy; // duplicates
  if (!continues(left, right))
    return false;
  if (left.isMesh())
    return left.weight == right.count * right.weight;
  bool isRightHome = !isAway(right) || (next && continues(right, *next));
  return isRightHome || isAway(left);
}

static Digit merged(const Digit &left, const Digit &right, const Digit *next) {
  Digit result = right;
  result.count = left.count * right.count;
  if (right.stride.isZero())
    return result;
  result.isAmbiguous = left.isAmbiguous || right.isAmbiguous;
  bool isRightHome = !isAway(right) || (next && continues(right, *next));
  if (!right.isMesh() && isRightHome)
    result.home.reset();
  return result;
}

void mergeDigits(Digits &digits) {
  llvm::erase_if(digits, isTrivial);
  for (size_t i = digits.size(); i-- > 1;) {
    const Digit *next = i + 1 < digits.size() ? &digits[i + 1] : nullptr;
    if (!mayMerge(digits[i - 1], digits[i], next))
      continue;
    digits[i - 1] = merged(digits[i - 1], digits[i], next);
    digits.erase(digits.begin() + static_cast<ptrdiff_t>(i));
  }
}

/// Step 2: mesh digits stand before what they continue.
static void orderMeshDigits(Digits &digits) {
  // Each move puts one digit to its place, from the right, so that a chain follows its last link.
  for (size_t moves = 0; moves < digits.size(); ++moves) {
    bool isOrdered = true;
    for (size_t i = digits.size(); i-- > 0 && isOrdered;) {
      if (!digits[i].isMesh() || isBottom(digits[i]) || (i + 1 < digits.size() && continues(digits[i], digits[i + 1])))
        continue;
      for (size_t j = 0; j < digits.size(); ++j) {
        if (j == i || !continues(digits[i], digits[j]))
          continue;
        // What stands there already in the same role keeps its place.
        if (j > 0 && j - 1 != i && digits[j - 1].isMesh() && continues(digits[j - 1], digits[j]))
          continue;
        Digit digit = digits[i];
        digits.erase(digits.begin() + static_cast<ptrdiff_t>(i));
        digits.insert(digits.begin() + static_cast<ptrdiff_t>(j > i ? j - 1 : j), digit);
        isOrdered = false;
        break;
      }
    }
    if (isOrdered)
      return;
  }
}

/// Whether the digit at `i` stands before what it continues, up to a local digit, or behind a local one that it ends.
static bool isAttached(llvm::ArrayRef<Digit> digits, size_t i, bool isNextAttached) {
  const Digit &digit = digits[i];
  if (i + 1 < digits.size() && isNextAttached && !isBottom(digit) && continues(digit, digits[i + 1]))
    return true;
  // Stripes: the coordinate is the minor digit of the run, behind the local one.
  return i > 0 && !digits[i - 1].isMesh() && continues(digits[i - 1], digit);
}

/// Whether some mesh digit is not attached.
static bool hasLoose(const Dim &dim) {
  for (size_t i = dim.digits.size(); i-- > 0;)
    if (dim.digits[i].isMesh() && !isAttached(dim.digits, i, true))
      return true;
  return false;
}

/// Removes the mesh digits that are not attached and appends them to `loose`, major last, with an anchor left behind.
static void detach(Dim &dim, Digits &loose) {
  bool isNextAttached = true;
  Size behind = 1;
  llvm::SmallVector<Anchor, 2> left; // minor first
  for (size_t i = dim.digits.size(); i-- > 0;) {
    const Digit &digit = dim.digits[i];
    if (!digit.isMesh()) {
      behind *= digit.count;
      isNextAttached = true;
      continue;
    }
    isNextAttached = isAttached(dim.digits, i, isNextAttached);
    if (isNextAttached)
      continue;
    left.push_back({digit.space, digit.stride, behind});
    loose.push_back(digit);
    dim.digits.erase(dim.digits.begin() + static_cast<ptrdiff_t>(i));
    // What stood before it is judged against what stands behind now.
    isNextAttached = i < dim.digits.size();
  }
  // Among anchors of one place the digits that stood there come first: older anchors were left behind them.
  for (const Anchor &anchor : left) {
    auto place = llvm::find_if(dim.anchors, [&](const Anchor &other) {
      return other.behind == anchor.behind || divides(other.behind, anchor.behind);
    });
    dim.anchors.insert(place, anchor);
  }
}

/// Puts a digit before the one that it continues, in whatever dim. False if there is none.
static bool sendHome(llvm::MutableArrayRef<Dim> dims, const Digit &digit) {
  if (isBottom(digit))
    return false;
  for (Dim &dim : dims)
    for (size_t i = 0; i < dim.digits.size(); ++i) {
      if (!continues(digit, dim.digits[i]))
        continue;
      if (i > 0 && continues(dim.digits[i - 1], dim.digits[i]))
        continue; // the place is taken
      dim.digits.insert(dim.digits.begin() + static_cast<ptrdiff_t>(i), digit);
      return true;
    }
  return false;
}

/// Puts a digit behind the local one that it ends the run of: rows dealt in stripes. Not where a unit dim may be what
/// it shards. False if there is none.
static bool joinStripe(llvm::MutableArrayRef<Dim> dims, const Digit &digit) {
  for (const Dim &dim : dims)
    if (dim.localSize().isOne() && dim.mayClaim(digit))
      return false;
  for (Dim &dim : dims)
    for (size_t i = 0; i < dim.digits.size(); ++i) {
      bool isOpen = i + 1 == dim.digits.size() || !continues(dim.digits[i], dim.digits[i + 1]);
      if (dim.digits[i].isMesh() || !continues(dim.digits[i], digit) || !isOpen)
        continue;
      dim.digits.insert(dim.digits.begin() + static_cast<ptrdiff_t>(i) + 1, digit);
      return true;
    }
  return false;
}

static void removeAnchor(Dim &dim, const Digit &digit) {
  llvm::erase_if(dim.anchors, [&](const Anchor &anchor) { return anchor.claims(digit); });
}

static void sortUniqueAnchors(Dim &dim) {
  for (size_t i = 0; i < dim.anchors.size(); ++i)
    for (size_t j = dim.anchors.size(); j-- > i + 1;)
      if (dim.anchors[i] == dim.anchors[j])
        dim.anchors.erase(dim.anchors.begin() + static_cast<ptrdiff_t>(j));
}

void normalise(Value &value) {
  bool hasMesh = !value.floats.empty();
  for (Dim &dim : value.dims) {
    for (Dim &segment : dim.segments)
      mergeDigits(segment.digits);
    llvm::erase_if(dim.digits, isTrivial);
    bool hasOwn = llvm::any_of(dim.digits, [](const Digit &digit) { return digit.isMesh(); });
    if (hasOwn)
      orderMeshDigits(dim.digits);
    mergeDigits(dim.digits);
    hasMesh |= hasOwn;
  }
  if (!hasMesh)
    return;
  llvm::erase_if(value.floats, isTrivial);
  llvm::SmallVector<Digit, 4> loose;
  if (llvm::any_of(value.dims, hasLoose))
    startHistory(value);
  for (Dim &dim : value.dims)
    detach(dim, loose);
  value.isUnsettled |= !loose.empty() || !value.floats.empty();
  // Digits that float already may find their home again; each that goes home may be the home of another.
  llvm::append_range(loose, value.floats);
  value.floats.clear();
  bool hasMoved = false;
  for (bool isChanged = true; isChanged && !loose.empty();) {
    isChanged = false;
    for (size_t i = 0; i < loose.size();) {
      if (!sendHome(value.dims, loose[i]) && !joinStripe(value.dims, loose[i])) {
        ++i;
        continue;
      }
      if (!loose[i].isAmbiguous)
        for (Dim &dim : value.dims)
          removeAnchor(dim, loose[i]);
      loose.erase(loose.begin() + static_cast<ptrdiff_t>(i));
      isChanged = hasMoved = true;
    }
  }
  value.floats.append(loose.begin(), loose.end());
  // Floats have no order of their own.
  llvm::sort(value.floats, [](const Digit &a, const Digit &b) {
    if (a.axis != b.axis)
      return a.axis < b.axis;
    return a.weight.getCoefficient() > b.weight.getCoefficient();
  });
  for (Dim &dim : value.dims) {
    if (hasMoved)
      mergeDigits(dim.digits);
    sortUniqueAnchors(dim);
  }
  mergeDigits(value.floats);
}

} // namespace muster::layout
