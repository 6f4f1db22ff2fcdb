// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "compiler/Analysis/LayoutInference.h"

#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/LayoutCertificate.h"
#include "compiler/Layout/Evaluate.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
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

void FunctionInference::reportRefusal(Operation *op, const Refusal &refusal, int number) {
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
    Refusal refusal{Refusal::Kind::Misaligned, known.reason,
                    "sizes for which this reshape has its boundaries between digits"};
    reportRefusal(op, refusal, 1108);
    return nullptr;
  }
  case Known::Kind::Failed:
    failQuietly(op, value);
    return nullptr;
  }
  llvm_unreachable("unknown kind");
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
// Scalars
//===----------------------------------------------------------------------===//

Operation *FunctionInference::divergenceOf(mlir::Value scalar) const { return divergent.lookup(scalar); }

Operation *FunctionInference::divergenceOf(Operation *op) {
  if (auto coordinate = dyn_cast<CoordinateOp>(op))
    return scope.universe.sizeOf(scope.groupOf(coordinate.getAxis())).isOne() ? nullptr : op;
  for (mlir::Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType())) {
      if (Operation *source = divergenceOf(operand))
        return source;
      continue;
    }
    // Shards are of one size, whatever they hold.
    if (isa<tensor::DimOp>(op))
      continue;
    const Known &known = get(operand);
    if (known.kind == Known::Kind::Uniform)
      continue;
    bool isReplicated = known.kind == Known::Kind::Digits && known.value.isFull();
    known.value.forEachMeshDigit([&](const layout::Digit &) { isReplicated = false; });
    if (!isReplicated)
      return op;
  }
  return nullptr;
}

