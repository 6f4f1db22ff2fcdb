// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that move elements: each place of the result is followed back to one of an operand.
#include "compiler/Certificate/Program.h"

using namespace mlir;

namespace muster::certificate {

static bool isReshape(Operation *op) {
  return isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::ReshapeOp, nn::SplitHeadsOp,
                         nn::MergeHeadsOp>(op);
}

/// The operand of a reshape. One that cuts inside a digit has no map: only grouping was lost.
static Value startOf(Operation *op, llvm::function_ref<bool(Value)> hasMap) {
  Value start = op->getOperand(0);
  while (isReshape(op) && !hasMap(start) && isReshape(start.getDefiningOp()))
    start = start.getDefiningOp()->getOperand(0);
  return start;
}

/// Sizes of a rank's part; 0 where they are not known.
std::vector<Size> Program::shapeOf(Value value) const {
  std::vector<Size> shape;
  if (const Map *map = mapOf(value); map && !map->isNumber)
    for (const Dim &dim : map->dims)
      shape.push_back(localSize(dim));
  else
    for (int64_t size : cast<RankedTensorType>(value.getType()).getShape())
      shape.push_back(Size(std::max<int64_t>(size, 0)));
  return shape;
}

/// The rank's position in a group.
static bool positionIn(const Run &group, const Place &place, Number &own, std::string &blocked) {
  for (const Digit &axis : group) {
    Number part;
    if (!coordinateOf(axis, place, part, blocked))
      return false;
    own = own * axis.count + part;
  }
  return true;
}

/// To the rank of a group at this position.
static bool moveTo(Place &place, const Run &group, Number source, std::string &blocked) {
  Number part, high, low;
  for (const Digit &axis : llvm::reverse(group)) {
    Number &coordinate = place.coordinates[axis.axis];
    if (!coordinate.divide(axis.weight, high, low, blocked) || !high.divide(axis.count, high, part, blocked) ||
        !source.divide(axis.count, source, part, blocked))
      return false;
    coordinate = (high * axis.count + part) * axis.weight + low;
  }
  return true;
}

/// Back through an exchange of parts of two dims: equal parts of `split` went to the ranks of a group, what came from
/// them was laid side by side in `concat`. Without `concat` a rank keeps its own part, without `split` it has all.
static bool exchangeBack(Place &place, const std::vector<Size> &shape, const Run &group, std::optional<size_t> split,
                         std::optional<size_t> concat, std::string &blocked) {
  Number own, source;
  Size parts(1);
  for (const Digit &axis : group)
    parts *= axis.count;
  if (!positionIn(group, place, own, blocked) || (split && !divides(parts, shape[*split])))
    return false;
  if (concat) {
    Number &index = place.index[*concat];
    if (!index.divide(split == concat ? shape[*concat] / parts : shape[*concat], source, index, blocked) ||
        !moveTo(place, group, source, blocked))
      return false;
  }
  if (split)
    place.index[*split] = place.index[*split] + own * (shape[*split] / parts);
  return true;
}

/// From a place of the result of a movement to that of an operand, which becomes `value`. False where there is no rule
/// or, and then `blocked` is a variable, where the place depends on more than parts of variables.
bool Program::follow(Value &value, Place &place, std::string &blocked) {
  Operation *op = value.getDefiningOp();
  blocked.clear();
  if (!op || op->getNumOperands() == 0)
    return false;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    Number &index = place.index[concat.getDim()];
    for (Value operand : concat.getInputs()) {
      Size size = shapeOf(operand)[concat.getDim()];
      value = operand;
      if (index.most() < size)
        return true;
      if (index.constant < size)
        return blocked = index.terms[0].variable, false;
      index.constant -= size;
    }
    return false;
  }
  Value result = std::exchange(value, startOf(op, [&](Value start) { return mapOf(start) != nullptr; }));
  if (!isa<RankedTensorType>(value.getType()))
    return false;
  std::vector<Size> shape = shapeOf(value);
  if (llvm::is_contained(shape, 0))
    return false;
  std::vector<Number> index(shape.size());
  Run group = groupOf(op);
  auto dimOf = [&](StringRef name) { return size_t(op->getAttrOfType<IntegerAttr>(name).getInt()); };
  if (isReshape(op)) {
    Number linear;
    for (auto [position, size] : llvm::zip(place.index, shapeOf(result)))
      linear = linear * size + position;
    for (size_t i = shape.size(); i-- > 0;)
      if (!linear.divide(shape[i], linear, index[i], blocked))
        return false;
    place.index = index;
    return linear == Number();
  }
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
      index[size_t(dim)] = place.index[i];
    place.index = index;
    return true;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    for (size_t i = 0, k = 0; i < index.size(); ++i) {
      std::optional<Number> first = formOf(slice.getMixedOffsets()[i]);
      if (!first)
        return false;
      bool isDropped = slice.getDroppedDims().test(unsigned(i));
      index[i] = isDropped ? Number() : place.index[k++] * sizeOf(slice.getMixedStrides()[i]);
      index[i].constant += first->constant;
      for (const Term &term : first->terms) { // of the rank that sliced, which is not always the one that has it now
        Number own;
        if (!coordinateOf({term.count, Size(0), "", term.variable.substr(1), term.at}, place, own, blocked))
          return false;
        index[i] = index[i] + own * term.stride;
      }
    }
    place.index = index;
    return true;
  }
  if (auto own = dyn_cast<RedistributeOp>(op)) { // What arrived, then what left.
    for (bool isArriving : {true, false})
      for (auto [i, from, to] : llvm::enumerate(own.getFrom().getDims(), own.getTo().getDims())) {
        if (from == to)
          continue;
        if (from.getTerms().size() > 1 || to.getTerms().size() > 1)
          return false;
        for (const Digit &axis : isArriving ? axesOf(from.getTerms()[0].getAxes()) : Run())
          shape[i] *= axis.count;
        Run axes = axesOf((isArriving ? to : from).getTerms()[0].getAxes());
        using Where = std::optional<size_t>;
        if (!exchangeBack(place, isArriving ? shape : shapeOf(value), axes, isArriving ? Where(i) : Where(),
                          isArriving ? Where() : Where(i), blocked))
          return false;
      }
    return true;
  }
  if (auto permute = dyn_cast<PermuteOp>(op)) { // Which rank's it is may depend on the rank in any way.
    Number own;
    if (!positionIn(group, place, own, blocked))
      return false;
    if (!own.terms.empty())
      return blocked = own.terms[0].variable, false;
    int64_t source = permute.getSources()[size_t(int64_t(own.constant))];
    return source >= 0 && moveTo(place, group, Number{Size(source)}, blocked);
  }
  if (isa<ExchangeOp>(op))
    return exchangeBack(place, shape, group, 0, 0, blocked);
  if (auto all = dyn_cast<AllToAllOp>(op))
    return exchangeBack(place, shape, group, all.getSplit(), all.getConcat(), blocked);
  if (isa<AllGatherOp>(op))
    return exchangeBack(place, shape, group, std::nullopt, dimOf("dim"), blocked);
  if (isa<SliceOp, ReduceScatterOp>(op))
    return exchangeBack(place, shape, group, dimOf("dim"), std::nullopt, blocked);
  return isa<tensor::CastOp, AllReduceOp, BroadcastOp>(op);
}

