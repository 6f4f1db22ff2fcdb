// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Reference/RandomValues.h"

#include <cmath>

using namespace muster::reference;

/// SplitMix64 (Steele, Lea and Flood 2014).
static uint64_t mix(uint64_t state) {
  state += 0x9E3779B97F4A7C15ull;
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ull;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBull;
  return state ^ (state >> 31);
}

Tensor muster::reference::makeRandom(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, uint64_t seed,
                                     llvm::StringRef name, RandomReals reals, int64_t bound) {
  uint64_t stream = mix(seed);
  for (char c : name)
    stream = mix(stream ^ static_cast<unsigned char>(c));
  Tensor tensor(shape, elementType);
  uint64_t position = 0;
  for (Number &element : tensor.getElements()) {
    uint64_t bits = mix(stream + mix(position++));
    if (!tensor.isReal())
      element = Number::ofInteger(wrapToType(static_cast<int64_t>(bits % static_cast<uint64_t>(bound)), elementType));
    else if (reals == RandomReals::Integers)
      element = Number::ofReal(static_cast<double>(bits % 7) - 3.0);
    else // 24 bits: a float holds them.
      element = Number::ofReal(roundToType(std::ldexp(static_cast<double>(bits >> 40), -23) - 1.0, elementType));
  }
  return tensor;
}
