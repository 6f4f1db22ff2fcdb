// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutInference.h"

#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/LayoutCertificate.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

//===----------------------------------------------------------------------===//
// What is known
//===----------------------------------------------------------------------===//

const Known &FunctionInference::get(mlir::Value value) {
  // Callers keep references to what is known of several values: looking one up must not move the others.
  static const Known nothing;
  auto known = knowns.find(value);
  return known == knowns.end() ? nothing : known->second;
}

void FunctionInference::set(mlir::Value value, layout::Value known) {
  Known own;
  own.kind = Known::Kind::Digits;
  own.value = std::move(known);
  knowns[value] = std::move(own);
}

void FunctionInference::fail(Operation *op) {
  for (mlir::Value result : op->getResults())
    knowns[result] = Known();
}

void FunctionInference::reportRefusal(Operation *op, const Refusal &refusal, int number) {
  LayoutFinding finding;
  // Where a reading was chosen before, the fault may be that choice.
  bool isChoice = llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return get(operand).value.isChoice; });
  // What routed counts and rows are is known in one reading; rows that are received as they are sent in all.
  bool isOpen = refusal.number != 1213 &&
                llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return isRouted(get(operand).value); });
  // Of values side by side one may be wrong that is sliced away.
  bool isOfParts =
      llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return packedOf(get(operand)).has_value(); });
  const KeptParts *kept = isOfParts && op->getNumResults() == 1 ? keptAt(op) : nullptr;
  bool mayBeCut = refusal.kind == Refusal::Kind::Wrong && kept && kept->partDim(op->getResult(0));
  bool isWrong = refusal.kind == Refusal::Kind::Wrong && !isChoice && !isOpen && !mayBeCut;
  finding.kind = isWrong ? LayoutFinding::Kind::Refuted : LayoutFinding::Kind::Unknown;
  finding.number = !isWrong ? 1108 : refusal.number ? refusal.number : number;
  finding.numberAsChosen = refusal.kind == Refusal::Kind::Wrong && isChoice && !isOpen && !mayBeCut ? number : 0;
  finding.op = op;
  finding.message = refusal.message;
  bool isOpenFault = isOpen && refusal.kind == Refusal::Kind::Wrong;
  finding.missingFact = isChoice ? choiceFact : isOpenFault ? routingFact : mayBeCut ? keptFact : refusal.missingFact;
  if (refusal.number)
    noteMakers(op, finding);
  if (isWrong && !refusal.number && number == 1105)
    for (mlir::Value operand : op->getOperands())
      noteReduction(operand, finding);
  if (isWrong && !refusal.number && number == 1106)
    noteOperands(op, finding);
  report.findings.push_back(std::move(finding));
  fail(op);
}

/// What would give digits to a value that is known place by place.
static const char *factFor(Operation *made) {
  return llvm::TypeSwitch<Operation *, const char *>(made)
      .Case<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ReshapeOp>(
          [](auto) { return "sizes for which this reshape has its boundaries between digits"; })
      .Case([](tensor::ExtractSliceOp) {
        return "a slice at a constant place, or at muster.coordinate times its size, that begins and ends between "
               "digits";
      })
      .Case([](tensor::ConcatOp) { return "parts that are all of one dim in order, or an operation on each of them"; })
      .Case([](tensor::InsertSliceOp) {
        return "a place that is constant, or muster.coordinate times the size of what is inserted, of which each rank "
               "has "
               "its part";
      })
      .Case([](PermuteOp) { return "an exchange or all_to_all instead"; })
      .Default([](Operation *) { return "what it holds (muster.assert_layout where it is known)"; });
}

void FunctionInference::reportNoDigits(Operation *op, const Known &known) {
  Operation *made = known.op ? known.op : op;
  Refusal refusal{Refusal::Kind::Misaligned, known.reason, factFor(made)};
  reportRefusal(op, refusal, 1108);
  if (made == op)
    return;
  LayoutFinding &finding = report.findings.back();
  // In a function that is called the finding stays with the caller, whose layouts are those that matter.
  if (made->getParentOfType<func::FuncOp>() != op->getParentOfType<func::FuncOp>()) {
    finding.notes.push_back({made->getLoc(), "it is made here"});
    return;
  }
  bool isTold =
      llvm::any_of(llvm::drop_begin(ArrayRef(report.findings).drop_back(), firstFinding),
                   [&](const LayoutFinding &other) { return other.op == made && other.message == finding.message; });
  if (isTold)
    return report.findings.pop_back();
  finding.op = made;
  finding.notes.push_back(
      {op->getLoc(), "'" + op->getName().getStringRef().str() + "' needs to know here what each rank holds of it"});
}

