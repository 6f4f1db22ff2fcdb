// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutInference.h"

#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/Evaluate.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

static constexpr const char *choiceFact =
    "which dim the shards of a dim of local size 1 belong to (give logical sizes, as nn.split_heads does)";

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

void FunctionInference::report_(Operation *op, const Refusal &refusal, int number) {
  LayoutFinding finding;
  // Where a reading was chosen before, the fault may be that choice.
  bool isChoice = llvm::any_of(op->getOperands(), [&](mlir::Value operand) { return get(operand).value.isChoice; });
  bool isWrong = refusal.kind == Refusal::Kind::Wrong && !isChoice;
  finding.kind = isWrong ? LayoutFinding::Kind::Refuted : LayoutFinding::Kind::Unknown;
  finding.number = isWrong ? number : 1108;
  finding.op = op;
  finding.message = refusal.message;
  finding.missingFact = isChoice ? choiceFact : refusal.missingFact;
  report.findings.push_back(std::move(finding));
  fail(op);
}

void FunctionInference::setOrReport(Operation *op, mlir::Value result, Outcome<layout::Value> outcome, int number) {
  if (outcome)
    set(result, std::move(*outcome));
  else
    report_(op, outcome.getRefusal(), number);
}

const layout::Value *FunctionInference::digitsOf(Operation *op, mlir::Value value) {
  const Known &known = get(value);
  switch (known.kind) {
  case Known::Kind::Digits:
    return &known.value;
  case Known::Kind::Waiting:
  case Known::Kind::Pulled: {
    Refusal refusal{Refusal::Kind::Misaligned, known.reason,
                    "sizes for which this reshape has its boundaries between digits"};
    report_(op, refusal, 1108);
    return nullptr;
  }
  default:
    fail(op);
    return nullptr;
  }
}

std::optional<Size> FunctionInference::localSizeOf(mlir::Value tensor, unsigned dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return Size(type.getDimSize(dim));
  const Known &known = get(tensor);
  if (known.kind == Known::Kind::Digits)
    return known.value.dims[dim].localSize();
  return std::nullopt;
}

std::optional<Size> FunctionInference::sizeOf(OpFoldResult size) {
  if (auto attr = dyn_cast<Attribute>(size))
    return Size(cast<IntegerAttr>(attr).getInt());
  return sizeOf(cast<mlir::Value>(size));
}

std::optional<Size> FunctionInference::sizeOf(mlir::Value index) {
  Operation *op = index.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto constant = dyn_cast<arith::ConstantIndexOp>(op))
    return constant.value() < 0 ? std::nullopt : std::optional<Size>(constant.value());
  if (auto size = dyn_cast<SizeOp>(op)) {
    std::optional<Size> dividend = scope.sizeOf(size.getDividend());
    if (!dividend || !size.getDivisor())
      return dividend;
    std::optional<Size> divisor = scope.sizeOf(*size.getDivisor());
    return divisor ? layout::divide(*dividend, *divisor) : std::nullopt;
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    if (std::optional<int64_t> constant = dim.getConstantIndex())
      return localSizeOf(dim.getSource(), static_cast<unsigned>(*constant));
  return std::nullopt;
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
    for (Region &region : op->getRegions())
      if (!isa<linalg::LinalgOp>(op) && !region.empty())
        work.push_back(region.front().getTerminator());
    if (auto call = dyn_cast<func::CallOp>(op))
      if (auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(op, call.getCalleeAttr());
          callee && !callee.isExternal() && !live.contains(callee)) {
        live.insert(callee);
        callee.walk([&](func::ReturnOp inner) { work.push_back(inner); });
      }
  }
}

void FunctionInference::run() {
  ++report.functions;
  report.isSymbolic |= scope.universe.symbols.size() > 0;
  markLive(entry);
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    auto type = dyn_cast<RankedTensorType>(entry.getArgument(i).getType());
    if (!type)
      continue;
    auto layout = entry.getArgAttrOfType<LayoutAttr>(i, attribute::layout);
    if (!layout)
      continue;
    Outcome<layout::Value> value = scope.valueOf(layout, type);
    if (!value) {
      Refusal refusal = value.getRefusal();
      refusal.message = "argument " + std::to_string(i) + ": " + refusal.message;
      report_(entry, refusal, 1107);
      continue;
    }
    set(entry.getArgument(i), std::move(*value));
  }
  inferBlock(entry.getBody().front());
}

void FunctionInference::inferBlock(Block &block) {
  for (Operation &op : block)
    if (live.contains(&op)) {
      infer(&op);
      if (afterOperation)
        afterOperation(&op);
    }
}

