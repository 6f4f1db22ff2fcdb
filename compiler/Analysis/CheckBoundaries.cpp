// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Declared results and claims against what is held.
#include "compiler/Analysis/FunctionInference.h"
#include "compiler/Layout/Evaluate.h"
#include "compiler/Layout/History.h"

using namespace mlir;
using namespace muster;
using layout::Outcome;
using layout::Refusal;
using layout::Size;

/// Of a space of which the value has no digit (another chunk order, another dim) there is no element to show.
static bool hasSpacesOf(const layout::Universe &universe, const layout::Value &value, const layout::Value &wanted) {
  llvm::SmallDenseSet<layout::SpaceId, 8> spaces;
  auto addDigits = [&](const auto &digits) {
    for (const layout::Digit &digit : digits)
      spaces.insert(layout::rootOf(universe, digit.space));
  };
  auto addPlaces = [&](ArrayRef<layout::SpaceId> at) {
    for (layout::SpaceId space : at)
      spaces.insert(layout::rootOf(universe, space));
  };
  addDigits(value.floats);
  addPlaces(value.at);
  for (const layout::Dim &dim : value.dims) {
    addDigits(dim.digits);
    for (const layout::Dim &segment : dim.segments) {
      addDigits(segment.digits);
      addPlaces(segment.at);
    }
  }
  return llvm::all_of(wanted.dims, [&](const layout::Dim &dim) {
    return llvm::all_of(dim.digits, [&](const layout::Digit &digit) { return spaces.contains(digit.space); });
  });
}