void FunctionInference::setOrReport(Operation *op, mlir::Value result, Outcome<layout::Value> outcome, int number) {
  if (outcome)
    set(result, std::move(*outcome));
  else
    reportRefusal(op, outcome.getRefusal(), number);
}

const layout::Value *FunctionInference::digitsOf(Operation *op, mlir::Value value) {
  const Known &known = get(value);
  switch (known.kind) {
  case Known::Kind::Digits:
    return &known.value;
  case Known::Kind::Uniform: {
    Refusal refusal{Refusal::Kind::Unknown, "an operand is the same number everywhere, which has no layout",
                    "the layout of this operand (an argument or a weight instead of a constant)"};
    reportRefusal(op, refusal, 1108);
    return nullptr;
  }
  case Known::Kind::Waiting:
  case Known::Kind::Pulled: {
    if (std::optional<layout::Value> settled = settle(value)) {
      markUncovered("offsets that ranks compute");
      set(value, std::move(*settled));
      return &get(value).value;
    }
    reportNoDigits(op, Known(known));
    return nullptr;
  }
  case Known::Kind::Failed:
    failQuietly(op, value);
    return nullptr;
  }
  llvm_unreachable("unknown kind");
}

void FunctionInference::markUncovered(StringRef why) {
  if (certificate)
    certificate->markUncovered(why);
}

void FunctionInference::failQuietly(Operation *op, mlir::Value operand) {
  // Quietly only where something was said: what nobody judged must not pass for proved.
  if (llvm::none_of(llvm::drop_begin(report.findings, firstFinding),
                    [](const LayoutFinding &finding) { return finding.kind != LayoutFinding::Kind::Assumed; })) {
    Refusal refusal{Refusal::Kind::Unknown, "what " + nameOf(operand) + " holds is not known",
                    "its layout (muster.layout on an argument, or muster.assert_layout)"};
    return reportRefusal(op, refusal, 1108);
  }
  fail(op);
}

std::string FunctionInference::nameOf(mlir::Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return "argument " + std::to_string(argument.getArgNumber());
  return "the result of '" + value.getDefiningOp()->getName().getStringRef().str() + "'";
}

//===----------------------------------------------------------------------===//
// Walking
//===----------------------------------------------------------------------===//

/// Operations from which something reaches a result, a claim or a state.
void FunctionInference::markLive(func::FuncOp function) {
  SmallVector<Operation *, 16> work;
  function.walk([&](Operation *op) {
    bool isRoot = isa<func::ReturnOp, AssertLayoutOp>(op) ||
                  (isa<MemoryEffectOpInterface>(op) && hasEffect<MemoryEffects::Write>(op));
    if (isRoot)
      work.push_back(op);
  });
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!live.insert(op).second)
      continue;
    for (mlir::Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp())
        work.push_back(source);
      else if (Operation *parent = operand.getParentBlock()->getParentOp(); parent && !isa<func::FuncOp>(parent))
        work.push_back(parent);
    if (Operation *parent = op->getParentOp(); parent && parent != function)
      work.push_back(parent);
    if (isa<scf::ForOp, scf::IfOp>(op)) {
      for (Region &region : op->getRegions())
        if (!region.empty())
          work.push_back(region.front().getTerminator());
    } else {
      // Bodies are read as a whole; what they take from outside is needed.
      SetVector<mlir::Value> taken;
      getUsedValuesDefinedAbove(op->getRegions(), taken);
      for (mlir::Value value : taken)
        if (Operation *source = value.getDefiningOp())
          work.push_back(source);
    }
    if (auto call = dyn_cast<func::CallOp>(op))
      if (auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(op, call.getCalleeAttr());
          callee && !callee.isExternal() && !live.contains(callee)) {
        live.insert(callee);
        callee.walk([&](func::ReturnOp inner) { work.push_back(inner); });
      }
  }
}

