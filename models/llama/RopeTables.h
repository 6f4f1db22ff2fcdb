// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tables of rotary position embedding (Su et al. 2021).
#pragma once

#include "models/llama/LlamaConfig.h"

#include <vector>

namespace muster::llama {

/// Angle of pair j at position p is p * frequency[j], frequency[j] = ropeTheta^(-2j / headDim) /
/// ropeFrequencyDivisors[j].
struct RopeTables {
  /// Row-major [positions, headDim / 2].
  std::vector<double> cos, sin;
};

/// headDim / 2 frequencies in radians a position.
std::vector<double> ropeFrequencies(const LlamaConfig &config);

/// What the weights whose `muster.generator` is "rope_cos" and "rope_sin" hold, in float64: an angle of some thousand
/// radians keeps only three digits behind the point in float32.
RopeTables ropeTables(const LlamaConfig &config, int64_t positions);

} // namespace muster::llama
