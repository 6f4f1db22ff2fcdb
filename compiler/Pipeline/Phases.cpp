// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Pipeline/Phases.h"

#include "compiler/Analysis/AxisDigits.h"
#include "compiler/Transforms/Passes.h"
#include "dialects/Muster/IR/MusterDialect.h"
#include "dialects/NN/IR/NNDialect.h"
#include "dialects/Plan/IR/PlanDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace muster;

namespace muster {
#define GEN_PASS_DEF_CHECKPHASEPASS
#include "compiler/Pipeline/Phases.h.inc"
} // namespace muster

StringRef muster::stringifyPhase(Phase phase) {
  static constexpr StringLiteral names[] = {"model",  "counted",  "proved", "transferred",
                                            "formed", "buffered", "planned"};
  return names[static_cast<size_t>(phase)];
}

std::optional<Phase> muster::symbolizePhase(StringRef name) {
  for (Phase phase : allPhases)
    if (stringifyPhase(phase) == name)
      return phase;
  return std::nullopt;
}

std::optional<Phase> muster::getPhase(ModuleOp module) {
  Attribute attr = module->getAttr(phaseAttribute);
  if (!attr)
    return Phase::Model;
  auto name = dyn_cast<StringAttr>(attr);
  return name ? symbolizePhase(name.getValue()) : std::nullopt;
}

static void addPasses(PassManager &manager, Phase phase, const LoweringOptions &options) {
  VerifyLayoutsPassOptions explained;
  explained.explain = true;
  switch (phase) {
  case Phase::Model:
    break;
  case Phase::Proved:
    manager.addPass(createVerifyLayoutsPass(explained));
    break;
  case Phase::Counted: {
    MaterializeTokenCountsPassOptions counting;
    counting.padding = options.padding;
    counting.align = options.alignTokens;
    // The model as it stands, before any rewrite; what is found here is explained.
    explained.run = true;
    manager.addPass(createVerifyLayoutsPass(explained));
    manager.addPass(createSplitMeshAxesPass());
    if (options.splitBatches)
      manager.addPass(createSplitBatchesPass());
    manager.addPass(createMaterializeTokenCountsPass(counting));
    manager.addPass(createVerifyCountsPass());
    manager.addPass(createVerifyCollectivesPass());
    manager.addPass(createExpandRedistributePass());
    break;
  }
  case Phase::Transferred: {
    // Proved again, box by box, before reshapes that undo each other are gone: they say what belongs together.
    VerifyLayoutsPassOptions transferred;
    transferred.allowUnknown = true;
    manager.addPass(createInlineCallsPass());
    manager.addPass(createResolveSizesPass());
    manager.addPass(createLowerCollectivesPass());
    manager.addPass(createVerifyLayoutsPass(transferred));
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    break;
  }
  case Phase::Formed: {
    SelectLibraryCallsPassOptions selection;
    selection.packWeights = options.packWeights;
    manager.addPass(createConvertElementwiseToLinalgPass());
    manager.addPass(createSelectLibraryCallsPass(selection));
    manager.addPass(createLowerRowsPass());
    manager.addPass(createLowerNNPass());
    manager.addPass(createCSEPass());
    manager.addPass(createFormKernelsPass());
    break;
  }
  case Phase::Buffered:
    manager.addPass(createAssignSpansPass());
    break;
  case Phase::Planned:
    manager.addPass(createAssignStreamsPass());
    manager.addPass(createPlanMemoryPass());
    manager.addPass(createScheduleStepsPass());
    break;
  }
}

void muster::addPhases(PassManager &manager, Phase from, Phase to, const LoweringOptions &options) {
  for (Phase phase : allPhases) {
    // The contract of `from` is checked too: a module that was written by hand says nothing of its phase.
    if (phase < from || phase > to)
      continue;
    if (phase > from)
      addPasses(manager, phase, options);
    CheckPhasePassOptions check;
    check.phase = stringifyPhase(phase).str();
    manager.addPass(createCheckPhasePass(check));
  }
}

//===----------------------------------------------------------------------===//
// Contracts
//===----------------------------------------------------------------------===//

namespace {

/// Why `op` must not be there at the end of `phase`; empty where it may.
StringRef getViolation(Operation *op, Phase phase) {
  bool isPlan = op->getDialect() && isa<plan::PlanDialect>(op->getDialect());
  if (phase <= Phase::Proved && isPlan)
    return "expected nothing of the plan dialect";
  // A port of the plan has whole axes.
  if (phase >= Phase::Counted && isa<func::FuncOp, plan::EntryOp>(op) &&
      op->getAttrDictionary()
          .walk([](AxisRefAttr axis) { return axis.isWholeAxis() ? WalkResult::advance() : WalkResult::interrupt(); })
          .wasInterrupted())
    return "expected parts of axes to be axes";
  if (phase >= Phase::Counted && isa<FirstRowOp>(op))
    return "expected first rows to be offsets of counts";
  if (auto redistribute = dyn_cast<RedistributeOp>(op)) {
    if (phase >= Phase::Transferred)
      return "expected redistributions to be transfers";
    if (phase >= Phase::Counted && redistribute.getFrom().getPartials() != redistribute.getTo().getPartials())
      return "expected redistributions to have nothing to reduce";
    if (phase >= Phase::Counted && redistribute.getCounts().size() != redistribute.getRaggedDims().size())
      return "expected counts of the parts of unequal length that change";
  }
  if (phase >= Phase::Transferred && (collectiveAxesOf(op) || isa<AssertLayoutOp>(op)))
    return "expected collectives to be transfers";
  if (phase >= Phase::Transferred && isa<func::CallOp>(op))
    return "expected the bodies of functions where they are called";
  if (phase >= Phase::Transferred && isa<tensor::DimOp>(op) && !op->getParentOfType<plan::KernelOp>())
    return "expected sizes to be counts";
  if (phase >= Phase::Formed && isa<func::FuncOp>(op->getParentOp()) && !isPlan && !isa<LoadOp, func::ReturnOp>(op) &&
      !plan::isSizeOp(op) && !isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(op))
    return "expected transfers, library calls and launches only";
  if (phase >= Phase::Buffered && isa<func::FuncOp>(op) && !cast<func::FuncOp>(op).isExternal())
    return "expected functions to be entries on spans";
  if (phase >= Phase::Planned) {
    if (auto span = dyn_cast<plan::SpanOp>(op); span && !span.getOffset())
      return "expected spans to have offsets";
    if (isa<plan::LaunchStepOp, plan::MatmulStepOp, plan::TransferStepOp, plan::ExchangeRowsStepOp>(op) &&
        !op->hasAttr("waits"))
      return "expected steps to say what they wait for";
  }
  return {};
}

struct CheckPhase : muster::impl::CheckPhasePassBase<CheckPhase> {
  using CheckPhasePassBase::CheckPhasePassBase;

  void runOnOperation() override {
    std::optional<Phase> checked = symbolizePhase(phase);
    if (!checked) {
      getOperation().emitError() << "E4021 expected a phase from model to planned but got '" << phase << "'";
      return signalPassFailure();
    }
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (op == getOperation())
        return WalkResult::advance();
      StringRef violation = getViolation(op, *checked);
      if (violation.empty())
        return WalkResult::advance();
      op->emitOpError() << "E4020 breaks the contract of phase " << phase << ": " << violation << " but got '"
                        << op->getName() << "'";
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    getOperation()->setAttr(phaseAttribute, StringAttr::get(&getContext(), phase));
  }
};

} // namespace