/// A reduction over a group is taken exactly once of what is pending over all of it, and of nothing that varies there.
bool Program::reduce(Map &map, const Run &group, StringRef kind) {
  Size parts(1), all(1);
  for (const Digit &axis : group) {
    all *= axis.count;
    llvm::erase_if(map.pending, [&](const Digit &digit) {
      bool isTaken = digit.axis == axis.axis && digit.space == kind && divides(axis.weight, digit.weight) &&
                     divides(digit.weight * digit.count, axis.weight * axis.count);
      parts *= isTaken ? digit.count : Size(1);
      return isTaken;
    });
  }
  bool isOfEqual = parts == 1 && (kind == "max" || kind == "min");
  return ((parts == all || isOfEqual) && !varies(map, group)) ||
         reject("reduces over the ranks of a group what is not one " + kind + " over all of it");
}

/// Whether ranks of a group hold different elements, or different parts of a reduction.
bool Program::varies(const Map &map, const Run &group) {
  Run digits = meshDigits(map.dims);
  llvm::append_range(digits, map.pending);
  return llvm::any_of(digits, [&](const Digit &digit) {
    return llvm::any_of(group, [&](const Digit &axis) { return !areDisjoint({digit, axis}); });
  });
}

/// All digits of a map as those of one dim of the program without a mesh, in the order of its dims.
static Dim flat(const Map &map) {
  Run run;
  for (const Dim &dim : map.dims)
    llvm::append_range(run, dim.size() == 1 ? dim[0] : Run{{localSize(dim), Size(1), ""}});
  Size stride(1);
  for (Digit &digit : llvm::reverse(run)) {
    digit.space = "flat";
    digit.stride = std::exchange(stride, stride * digit.count);
  }
  return {run};
}

