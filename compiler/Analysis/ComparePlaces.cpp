// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values that no list of digits describes against what is declared: every place if there are few, else all places at
// once as a question of Presburger arithmetic, else a sample.
#include "compiler/Analysis/FunctionInference.h"

using namespace mlir;
using namespace muster;
using layout::Size;

/// Places that are compared one by one: at first, and where nothing else is left.
static constexpr int64_t fewPlaces = int64_t(1) << 14, mostPlaces = int64_t(1) << 21;

PlaceComparison::PlaceComparison(const layout::Universe &universe, const layout::Value &declared)
    : isDeclared(universe.spaces.size(), false), fixed(universe.spaces.size(), -1) {
  auto declare = [&](const layout::Dim &dim) {
    for (const layout::Digit &digit : dim.digits)
      isDeclared[universe.spaces[digit.space].twin.value_or(digit.space)] = true;
  };
  for (const layout::Dim &dim : declared.dims) {
    declare(dim);
    llvm::for_each(dim.segments, declare);
  }
  for (const layout::Digit &digit : declared.floats)
    isDeclared[digit.space] = true;
}

bool FunctionInference::isNamedByResultsOnly(layout::SpaceId space) const {
  if (!scope.universe.spaces[space].isBound)
    return false;
  auto has = [&](const layout::Dim &dim) {
    return llvm::any_of(dim.digits, [&](const layout::Digit &digit) {
      return layout::rootOf(scope.universe, digit.space) == space ||
             scope.universe.spaces[digit.space].twin == std::optional(space);
    });
  };
  return llvm::none_of(knowns, [&](const auto &known) {
    const Known &own = known.second;
    return own.kind == Known::Kind::Digits &&
           (llvm::any_of(own.value.dims,
                         [&](const layout::Dim &dim) { return has(dim) || llvm::any_of(dim.segments, has); }) ||
            llvm::any_of(own.value.floats, [&](const layout::Digit &digit) { return digit.space == space; }));
  });
}

std::optional<LayoutFinding> FunctionInference::comparePlace(Operation *op, mlir::Value value,
                                                             const layout::Value &declared, const layout::Place &place,
                                                             PlaceComparison &seen) {
  SmallVector<int64_t, 4> wanted = layout::plainPositionsAt(scope.universe, declared, place);
  std::optional<PulledElement> element = pull(value, place);
  LayoutFinding finding;
  finding.op = op;
  if (!element) {
    finding.kind = LayoutFinding::Kind::Unknown;
    finding.number = 1108;
    finding.message = "is not known: what moves here cannot be followed back";
    return finding;
  }
  SmallVector<int64_t, 4> *got = &element->positions;
  // A slice may have fixed a position of a dim that the result does not declare: then it is one for all places.
  for (size_t i = 0; i < got->size(); ++i) {
    if (seen.isDeclared[i])
      continue;
    if (seen.fixed[i] < 0)
      seen.fixed[i] = (*got)[i];
    wanted[i] = seen.fixed[i];
    if ((*got)[i] == seen.fixed[i] || scope.universe.spaces[i].isBound)
      continue;
    // Positions of a space that no result names: which of the declared ones they are is not said.
    LayoutFinding open;
    open.op = op;
    open.kind = LayoutFinding::Kind::Unknown;
    open.number = 1108;
    open.isOpenName = true;
    open.message = "is made of dim '" + scope.universe.spaces[i].name + "', which the layout does not name";
    open.missingFact = "a layout that names '" + scope.universe.spaces[i].name + "'";
    return open;
  }
  if (*got == wanted) {
    auto [first, isFirst] = seen.sources.try_emplace(segmentsAt(declared, place), *element);
    if (!isFirst && !seen.mixed &&
        (first->second.source != element->source || first->second.segments != element->segments)) {
      finding.kind = LayoutFinding::Kind::Unknown;
      finding.number = 1108;
      finding.message = "is made of several tensors, here and there";
      finding.missingFact = "that they hold the same, or a layout that tells them apart";
      finding.notes.push_back({first->second.source.getLoc(), "some of its elements are of this value"});
      finding.notes.push_back({element->source.getLoc(), "and some of this one"});
      seen.mixed = std::move(finding);
    }
    return std::nullopt;
  }
  // Nor does an element say where it is in a dim that only results have, if several tensors lie side by side there.
  bool isMixed = llvm::any_of(seen.sources, [&](const auto &known) {
    return known.second.source != element->source || known.second.segments != element->segments;
  });
  for (size_t i = 0; i < got->size(); ++i)
    if (isMixed && (*got)[i] != wanted[i] && isNamedByResultsOnly(static_cast<layout::SpaceId>(i))) {
      finding.kind = LayoutFinding::Kind::Unknown;
      finding.number = 1108;
      finding.isOpenName = true;
      finding.message = "is made of values that have no dim '" + scope.universe.spaces[i].name + "'";
      finding.missingFact = "a layout that names the dims of its elements";
      return finding;
    }
  // What was computed of several parts of a dim is at none of its positions.
  for (size_t i = 0; i < element->isHeld.size(); ++i)
    if ((*got)[i] != wanted[i] && !element->isHeld[i]) {
      finding.kind = LayoutFinding::Kind::Unknown;
      finding.number = 1108;
      finding.message = "is made of values that have no dim '" + scope.universe.spaces[i].name + "'";
      finding.missingFact = "a layout that does not name '" + scope.universe.spaces[i].name + "'";
      return finding;
    }
  LayoutCounterexample example;
  example.coordinates = nameCoordinates(scope.universe, place);
  example.index = place.index;
  SmallVector<layout::SpaceId, 4> spaces;
  auto addSpaces = [&](const layout::Dim &dim) {
    for (const layout::Digit &digit : dim.digits) {
      layout::SpaceId space = scope.universe.spaces[digit.space].twin.value_or(digit.space);
      if (!llvm::is_contained(spaces, space))
        spaces.push_back(space);
    }
  };
  for (const layout::Dim &dim : declared.dims) {
    addSpaces(dim);
    llvm::for_each(dim.segments, addSpaces);
  }
  for (const layout::Digit &digit : declared.floats) {
    layout::SpaceId space = scope.universe.spaces[digit.space].twin.value_or(digit.space);
    if (!llvm::is_contained(spaces, space))
      spaces.push_back(space);
  }
  for (layout::SpaceId space : spaces) {
    example.wanted.push_back({scope.universe.spaces[space].name, wanted[space]});
    example.got.push_back({scope.universe.spaces[space].name, (*got)[space]});
  }
  for (auto [name, size] : llvm::zip(scope.universe.symbols.getNames(), place.symbols))
    example.symbols.push_back({name, size});
  finding.number = 1104;
  finding.message = "holds the wrong elements";
  finding.counterexample = std::move(example);
  return finding;
}

