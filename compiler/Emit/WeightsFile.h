// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weights file: the parts of weights, sharded and packed as the program declares, at places that the plan names.
// Each distinct part is there once, and ranks that hold the same part share it.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"

#include "llvm/Support/Error.h"

#include <array>
#include <functional>
#include <vector>

namespace muster::emit {

/// Where one weight lies. Offsets are bytes in its section, multiples of 64.
struct WeightPlace {
  WeightOp weight;
  mlir::RankedTensorType local; // a rank's part, before packing
  bool packed = false;          // in blocks of 64 outputs by 16 inputs
  size_t group = 0;             // of WeightsLayout::groups
  uint64_t offset = 0;
  uint64_t length = 0;
};

/// Weights of which the same ranks hold the same part. Each part is a section of the file.
struct WeightGroup {
  std::vector<uint32_t> parts; // by rank, numbered in the order of the first rank that holds them
  uint32_t partCount = 0;
  uint64_t bytes = 0; // of each section
};

struct WeightsLayout {
  std::vector<WeightPlace> places; // in the order of the module
  std::vector<WeightGroup> groups; // in the order of their first weight
  /// Of all weights, each distinct part once.
  uint64_t storedBytes() const;
  /// That one rank maps.
  uint64_t rankBytes() const;
};

/// Places every `muster.weight` of the module. E4201 names a type that is not stored (f32 matrices and vectors are).
llvm::Expected<WeightsLayout> layOutWeights(mlir::ModuleOp module, MeshAttr mesh);

/// Fills `out` with the logical tensor, row-major f32. Called from several threads, once a weight.
using WeightSource = std::function<llvm::Error(WeightOp weight, float *out)>;
/// Called with the bytes written so far and in all.
using Progress = std::function<void(uint64_t done, uint64_t all)>;

/// Writes the file (first under a temporary name beside it, so that a failure leaves no half file) and returns its id.
/// Memory: one logical tensor and one rank's part of it a thread. E4202 names a file that cannot be written.
llvm::Expected<std::array<uint8_t, 16>> writeWeights(llvm::StringRef path, const WeightsLayout &layout, MeshAttr mesh,
                                                     const WeightSource &source, unsigned threads,
                                                     const Progress &progress);

} // namespace muster::emit