/// A movement leaves shards in their dims. A mesh digit may stand before (or behind) what it continues (or what
/// continues it); one that continues nothing where it stood may go to a dim of one local element; and others stay where
/// they are, before the same local digit; those of a dim that is dropped go to the front of the next one. A reshape
/// changes where dims begin, not the order of digits.
bool Program::checkShards(const Map &from, const Map &to, bool isReshape, bool isCollective,
                          const llvm::SmallBitVector &dropped) {
  auto isAttached = [](const Run &run, size_t i) { return i + 1 < run.size() && continues(run[i], run[i + 1]); };
  /// Where the next local digit begins: its space, and the product of its count and stride.
  auto next = [](const Run &run, size_t i) {
    for (++i; i < run.size(); ++i)
      if (!run[i].isMesh() && run[i].count != 1)
        return std::pair(run[i].space, run[i].stride * run[i].count);
    return std::pair(std::string(), Size(0));
  };
  auto isNextOf = [&](size_t place, size_t d) { // of a dropped dim
    return place < dropped.size() && dropped.test(unsigned(place)) &&
           d == size_t(llvm::count_if(llvm::seq(place), [&](size_t k) { return !dropped.test(unsigned(k)); }));
  };
  for (auto [d, dim] : llvm::enumerate(to.dims))
    for (const Run &run : dim)
      for (size_t i = 0; i < run.size(); ++i) {
        bool isSettled = !run[i].isMesh() || isAttached(run, i) || (i > 0 && isAttached(run, i - 1));
        bool mayFloat = localSize(run) == 1, isLast = next(run, i).second == 0;
        for (auto [place, old] : llvm::enumerate(from.dims))
          for (const Run &before : old)
            for (size_t k = 0; k < before.size(); ++k) {
              const Digit &digit = before[k];
              isSettled |= digit == run[i] && i == 0 && isNextOf(place, d);
              mayFloat &= isReshape || !(digit == run[i] && isAttached(before, k));
              isSettled |=
                  digit.space == run[i].space && digit.stride == run[i].stride && next(before, k) == next(run, i);
            }
        // What went to another dim, and continues nothing there, is out of its place until it does.
        auto holds = [&](const Dim &old) {
          return llvm::any_of(old, [&](const Run &before) {
            return llvm::any_of(before, [&](const Digit &digit) {
              return digit.space == run[i].space && divides(digit.stride, run[i].stride) &&
                     divides(run[i].stride * run[i].count, digit.stride * digit.count);
            });
          });
        };
        if (isCollective && run[i].count != 1 && !isAttached(run, i) && d < from.dims.size() && !holds(from.dims[d]) &&
            llvm::any_of(from.dims, holds))
          displaced.push_back(run[i]);
        if (!isSettled && !mayFloat && (!isReshape || isLast))
          return reject("the map does not leave a shard where it was");
      }
  for (const Dim &dim : to.dims)
    if (isFree(dim) && (isCollective || llvm::none_of(from.dims, [&](const Dim &old) {
                          return isFree(old) && localSize(old) == localSize(dim);
                        })))
      return reject("a dim that is not of any size");
  return !isReshape || isSame(flat(from), flat(to), axes) || reject("the map does not follow from that of the operand");
}

/// The part of a dim that a slice takes: all of it, the rank's own part, whole parts of a packed dim, or anything of a
/// dim that is not on the mesh.
bool Program::checkSlice(tensor::ExtractSliceOp op, const Map &map) {
  for (unsigned i = 0; i < map.dims.size(); ++i) {
    std::optional<Number> first = formOf(op.getMixedOffsets()[i]);
    Size size = sizeOf(op.getMixedSizes()[i]), parts = size, at(0), stride = sizeOf(op.getMixedStrides()[i]);
    if (!first || size == 0 || stride == 0)
      return reject("a slice of unknown offset, size or stride", true);
    for (const Term &term : first->terms) {
      parts *= term.count;
      Digit axis{term.count, Size(0), "", term.variable.substr(1), term.at};
      if (varies(map, {axis}))
        return reject("a part for each rank of what is not the same on them");
    }
    bool begins = first->constant == 0, ends = false;
    for (const Run &part : map.dims[i]) {
      begins |= first->constant == at;
      at += localSize(part);
      ends |= first->constant + size == at;
    }
    bool isWhole = parts == at && first->constant == 0, isParts = first->terms.empty() && begins && ends;
    if (stride != 1 ? !meshDigits({map.dims[i]}).empty()
                    : !isWhole && !isParts && (!first->terms.empty() || !meshDigits({map.dims[i]}).empty()))
      return reject("a slice of a dim that is on the mesh", true);
  }
  return true;
}