void FunctionInference::assume(Operation *op, std::string what) {
  LayoutFinding finding;
  finding.kind = LayoutFinding::Kind::Assumed;
  finding.op = op;
  finding.message = std::move(what);
  report.findings.push_back(std::move(finding));
}

void FunctionInference::run() {
  ++report.functions;
  firstFinding = report.findings.size();
  report.isSymbolic |= scope.universe.symbols.size() > 0;
  for (const std::string &assumption : scope.assumptions)
    assume(entry, assumption);
  markLive(entry);
  knowns.reserve(live.size());
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    auto type = dyn_cast<RankedTensorType>(entry.getArgument(i).getType());
    auto layout = entry.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    bool isRead = llvm::any_of(entry.getArgument(i).getUsers(), [&](Operation *user) {
      while (user != entry && !live.contains(user))
        user = user->getParentOp();
      return user != entry;
    });
    if (!type) {
      if (!isRead || isa<CountsType, OffsetsType>(entry.getArgument(i).getType()))
        continue; // counts are judged with the rows that they count
      assume(entry, "argument " + std::to_string(i) + " is the same on every rank");
      continue;
    }
    if (!layout) {
      if (!isRead)
        continue;
      Refusal refusal{Refusal::Kind::Unknown, "argument " + std::to_string(i) + " has no layout",
                      "what each rank holds of it (muster.layout)"};
      reportRefusal(entry, refusal, 1108);
      continue;
    }
    Outcome<layout::Value> value = scope.valueOf(layout, type);
    if (!value) {
      Refusal refusal = value.getRefusal();
      refusal.message = "argument " + std::to_string(i) + ": " + refusal.message;
      reportRefusal(entry, refusal, 1107);
      continue;
    }
    if (certificate)
      certificate->addArgument(entry.getArgument(i), *value);
    set(entry.getArgument(i), std::move(*value));
  }
  // Copies stand in the first space, which is one that the signature names.
  layout::Universe &universe = scope.universe;
  if (universe.spaces.empty())
    universe.addSpace({"", 1});
  for (layout::Axis &axis : universe.axes)
    axis.parts = universe.addSpace({"parts over " + axis.name, axis.size, "parts"});
  inferBlock(entry.getBody().front());
}

bool FunctionInference::isCut(Operation &op) {
  auto isKnownCut = [&](mlir::Value value) { return cutValues.contains(value); };
  bool takesCut = llvm::any_of(op.getOperands(), isKnownCut);
  if (takesCut && !isPlainMovement(&op) && !isa<func::ReturnOp>(op))
    markUncovered("what is computed of a part of a dim at an offset");
  for (mlir::Value result : op.getResults()) {
    const Known &known = get(result);
    if (takesCut || (known.kind == Known::Kind::Digits && layout::hasRanges(scope.universe, known.value)))
      cutValues.insert(result);
  }
  return op.getNumResults() == 1 && isKnownCut(op.getResult(0));
}

void FunctionInference::inferBlock(Block &block) {
  for (Operation &op : block)
    if (live.contains(&op)) {
      size_t at = certificate ? certificate->size() : 0;
      infer(&op);
      if (afterOperation)
        afterOperation(&op);
      bool isOfParts = certificate && isCut(op);
      SmallVector<Known, 1> results;
      if (certificate && !isOfParts && !isa<func::CallOp, AssertLayoutOp>(op))
        for (mlir::Value result : op.getResults())
          results.push_back(isa<RankedTensorType>(result.getType()) ? get(result) : Known());
      if (!results.empty())
        certificate->add(&op, scope.universe, results, at);
    }
}

