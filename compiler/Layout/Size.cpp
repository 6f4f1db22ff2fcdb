// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Size.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

namespace muster::layout {

static constexpr int64_t invalid = -1;

Size Size::symbol(unsigned index) {
  assert(index < maxSymbols && "too many symbols");
  Size size(1);
  size.exponents = uint64_t(1) << (exponentBits * index);
  return size;
}

/// The lowest bit of each exponent but the first one's: what an addition carries or a subtraction borrows shows there.
static constexpr uint64_t carries = 0x1111111111111110;

Size operator*(const Size &a, const Size &b) {
  Size result;
  if (!a.isValid() || !b.isValid() || llvm::MulOverflow(a.coefficient, b.coefficient, result.coefficient))
    return Size(invalid);
  if (result.coefficient == 0)
    return result;
  result.exponents = a.exponents + b.exponents;
  bool leavesRange = result.exponents < a.exponents || ((a.exponents ^ b.exponents ^ result.exponents) & carries);
  return leavesRange ? Size(invalid) : result;
}

std::optional<Size> divide(const Size &a, const Size &b) {
  if (!a.isValid() || !b.isValid() || b.isZero())
    return std::nullopt;
  if (a.isZero())
    return Size(0);
  if (a.coefficient % b.coefficient != 0)
    return std::nullopt;
  Size result(a.coefficient / b.coefficient);
  result.exponents = a.exponents - b.exponents;
  if (a.exponents < b.exponents || ((a.exponents ^ b.exponents ^ result.exponents) & carries))
    return std::nullopt;
  return result;
}

std::optional<int64_t> Size::evaluate(llvm::ArrayRef<int64_t> symbols) const {
  if (!isValid())
    return std::nullopt;
  int64_t value = coefficient;
  if (!isConcrete())
    for (unsigned i = 0; i < maxSymbols; ++i)
      for (unsigned e = 0; e < getExponent(i); ++e)
        if (i >= symbols.size() || llvm::MulOverflow(value, symbols[i], value))
          return std::nullopt;
  return value;
}

std::string Size::print(llvm::ArrayRef<std::string> names) const {
  if (!isValid())
    return "more than 2^63";
  if (isConcrete())
    return std::to_string(coefficient);
  std::string text = coefficient == 1 ? "" : std::to_string(coefficient);
  for (unsigned i = 0; i < maxSymbols; ++i) {
    if (getExponent(i) == 0)
      continue;
    if (!text.empty())
      text += "*";
    text += i < names.size() ? names[i] : "?" + std::to_string(i);
    if (getExponent(i) > 1)
      text += "^" + std::to_string(getExponent(i));
  }
  return text;
}

size_t Size::hash() const { return size_t(llvm::hash_combine(coefficient, exponents)); }

Size product(llvm::ArrayRef<Size> sizes) {
  Size result = 1;
  for (const Size &size : sizes)
    result *= size;
  return result;
}

std::optional<Size> Symbols::add(llvm::StringRef name) {
  if (std::optional<Size> known = find(name))
    return known;
  if (names.size() == maxSymbols)
    return std::nullopt;
  names.push_back(name.str());
  return Size::symbol(static_cast<unsigned>(names.size() - 1));
}

std::optional<Size> Symbols::find(llvm::StringRef name) const {
  auto found = llvm::find(names, name);
  if (found == names.end())
    return std::nullopt;
  return Size::symbol(static_cast<unsigned>(found - names.begin()));
}

} // namespace muster::layout