std::optional<LayoutFinding> FunctionInference::compareInstance(Operation *op, mlir::Value value,
                                                                const layout::Value &declared,
                                                                ArrayRef<int64_t> symbols, int64_t most,
                                                                bool mayLeaveOut, bool &isWhole) {
  // The order of places: ranks outermost, so that one local index after the other is compared.
  layout::Place place;
  place.symbols.assign(symbols.begin(), symbols.end());
  SmallVector<int64_t, 4> shape, mesh;
  int64_t places = 1;
  for (const Size &size : declared.localShape())
    shape.push_back(size.evaluate(symbols).value_or(1));
  for (const layout::Axis &axis : scope.universe.axes)
    mesh.push_back(axis.size.evaluate(symbols).value_or(1));
  for (ArrayRef<int64_t> sizes : {ArrayRef<int64_t>(shape), ArrayRef<int64_t>(mesh)})
    for (int64_t size : sizes)
      if (llvm::MulOverflow(places, size, places))
        places = std::numeric_limits<int64_t>::max();
  // A step that is prime to the sizes visits all digits of the index.
  int64_t step = places <= most ? 1 : places / most | 1;
  isWhole = step == 1;
  if (!isWhole && !mayLeaveOut)
    return std::nullopt;
  PlaceComparison seen(scope.universe, declared);
  for (int64_t number = 0; number < places; number += step) {
    int64_t rest = number;
    place.index.assign(shape.size(), 0);
    place.coordinates.assign(mesh.size(), 0);
    for (size_t i = shape.size(); i-- > 0; rest /= shape[i])
      place.index[i] = rest % shape[i];
    for (size_t i = mesh.size(); i-- > 0; rest /= mesh[i])
      place.coordinates[i] = rest % mesh[i];
    if (std::optional<LayoutFinding> finding = comparePlace(op, value, declared, place, seen))
      return finding;
    if (places - number <= step)
      break; // the next would overflow
  }
  // A wrong position is worse than a right one of another tensor.
  return seen.mixed;
}

std::optional<LayoutFinding> FunctionInference::comparePlaces(Operation *op, mlir::Value value,
                                                              const layout::Value &declared) {
  auto unknown = [&](const std::string &why) {
    LayoutFinding finding;
    finding.op = op;
    finding.kind = LayoutFinding::Kind::Unknown;
    finding.number = 1108;
    finding.message = "is not known, because a reshape cuts inside a digit and " + why;
    finding.missingFact = "concrete sizes, or a fact that makes the reshape end between digits";
    return finding;
  };
  // Of symbolic sizes a few small instances come first, because they make the plainest counterexamples.
  // The small ones to each symbol in turn; one instance where there are none.
  size_t count = scope.universe.symbols.size();
  bool isWhole = true;
  for (size_t turn = 0; turn < std::clamp<size_t>(count, 1, 4); ++turn) {
    SmallVector<int64_t, 8> symbols = layout::distinctPrimes(count, turn);
    if (std::optional<LayoutFinding> finding =
            compareInstance(op, value, declared, symbols, fewPlaces, count != 0, isWhole))
      return finding->isOpenName && !scope.hasRows() ? compareOnOneRank(op, value, declared, std::move(*finding))
                                                     : finding;
  }
  if (count == 0 && isWhole)
    return std::nullopt;
  // Places of equal parts are all that is asked about: they refute, and prove nothing of unequal ones.
  if (scope.hasRows())
    return unknown("rows that counts divide are not compared place by place");
  PlaceQuestion question = askPresburger(value, declared);
  if (question.isEqual)
    return std::nullopt;
  if (question.difference) {
    PlaceComparison seen(scope.universe, declared);
    if (std::optional<LayoutFinding> finding = comparePlace(op, value, declared, *question.difference, seen))
      return finding;
  }
  if (count != 0)
    return unknown("the sizes are symbolic (a few instances agree)");
  std::optional<LayoutFinding> finding = compareInstance(op, value, declared, {}, mostPlaces, true, isWhole);
  if (finding || isWhole)
    return finding;
  return unknown("the tensor is too large to compare every place (a sample agrees)");
}
