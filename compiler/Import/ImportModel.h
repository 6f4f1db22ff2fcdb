// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From an opened checkpoint to a module in the model phase, and the tensors behind the module's weights.
#pragma once

#include "compiler/Import/Checkpoint.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "models/llama/LlamaGraphOptions.h"
#include "models/llama/RopeTables.h"

#include "mlir/IR/OwningOpRef.h"

#include <optional>

namespace muster {

/// The graph of the checkpoint's family. Failure after diagnostics (E3320 to E3323).
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importModel(mlir::MLIRContext *context, const Checkpoint &checkpoint,
                                                               const llama::LlamaGraphOptions &options);

/// Fills the logical tensors of a module's weights: rows of the checkpoint's tensors (`muster.sources`), or what a
/// formula makes
/// (`muster.generator`: rope_cos, rope_sin, coordinate). Used from several threads at once.
class ModelWeights {
public:
  /// `checkpoint` may be null where the module names no sources; it must outlive this. Rotary tables have as many
  /// positions as the module's weights have rows.
  ModelWeights(const Checkpoint *checkpoint, mlir::ModuleOp module);

  /// Writes the weight's logical tensor, row-major f32, to `out`. E3330 where nothing says what the weight holds.
  llvm::Error read(WeightOp weight, float *out) const;

private:
  const Checkpoint *checkpoint;
  std::optional<llama::RopeTables> tables;
};

} // namespace muster