/// Whether all tensor operands failed already or one did: then nothing can be said.
void FunctionInference::infer(Operation *op) {
  ++report.operations;
  if (auto returns = dyn_cast<func::ReturnOp>(op)) {
    if (callStack.empty())
      checkReturn(returns);
    return;
  }
  if (auto claim = dyn_cast<AssertLayoutOp>(op))
    return checkClaim(claim);
  if (auto call = dyn_cast<func::CallOp>(op))
    return inferCall(call);
  if (isa<scf::ForOp, scf::IfOp>(op))
    return inferRegions(op);
  if (inferMovement(op) || inferCompute(op))
    return;
  bool hasTensor = llvm::any_of(op->getResultTypes(), [](Type type) { return isa<RankedTensorType>(type); });
  if (!hasTensor)
    return;
  Refusal refusal{Refusal::Kind::Unknown, "unsupported operation '" + op->getName().getStringRef().str() + "'",
                  "what it computes (write it with linalg, tensor and nn operations)"};
  report_(op, refusal, 1108);
}

void FunctionInference::inferCall(func::CallOp op) {
  auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee || callee.isExternal()) {
    LayoutFinding finding;
    finding.kind = LayoutFinding::Kind::Assumed;
    finding.op = op;
    finding.message = "the external function @" + op.getCallee().str() + " is not looked into";
    report.findings.push_back(std::move(finding));
    Refusal refusal{Refusal::Kind::Unknown, "what @" + op.getCallee().str() + " returns is not known",
                    "its layout (state it with muster.assert_layout inside a function that is defined)"};
    return report_(op, refusal, 1108);
  }
  if (llvm::is_contained(callStack, callee.getOperation())) {
    Refusal refusal{Refusal::Kind::Unknown, "recursion: @" + op.getCallee().str() + " calls itself", "no recursion"};
    return report_(op, refusal, 1108);
  }
  callStack.push_back(callee);
  for (auto [argument, operand] : llvm::zip(callee.getArguments(), op.getOperands()))
    knowns[argument] = get(operand);
  inferBlock(callee.getBody().front());
  auto returns = cast<func::ReturnOp>(callee.getBody().front().getTerminator());
  for (auto [result, value] : llvm::zip(op.getResults(), returns.getOperands()))
    knowns[result] = get(value);
  callStack.pop_back();
}

void FunctionInference::inferRegions(Operation *op) {
  auto disagree = [&](const std::string &what) {
    Refusal refusal{Refusal::Kind::Wrong, what, ""};
    report_(op, refusal, 1106);
  };
  auto sameKnown = [&](const Known &a, const Known &b) {
    return a.kind == b.kind && (a.kind != Known::Kind::Digits || layout::isSame(a.value, b.value));
  };
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    for (Region *region : {&branch.getThenRegion(), &branch.getElseRegion()})
      if (!region->empty())
        inferBlock(region->front());
    for (unsigned i = 0; i < op->getNumResults(); ++i) {
      Known then = get(branch.thenYield().getOperand(i)), other = get(branch.elseYield().getOperand(i));
      if (then.kind == Known::Kind::Uniform)
        then = other;
      if (other.kind == Known::Kind::Uniform)
        other = then;
      if (then.kind == Known::Kind::Failed || other.kind == Known::Kind::Failed)
        return fail(op);
      if (!sameKnown(then, other))
        return disagree("the branches give result " + std::to_string(i) + " different layouts: " +
                        print(scope.universe, then.value) + " and " + print(scope.universe, other.value));
      set(op->getResult(i), then);
    }
    return;
  }
  auto loop = cast<scf::ForOp>(op);
  for (auto [argument, init] : llvm::zip(loop.getRegionIterArgs(), loop.getInitArgs()))
    knowns[argument] = get(init);
  inferBlock(*loop.getBody());
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    Known before = get(loop.getRegionIterArg(i)), after = get(yield.getOperand(i));
    if (before.kind == Known::Kind::Failed || after.kind == Known::Kind::Failed)
      return fail(op);
    if (!sameKnown(before, after))
      return disagree("carried value " + std::to_string(i) + " enters the loop as " +
                      print(scope.universe, before.value) + " and leaves an iteration as " +
                      print(scope.universe, after.value));
    set(op->getResult(i), after);
  }
}

//===----------------------------------------------------------------------===//
// Boundaries
//===----------------------------------------------------------------------===//

/// Of a space of which the value has no digit (another chunk order, another dim) there is no element to show.
static bool hasSpacesOf(const layout::Value &value, const layout::Value &wanted) {
  llvm::SmallDenseSet<layout::SpaceId, 8> spaces;
  auto addDigits = [&](const auto &digits) {
    for (const layout::Digit &digit : digits)
      spaces.insert(digit.space);
  };
  addDigits(value.floats);
  for (const layout::Dim &dim : value.dims) {
    addDigits(dim.digits);
    for (const layout::Dim &segment : dim.segments)
      addDigits(segment.digits);
  }
  return llvm::all_of(wanted.dims, [&](const layout::Dim &dim) {
    return llvm::all_of(dim.digits, [&](const layout::Digit &digit) { return spaces.contains(digit.space); });
  });
}

