// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last stretch of a compilation: a module in phase planned to a plan file and its weights file.
#pragma once

#include "compiler/Codegen/Host/HostTarget.h"
#include "compiler/Emit/WeightsFile.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace muster {

struct CompilePlanOptions {
  codegen::HostTarget target;
  std::string planPath;
  std::string weightsPath; // beside the plan
  std::string producer;
  std::string tokenizer;                                  // the section's bytes, or empty
  std::vector<std::pair<std::string, std::string>> model; // for people
  unsigned threads = 2;
  emit::WeightSource weightSource;
  emit::Progress progress; // of the weights; may be empty
};

struct CompiledPlan {
  uint64_t planBytes = 0;
  uint64_t weightBytes = 0;     // of all ranks, parts that several hold once
  uint64_t rankWeightBytes = 0; // that one rank maps
  uint64_t arenaBytes = 0;      // greatest of all variants
  unsigned kernels = 0;
  double kernelSeconds = 0, weightSeconds = 0;
};

/// Compiles the module's kernels, writes the weights, writes the plan. The module's context must have been given
/// codegen::registerHostCodegenDialects.
llvm::Expected<CompiledPlan> compilePlan(mlir::ModuleOp module, const CompilePlanOptions &options);

} // namespace muster
