// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef MUSTER_COMPILER_PIPELINE_PHASES_TD
#define MUSTER_COMPILER_PIPELINE_PHASES_TD

include "mlir/Pass/PassBase.td"

def CheckPhasePass : Pass<"muster-check-phase", "::mlir::ModuleOp"> {
  let summary = "Check what must hold at the end of a phase";
  let description = [{
    Fails with E4020 where the module breaks the contract of `phase`, and marks the module with `muster.phase`, so that a resumed compilation
    knows where it stands. The contracts stand in Phases.h.
  }];
  let options = [Option<"phase", "phase", "std::string", "\"model\"", "Name of the phase">];
}

#endif
