// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls, branches and loops: what holds whichever way a value came.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Analysis/LayoutCertificate.h"

using namespace mlir;
using namespace muster;
using layout::Refusal;

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
      described.push_back({get(value), divergenceOf(value), isCountLike(value) ? originOf(value) : mlir::Value()});
    return described;
  };
  std::vector<CallValue> operands = describe(op.getOperands());
  const Uniformity *caller = scope.hasRows() ? uniformityAt(op) : nullptr,
                   *variation = caller ? caller->callee(op) : nullptr;
  // A certificate follows every call. Counts that are others in each turn of a loop, or in each call of the function
  // that makes them, have one name.
  bool isShared = !certificate && llvm::all_of(operands, [&](const CallValue &operand) {
    return !operand.origin || isSteady(operand.origin);
  });
  const std::vector<CallValue> *results = isShared ? calls.find(callee, operands, variation) : nullptr;
  std::vector<CallValue> own;
  if (!results) {
    callStack.push_back(callee);
    frames.push_back({op, ++looks});
    for (auto [argument, operand] : llvm::zip(callee.getArguments(), op.getOperands())) {
      pass(operand, argument);
      passOrigin(operand, argument);
    }
    inferBlock(callee.getBody().front());
    auto returns = cast<func::ReturnOp>(callee.getBody().front().getTerminator());
    own = describe(returns.getOperands());
    frames.pop_back();
    callStack.pop_back();
    if (isShared) {
      calls.add(callee, operands, variation, own);
      results = calls.find(callee, operands, variation);
    }
  }
  for (auto [index, result] : llvm::enumerate(op.getResults()))
    returnOrigin((results ? *results : own)[index].origin, op, result);
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

std::optional<Known> FunctionInference::join(const Known &a, const Known &b) const {
  const layout::Universe &universe = scope.universe;
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
  if (a.kind != Kind::Digits || b.kind != Kind::Digits)
    return std::nullopt;
  Known both = a;
  llvm::erase_if(both.value.at, [&](layout::SpaceId space) { return !llvm::is_contained(b.value.at, space); });
  layout::Value other = b.value;
  other.at = both.value.at;
  if (!layout::isSame(both.value, other))
    return std::nullopt;
  if (isArrangedAlike(a.value, b.value))
    return both;
  // The ranks hold the same, but one rank may not: what either may hold there.
  auto left = layout::soundReadingsOf(universe, a.value), right = layout::soundReadingsOf(universe, b.value);
  if (!left || !right)
    return std::nullopt;
  llvm::erase_if(*left, [&](const layout::Value &reading) {
    return llvm::none_of(*right, [&](const layout::Value &held) { return layout::isSame(held, reading); });
  });
  return layout::keepReadings(both.value, *left) ? std::optional(std::move(both)) : std::nullopt;
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
  // So may different parts of one dim.
  // So may one thing that ranks hold, which may be two on one rank, and rows that were padded in two ways; and where
  // one lost the place of what its ranks differ in, in a dim of one element.
  auto isPadded = [&](const Known &known) {
    return llvm::any_of(known.value.dims,
                        [&](const layout::Dim &dim) { return layout::paddedRowsOf(scope.universe, dim); });
  };
  bool isWrong = isDigits(a) && isDigits(b) && !(isPadded(a) && isPadded(b)) &&
                 !layout::hasRanges(scope.universe, a.value) && !layout::hasRanges(scope.universe, b.value) &&
                 a.value.floats.size() == b.value.floats.size() && !layout::isSame(a.value, b.value);
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

void FunctionInference::settleLoop(scf::ForOp op) {
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
      bool isSame = both->kind == before.kind && both->value.at.size() == before.value.at.size() &&
                    both->isZero == before.isZero && both->isUnwritten == before.isUnwritten;
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

bool FunctionInference::followLoop(scf::ForOp op, int64_t lower, int64_t step, int64_t trips) {
  auto yield = cast<scf::YieldOp>(op.getBody()->getTerminator());
  size_t findings = report.findings.size();
  auto hasFinding = [&] {
    return llvm::any_of(llvm::drop_begin(report.findings, findings),
                        [](const LayoutFinding &finding) { return finding.kind != LayoutFinding::Kind::Assumed; });
  };
  for (auto [argument, init] : llvm::zip(op.getRegionIterArgs(), op.getInitArgs())) {
    pass(init, argument);
    carriedTensors[argument] = tensorOf(init);
  }
  tensors.clear();
  bool isCheap = true;
  for (int64_t trip = 0; trip < trips && isCheap && !hasFinding(); ++trip) {
    loopIndices[op.getInductionVar()] = lower + trip * step;
    int64_t before = report.operations;
    inferBlock(*op.getBody());
    followed += report.operations - before;
    isCheap = followed <= mostFollowed;
    // All at once: what is carried may change places.
    std::vector<CallValue> next;
    SmallVector<uint64_t, 4> nextTensors;
    for (mlir::Value value : yield.getOperands()) {
      next.push_back({get(value), divergenceOf(value), {}});
      nextTensors.push_back(tensorOf(value));
    }
    tensors.clear();
    for (auto [argument, value, tensor] : llvm::zip(op.getRegionIterArgs(), next, nextTensors)) {
      carriedTensors[argument] = tensor;
      set(argument, std::move(value.known));
      if (value.divergence)
        divergent[argument] = value.divergence;
      else
        divergent.erase(argument);
    }
  }
  loopIndices.erase(op.getInductionVar());
  markUncovered("a loop that was followed iteration by iteration");
  if (hasFinding() || !isCheap) {
    fail(op);
    return isCheap;
  }
  for (auto [result, argument] : llvm::zip(op.getResults(), op.getRegionIterArgs())) {
    pass(argument, result);
    carriedTensors[result] = carriedTensors[argument];
  }
  for (BlockArgument argument : op.getRegionIterArgs())
    carriedTensors.erase(argument);
  return true;
}

void FunctionInference::inferLoop(scf::ForOp op) {
  for (mlir::Value bound : {op.getLowerBound(), op.getUpperBound(), op.getStep()})
    if (refuseDivergence(op, bound))
      return;
  size_t findings = report.findings.size(), maps = certificate ? certificate->size() : 0;
  int64_t operations = report.operations, claims = report.claims;
  for (mlir::Value value : op.getResults())
    carriedTensors.erase(value);
  for (BlockArgument argument : op.getRegionIterArgs())
    carriedTensors.erase(argument);
  settleLoop(op);
  if (llvm::all_of(llvm::drop_begin(report.findings, findings),
                   [](const LayoutFinding &finding) { return finding.kind == LayoutFinding::Kind::Assumed; }))
    return;
  // What holds in no iteration alike may be known in each.
  std::optional<int64_t> lower = indexAt(op.getLowerBound(), nullptr), upper = indexAt(op.getUpperBound(), nullptr),
                         step = indexAt(op.getStep(), nullptr);
  if (!lower || !upper || !step || *step <= 0 || *lower < 0 || followed > mostFollowed)
    return;
  int64_t trips = *upper <= *lower ? 0 : (*upper - *lower - 1) / *step + 1;
  if (trips > mostTrips)
    return;
  SmallVector<LayoutFinding, 2> settled(report.findings.begin() + static_cast<ptrdiff_t>(findings),
                                        report.findings.end());
  auto reset = [&] {
    report.findings.resize(findings);
    report.operations = operations;
    report.claims = claims;
    if (certificate)
      certificate->shrink(maps);
  };
  reset();
  if (followLoop(op, *lower, *step, trips))
    return;
  reset();
  llvm::append_range(report.findings, settled);
}