void FunctionInference::infer(Operation *op) {
  ++report.operations;
  if (auto returns = dyn_cast<func::ReturnOp>(op)) {
    if (callStack.empty())
      checkReturn(returns);
    return;
  }
  if (auto claim = dyn_cast<AssertLayoutOp>(op))
    return checkClaim(claim);
  if (isa<func::CallOp, scf::ForOp, scf::IfOp>(op)) {
    if (nesting == mostNesting) {
      Refusal refusal{Refusal::Kind::Unknown,
                      "more than " + std::to_string(mostNesting) + " regions and calls in each other",
                      "fewer regions in each other"};
      return reportRefusal(op, refusal, 1108);
    }
    ++nesting;
    if (auto call = dyn_cast<func::CallOp>(op))
      inferCall(call);
    else if (auto loop = dyn_cast<scf::ForOp>(op))
      inferLoop(loop);
    else
      inferBranch(cast<scf::IfOp>(op));
    --nesting;
    return;
  }
  if (isa<scf::YieldOp>(op))
    return;
  auto isTensor = [](Type type) { return isa<ShapedType>(type); };
  bool hasTensor = llvm::any_of(op->getResultTypes(), isTensor);
  if (!hasTensor && op->getNumRegions() == 0 && isMemoryEffectFree(op)) {
    for (mlir::Value result : op->getResults()) {
      divergent.erase(result); // of another iteration
      if (Operation *source = divergenceOf(op))
        divergent[result] = source;
    }
    return;
  }
  if (auto choice = dyn_cast<arith::SelectOp>(op); choice && inferFirstRank(choice))
    return;
  // A place that depends on the rank is what slices and look-ups are for; their rules see to it.
  if (!isa<tensor::ExtractSliceOp, tensor::InsertSliceOp, nn::GatherRowsOp>(op) && refuseOperands(op))
    return;
  if (isa<CheckCountOp>(op))
    return; // ends the step or does nothing
  if (inferMovement(op))
    return scope.hasRows() ? checkRows(op) : void();
  // Of counts that are computed with, the reading matters: the greatest is another of a matrix than of a histogram.
  if (llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return isOfCounts(get(operand).value); })) {
    Refusal refusal{Refusal::Kind::Unknown, "computes with routed counts", routingFact};
    return reportRefusal(op, refusal, 1108);
  }
  if (inferCompute(op))
    return scope.hasRows() ? checkRows(op) : void();
  Refusal refusal{Refusal::Kind::Unknown, "unsupported operation '" + op->getName().getStringRef().str() + "'",
                  "what it computes (write it with linalg, tensor and nn operations)"};
  reportRefusal(op, refusal, 1108);
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

/// Where readings of an operation have different results the first is taken. If the function is not proved then, the
/// others are tried; where all of them are wrong, it is refuted.
static void inferFunction(func::FuncOp function, MeshAttr mesh, const LayoutScope &scope,
                          SymbolTableCollection &symbols, LayoutReport &report,
                          llvm::function_ref<void(Operation *)> afterOperation, LayoutCertificate *certificate) {
  constexpr int mostTries = 64;
  std::optional<LayoutReport> first;
  std::vector<layout::Universe::Choice> choices;
  // What a call returns is kept from one call to the next, with the readings of the first.
  bool areAllWrong = !function.walk([](func::CallOp) { return WalkResult::interrupt(); }).wasInterrupted();
  for (int tries = 0; tries < mostTries; ++tries) {
    LayoutReport own;
    LayoutScope fresh = scope;
    fresh.universe.choices = std::move(choices);
    if (certificate)
      certificate->beginFunction(function);
    FunctionInference inference(function, mesh, std::move(fresh), symbols, own, afterOperation, certificate);
    inference.run();
    if (certificate)
      certificate->addSizes(function, inference.getScope());
    bool isProved = !own.has(LayoutFinding::Kind::Unknown) && !own.has(LayoutFinding::Kind::Refuted);
    layout::Universe &universe = inference.getUniverse();
    areAllWrong &= !universe.hasOpenChoice &&
                   llvm::any_of(own.findings, [](const LayoutFinding &finding) { return finding.numberAsChosen != 0; });
    if (isProved || !first)
      first = std::move(own);
    if (isProved || first->has(LayoutFinding::Kind::Refuted))
      break;
    if (!universe.nextChoices()) {
      for (LayoutFinding &finding : first->findings)
        if (areAllWrong && finding.numberAsChosen != 0) {
          finding.kind = LayoutFinding::Kind::Refuted;
          finding.number = finding.numberAsChosen;
          finding.missingFact.clear();
        }
      break;
    }
    choices = std::move(universe.choices);
  }
  llvm::append_range(report.findings, first->findings);
  report.functions += first->functions;
  report.operations += first->operations;
  report.results += first->results;
  report.claims += first->claims;
  report.isSymbolic |= first->isSymbolic;
}