/// The first place at which two values of the same spaces differ: cumulative products of digit counts in one dim, all
/// else zero, then pairs of them.
static std::optional<LayoutCounterexample> findDifference(const layout::Universe &universe, const layout::Value &got,
                                                          const layout::Value &wanted) {
  static constexpr int64_t primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53};
  if (!hasSpacesOf(got, wanted))
    return std::nullopt;
  layout::Place place;
  for (size_t i = 0; i < universe.symbols.size(); ++i)
    place.symbols.push_back(primes[i]);
  place.coordinates.assign(universe.axes.size(), 0);
  place.index.assign(got.dims.size(), 0);
  auto evaluate = [&](const Size &size) { return size.evaluate(place.symbols).value_or(1); };
  SmallVector<SmallVector<int64_t, 6>, 8> candidates; // by dim, then by axis
  for (size_t i = 0; i < got.dims.size(); ++i) {
    SmallVector<int64_t, 6> values{0};
    int64_t size = evaluate(got.dims[i].localSize());
    for (const layout::Value *value : {&got, &wanted}) {
      int64_t step = 1;
      for (const layout::Digit &digit : llvm::reverse(value->dims[i].digits))
        if (!digit.isMesh()) {
          if (step < size)
            values.push_back(step);
          step *= evaluate(digit.count);
        }
    }
    if (size > 1)
      values.push_back(size - 1);
    llvm::sort(values);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    candidates.push_back(values);
  }
  for (const layout::Axis &axis : universe.axes) {
    SmallVector<int64_t, 6> values{0};
    int64_t size = evaluate(axis.size);
    for (int64_t step = 1; step < size; step = step < 3 ? step + 1 : step * 2)
      values.push_back(step);
    candidates.push_back(values);
  }
  auto at = [&](size_t i) -> int64_t & {
    return i < got.dims.size() ? place.index[i] : place.coordinates[i - got.dims.size()];
  };
  auto differs = [&] {
    return layout::positionsAt(universe, got, place) != layout::positionsAt(universe, wanted, place);
  };
  auto found = [&]() -> LayoutCounterexample {
    LayoutCounterexample example;
    for (auto [axis, coordinate] : llvm::zip(universe.axes, place.coordinates))
      example.coordinates.push_back({axis.name, coordinate});
    example.index.assign(place.index.begin(), place.index.end());
    SmallVector<int64_t, 4> wantedAt = layout::positionsAt(universe, wanted, place),
                            gotAt = layout::positionsAt(universe, got, place);
    SmallVector<layout::SpaceId, 4> spaces;
    for (const layout::Dim &dim : wanted.dims)
      for (const layout::Digit &digit : dim.digits)
        if (!llvm::is_contained(spaces, digit.space))
          spaces.push_back(digit.space);
    for (const layout::Digit &digit : wanted.floats)
      if (!llvm::is_contained(spaces, digit.space))
        spaces.push_back(digit.space);
    for (layout::SpaceId space : spaces) {
      example.wanted.push_back({universe.spaces[space].name, wantedAt[space]});
      example.got.push_back({universe.spaces[space].name, gotAt[space]});
    }
    for (auto [name, value] : llvm::zip(universe.symbols.getNames(), place.symbols))
      example.symbols.push_back({name, value});
    return example;
  };
  for (size_t i = 0; i < candidates.size(); ++i)
    for (int64_t first : candidates[i]) {
      at(i) = first;
      if (differs())
        return found();
      for (size_t j = i + 1; j < candidates.size(); ++j) {
        for (int64_t second : candidates[j]) {
          at(j) = second;
          if (differs())
            return found();
        }
        at(j) = 0;
      }
      at(i) = 0;
    }
  return std::nullopt;
}

