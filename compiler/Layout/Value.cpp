// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Value.h"

#include "llvm/ADT/STLExtras.h"

#include <numeric>

namespace muster::layout {

int64_t zigZagPosition(int64_t index, int64_t size, int64_t parts) {
  int64_t chunk = size / (2 * parts), part = index / (2 * chunk), within = index % (2 * chunk);
  if (within < chunk)
    return part * chunk + within;
  return (2 * parts - 1 - part) * chunk + (within - chunk);
}

Size Universe::sizeOf(Group group) const {
  Size result = 1;
  for (AxisId axis : group)
    result *= axes[axis].size;
  return result;
}

size_t Universe::choose(size_t options) {
  if (asked == choices.size())
    choices.push_back({});
  Choice &choice = choices[asked++];
  choice.options = options;
  return std::min(choice.taken, options - 1);
}

bool Universe::nextChoices() {
  choices.resize(asked);
  asked = 0;
  while (!choices.empty() && choices.back().taken + 1 >= choices.back().options)
    choices.pop_back();
  if (choices.empty())
    return false;
  ++choices.back().taken;
  return true;
}

bool Dim::mayClaim(const Digit &digit) const {
  return llvm::any_of(anchors, [&](const Anchor &anchor) { return anchor.claims(digit); });
}

Size Dim::localSize() const {
  if (isSegmented()) {
    int64_t sum = 0;
    for (const Dim &segment : segments)
      sum += segment.localSize().getValue();
    return sum;
  }
  Size result = 1;
  for (const Digit &digit : digits)
    if (!digit.isMesh())
      result *= digit.count;
  return result;
}

llvm::SmallVector<Size, 4> Value::localShape() const {
  llvm::SmallVector<Size, 4> shape;
  for (const Dim &dim : dims)
    shape.push_back(dim.localSize());
  return shape;
}

Ratio operator*(const Ratio &a, const Ratio &b) {
  Ratio result{a.numerator * b.numerator, a.denominator * b.denominator};
  if (std::optional<Size> whole = divide(result.numerator, result.denominator))
    return {*whole, 1};
  if (std::optional<Size> inverse = divide(result.denominator, result.numerator))
    return {1, *inverse};
  return result;
}

bool isSameReductions(llvm::ArrayRef<Pending> a, llvm::ArrayRef<Pending> b) {
  return a.size() == b.size() && llvm::all_of(a, [&](const Pending &one) { return llvm::is_contained(b, one); });
}

bool isReducedAlike(const Value &a, const Value &b) {
  return a.multiplicity == b.multiplicity && isSameReductions(a.pending, b.pending) &&
         isSameReductions(a.parts, b.parts);
}

void copyReduction(const Value &from, Value &to) {
  to.pending = from.pending;
  to.parts = from.parts;
  to.multiplicity = from.multiplicity;
}

static bool isSamePlace(llvm::ArrayRef<SpaceId> a, llvm::ArrayRef<SpaceId> b) {
  return a.size() == b.size() && llvm::all_of(a, [&](SpaceId space) { return llvm::is_contained(b, space); });
}

bool isSame(const Value &a, const Value &b) {
  auto equal = [](llvm::ArrayRef<Digit> x, llvm::ArrayRef<Digit> y) {
    return x.size() == y.size() &&
           std::equal(x.begin(), x.end(), y.begin(), [](const Digit &p, const Digit &q) { return p.names(q); });
  };
  if (a.dims.size() != b.dims.size() || !equal(a.floats, b.floats) || !isReducedAlike(a, b) || !isSamePlace(a.at, b.at))
    return false;
  for (size_t i = 0; i < a.dims.size(); ++i) {
    if (!equal(a.dims[i].digits, b.dims[i].digits) || a.dims[i].segments.size() != b.dims[i].segments.size())
      return false;
    for (size_t s = 0; s < a.dims[i].segments.size(); ++s)
      if (!equal(a.dims[i].segments[s].digits, b.dims[i].segments[s].digits) ||
          !isSamePlace(a.dims[i].segments[s].at, b.dims[i].segments[s].at))
        return false;
  }
  return true;
}

std::string print(const Universe &universe, const Digit &digit) {
  llvm::ArrayRef<std::string> names = universe.symbols.getNames();
  if (digit.stride.isZero() && !digit.isMesh())
    return "(" + digit.count.print(names) + " copies)";
  std::string text =
      "(" + digit.count.print(names) + " : " + digit.stride.print(names) + " @" + universe.spaces[digit.space].name;
  if (digit.isMesh()) {
    text += ", " + universe.axes[digit.axis].name;
    if (!digit.weight.isOne())
      text += "/" + digit.weight.print(names);
  }
  return text + ")";
}

std::string print(const Universe &universe, const Dim &dim) {
  std::string text = "[";
  for (const Dim &segment : dim.segments)
    text += (text.size() > 1 ? " | " : "") + print(universe, segment);
  for (const Digit &digit : dim.digits)
    text += print(universe, digit);
  for (SpaceId space : dim.at)
    text += " at " + universe.spaces[space].name;
  return text + "]";
}

std::string print(const Universe &universe, const Value &value) {
  llvm::ArrayRef<std::string> names = universe.symbols.getNames();
  std::string text;
  for (const Dim &dim : value.dims)
    text += (text.empty() ? "" : " ") + print(universe, dim);
  if (value.dims.empty())
    text = "scalar";
  for (SpaceId space : value.at)
    text += " at " + universe.spaces[space].name;
  for (const Digit &digit : value.floats)
    text += " float" + print(universe, digit);
  for (const Pending &pending : value.pending)
    text += " partial(" + universe.axes[pending.axis].name + ", " + pending.count.print(names) + ")";
  if (!value.multiplicity.isOne()) {
    text += " times " + value.multiplicity.numerator.print(names);
    if (!value.multiplicity.denominator.isOne())
      text += "/" + value.multiplicity.denominator.print(names);
  }
  return text;
}

} // namespace muster::layout