/// The first place at which two values of the same spaces differ: cumulative products of digit counts in one dim, all
/// else zero, then pairs of them.
static std::optional<LayoutCounterexample> findDifference(const layout::Universe &universe, const layout::Value &got,
                                                          const layout::Value &wanted) {
  if (!hasSpacesOf(universe, got, wanted))
    return std::nullopt;
  layout::Place place;
  llvm::append_range(place.symbols, layout::distinctPrimes(universe.symbols.size()));
  place.coordinates.assign(universe.axes.size(), 0);
  place.index.assign(got.dims.size(), 0);
  auto evaluate = [&](const Size &size) { return size.evaluate(place.symbols).value_or(1); };
  SmallVector<SmallVector<int64_t, 6>, 8> candidates; // by dim, then by axis
  for (size_t i = 0; i < got.dims.size(); ++i) {
    SmallVector<int64_t, 6> values{0};
    int64_t size = evaluate(got.dims[i].localSize());
    for (const layout::Value *value : {&got, &wanted}) {
      int64_t step = 1, begin = 0;
      for (const layout::Dim &segment : value->dims[i].segments) {
        if (begin < size)
          values.push_back(begin);
        begin += evaluate(segment.localSize());
      }
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
    auto addSpaces = [&](ArrayRef<layout::Digit> digits) {
      for (const layout::Digit &digit : digits)
        if (!llvm::is_contained(spaces, digit.space))
          spaces.push_back(digit.space);
    };
    for (const layout::Dim &dim : wanted.dims) {
      addSpaces(dim.digits);
      for (const layout::Dim &segment : dim.segments)
        addSpaces(segment.digits);
    }
    addSpaces(wanted.floats);
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
  layout::copyReduction(value, own);
  other.pending = declared.pending;
  return layout::boundaryDisagreement(universe, own, other);
}

/// Whether each element of the value is an element of one argument, of one that is no sum of parts.
bool FunctionInference::isArgumentMoved(mlir::Value value) {
  while (Operation *op = value.getDefiningOp()) {
    mlir::Value moved = isa<AllReduceOp, ReduceScatterOp>(op) ? mlir::Value() : movedOperand(op);
    if (!moved)
      return false;
    value = moved;
  }
  return value.getParentBlock() == &entry.getBody().front() && get(value).value.isFull();
}

/// Parts of dims that are not in their order: what they are together is told place by place, if it can be told.
std::optional<bool> FunctionInference::checkRanges(Operation *op, mlir::Value value, const layout::Value &declared,
                                                   const Refusal &refusal, const std::string &what, LayoutAttr layout) {
  const layout::Value &held = get(value).value;
  auto isConstant = [&](const layout::Dim &dim) {
    return llvm::any_of(dim.digits, [&](const layout::Digit &digit) { return constantSpaces.contains(digit.space); });
  };
  bool hasConstant = false;
  for (const layout::Dim &dim : held.dims)
    hasConstant |= isConstant(dim) || llvm::any_of(dim.segments, isConstant);
  if (hasConstant || held.isChoice || !held.floats.empty() || reductionDisagreement(scope.universe, held, declared))
    return std::nullopt;
  std::optional<LayoutFinding> places = comparePlaces(op, value, declared);
  if (!places)
    return true;
  if (places->kind != LayoutFinding::Kind::Refuted && places->notes.empty())
    return std::nullopt;
  places->message = what + places->message + ": expected layout " + layout.getText();
  places->parting = value.getDefiningOp();
  places->notes.push_back({value.getLoc(), refusal.message});
  report.findings.push_back(std::move(*places));
  return false;
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
    // A reader of the certificate compares places.
    if (known.packed && !known.packed->isCut && !certificate && !packedBoundary(*known.packed, *declared))
      return true;
    std::optional<LayoutFinding> finding = comparePlaces(op, value, *declared);
    if (!finding)
      return true;
    std::optional<Refusal> parts;
    if (known.packed && finding->kind == LayoutFinding::Kind::Unknown) {
      parts = packedBoundary(*known.packed, *declared);
      // Pieces of dims have positions of their own: those of the dim are not known by them.
      if (!parts && !known.packed->isCut) {
        markUncovered("parts side by side that are one declared dim");
        return true;
      }
    }
    if (parts && parts->kind == Refusal::Kind::Wrong && finding->kind == LayoutFinding::Kind::Unknown &&
        !known.value.isChoice) {
      finding->kind = LayoutFinding::Kind::Refuted;
      finding->number = 1104;
      finding->message = "holds the wrong elements";
      finding->missingFact.clear();
      finding->notes.push_back({value.getLoc(), parts->message});
    }
    finding->message = what + " " + finding->message + ": expected layout " + layout.getText();
    finding->parting = known.op;
    if (known.op)
      finding->notes.push_back({known.op->getLoc(), "the maps part here: " + known.reason});
    report.findings.push_back(std::move(*finding));
    return false;
  }
  std::optional<Refusal> refusal = layout::boundaryDisagreement(scope.universe, known.value, *declared);
  if (refusal && refusal->kind == Refusal::Kind::Unknown && layout::hasRanges(scope.universe, known.value))
    if (std::optional<bool> isRight = checkRanges(op, value, *declared, *refusal, what + " ", layout))
      return *isRight;
  if (refusal && refusal->kind == Refusal::Kind::Unknown)
    if (std::optional<layout::Packed> packed = packedOf(known)) {
      markUncovered("parts side by side that are one declared dim");
      refusal = packedBoundary(*packed, *declared);
    }
  if (!refusal) {
    if (certificate && cutValues.contains(value) && comparePlaces(op, value, *declared))
      markUncovered("a part of a dim at an offset, by another name");
    return true;
  }
  for (const layout::Dim &dim : known.value.dims)
    for (const layout::Dim &segment : dim.segments)
      for (const layout::Digit &digit : segment.digits)
        if (scope.universe.spaces[digit.space].tag == "unwritten")
          return wrong("has elements that nothing has written: " + print(scope.universe, dim), 1104);
  // Elements of an argument are told apart by the names of its dims, whatever dims the shards are said to stand in.
  if (isArgumentMoved(value) && layout::holdsSame(known.value, *declared)) {
    markUncovered("shards that stand in other dims than declared");
    return true;
  }
  LayoutFinding finding;
  finding.op = op;
  bool isReduction = reductionDisagreement(scope.universe, known.value, *declared).has_value();
  finding.number = isReduction ? 1105 : 1104;
  if (known.value.isChoice) {
    refusal->kind = Refusal::Kind::Unknown;
    refusal->missingFact = choiceFact;
  }
  if (refusal->kind == Refusal::Kind::Wrong && isRouted(known.value)) {
    refusal->kind = Refusal::Kind::Unknown;
    refusal->missingFact = routingFact;
  }
  if (refusal->kind != Refusal::Kind::Wrong) {
    finding.kind = LayoutFinding::Kind::Unknown;
    finding.number = 1108;
    finding.missingFact = refusal->missingFact;
  }
  if (isReduction)
    noteReduction(value, finding);
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
    auto checkNamed = [&](layout::SpaceId space) {
      layout::SpaceId root = layout::rootOf(scope.universe, space);
      isNamed &= llvm::any_of(declared->dims, [&](const layout::Dim &other) {
        return llvm::any_of(other.digits, [&](const layout::Digit &named) { return named.space == root; });
      });
    };
    for (const layout::Dim &dim : known.value.dims)
      for (const layout::Digit &digit : dim.digits)
        checkNamed(digit.space);
    llvm::for_each(known.value.at, checkNamed);
    // Where a part of a dim is may be forgotten.
    bool isTold = finding.kind == LayoutFinding::Kind::Refuted || !layout::hasRanges(scope.universe, known.value);
    if (isNamed && isTold)
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