bool FunctionInference::refuseDivergence(Operation *op, mlir::Value scalar) {
  Operation *source = divergenceOf(scalar);
  if (!source)
    return false;
  std::string from = isa<CoordinateOp>(source)
                         ? "on the coordinate on '" + cast<CoordinateOp>(source).getAxis().str() + "'"
                         : "on elements that differ between ranks";
  Refusal refusal{
      Refusal::Kind::Unknown, "this depends " + from + ", so ranks compute different functions",
      "that the result is the same on every rank (positions of a rank: tensor.generate or linalg.index plus "
      "muster.coordinate times the size of a part)"};
  reportRefusal(op, refusal, 1108);
  report.findings.back().notes.push_back({source->getLoc(), "it differs between ranks from here on"});
  return true;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

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

std::optional<Size> FunctionInference::sizeOf(mlir::Value index, unsigned depth) {
  Operation *op = index.getDefiningOp();
  if (!op || depth > mostArithmetic)
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
  if (auto count = dyn_cast<plan::CountOp>(op))
    return scope.sizeOf(count.getName());
  if (isa<arith::MulIOp, arith::DivUIOp>(op)) {
    std::optional<Size> a = sizeOf(op->getOperand(0), depth + 1), b = sizeOf(op->getOperand(1), depth + 1);
    if (!a || !b)
      return std::nullopt;
    return isa<arith::MulIOp>(op) ? std::optional<Size>(*a * *b) : layout::divide(*a, *b);
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
      if (!isRead)
        continue;
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
      bool isOwn = op.getNumResults() == 1 && !isa<func::CallOp, scf::ForOp, scf::IfOp, AssertLayoutOp>(op);
      if (const Known *known = certificate && isOwn ? &get(op.getResult(0)) : nullptr;
          known && known->kind == Known::Kind::Digits)
        certificate->add(&op, scope.universe, known->value);
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
    if (Operation *source = divergenceOf(op))
      for (mlir::Value result : op->getResults())
        divergent[result] = source;
    return;
  }
  // A place that depends on the rank is what slices and look-ups are for; their rules see to it.
  if (!isa<tensor::ExtractSliceOp, tensor::InsertSliceOp, nn::GatherRowsOp>(op))
    for (mlir::Value operand : op->getOperands())
      if (!isTensor(operand.getType()) && refuseDivergence(op, operand))
        return;
  if (inferMovement(op) || inferCompute(op))
    return;
  Refusal refusal{Refusal::Kind::Unknown, "unsupported operation '" + op->getName().getStringRef().str() + "'",
                  "what it computes (write it with linalg, tensor and nn operations)"};
  reportRefusal(op, refusal, 1108);
}

void FunctionInference::inferCall(func::CallOp op) {
  auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee || callee.isExternal()) {
    assume(op, "the external function @" + op.getCallee().str() + " is not looked into");
    Refusal refusal{Refusal::Kind::Unknown, "what @" + op.getCallee().str() + " returns is not known",
                    "its layout (state it with muster.assert_layout inside a function that is defined)"};
    return reportRefusal(op, refusal, 1108);
  }
  if (llvm::is_contained(callStack, callee.getOperation())) {
    Refusal refusal{Refusal::Kind::Unknown, "recursion: @" + op.getCallee().str() + " calls itself", "no recursion"};
    return reportRefusal(op, refusal, 1108);
  }
  if (!callee.getBody().hasOneBlock()) {
    Refusal refusal{Refusal::Kind::Unknown, "unsupported control flow between blocks of @" + op.getCallee().str(),
                    "scf.if and scf.for instead"};
    return reportRefusal(op, refusal, 1108);
  }
  auto describe = [&](mlir::ValueRange values) {
    std::vector<CallValue> described;
    for (mlir::Value value : values)
      described.push_back({get(value), divergenceOf(value)});
    return described;
  };
  std::vector<CallValue> operands = describe(op.getOperands());
  // A certificate follows every call.
  const std::vector<CallValue> *results = certificate ? nullptr : calls.find(callee, operands);
  if (!results) {
    callStack.push_back(callee);
    for (auto [argument, operand] : llvm::zip(callee.getArguments(), op.getOperands()))
      pass(operand, argument);
    inferBlock(callee.getBody().front());
    auto returns = cast<func::ReturnOp>(callee.getBody().front().getTerminator());
    callStack.pop_back();
    calls.add(callee, operands, describe(returns.getOperands()));
    results = calls.find(callee, operands);
  }
  if (!results) { // what is known place by place is known of this call only
    auto returns = cast<func::ReturnOp>(callee.getBody().front().getTerminator());
    for (auto [result, value] : llvm::zip(op.getResults(), returns.getOperands()))
      pass(value, result);
    return;
  }
  for (auto [result, value] : llvm::zip(op.getResults(), *results)) {
    set(result, Known(value.known));
    if (value.divergence)
      divergent[result] = value.divergence;
    else
      divergent.erase(result);
  }
}

void FunctionInference::pass(mlir::Value from, mlir::Value to) {
  Known known = get(from);
  knowns[to] = std::move(known);
  if (Operation *source = divergenceOf(from))
    divergent[to] = source;
  else
    divergent.erase(to);
}

std::optional<Known> FunctionInference::join(const Known &a, const Known &b) {
  using Kind = Known::Kind;
  if (a.kind == Kind::Failed || b.kind == Kind::Failed)
    return Known();
  if (a.kind == Kind::Uniform && b.kind == Kind::Uniform) {
    Known both = a;
    both.isZero &= b.isZero;
    both.isUnwritten |= b.isUnwritten;
    return both;
  }
  if (a.kind == Kind::Uniform || b.kind == Kind::Uniform) {
    const Known &uniform = a.kind == Kind::Uniform ? a : b, &other = a.kind == Kind::Uniform ? b : a;
    // Zeros are a part of any sum; another number would be added up once for each rank.
    bool isPart = uniform.isZero || (!uniform.isUnwritten && other.kind == Kind::Digits && other.value.isFull());
    return isPart ? std::optional<Known>(other) : std::nullopt;
  }
  // What is known place by place is known of one value only.
  if (a.kind != Kind::Digits || b.kind != Kind::Digits || !layout::isSame(a.value, b.value))
    return std::nullopt;
  return a;
}

