// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sizes, strides and weights of digits: whole numbers, or a whole number times a product of symbols.
//
// The algebra needs three operations on sizes and no others: product, exact division, equality. Monomials are closed
// under them, so the same code runs on 4096 and on 2*b*h. A fact "p divides s" is not looked up in a proof: whoever
// makes the symbols substitutes s := p * (s/p), with s/p a symbol of its own, before anything is asked.
//
//   | expression          | is        |
//   | ------------------- | --------- |
//   | 12 / 4              | 3         |
//   | 12 / 5              | not exact |
//   | (2*b*h) / h         | 2*b       |
//   | b / h               | not exact |
//   | s == h (two symbols)| false: some instance of them differs |

#ifndef MUSTER_COMPILER_LAYOUT_SIZE_H
#define MUSTER_COMPILER_LAYOUT_SIZE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace muster::layout {

/// Symbols that one problem may have. Each batch of a step brings some ten (tokens, sequences, starts and asked rows of
/// each rank and of all together, padded ones), and each layer that routes rows brings more.
inline constexpr unsigned maxSymbols = 127;
/// Symbols that one product may have, repetitions counted: some two for each dim of a tensor that is looked at as one.
inline constexpr unsigned maxFactors = 9;

/// A non-negative whole number times a product of symbols, each of which stands for a whole number of at least 1.
/// Products that leave 63 bits, and those of more than maxFactors symbols, are the invalid size, which equals nothing
/// and divides nothing.
class Size {
public:
  constexpr Size() = default;
  constexpr Size(int64_t value) : coefficient(value) {} // NOLINT: a number is a size
  static Size symbol(unsigned index);

  bool isValid() const { return coefficient >= 0; }
  bool isConcrete() const { return factors == 0; }
  /// Whether it is `value` for every choice of the symbols.
  bool is(int64_t value) const { return isConcrete() && coefficient == value; }
  bool isOne() const { return is(1); }
  bool isZero() const { return coefficient == 0; }
  /// Of a concrete size.
  int64_t getValue() const { return coefficient; }
  int64_t getCoefficient() const { return coefficient; }
  /// The product of the symbols alone.
  Size withoutCoefficient() const {
    Size size = *this;
    size.coefficient = 1;
    return size;
  }
  /// The symbols of the product, ascending, each as often as it stands there.
  llvm::SmallVector<unsigned, maxFactors> getSymbols() const;

  friend bool operator==(const Size &a, const Size &b) {
    return a.coefficient == b.coefficient && a.isValid() && a.factors == b.factors;
  }
  friend Size operator*(const Size &a, const Size &b);
  Size &operator*=(const Size &other) { return *this = *this * other; }

  /// a / b where that is whole for every choice of the symbols. Nothing divides by 0.
  friend std::optional<Size> divide(const Size &a, const Size &b);
  friend bool divides(const Size &b, const Size &a) { return divide(a, b).has_value(); }

  /// The value for a choice of the symbols, by index; nullopt where it leaves 63 bits.
  std::optional<int64_t> evaluate(llvm::ArrayRef<int64_t> symbols) const;
  /// "12", "2*b*h", "s^2"; symbols without a name are "?0".
  std::string print(llvm::ArrayRef<std::string> names = {}) const;
  size_t hash() const;

private:
  class Factors;
  static constexpr unsigned factorBits = 7;
  static_assert(maxSymbols == (1u << factorBits) - 1 && factorBits * maxFactors <= 64);

  int64_t coefficient = 1;
  /// One more than the index of each factor, descending, then zeros; the first lowest. Of plain numbers, which most
  /// sizes are, all zero. One word: values hold many sizes, and proofs copy many values.
  uint64_t factors = 0;
};

std::optional<Size> divide(const Size &a, const Size &b);
Size operator*(const Size &a, const Size &b);

/// Product of sizes; 1 for none.
Size product(llvm::ArrayRef<Size> sizes);

/// The names of a problem's symbols, by index.
class Symbols {
public:
  /// The symbol of this name, made if there is none; nullopt when maxSymbols exist.
  std::optional<Size> add(llvm::StringRef name);
  std::optional<Size> find(llvm::StringRef name) const;
  llvm::ArrayRef<std::string> getNames() const { return names; }
  size_t size() const { return names.size(); }

private:
  std::vector<std::string> names;
};

/// A choice of `count` symbols to try something with: pairwise distinct primes, the least for symbol
/// `(count - turn) % count`.
llvm::SmallVector<int64_t, 8> distinctPrimes(size_t count, size_t turn = 0);

} // namespace muster::layout

#endif // MUSTER_COMPILER_LAYOUT_SIZE_H