bool Program::isMovement(Operation *op) {
  return isReshape(op) || isa<MusterDialect>(op->getDialect()) ||
         isa<tensor::CastOp, linalg::TransposeOp, tensor::ExtractSliceOp, tensor::ConcatOp>(op);
}

bool Program::checkMovement(Operation *op, const Map &claimed) {
  Value start = startOf(op, [&](Value value) { return mapOf(value) != nullptr; });
  ValueRange operands = isa<tensor::ConcatOp>(op) ? ValueRange(op->getOperands()) : ValueRange(start);
  for (Value operand : operands)
    if (!mapOf(operand))
      return reject("an operand has no map");
  Map map = *mapOf(start);
  Run group = groupOf(op);
  auto isNumber = [&](Value value) { return mapOf(value)->isNumber; };
  if (claimed.isNumber || llvm::any_of(operands, isNumber)) { // Added up, it is another one.
    auto kind = op->getAttrOfType<ReductionKindAttr>("kind");
    bool isSum = isa<RedistributeOp>(op) || (kind && kind.getValue() == ReductionKind::Sum);
    return (claimed.isNumber && operands.size() == 1 && map.isNumber && (map.isZero || (!isSum && !claimed.isZero))) ||
           reject("the map is not that of one number");
  }
  if (auto kind = op->getAttrOfType<ReductionKindAttr>("kind"))
    if (!reduce(map, group, stringifyReductionKind(kind.getValue())))
      return false;
  if (auto own = dyn_cast<RedistributeOp>(op))
    for (PartialAttr partial : own.getFrom().getPartials())
      for (AxisRefAttr axis : partial.getAxes())
        if (llvm::none_of(own.getTo().getPartials(),
                          [&](PartialAttr to) { return llvm::is_contained(to.getAxes(), axis); }) &&
            !reduce(map, axesOf({axis}), stringifyReductionKind(partial.getKind())))
          return false;
  if (isa<BroadcastOp, PermuteOp, SliceOp, ReduceScatterOp>(op) && varies(map, group))
    return reject("ranks of the group hold elements that are not the same");
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  if (slice && !checkSlice(slice, map))
    return false;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    for (Value operand : concat.getInputs()) {
      if (!isPermuted(mapOf(operand)->pending, map.pending))
        return reject("operands that are to be reduced in different ways");
      if (operand != start)
        llvm::append_range(map.dims[concat.getDim()], mapOf(operand)->dims[concat.getDim()]);
    }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    for (auto [size, dim] : llvm::zip(expand.getMixedOutputShape(), claimed.dims))
      if (sizeOf(size) != localSize(dim))
        return reject("the map does not fit the sizes of the result");
  auto split = dyn_cast<nn::SplitHeadsOp>(op);
  if (auto merge = dyn_cast<nn::MergeHeadsOp>(op); split || merge) {
    // Shards divide heads, never a head dim: the logical sizes say so.
    const Run &outer = (split ? claimed : map).dims[1][0], &inner = (split ? claimed : map).dims[2][0];
    Size count(int64_t(split ? split.getHeads() : merge.getHeads())),
        size(int64_t(split ? split.getHeadDim() : merge.getHeadDim()));
    for (const Digit &digit : outer)
      count = divides(digit.count, count) ? count / digit.count : Size(0);
    if (count != 1 || localSize(inner) != size || !meshDigits({{inner}}).empty())
      return reject("other heads than the operation names");
    if (split && inner.size() == 1 && inner[0].stride == 1)
      heads.insert({inner[0].space, inner[0].count});
  }
  return (isPermuted(map.pending, claimed.pending) || reject("the map does not follow from that of the operand")) &&
         checkElements(op->getResult(0), claimed) &&
         checkShards(map, claimed, isReshape(op), !group.empty() || isa<RedistributeOp>(op),
                     slice ? slice.getDroppedDims() : llvm::SmallBitVector());
}

/// Every place of `value`, one movement back or more, holds what the map says. Where digits do not tell, places are
/// compared for each value of a variable.
bool Program::checkElements(Value value, const Map &map) {
  Comparison seen;
  std::vector<Place> places{Place()};
  for (const auto &[axis, size] : axes)
    places[0].coordinates[axis] = Number::variable("@" + axis, size);
  for (auto [d, dim] : llvm::enumerate(map.dims)) {
    std::vector<Place> before = std::exchange(places, {});
    Size begin(0);
    for (const Run &part : dim) {
      for (Place place : before) {
        place.index.push_back(Number{begin} + Number::variable("#" + std::to_string(d), localSize(part)));
        places.push_back(place);
      }
      begin += localSize(part);
    }
  }
  return llvm::all_of(places, [&](const Place &place) { return checkPlace(value, map, place, seen); });
}

