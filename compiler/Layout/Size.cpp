// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Layout/Size.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

namespace muster::layout {

static constexpr int64_t invalid = -1;

/// Reads and writes the factors of a size one by one.
class Size::Factors {
public:
  static unsigned get(const Size &size, unsigned position) {
    return size.factors >> (factorBits * position) & maxSymbols;
  }
  /// Behind those that were pushed before; false where there is no place.
  bool push(unsigned factor) {
    if (count == maxFactors)
      return false;
    factors |= uint64_t(factor) << (factorBits * count++);
    return true;
  }
  Size times(int64_t coefficient) const {
    Size size(coefficient);
    size.factors = factors;
    return size;
  }

private:
  uint64_t factors = 0;
  unsigned count = 0;
};

Size Size::symbol(unsigned index) {
  assert(index < maxSymbols && "too many symbols");
  Factors factors;
  factors.push(index + 1);
  return factors.times(1);
}

llvm::SmallVector<unsigned, maxFactors> Size::getSymbols() const {
  llvm::SmallVector<unsigned, maxFactors> symbols;
  for (unsigned position = maxFactors; position-- > 0;)
    if (unsigned factor = Factors::get(*this, position))
      symbols.push_back(factor - 1);
  return symbols;
}

Size operator*(const Size &a, const Size &b) {
  int64_t coefficient;
  if (!a.isValid() || !b.isValid() || llvm::MulOverflow(a.coefficient, b.coefficient, coefficient))
    return Size(invalid);
  if (coefficient == 0)
    return Size(0);
  if (a.isConcrete() || b.isConcrete()) {
    Size result = a.isConcrete() ? b : a;
    result.coefficient = coefficient;
    return result;
  }
  Size::Factors factors;
  for (unsigned i = 0, k = 0;;) {
    unsigned left = i < maxFactors ? Size::Factors::get(a, i) : 0,
             right = k < maxFactors ? Size::Factors::get(b, k) : 0;
    if (left == 0 && right == 0)
      return factors.times(coefficient);
    ++(left >= right ? i : k);
    if (!factors.push(std::max(left, right)))
      return Size(invalid);
  }
}

std::optional<Size> divide(const Size &a, const Size &b) {
  if (!a.isValid() || !b.isValid() || b.isZero())
    return std::nullopt;
  if (a.isZero())
    return Size(0);
  if (a.coefficient % b.coefficient != 0)
    return std::nullopt;
  Size result = a;
  result.coefficient = a.coefficient / b.coefficient;
  if (b.isConcrete())
    return result;
  // Each factor of the divisor is one of the dividend; both descend.
  Size::Factors factors;
  unsigned next = 0;
  for (unsigned i = 0; i < maxFactors; ++i) {
    unsigned factor = Size::Factors::get(a, i), divisor = next < maxFactors ? Size::Factors::get(b, next) : 0;
    if (factor == divisor)
      next += factor != 0;
    else if (factor < divisor)
      return std::nullopt;
    else
      factors.push(factor);
  }
  return next < maxFactors && Size::Factors::get(b, next) != 0 ? std::nullopt
                                                               : std::optional(factors.times(result.coefficient));
}

std::optional<int64_t> Size::evaluate(llvm::ArrayRef<int64_t> symbols) const {
  if (!isValid())
    return std::nullopt;
  int64_t value = coefficient;
  if (!isConcrete())
    for (unsigned symbol : getSymbols())
      if (symbol >= symbols.size() || llvm::MulOverflow(value, symbols[symbol], value))
        return std::nullopt;
  return value;
}

std::string Size::print(llvm::ArrayRef<std::string> names) const {
  if (!isValid())
    return "more than 2^63";
  if (isConcrete())
    return std::to_string(coefficient);
  std::string text = coefficient == 1 ? "" : std::to_string(coefficient);
  const llvm::SmallVector<unsigned, maxFactors> symbols = getSymbols();
  for (const auto *next = symbols.begin(); next != symbols.end();) {
    const auto *end = std::find_if(next, symbols.end(), [&](unsigned symbol) { return symbol != *next; });
    if (!text.empty())
      text += "*";
    text += *next < names.size() ? names[*next] : "?" + std::to_string(*next);
    if (end - next > 1)
      text += "^" + std::to_string(end - next);
    next = end;
  }
  return text;
}

size_t Size::hash() const { return size_t(llvm::hash_combine(coefficient, factors)); }

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

llvm::SmallVector<int64_t, 8> distinctPrimes(size_t count, size_t turn) {
  llvm::SmallVector<int64_t, 8> primes, choice;
  for (int64_t next = 2; primes.size() < count; ++next)
    if (llvm::none_of(primes, [&](int64_t prime) { return next % prime == 0; }))
      primes.push_back(next);
  for (size_t i = 0; i < count; ++i)
    choice.push_back(primes[(i + turn) % count]);
  return choice;
}

} // namespace muster::layout