std::string FunctionInference::describe(const Known &known) const {
  switch (known.kind) {
  case Known::Kind::Digits:
    return print(scope.universe, known.value);
  case Known::Kind::Uniform:
    return known.isUnwritten ? "unwritten elements" : known.isZero ? "zeros" : "a constant";
  case Known::Kind::Waiting:
  case Known::Kind::Pulled:
    return "elements of which " + known.reason;
  case Known::Kind::Failed:
    return "elements that are not known";
  }
  llvm_unreachable("unknown kind");
}

void FunctionInference::reportDisagreement(Operation *op, const Known &a, const Known &b, const std::string &what) {
  // Two values of which places are known, and a constant beside a sum, may be right all the same.
  auto isDigits = [](const Known &known) { return known.kind == Known::Kind::Digits; };
  bool isWrong = isDigits(a) && isDigits(b);
  Refusal refusal{isWrong ? Refusal::Kind::Wrong : Refusal::Kind::Unknown, what, isWrong ? "" : "both with one layout"};
  reportRefusal(op, refusal, 1106);
}

void FunctionInference::inferBranch(scf::IfOp op) {
  if (refuseDivergence(op, op.getCondition()))
    return;
  for (Region *region : {&op.getThenRegion(), &op.getElseRegion()})
    if (!region->empty())
      inferBlock(region->front());
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    mlir::Value thenValue = op.thenYield().getOperand(i), elseValue = op.elseYield().getOperand(i);
    if (!isa<RankedTensorType>(thenValue.getType())) {
      pass(divergenceOf(thenValue) ? thenValue : elseValue, op->getResult(i));
      continue;
    }
    Known then = get(thenValue), other = get(elseValue);
    std::optional<Known> both = join(then, other);
    if (!both)
      return reportDisagreement(op, then, other,
                                "the branches give result " + std::to_string(i) +
                                    " different layouts: " + describe(then) + " and " + describe(other));
    set(op->getResult(i), *both);
  }
}

