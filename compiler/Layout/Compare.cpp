// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Compare.h"

#include "compiler/Layout/NormalForm.h"
#include "compiler/Layout/Ranges.h"
#include "compiler/Layout/Rows.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

static std::string text(const Universe &universe, const Size &size) { return size.print(universe.symbols.getNames()); }

/// Why the piece [begin, end) of a dim cannot be read as a whole.
static std::optional<Refusal> refusePiece(const Universe &universe, const Dim &dim, const Digit &last) {
  if (last.stride.isZero() && !last.isCopy)
    return Refusal{Refusal::Kind::Wrong, "the rows of " + print(universe, dim) + " are duplicates", ""};
  if (!last.isMesh() && isAway(last))
    return Refusal{Refusal::Kind::Wrong,
                   "in " + print(universe, dim) + " the digit " + print(universe, last) +
                       " is not followed by the rest of '" + universe.spaces[last.space].name + "'",
                   ""};
  return std::nullopt;
}

static void sortMesh(llvm::SmallVectorImpl<Digit> &mesh) {
  llvm::sort(mesh, [](const Digit &a, const Digit &b) {
    if (a.axis != b.axis)
      return a.axis < b.axis;
    return !(a.weight == b.weight) && divides(b.weight, a.weight);
  });
}

static void mergeFlat(llvm::SmallVectorImpl<Digit> &digits) {
  for (size_t i = digits.size(); i-- > 1;)
    if (digits[i - 1].axis == digits[i].axis && continues(digits[i - 1], digits[i]) &&
        (!digits[i].isMesh() || digits[i - 1].weight == digits[i].count * digits[i].weight)) {
      digits[i - 1] = [&] {
        Digit result = digits[i];
        result.count = digits[i - 1].count * digits[i].count;
        return result;
      }();
      digits.erase(digits.begin() + static_cast<ptrdiff_t>(i));
    }
}

Outcome<FlatDim> flatten(const Universe &universe, const Dim &dim) {
  if (dim.isSegmented())
    return Refusal{Refusal::Kind::Unknown, "a dim of segments as a whole: " + print(universe, dim),
                   "which segment is meant (take it out with tensor.extract_slice)"};
  FlatDim flat;
  llvm::SmallVector<std::pair<std::string, Size>, 2> tags;
  bool isTagged = false;
  // Pieces from the minor end: the weight of each is the extent so far.
  for (size_t end = dim.digits.size(); end > 0;) {
    const Digit &last = dim.digits[end - 1];
    if (auto refusal = refusePiece(universe, dim, last))
      return *refusal;
    Size extent = last.count;
    size_t begin = end - 1;
    while (begin > 0 && continues(dim.digits[begin - 1], dim.digits[begin]))
      extent *= dim.digits[--begin].count;
    for (size_t i = end; i-- > begin;) {
      Digit digit = dim.digits[i];
      std::optional<Size> step = divide(digit.stride, last.stride);
      digit.stride = flat.extent * (step ? *step : Size(1));
      digit.space = 0;
      digit.home.reset();
      digit.isAmbiguous = digit.isCopy = false;
      (digit.isMesh() ? flat.mesh.insert(flat.mesh.begin(), digit) : flat.local.insert(flat.local.begin(), digit));
    }
    tags.push_back({universe.spaces[last.space].tag, extent});
    isTagged |= !tags.back().first.empty();
    flat.extent *= extent;
    end = begin;
  }
  if (isTagged)
    flat.tags.append(tags.begin(), tags.end());
  mergeFlat(flat.local);
  sortMesh(flat.mesh);
  mergeFlat(flat.mesh);
  return flat;
}

static bool sameDigits(llvm::ArrayRef<Digit> a, llvm::ArrayRef<Digit> b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Digit &x, const Digit &y) { return x.names(y); });
}

bool isDuplicates(const Dim &dim) {
  return !dim.isSegmented() && !dim.digits.empty() &&
         llvm::all_of(dim.digits, [](const Digit &digit) { return !digit.isMesh() && digit.stride.isZero(); });
}

/// Whether the digit tells positions above or below the digit of which the range took a part, of which it is itself, or
/// of what the range is a part of.
static bool isBeside(const Universe &universe, const Digit &digit, const Range &range) {
  int64_t own = universe.spaces[digit.space].range ? universe.spaces[digit.space].range->taken : range.count;
  if (!digit.stride.isConcrete() || !digit.count.isConcrete())
    return false;
  int64_t stride = digit.stride.getValue();
  return stride * digit.count.getValue() <= range.below || stride % (range.below * own) == 0;
}

