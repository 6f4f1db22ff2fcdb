// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/GroupedHeads.h"

#include "compiler/Layout/Compare.h"

#include "llvm/ADT/STLExtras.h"

namespace muster::layout {

std::optional<Refusal> groupedHeadsDisagreement(const Universe &universe, const Dim &queryHeads, const Dim &kvHeads) {
  Outcome<FlatDim> query = flatten(universe, queryHeads), kv = flatten(universe, kvHeads);
  if (!query)
    return query.getRefusal();
  if (!kv)
    return kv.getRefusal();
  std::string both = print(universe, queryHeads) + " and " + print(universe, kvHeads);
  auto isPartOfParts = [&](const Digit &digit) {
    return universe.spaces[digit.space].range && universe.spaces[digit.space].range->isNested;
  };
  if (llvm::any_of(queryHeads.digits, isPartOfParts) || llvm::any_of(kvHeads.digits, isPartOfParts))
    return Refusal{Refusal::Kind::Unknown, "a part of each rank's heads: " + both, "slices of whole groups of heads"};
  std::optional<Size> group = divide(query->extent, kv->extent);
  std::optional<Size> localGroup = divide(queryHeads.localSize(), kvHeads.localSize());
  if (!group || !localGroup)
    return Refusal::wrong("query heads are no multiple of the key-value heads: " + both);
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
        return Refusal::wrong("a query head is paired with the key-value head of another group: " + both);
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
      return Refusal::wrong("a query head is paired with the key-value head of another group: " + both);
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
    return Refusal::wrong("a query head is paired with the key-value head of another group: " + both);
  return std::nullopt;
}

} // namespace muster::layout