void FunctionInference::inferLoop(scf::ForOp op) {
  for (mlir::Value bound : {op.getLowerBound(), op.getUpperBound(), op.getStep()})
    if (refuseDivergence(op, bound))
      return;
  auto yield = cast<scf::YieldOp>(op.getBody()->getTerminator());
  for (auto [argument, init] : llvm::zip(op.getRegionIterArgs(), op.getInitArgs()))
    pass(init, argument);
  // A carried constant becomes what an iteration makes of it, and a scalar may come to depend on the rank: then the
  // body is judged again. Each turn settles one carried value or more.
  for (bool isSettled = false; !isSettled;) {
    isSettled = true;
    size_t findings = report.findings.size();
    int64_t operations = report.operations, claims = report.claims;
    size_t maps = certificate ? certificate->size() : 0;
    inferBlock(*op.getBody());
    for (unsigned i = 0; i < op->getNumResults(); ++i) {
      mlir::Value carried = op.getRegionIterArg(i), next = yield.getOperand(i);
      if (!isa<RankedTensorType>(carried.getType())) {
        if (divergenceOf(next) && !divergenceOf(carried)) {
          divergent[carried] = divergenceOf(next);
          isSettled = false;
        }
        continue;
      }
      Known before = get(carried), after = get(next);
      if (before.kind == Known::Kind::Failed)
        continue;
      std::optional<Known> both = join(before, after);
      if (!both)
        return reportDisagreement(op, before, after,
                                  "carried value " + std::to_string(i) + " enters the loop as " + describe(before) +
                                      " and leaves an iteration as " + describe(after));
      bool isSame =
          both->kind == before.kind && both->isZero == before.isZero && both->isUnwritten == before.isUnwritten;
      if (isSame)
        continue;
      isSettled = false;
      set(carried, *both);
    }
    if (isSettled)
      break;
    report.findings.resize(findings);
    report.operations = operations;
    report.claims = claims;
    if (certificate)
      certificate->shrink(maps);
  }
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    pass(op.getRegionIterArg(i), op->getResult(i));
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
    example.coordinates = nameCoordinates(universe, place);
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

/// What is still to be reduced, or was reduced too often, against what is declared.
static std::optional<Refusal> reductionDisagreement(const layout::Universe &universe, const layout::Value &value,
                                                    const layout::Value &declared) {
  layout::Value own, other;
  own.pending = value.pending;
  own.multiplicity = value.multiplicity;
  other.pending = declared.pending;
  return layout::boundaryDisagreement(universe, own, other);
}

bool FunctionInference::checkBoundary(Operation *op, mlir::Value value, LayoutAttr layout, const std::string &what) {
  ++(isa<AssertLayoutOp>(op) ? report.claims : report.results);
  Known known = get(value);
  if (known.kind == Known::Kind::Failed) {
    failQuietly(op, value);
    return false;
  }
  Outcome<layout::Value> declared = scope.valueOf(layout, cast<RankedTensorType>(value.getType()));
  if (!declared && declared.getRefusal().kind == Refusal::Kind::Wrong) {
    Refusal refusal = declared.getRefusal();
    refusal.message = what + ": " + refusal.message;
    reportRefusal(op, refusal, 1107);
    return false;
  }
  if (!declared) {
    reportRefusal(op, declared.getRefusal(), 1108);
    return false;
  }
  auto wrong = [&](const std::string &why, int number) {
    Refusal refusal{Refusal::Kind::Wrong, what + " " + why, ""};
    reportRefusal(op, refusal, number);
    return false;
  };
  if (known.kind == Known::Kind::Uniform) {
    if (known.isUnwritten)
      return wrong("has elements that nothing has written", 1104);
    auto isSum = [](const layout::Pending &pending) { return pending.reduction == layout::Reduction::Sum; };
    if (!known.isZero && llvm::any_of(declared->pending, isSum))
      return wrong("is declared as the ranks' parts of a sum, but is one number that each rank would add", 1105);
    return true;
  }
  if (known.kind == Known::Kind::Waiting || known.kind == Known::Kind::Pulled) {
    if (auto reduction = reductionDisagreement(scope.universe, known.value, *declared))
      return wrong("is not reduced as declared: " + reduction->message, 1105);
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
  bool isReduction = reductionDisagreement(scope.universe, known.value, *declared).has_value();
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

/// Where readings of an operation have different results the first is taken. If the function is not proved then, the
/// others are tried.
static void inferFunction(func::FuncOp function, MeshAttr mesh, const LayoutScope &scope,
                          SymbolTableCollection &symbols, LayoutReport &report,
                          llvm::function_ref<void(Operation *)> afterOperation, LayoutCertificate *certificate) {
  constexpr int mostTries = 64;
  std::optional<LayoutReport> first;
  std::vector<layout::Universe::Choice> choices;
  for (int tries = 0; tries < mostTries; ++tries) {
    LayoutReport own;
    LayoutScope fresh = scope;
    fresh.universe.choices = std::move(choices);
    if (certificate)
      certificate->beginFunction(function);
    FunctionInference inference(function, mesh, std::move(fresh), symbols, own, afterOperation, certificate);
    inference.run();
    bool isProved = !own.has(LayoutFinding::Kind::Unknown) && !own.has(LayoutFinding::Kind::Refuted);
    if (isProved || !first)
      first = std::move(own);
    layout::Universe &universe = inference.getUniverse();
    if (isProved || first->has(LayoutFinding::Kind::Refuted) || !universe.nextChoices())
      break;
    choices = std::move(universe.choices);
  }
  llvm::append_range(report.findings, first->findings);
  report.functions += first->functions;
  report.operations += first->operations;
  report.results += first->results;
  report.claims += first->claims;
  report.isSymbolic |= first->isSymbolic;
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
    inferFunction(function, mesh, *scope, symbols, report, afterOperation, certificate);
  }
  return report;
}
