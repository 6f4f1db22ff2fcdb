// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan file: the plan dialect, planned, as runtime/schema/plan.fbs says it. The only writer of that schema.
#pragma once

#include "compiler/Emit/WeightsFile.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <utility>
#include <vector>

namespace muster::emit {

/// A compiled kernel, by the name of its `plan.kernel`. Its launch has factor * sizes[size] work items, or factor where
/// size is -1.
struct CompiledKernel {
  std::string name;
  unsigned bindings = 0;
  unsigned sizes = 0;
  int64_t gridFactor = 1;
  int64_t gridSize = -1;
};

/// What goes into the file besides the module.
struct PlanParts {
  std::string producer;
  std::string targetArch, targetCpu;
  std::vector<std::string> targetFeatures;
  llvm::ArrayRef<char> hostObject; // the ELF bytes; may be empty where there is no kernel
  std::vector<CompiledKernel> kernels;
  std::string tokenizer; // the section's bytes, or empty
  const WeightsLayout *weights = nullptr;
  std::array<uint8_t, 16> weightsId{};
  std::string report; // of the layout proof
  std::vector<std::pair<std::string, std::string>> model;
};

/// Writes the file (first under a temporary name beside it) and returns its length. Requires phase planned. Errors:
/// E4203 what the schema cannot hold, E4202 a file that cannot be written.
llvm::Expected<uint64_t> writePlan(llvm::StringRef path, mlir::ModuleOp module, MeshAttr mesh, const PlanParts &parts);

} // namespace muster::emit
