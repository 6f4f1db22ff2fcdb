// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// muster-opt: MLIR's driver with the dialects and passes of Muster, for tests and for looking at single passes.
#include "compiler/Codegen/Host/HostPipeline.h"
#include "compiler/Pipeline/Phases.h"
#include "compiler/Reference/Passes.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<muster::MusterDialect, muster::nn::NNDialect, muster::plan::PlanDialect>();
  mlir::registerAllPasses();
  muster::registerMusterTransformsPasses();
  muster::registerMusterPipelinePasses();
  muster::reference::registerMusterReferencePasses();
  muster::codegen::registerHostCodegenPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Muster pass driver\n", registry));
}