/// Element `index` of the parts of a zig-zag order laid side by side: part r is chunk r, then chunk 2 * parts - 1 - r.
static int64_t zigZag(int64_t index, int64_t size, int64_t parts) {
  int64_t chunk = size / (2 * parts), part = index / (2 * chunk), rest = index % (2 * chunk);
  return rest < chunk ? part * chunk + rest : (2 * parts - 1 - part) * chunk + rest - chunk;
}

static std::string plainOf(StringRef zigZag) { return zigZag.drop_back(StringRef(" zigzag").size()).str(); }

bool Program::checkPlace(Value value, const Map &map, const Place &place, Comparison &seen) {
  std::string blocked;
  Place at = place;
  Value source = value;
  bool isKnown = true;
  do // What is not claimed of its own must not change more than places.
    isKnown = (mapOf(source) ||
               !isa_and_nonnull<AllReduceOp, ReduceScatterOp, BroadcastOp, RedistributeOp>(source.getDefiningOp())) &&
              follow(source, at, blocked);
  while (isKnown && !mapOf(source));
  for (const Digit &part : map.pending) { // What is to be added up stays where it was made.
    Number here, there;
    isKnown = isKnown && coordinateOf(part, place, here, blocked) && coordinateOf(part, at, there, blocked);
    if (isKnown && !(here == there))
      return reject("what is still to be reduced over '" + part.axis + "' was moved along it");
  }
  std::vector<size_t> parts, sourceParts;
  Positions wanted, got;
  isKnown = isKnown && addPositions(map.dims, place, wanted, parts, blocked) &&
            addPositions(mapOf(source)->dims, at, got, sourceParts, blocked);
  for (Positions *positions : {&wanted, &got})
    for (const auto &[space, parts] : zigZags) // as positions of the plain order
      if (auto own = positions->find(space); isKnown && wanted != got && own != positions->end()) {
        Number position = std::exchange(own->second, Number());
        isKnown = position.terms.empty();
        blocked = isKnown ? "" : position.terms[0].variable;
        (*positions)[plainOf(space)].constant = zigZag(int64_t(position.constant), int64_t(spaces.at(space)), parts);
      }
  if (!isKnown) {
    std::optional<Term> variable;
    for (const auto &[axis, coordinate] : place.coordinates)
      for (const Term &term : coordinate.terms)
        variable = term.variable == blocked ? term : variable;
    for (const Number &index : place.index)
      for (const Term &term : index.terms)
        variable = term.variable == blocked ? term : variable;
    if (!variable || isOpen(variable->count) || (seen.places += int64_t(variable->count)) > mostPlaces)
      return reject(
          variable ? "more places than can be compared one by one, or sizes that are open"
                   : "'" + (value.getDefiningOp() ? value.getDefiningOp()->getName().getStringRef() : "an argument") +
                         "' is no movement of digits",
          true);
    for (Size i(0); i < variable->count; ++i) {
      Place fixed = place;
      auto isIt = [&](const Term &term) { return term.variable == variable->variable; };
      auto fix = [&](Number &number) {
        if (llvm::any_of(number.terms, isIt))
          number.constant += i;
        llvm::erase_if(number.terms, isIt);
      };
      for (auto &[axis, coordinate] : fixed.coordinates)
        fix(coordinate);
      llvm::for_each(fixed.index, fix);
      if (!checkPlace(value, map, fixed, seen))
        return false;
    }
    return true;
  }
  std::set<std::string> names;
  for (const Dim &dim : map.dims)
    for (const Run &run : dim)
      for (const Digit &digit : run)
        names.insert({digit.space, zigZags.count(digit.space) ? plainOf(digit.space) : digit.space});
  for (const Dim &dim : mapOf(source)->dims) // Positions that are not named are one for all places.
    for (const Run &run : dim)
      for (const Digit &digit : run)
        if (const Number &position = got[digit.space]; !names.count(digit.space))
          if (!position.terms.empty() ||
              seen.fixed.try_emplace(digit.space, position.constant).first->second != position.constant)
            return reject("the value is made of '" + digit.space + "', which its map does not name");
  for (const std::string &space : names)
    if (!space.empty() && !(wanted[space] == got[space]))
      return reject("the map does not follow from that of the operand: other elements of '" + space + "'");
  std::pair origin(source, sourceParts);
  return seen.sources.try_emplace(parts, origin).first->second == origin ||
         reject("one position, and two values that it is followed back to", true);
}

} // namespace muster::certificate