bool FunctionInference::checkBoundary(Operation *op, mlir::Value value, LayoutAttr layout, const std::string &what) {
  ++(isa<AssertLayoutOp>(op) ? report.claims : report.results);
  Known known = get(value);
  if (known.kind == Known::Kind::Failed || known.kind == Known::Kind::Uniform)
    return known.kind == Known::Kind::Uniform;
  Outcome<layout::Value> declared = scope.valueOf(layout, cast<RankedTensorType>(value.getType()));
  if (!declared && declared.getRefusal().kind == Refusal::Kind::Wrong) {
    Refusal refusal = declared.getRefusal();
    refusal.message = what + ": " + refusal.message;
    report_(op, refusal, 1107);
    return false;
  }
  if (!declared) {
    report_(op, declared.getRefusal(), 1108);
    return false;
  }
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    std::optional<LayoutFinding> finding = comparePlaces(op, value, *declared);
    if (!finding)
      return true;
    finding->message = what + " " + finding->message + ": expected layout " + layout.getText();
    finding->parting = known.op;
    if (known.op)
      finding->notes.push_back({known.op->getLoc(), "the maps part here: " + known.reason});
    report.findings.push_back(std::move(*finding));
    return false;
  }
  std::optional<Refusal> refusal = layout::boundaryDisagreement(scope.universe, known.value, *declared);
  if (!refusal)
    return true;
  LayoutFinding finding;
  finding.op = op;
  bool isReduction = known.value.pending.size() != declared->pending.size() || !known.value.multiplicity.isOne();
  finding.number = isReduction ? 1105 : 1104;
  if (known.value.isChoice) {
    refusal->kind = Refusal::Kind::Unknown;
    refusal->missingFact = choiceFact;
  }
  if (refusal->kind != Refusal::Kind::Wrong) {
    finding.kind = LayoutFinding::Kind::Unknown;
    finding.number = 1108;
    finding.missingFact = refusal->missingFact;
  }
  finding.message = isReduction ? what + " is not reduced as declared: " + refusal->message
                                : what + " holds the wrong elements: expected layout " + layout.getText();
  if (!isReduction) {
    finding.notes.push_back({value.getLoc(), refusal->message});
    finding.parting = value.getDefiningOp();
    if (auto parting = findParting(value, *declared)) {
      finding.parting = parting->first;
      finding.explanations.push_back({parting->first->getLoc(), parting->second});
    }
    if (isa<func::ReturnOp>(op))
      finding.explanations.push_back({entry.getLoc(), "layout " + layout.getText() + " declared here"});
    // Elements are told apart by the declared names; what consists of other spaces has none.
    bool isNamed = true;
    for (const layout::Dim &dim : known.value.dims)
      for (const layout::Digit &digit : dim.digits)
        isNamed &= llvm::any_of(declared->dims, [&](const layout::Dim &other) {
          return llvm::any_of(other.digits, [&](const layout::Digit &named) { return named.space == digit.space; });
        });
    if (isNamed)
      finding.counterexample = findDifference(scope.universe, known.value, *declared);
    if (isNamed && !finding.counterexample && finding.kind == LayoutFinding::Kind::Refuted) {
      // Each rank holds what is declared, but the shards stand in other dims: with other sizes it is another program.
      finding.kind = LayoutFinding::Kind::Unknown;
      finding.number = 1108;
      finding.message =
          what + " holds the declared elements on this mesh, but not as layout " + layout.getText() + " has its dims";
      finding.missingFact = "a layout whose dims are those of the value";
    }
  }
  report.findings.push_back(std::move(finding));
  return false;
}

void FunctionInference::checkReturn(func::ReturnOp op) {
  for (auto [index, value] : llvm::enumerate(op.getOperands()))
    if (auto layout = entry.getResultAttrOfType<LayoutAttr>(static_cast<unsigned>(index), attribute::layout)) {
      size_t before = report.findings.size();
      checkBoundary(op, value, layout, op.getNumOperands() == 1 ? "result" : "result " + std::to_string(index));
      for (LayoutFinding &finding : llvm::drop_begin(report.findings, before))
        finding.result = static_cast<unsigned>(index);
    }
}

void FunctionInference::checkClaim(AssertLayoutOp op) {
  bool holds = checkBoundary(op, op.getInput(), op.getLayout(), "value");
  Known known = get(op.getInput());
  // A claim that was proved place by place says what the value holds from here on.
  if (holds && (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled))
    if (auto declared = scope.valueOf(op.getLayout(), cast<RankedTensorType>(op.getInput().getType())))
      return set(op.getResult(), std::move(*declared));
  knowns[op.getResult()] = known;
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

LayoutReport muster::inferLayouts(ModuleOp module, llvm::function_ref<void(Operation *)> afterOperation) {
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
    Outcome<LayoutScope> scope = LayoutScope::make(function, mesh);
    if (!scope) {
      refuse(scope.getRefusal().message, scope.getRefusal().kind == Refusal::Kind::Wrong ? 1107 : 1108);
      if (scope.getRefusal().kind != Refusal::Kind::Wrong)
        report.findings.back().kind = LayoutFinding::Kind::Unknown;
      continue;
    }
    FunctionInference(function, mesh, std::move(*scope), symbols, report, afterOperation).run();
  }
  return report;
}
