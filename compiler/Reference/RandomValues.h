// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Seeded values of weights and inputs.
#pragma once

#include "compiler/Reference/Tensor.h"
#include "llvm/ADT/StringRef.h"

namespace muster::reference {

enum class RandomReals {
  Uniform, ///< in [-1, 1), exact in f32 and wider; rounded to narrower types
  Integers ///< in {-3, ..., 3}: sums and products are exact in any order
};

/// A tensor whose element at row-major position i depends on `seed`, `name` and i alone. Integers are in [0, bound).
Tensor makeRandom(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, uint64_t seed, llvm::StringRef name,
                  RandomReals reals, int64_t bound);

} // namespace muster::reference