/// A program with open sizes is right for all of them, or it is wrong. Where it cannot be said whether a dim has equal
/// parts, sizes for which it has may refute it. Findings from `first` on are the function's.
static void refuteInEqualParts(func::FuncOp function, MeshAttr mesh, const AxisDigits &digits,
                               SymbolTableCollection &symbols, LayoutReport &report, size_t first) {
  auto own = [&] { return ArrayRef(report.findings).drop_front(first); };
  auto isOf = [](LayoutFinding::Kind kind) {
    return [kind](const LayoutFinding &finding) { return finding.kind == kind; };
  };
  if (llvm::none_of(own(), isOf(LayoutFinding::Kind::Unknown)) ||
      llvm::any_of(own(), isOf(LayoutFinding::Kind::Refuted)))
    return;
  Outcome<LayoutScope> scope = LayoutScope::make(function, digits, /*inEqualParts=*/true);
  if (!scope || scope->multiples.empty())
    return;
  std::string where = "where " + llvm::join(scope->multiples, " and ");
  LayoutReport other;
  inferFunction(function, mesh, *scope, symbols, other, {}, nullptr);
  if (!other.has(LayoutFinding::Kind::Refuted))
    return;
  llvm::erase_if(other.findings,
                 [](const LayoutFinding &finding) { return finding.kind == LayoutFinding::Kind::Unknown; });
  for (LayoutFinding &finding : other.findings)
    if (finding.kind == LayoutFinding::Kind::Refuted)
      finding.notes.push_back({finding.op->getLoc(), where});
  report.findings.truncate(first);
  llvm::append_range(report.findings, other.findings);
}

LayoutReport muster::inferLayouts(ModuleOp module, llvm::function_ref<void(Operation *)> afterOperation,
                                  LayoutCertificate *certificate) {
  LayoutReport report;
  SymbolTableCollection symbols;
  // Looking for the mesh of a function walks the module; a module of many functions is walked once.
  std::optional<std::pair<MeshAttr, std::string>> only;
  auto meshOf = [&](func::FuncOp function, std::string &reason) {
    if (auto name = function->getAttrOfType<FlatSymbolRefAttr>(attribute::mesh)) {
      auto mesh = symbols.lookupNearestSymbolFrom<MeshOp>(function, name);
      reason = "mesh @" + name.getValue().str() + " is unknown";
      return mesh ? mesh.getMesh() : MeshAttr();
    }
    if (!only) {
      only.emplace();
      only->first = getMesh(function, [&](const Twine &text) { only->second = text.str(); });
    }
    reason = only->second;
    return only->first;
  };
  const llvm::MapVector<MeshAttr, AxisDigits> digits = findAxisDigits(module, symbols);
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    bool declares = false;
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      declares |= static_cast<bool>(function.getArgAttr(i, attribute::layout));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      declares |= static_cast<bool>(function.getResultAttr(i, attribute::layout));
    if (!declares)
      continue; // analysed where it is called
    auto refuse = [&](std::string message, int number) {
      LayoutFinding finding;
      finding.op = function;
      finding.number = number;
      finding.message = std::move(message);
      report.findings.push_back(std::move(finding));
    };
    std::string reason;
    MeshAttr mesh = meshOf(function, reason);
    if (!mesh) {
      refuse("declares layouts without a mesh: " + reason, 1107);
      continue;
    }
    if (!function.getBody().hasOneBlock()) {
      refuse("unsupported control flow between blocks", 1107);
      continue;
    }
    Outcome<LayoutScope> scope = LayoutScope::make(function, digits.find(mesh)->second);
    if (!scope) {
      refuse(scope.getRefusal().message, scope.getRefusal().kind == Refusal::Kind::Wrong ? 1107 : 1108);
      if (scope.getRefusal().kind != Refusal::Kind::Wrong)
        report.findings.back().kind = LayoutFinding::Kind::Unknown;
      continue;
    }
    size_t first = report.findings.size();
    inferFunction(function, mesh, *scope, symbols, report, afterOperation, certificate);
    refuteInEqualParts(function, mesh, digits.find(mesh)->second, symbols, report, first);
  }
  return report;
}
