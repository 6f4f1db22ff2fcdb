// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How checkpoints state that their rotary frequencies are stretched.
#ifndef MUSTER_COMPILER_IMPORT_ROPESCALING_H
#define MUSTER_COMPILER_IMPORT_ROPESCALING_H

#include "models/llama/LlamaConfig.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace muster {

struct RopeScaling {
  enum class Kind {
    /// Every frequency divided by `factor`.
    Linear,
    /// Llama 3's: wavelengths over originalContext / lowFrequencyFactor are divided by `factor`, those below
    /// originalContext / highFrequencyFactor are kept, in between it goes smoothly. Only folders state it so.
    Llama3
  };
  Kind kind = Kind::Linear;
  double factor = 1.0;
  double lowFrequencyFactor = 0.0;
  double highFrequencyFactor = 0.0;
  /// Positions.
  int64_t originalContext = 0;
};

/// Fills the config's `ropeFrequencyDivisors`; fails on factors that are no scaling (E3308). The config is without
/// fault, `source` names the file in errors. Formula of Llama 3.1's reference code, in double.
llvm::Error scaleRope(llama::LlamaConfig &config, const RopeScaling &scaling, llvm::StringRef source);

} // namespace muster

#endif // MUSTER_COMPILER_IMPORT_ROPESCALING_H
