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
  size.exponents[index] = 1;
  size.symbolic = true;
  return size;
}

Size operator*(const Size &a, const Size &b) {
  Size result;
  if (!a.isValid() || !b.isValid() || llvm::MulOverflow(a.coefficient, b.coefficient, result.coefficient))
    return Size(invalid);
  if (result.coefficient == 0 || (!a.symbolic && !b.symbolic))
    return result;
  result.symbolic = true;
  for (unsigned i = 0; i < maxSymbols; ++i) {
    unsigned exponent = unsigned(a.exponents[i]) + b.exponents[i];
    if (exponent > 255)
      return Size(invalid);
    result.exponents[i] = static_cast<uint8_t>(exponent);
  }
  return result;
}

std::optional<Size> divide(const Size &a, const Size &b) {
  if (!a.isValid() || !b.isValid() || b.isZero())
    return std::nullopt;
  if (a.isZero())
    return Size(0);
  if (a.coefficient % b.coefficient != 0)
    return std::nullopt;
  Size result(a.coefficient / b.coefficient);
  if (!a.symbolic && !b.symbolic)
    return result;
  for (unsigned i = 0; i < maxSymbols; ++i) {
    if (a.exponents[i] < b.exponents[i])
      return std::nullopt;
    result.exponents[i] = static_cast<uint8_t>(a.exponents[i] - b.exponents[i]);
    result.symbolic |= result.exponents[i] != 0;
  }
  return result;
}

std::optional<int64_t> Size::evaluate(llvm::ArrayRef<int64_t> symbols) const {
  if (!isValid())
    return std::nullopt;
  int64_t value = coefficient;
  if (symbolic)
    for (unsigned i = 0; i < maxSymbols; ++i)
      for (unsigned e = 0; e < exponents[i]; ++e)
        if (i >= symbols.size() || llvm::MulOverflow(value, symbols[i], value))
          return std::nullopt;
  return value;
}

std::string Size::print(llvm::ArrayRef<std::string> names) const {
  if (!isValid())
    return "more than 2^63";
  if (!symbolic)
    return std::to_string(coefficient);
  std::string text = coefficient == 1 ? "" : std::to_string(coefficient);
  for (unsigned i = 0; i < maxSymbols; ++i) {
    if (exponents[i] == 0)
      continue;
    if (!text.empty())
      text += "*";
    text += i < names.size() ? names[i] : "?" + std::to_string(i);
    if (exponents[i] > 1)
      text += "^" + std::to_string(exponents[i]);
  }
  return text;
}

size_t Size::hash() const {
  return symbolic
             ? size_t(llvm::hash_combine(coefficient, llvm::hash_combine_range(exponents.begin(), exponents.end())))
             : size_t(llvm::hash_value(coefficient));
}

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
