// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phases of a compilation, in order, and why in this order.
//
// What holds at the end of a phase, and the passes that see to it:
// - model: nn, muster and upstream tensor and linalg, nothing of plan (importers, builders, people);
// - counted: rows in unequal numbers have counts, every reduction is a collective (split-mesh-axes,
//   split-batches where asked for, materialize-token-counts, expand-redistribute);
// - proved: nothing is rewritten (proofs, before any canonicalisation);
// - transferred: sizes are counts, transfers stand in the place of collectives (resolve-sizes, lower-collectives);
// - formed: functions hold transfers, library calls and launches only (select-library-calls, lower-rows, lower-nn,
//   form-kernels);
// - buffered: no tensor outside kernels, entries work on spans (assign-spans);
// - planned: every span has an offset, every step its waits (assign-streams, plan-memory,
//   schedule-steps).
//
// Library calls are chosen before nn is lowered, because a product that has become loops is not found again. Kernels
// are formed before memory is assigned, because what stays inside a kernel needs no span. Collectives are lowered
// before kernels are formed, so that a transposition beside one joins the transfer instead of becoming a kernel.
#pragma once

#include "dialects/Muster/IR/MusterDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

#include <optional>

namespace muster {

enum class Phase { Model, Counted, Proved, Transferred, Formed, Buffered, Planned };

inline constexpr Phase allPhases[] = {Phase::Model,  Phase::Counted,  Phase::Proved, Phase::Transferred,
                                      Phase::Formed, Phase::Buffered, Phase::Planned};

llvm::StringRef stringifyPhase(Phase phase);
std::optional<Phase> symbolizePhase(llvm::StringRef name);

/// Name of the module attribute that holds the last phase whose contract was checked.
inline constexpr llvm::StringLiteral phaseAttribute = "muster.phase";
/// The phase that the module says it is in; model where it says nothing; nothing where it says nonsense.
std::optional<Phase> getPhase(mlir::ModuleOp module);

struct LoweringOptions {
  /// Weights of matrix products are stored in the library's order of elements.
  bool packWeights = false;
  /// A batch is computed in two children, so that rows of one move while the other computes.
  bool splitBatches = false;
  /// Dead rows behind each rank's where rows are gathered and handed out again.
  PaddingMode padding = PaddingMode::Sum;
  int64_t alignTokens = 1;
};

/// Adds the passes that take a module from the end of phase `from` to the end of phase `to`, with a contract check
/// behind each phase.
void addPhases(mlir::PassManager &manager, Phase from, Phase to, const LoweringOptions &options);

#define GEN_PASS_DECL
#include "compiler/Pipeline/Phases.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/Pipeline/Phases.h.inc"

} // namespace muster