/// Whether two digits of different parts of one space say where those parts are, or are different places of it.
static bool meetElsewhere(const Universe &universe, const Digit &a, const Digit &b) {
  if (a.space == b.space || rootOf(universe, a.space) != rootOf(universe, b.space))
    return false;
  const std::optional<Range> &first = universe.spaces[a.space].range, &second = universe.spaces[b.space].range;
  const Range &range = first ? *first : *second;
  bool isOfOne = (!first || first->of == (second ? second->of : b.space)) &&
                 (!second || second->of == (first ? first->of : a.space)) &&
                 (!first || !second || (first->below == second->below && first->count == second->count));
  return !isOfOne || !isBeside(universe, a, range) || !isBeside(universe, b, range);
}

std::optional<Refusal> disagreement(const Universe &universe, const Dim &a, const Dim &b) {
  if ((isDuplicates(a) || isDuplicates(b)) && a.localSize() == b.localSize())
    return std::nullopt;
  if (a.isSegmented() && a.segments.size() == b.segments.size()) {
    for (size_t i = 0; i < a.segments.size(); ++i)
      if (std::optional<Refusal> refusal = disagreement(universe, a.segments[i], b.segments[i]))
        return refusal;
    return std::nullopt;
  }
  if (!a.isSegmented() && !b.isSegmented() && sameDigits(a.digits, b.digits))
    return std::nullopt;
  // Other positions of one space may be meant to meet (a shift), or not.
  auto open = [&](const std::string &what) {
    return Refusal{Refusal::Kind::Unknown, what + ": " + print(universe, a) + " and " + print(universe, b),
                   "that these positions are meant to meet (slices of the same offset, or dims of other names)"};
  };
  if (hasRanges(universe, a) && hasRanges(universe, b))
    for (const Digit &own : a.digits)
      for (const Digit &other : b.digits)
        if (meetElsewhere(universe, own, other))
          return open("different parts of '" + universe.spaces[rootOf(universe, own.space)].name + "' meet");
  Outcome<FlatDim> left = flatten(universe, a);
  if (!left)
    return left.getRefusal();
  Outcome<FlatDim> right = flatten(universe, b);
  if (!right)
    return right.getRefusal();
  std::string both = print(universe, a) + " and " + print(universe, b);
  if (!(left->extent == right->extent) && mayBeAsLong(universe, a, b))
    return Refusal{Refusal::Kind::Unknown, "padded rows meet others: " + both,
                   "that both are padded by the same counts"};
  if (!(left->extent == right->extent))
    return Refusal{Refusal::Kind::Wrong,
                   "over all ranks one side has " + text(universe, left->extent) + " positions, the other " +
                       text(universe, right->extent) + ": " + both,
                   ""};
  bool tagsDiffer = left->tags.size() != right->tags.size();
  for (size_t i = 0; !tagsDiffer && i < left->tags.size(); ++i)
    tagsDiffer = left->tags[i].first != right->tags[i].first || !(left->tags[i].second == right->tags[i].second);
  if (tagsDiffer && (hasRanges(universe, a) || hasRanges(universe, b)))
    return open("a part of each rank's part meets positions of another order");
  if (tagsDiffer && (hasRows(universe, a) || hasRows(universe, b)))
    return Refusal{Refusal::Kind::Unknown, "rows that counts divide meet positions of other names: " + both,
                   "that these are the same rows (an argument with the rows' layout)"};
  if (tagsDiffer)
    return Refusal{Refusal::Kind::Wrong, "the positions have different orders: " + both, ""};
  if (!sameDigits(left->local, right->local) || !sameDigits(left->mesh, right->mesh))
    return Refusal{Refusal::Kind::Wrong, "the same index names different positions: " + both, ""};
  return std::nullopt;
}

/// A slice at constant offsets of a dim that every rank has whole is the same slice on one rank. Not so of each rank's
/// part, nor of a dim that lies in chunks, which one rank has in plain order.
static bool isWholeSlice(const Universe &universe, const Dim &dim) {
  return !dim.isSegmented() && !dim.order && llvm::all_of(dim.digits, [&](const Digit &digit) {
    const Space &space = universe.spaces[digit.space], &root = universe.spaces[rootOf(universe, digit.space)];
    bool isPlain = space.tag.empty() && !space.twin && root.tag.empty() && !root.twin;
    return isPlain && !digit.isMesh() && !digit.isPart && !digit.stride.isZero() && !isAway(digit) &&
           digit.count.isConcrete() && digit.stride.isConcrete();
  });
}

bool meetByIndex(const Universe &universe, const Dim &a, const Dim &b) {
  if (!(a.localSize() == b.localSize()) || !isWholeSlice(universe, a) || !isWholeSlice(universe, b))
    return false;
  return llvm::any_of(a.digits, [&](const Digit &own) {
    return llvm::any_of(b.digits, [&](const Digit &other) { return meetElsewhere(universe, own, other); });
  });
}

} // namespace muster::layout
